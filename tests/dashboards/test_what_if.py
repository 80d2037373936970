"""What if? in the console: a question in the address, answered by the replay that REST answers by."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cascade.engine.presets import preset_from_definition
from cascade.models import CatalogModel, ProviderConnection, TierPolicy
from dashboards.screens.what_if import of_preset
from tenants.models import ApiKey, Tier
from tenants.scoping import tenant_scope
from tests.cascade.test_replaying import a_run
from tests.cast import Cast
from tests.dashboards.scene import budget_of, logged_in, person_of
from tests.dashboards.test_isolation import BOOKKEEPING, MOST_QUERIES

BUDGET = {"scope": "end_user", "whom": "ann", "limit": "0.0015", "period": "daily", "action": "block"}
EVERYTHING = {
    "days": "28", "thresholds-0-domain": "code", "thresholds-0-score": "0.5", "thresholds-3-domain": "", "thresholds-3-score": "0.9",
    "least_quality-0-tier": "pro", "least_quality-0-quality": "0.4", "substitutes-0-model": "large", "substitutes-0-instead": "mini",
    "prices-0-priced": "mini", "prices-0-input": "1", "prices-0-output": "2", **{f"budgets-0-{name}": said for name, said in BUDGET.items()},
}  # fmt: skip


@pytest.fixture
def past(cast: Cast) -> Cast:
    """Ann: a draft that was accepted at 0.75, and one rejected at 0.6: 34 cents in all."""
    now = datetime.now(UTC)
    with tenant_scope(cast.acme.id):
        a_run(cast, at=now - timedelta(minutes=2), held=0.75)
        a_run(cast, at=now - timedelta(minutes=1), score=0.6, strong=True, held=0.95)
        row = ProviderConnection.objects.create(name="up", provider="simulated")
        CatalogModel.objects.bulk_create(CatalogModel(name=name, connection=row) for name in ("mini", "large"))
    return cast


def asked(client: Client, *, status: int = 200, **said: str) -> str:
    answer = client.get("/o/acme/what-if/", {"days": "7", "replay": "1", "whole": "1", **said})
    assert answer.status_code == status
    return str(answer.content.decode())


def test_the_past_stands_beside_what_would_have_been(past: Cast) -> None:
    page = asked(logged_in(past.finn), **{"thresholds-0-domain": "", "thresholds-0-score": "0.5"})
    for told in ("$0.34", "$0.04", "−$0.30", "50.0 %", "0.850", "0.675", "−0.175", "Every other domain: drafts are accepted from 0.5"):
        assert told in page, told
    assert "estimated.</b>" not in page
    higher = asked(logged_in(past.finn), **{"thresholds-0-domain": "code", "thresholds-0-score": "0.8"})
    assert "1 run estimated.</b> Their drafts would have been rejected" in higher


def test_everything_is_changed_at_once_within_twelve_questions(past: Cast) -> None:
    client = logged_in(past.olga)
    with CaptureQueriesContext(connection) as captured:
        page = asked(client, **EVERYTHING)
    questions = [query["sql"] for query in captured if not BOOKKEEPING.match(query["sql"])]
    assert len(questions) <= MOST_QUERIES, "\n".join(questions)
    day = datetime.now(UTC).astimezone().date()
    for told in (
        "$0.001", "End users ann: $0.0015 per day, block", "large", "refused</span>", ">ann</a>", f"/runs/?user={past.ann.id}&amp;day={day:%Y-}",
        "mini is asked instead of large", "mini costs $1.00 in and $2.00 out", "Tier pro: no draft is accepted below 0.4", 'value="0.0015"',
    ):  # fmt: skip
        assert told in page, told


def test_before_it_is_asked_nothing_is_replayed_and_what_the_address_suggests_stands_in_the_form(past: Cast) -> None:
    answer = logged_in(past.finn).get("/o/acme/what-if/", {"days": "28", "least_quality-0-tier": "pro", "prices-4-input": '"><script>'})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Past and projected" not in page
    assert '<option value="pro" selected>' in page
    assert 'value="28"' in page
    assert '"><script>' not in page


def test_a_replay_comes_after_its_page(past: Cast) -> None:
    client, asked_for = logged_in(past.finn), {"days": "7", "replay": "1", "thresholds-0-score": "0.5"}
    first = client.get("/o/acme/what-if/", asked_for).content.decode()
    assert "Replaying the runs" in first
    assert "Past and projected" not in first
    assert "Past and projected" in client.get("/o/acme/what-if/", asked_for, HTTP_HX_REQUEST="true").content.decode()


def test_days_without_a_run_say_so(cast: Cast) -> None:
    assert "There was no run in these days." in asked(logged_in(cast.finn))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"days": ""}, "required"), ({"days": "29"}, "less than or equal to 28"), ({"days": "many"}, "whole number"),
        ({"thresholds-0-score": "1.5"}, "less than or equal to 1"), ({"thresholds-0-score": "nan"}, "Enter a number"),
        ({"thresholds-0-domain": "code"}, "required"), ({"thresholds-0-domain": "x" * 65, "thresholds-0-score": "1"}, "at most 64 characters"),
        ({f"thresholds-{at}-{name}": said for at in (0, 1) for name, said in (("domain", "law"), ("score", "1"))}, "law is named twice"),
        ({f"thresholds-{at}-{name}": said for at in range(51) for name, said in (("domain", f"d{at}"), ("score", "1"))}, "At most 50 at once"),
        ({"least_quality-0-tier": "nobody", "least_quality-0-quality": "0.5"}, "Select a valid choice"),
        ({"substitutes-0-model": "mini"}, "required"), ({"substitutes-0-model": "mini", "substitutes-0-instead": "theirs"}, "Select a valid choice"),
        ({"prices-0-priced": "mini", "prices-0-input": "-1", "prices-0-output": "1"}, "must not be negative"),
        ({"prices-0-priced": "mini", "prices-0-input": "1e999990", "prices-0-output": "1"}, "larger than any amount"),
        ({"prices-0-priced": "mini", "prices-0-input": "$", "prices-0-output": "1"}, "is not an amount"),
        ({f"budgets-0-{name}": said for name, said in {**BUDGET, "limit": ","}.items()}, "is not an amount"),
        ({"budgets-0-limit": "5", "budgets-0-scope": "tenant", "budgets-0-period": "hourly", "budgets-0-action": "block"}, "Select a valid choice"),
        ({f"budgets-0-{name}": said for name, said in {**BUDGET, "scope": "tier", "whom": "nobody"}.items()}, "no tier of this name"),
        ({f"budgets-0-{name}": said for name, said in {**BUDGET, "scope": "api_key", "whom": "'--"}.items()}, "no API key of yours"),
        ({f"budgets-{at}-{name}": said for at in range(21) for name, said in BUDGET.items()}, "At most 20 at once"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_beside_its_field(past: Cast, said: dict[str, str], told: str) -> None:
    page = asked(logged_in(past.finn), status=422, **said)
    assert told in page
    assert "Past and projected" not in page


def test_a_key_of_another_tenant_is_no_key(past: Cast) -> None:
    with tenant_scope(past.globex.id):
        theirs = str(ApiKey.objects.first().pk)  # type: ignore[union-attr]
    said = {f"budgets-0-{name}": told for name, told in {**BUDGET, "scope": "api_key", "whom": theirs}.items()}
    assert "no API key of yours" in asked(logged_in(past.finn), status=422, **said)


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("operator", 200), ("finance", 200), ("viewer", 200), ("developer", 403)])
def test_whoever_sees_all_costs_may_ask(cast: Cast, role: str, status: int) -> None:
    assert logged_in(person_of(cast, role)).get("/o/acme/what-if/").status_code == status


def test_tiers_presets_and_budgets_suggest_their_question(past: Cast) -> None:
    budget = budget_of(past, scope="tier", subject="free", action="degrade")
    with tenant_scope(past.acme.id):
        free, pro = Tier.objects.get(name="free"), Tier.objects.get(name="pro")
        TierPolicy.objects.create(tier=pro, min_quality=0.9)
    client = logged_in(past.olga)
    policy = "?days=7&amp;least_quality-0-tier=pro&amp;least_quality-0-quality=0.9&amp;replay=1"
    assert policy in client.get(f"/o/acme/tiers/{pro.pk}/").content.decode()
    assert "What if it had a least quality?" in client.get(f"/o/acme/tiers/{free.pk}/").content.decode()
    panel = client.get(f"/o/acme/budgets/?sel={budget.pk}").content.decode()
    row = {"scope": "tier", "whom": "free", "limit": "10", "period": "monthly", "action": "degrade"}
    query = "&amp;".join(["days=28", *(f"budgets-0-{name}={said}" for name, said in row.items())])
    assert query in panel
    answer = client.get(f"/o/acme/what-if/?{query.replace('&amp;', '&')}&replay=1&whole=1").content.decode()
    assert "Nobody: what was spent fits into the budget." in answer
    developer = logged_in(person_of(past, "developer"))
    assert "what-if" not in developer.get(f"/o/acme/tiers/{pro.pk}/").content.decode()


def test_a_preset_suggests_a_threshold_for_every_other_domain_only_where_each_has_one() -> None:
    def preset(*domains: tuple[str, float | None]) -> str:
        steps = [{"domain": domain, "steps": [{"name": "draft", "models": ["@draft"], "validator": "fast", "threshold": at}, {"name": "strong",
                  "models": ["@strong"]}]} for domain, at in domains]  # fmt: skip
        return of_preset(preset_from_definition({"strategies": steps}, name="p", version="1"))

    assert preset(("general", 0.7), ("code", 0.9)) == (
        "days=7&thresholds-0-domain=&thresholds-0-score=0.7&thresholds-1-domain=code&thresholds-1-score=0.9&replay=1"
    )
    assert preset(("general", 0.7), ("code", None)) == ""
    assert preset(("general", None), ("code", 0.9)) == "days=7&thresholds-0-domain=code&thresholds-0-score=0.9&replay=1"
