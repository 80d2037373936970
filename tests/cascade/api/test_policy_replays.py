"""What if, and what was saved, over REST."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cascade.models import CatalogModel, ProviderConnection
from tenants.scoping import tenant_scope
from tests.cascade.test_replaying import NOW, a_run
from tests.cast import Cast
from tests.rest import Rest


@pytest.fixture
def acme(cast: Cast) -> Rest:
    with tenant_scope(cast.acme.id):
        a_run(cast, at=NOW, baseline_nusd=400_000_000)
        a_run(cast, at=NOW, score=0.6, strong=True, baseline_nusd=300_000_000, saved_by_cache_nusd=5_000_000)
        connection = ProviderConnection.objects.create(name="up", provider="simulated")
        CatalogModel.objects.bulk_create(CatalogModel(name=name, connection=connection) for name in ("mini", "large"))
    return Rest(cast.acme_admin_key)


def asked(acme: Rest, **body: Any) -> Any:
    answer = acme.send("post", "policy-replays/", body)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def test_nothing_changed_is_the_past(acme: Rest) -> None:
    told = asked(acme)
    assert told["before"] == told["after"]
    assert (told["before"]["cost"], told["before"]["escalation_rate"], told["difference"]) == ("0.34", 0.5, "0")
    assert (told["hits"], told["hit_count"], told["changed"], told["estimated"]) == ([], 0, 0, 0)


def test_a_policy_and_budgets_are_changed_together(cast: Cast, acme: Rest) -> None:
    told = asked(
        acme, days=28, thresholds={"code": 0.5, "*": 0.9}, substitutes={"large": "mini"}, prices={"mini": {"input": "1", "output": "2"}},
        budgets=[{"scope": "end_user", "subject": "ann", "period": "daily", "limit": "0.0015", "action": "block"}],
    )  # fmt: skip
    assert told["after"]["cost"] == "0.001", "both drafts are accepted now, 1,000 tokens each at 1 USD a million; the second does not fit"
    assert (told["after"]["runs"], told["after"]["escalated"], told["hit_count"]) == (1, 0, 1)
    (hit,) = told["hits"]
    assert (hit["budget"], hit["end_user_id"], hit["runs"], hit["avoided_cost"]) == (0, str(cast.ann.id), 1, "0.001")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"days": 0}, "days"), ({"days": 29}, "days"), ({"days": "many"}, "days"), ({"thresholds": {"code": 1.5}}, "thresholds"),
        ({"thresholds": []}, "thresholds"), ({"least_quality": {"free": "high"}}, "least_quality"),
        ({"prices": {"nobody": {"input": "1", "output": "1"}}}, "prices"),
        ({"prices": {"mini": {"input": "1"}}}, "prices"), ({"prices": {"mini": {"input": "-1", "output": "1"}}}, "prices"),
        ({"substitutes": {"mini": "nobody"}}, "substitutes"), ({"thresholds": {str(number): 0.5 for number in range(51)}}, "thresholds"),
        ({"budgets": [{"scope": "tier", "subject": "nobody", "period": "daily", "limit": "1", "action": "block"}]}, "budgets.0"),
        ({"budgets": [{"scope": "tenant", "period": "hourly", "limit": "1", "action": "block"}]}, "budgets"), ({"treshold": 1}, "treshold"),
        ([], "Expected a dictionary"), ({"budgets": [{"scope": "tenant", "period": "daily", "limit": "1", "action": "warn"}] * 21}, "budgets"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_says_which_field_and_why(acme: Rest, body: Any, field: str) -> None:
    answer = acme.send("post", "policy-replays/", body)
    assert answer.status_code == 400
    assert field in str(answer.json())


def test_a_saving_is_told_with_its_parts(acme: Rest) -> None:
    today = datetime.now(UTC).date().isoformat()
    told = acme.get(f"savings/?first=2026-01-01&last={today[:4]}-12-31").json()
    assert (told["runs"], told["baseline"], told["actual"], told["saved"], told["saved_percent"]) == (2, "0.7", "0.34", "0.36", 51)
    assert (told["by_routing"], told["by_cache"], told["by_price"], told["by_degrade"]) == ("0.355", "0.005", "0", "0")


@pytest.mark.parametrize("query", ["", "?first=x&last=y", "?first=2026-02-01&last=2026-01-01", "?first=2020-01-01&last=2026-01-01"])
def test_days_that_make_no_sense_are_refused(acme: Rest, query: str) -> None:
    answer = acme.get(f"savings/{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_another_tenants_runs_are_in_neither(cast: Cast, acme: Rest) -> None:
    globex = Rest(cast.globex_admin_key)
    assert asked(globex)["before"]["runs"] == 0
    assert globex.get("savings/?first=2026-01-01&last=2026-12-31").json()["runs"] == 0


def test_the_question_of_the_guide_is_answered(cast: Cast, acme: Rest) -> None:
    """docs/guides/what-if.md, with the models that are there."""
    told = (Path(__file__).parents[3] / "docs/guides/what-if.md").read_text()
    question = told.partition(" -d '")[2].partition("'\n```")[0]
    for theirs, ours in (("gpt-4o-mini", "mini"), ("gpt-4o", "large")):
        question = question.replace(theirs, ours)
    assert asked(acme, **json.loads(question))["before"]["runs"] == 2
