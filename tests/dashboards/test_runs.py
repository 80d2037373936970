"""Runs: the list and its filters, the steps of one, and what it touched."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run, budget_of, logged_in
from tests.rest import book


@pytest.fixture
def client(cast: Cast) -> Client:
    return logged_in(cast.olga)


def found(client: Client, **asked: Any) -> list[str]:
    return [str(one["row"].pk) for one in client.get("/o/acme/runs/", asked).context["shown"]]


def test_filters_narrow_the_list(cast: Cast, client: Client) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with tenant_scope(cast.acme.id):
        dear = add_run(cast, cost_nusd=2 * 10**9, domain="legal", status="degraded", draft_accepted=False, latency_ms=3000)
        old = add_run(cast, at=yesterday, model_used="large", tier="pro", end_user_id=cast.ben.id)
    both, of_dear, of_old = [str(dear.pk), str(old.pk)], [str(dear.pk)], [str(old.pk)]
    day = yesterday.astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()
    for asked, wanted in (
        ({}, both), ({"status": "degraded"}, of_dear), ({"domain": "legal"}, of_dear), ({"cost": "$1"}, of_dear), ({"ms": "2000"}, of_dear),
        ({"escalated": "yes"}, of_dear), ({"escalated": "no"}, of_old), ({"user": "ben"}, of_old), ({"tier": "pro"}, of_old),
        ({"id": str(old.pk)}, of_old), ({"model": "large"}, of_old), ({"day": day}, of_old), ({"id": "no id"}, []),
        ({"user": "nobody"}, []), ({"cost": "x"}, both), ({"day": "x"}, both),
    ):  # fmt: skip
        assert found(client, **asked) == wanted, asked


def test_the_columns_are_those_that_the_address_asks_for(cast: Cast, client: Client) -> None:
    with tenant_scope(cast.acme.id):
        add_run(cast, domain="legal")
    headings = {"Time", "Run", "End user", "Domain", "Path", "Result", "Cost", "Baseline", "Saved", "Time taken"}
    for asked, wanted in (((), headings), (("cost", "domain"), {"Time", "Run", "Cost", "Domain"}), (("nonsense",), headings)):
        page = client.get("/o/acme/runs/", {"cols": list(asked)})
        assert {column.label for column in page.context["columns"]} == wanted
        assert page.content.count(b"<td") == len(wanted)


def test_pages_go_by_key_and_miss_no_run_though_new_ones_come(cast: Cast, client: Client) -> None:
    now = datetime.now(UTC)
    with tenant_scope(cast.acme.id):
        made = [str(add_run(cast, at=now - timedelta(seconds=number // 3)).pk) for number in range(70)]
    first = client.get("/o/acme/runs/")
    with tenant_scope(cast.acme.id):
        add_run(cast, at=now + timedelta(seconds=1))
    second = found(client, after=first.context["after"])
    assert sorted([str(one["row"].pk) for one in first.context["shown"]] + second) == sorted(made)


def test_a_run_shows_its_steps_on_a_line_of_time(cast: Cast, client: Client) -> None:
    with tenant_scope(cast.acme.id):
        steps = [
            {"name": "draft", "kind": "answer", "model": "mini", "status": "rejected", "latency_ms": 300, "score": 0.61, "threshold": 0.7,
             "reason": "too short"},
            {"name": "strong", "kind": "answer", "model": "large", "status": "accepted", "latency_ms": 600},
        ]  # fmt: skip
        run = add_run(cast, steps=steps)
    page = client.get(f"/o/acme/runs/{run.pk}/")
    assert [(step["x"], step["width"]) for step in page.context["steps"]] == [(0.0, 200.0), (200.0, 400.0)]
    text = page.content.decode()
    assert "Quality 0.61, needs 0.70." in text
    assert "too short" in text
    assert 'aria-label="ran from 300 to 900 milliseconds"' in text


@pytest.mark.parametrize("steps", [[], [{}], [{"name": "draft"}], {"odd": 1}])
def test_a_trace_of_an_older_release_is_shown_as_far_as_it_goes(cast: Cast, client: Client, steps: Any) -> None:
    with tenant_scope(cast.acme.id):
        run = add_run(cast, steps=steps)
    assert client.get(f"/o/acme/runs/{run.pk}/").status_code == 200
    assert client.get("/o/acme/runs/").status_code == 200


def test_the_ledgers_tab_says_which_budgets_a_run_touched(cast: Cast, client: Client) -> None:
    budget_of(cast, name="All of it", action="block")
    with tenant_scope(cast.acme.id):
        run = add_run(cast, id=book(cast.acme, amount_nusd=3 * 10**9))
    text = client.get(f"/o/acme/runs/{run.pk}/?tab=ledger").content.decode()
    for told in ("All of it", "Block: calls are refused", "$3.00", "$10.00", "From the usage that the provider reported"):
        assert told in text
    assert "Tier" in client.get(f"/o/acme/runs/{run.pk}/?tab=facts").content.decode()
