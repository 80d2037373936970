"""Runs: the list and its filters, the steps of one, and what it touched."""

import shlex
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from cascade.engine.presets import PRESET_COST_OPTIMIZED_SAAS
from cascade.publishing import create_preset, definition_of
from dashboards.screens import runs as screen
from tenants import services
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run, budget_of, logged_in, person_of
from tests.rest import book, hold_for


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


def test_runs_are_found_by_preset_and_by_the_steps_they_took(cast: Cast, client: Client) -> None:
    with tenant_scope(cast.acme.id):
        both = add_run(cast, steps=[{"name": "draft"}, {"name": "escalate"}], preset="house", policy_version="house@3")
        direct = add_run(cast, at=datetime.now(UTC) - timedelta(days=2), steps=[{"name": "direct"}], preset="", policy_version="direct:large")
    of_both, of_direct = [str(both.pk)], [str(direct.pk)]
    for asked, wanted in (
        ({"step": "escalate"}, of_both), ({"step": "direct"}, of_direct), ({"step": "verify"}, []), ({"step": '"%{'}, []),
        ({"preset": "house"}, of_both),
        ({"preset": "hous"}, []), ({"preset": "(one model by name)"}, of_direct), ({"preset": "house", "step": "draft"}, of_both),
    ):  # fmt: skip
        assert found(client, **asked) == wanted, asked


def test_a_step_is_looked_for_in_the_newest_days_unless_a_time_is_said(cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "MOST_SEARCHED", 1)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with tenant_scope(cast.acme.id):
        new, old = add_run(cast), add_run(cast, at=yesterday)
    assert found(client, step="draft") == [str(new.pk)]
    assert "newest days, as many as have 1 runs" in client.get("/o/acme/runs/", {"step": "draft"}).content.decode()
    day = yesterday.astimezone(ZoneInfo("Europe/Berlin"))
    assert found(client, step="draft", day=day.date().isoformat()) == [str(old.pk)]
    assert found(client, step="draft", to=f"{day + timedelta(minutes=1):%Y-%m-%d %H:%M}") == [str(old.pk)]
    assert found(client, **{"step": "draft", "from": f"{day - timedelta(minutes=1):%Y-%m-%d %H:%M}"}) == [str(new.pk)]


def test_hours_are_those_of_the_tenants_clock_and_one_that_comes_twice_is_whole(cast: Cast, client: Client) -> None:
    """On 25 October 2026, at 03:00, clocks in Berlin went back an hour: 02:30 was at 00:30 and at 01:30 UTC."""
    with tenant_scope(cast.acme.id):
        first, second = (add_run(cast, at=datetime(2026, 10, 25, hour, 30, tzinfo=UTC)) for hour in (0, 1))
    for asked, wanted in (
        ({"from": "2026-10-25 02:30"}, [second, first]), ({"from": "2026-10-25 02:30", "to": "2026-10-25 02:31"}, [second, first]),
        ({"from": "2026-10-25 03:00"}, []), ({"to": "2026-10-25 02:00"}, [first]), ({"from": "yesterday"}, [second, first]),
        ({"to": "0001-01-01 00:00"}, [second, first]),
    ):  # fmt: skip
        assert found(client, **asked) == [str(run.pk) for run in wanted], asked


def test_about_how_many_there_are_is_said_where_nothing_is_narrowed(cast: Cast, client: Client) -> None:
    with tenant_scope(cast.acme.id):
        mine, _ = services.issue_key(name="mine", scopes=["invoke"], expires_at=None, now=datetime.now(UTC), created_by=person_of(cast, "developer"))
        add_run(cast, api_key_id=mine.pk)
        add_run(cast)
        add_run(cast, status="shadow")
    assert "About 2 runs" in client.get("/o/acme/runs/").content.decode()
    assert "About" not in client.get("/o/acme/runs/", {"status": "served"}).content.decode()
    assert "About 1 run," in logged_in(person_of(cast, "developer")).get("/o/acme/runs/").content.decode()


def test_a_run_leads_to_its_neighbours_that_the_person_may_see(cast: Cast, client: Client) -> None:
    now = datetime.now(UTC)
    with tenant_scope(cast.acme.id):
        mine, _ = services.issue_key(name="mine", scopes=["invoke"], expires_at=None, now=now, created_by=person_of(cast, "developer"))
        newest, middle, oldest = (
            add_run(cast, at=now - timedelta(hours=hours), api_key_id=key) for hours, key in ((0, mine.pk), (1, None), (2, mine.pk))
        )
    page = client.get(f"/o/acme/runs/{middle.pk}/")
    assert (page.context["newer"], page.context["older"]) == (newest.pk, oldest.pk)
    page = logged_in(person_of(cast, "developer")).get(f"/o/acme/runs/{newest.pk}/")
    assert (page.context["newer"], page.context["older"]) == (None, oldest.pk)


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


def test_a_trace_shows_also_what_was_decided_and_what_was_not_needed(cast: Cast, client: Client) -> None:
    with tenant_scope(cast.acme.id):
        legs = [("draft", "mini", 300_000), ("draft_try_2", "mini", 300_000), ("escalate", "large", 5_000_000)]
        run = add_run(cast, id=hold_for(cast.acme, legs=legs), domain_confidence=0.91, policy_version="production_ready@builtin-1")
    page = client.get(f"/o/acme/runs/{run.pk}/")
    assert [(one["number"], one["name"], one["model"], one["told"]) for one in page.context["unreached"]] == [
        (4, "draft_try_2", "mini", "not needed"), (5, "escalate", "large", "not needed"),
    ]  # fmt: skip
    text = " ".join(page.content.decode().split())
    for told in (
        "1. domain: code", "0.91", "2. policy: production_ready, built in, 1", "At most $0.0056 was held, for 3 planned calls.", "3. draft: mini",
    ):  # fmt: skip
        assert told in text, told


@pytest.mark.parametrize(("status", "wanted"), [("degraded", ["not needed"]), ("failed", ["not reached"])])
def test_a_call_that_a_failed_run_did_not_make_was_not_reached(cast: Cast, client: Client, status: str, wanted: list[str]) -> None:
    with tenant_scope(cast.acme.id):
        run = add_run(cast, id=hold_for(cast.acme, legs=[("draft", "mini", 1), ("escalate", "large", 2)]), status=status)
    assert [one["told"] for one in client.get(f"/o/acme/runs/{run.pk}/").context["unreached"]] == wanted


def test_nothing_is_said_to_be_not_needed_that_nothing_was_held_for(cast: Cast, client: Client) -> None:
    """A budget, or a tier, may have left the preset's escalation out."""
    with tenant_scope(cast.acme.id):
        unknown, short = add_run(cast), add_run(cast, id=hold_for(cast.acme, legs=[("draft", "mini", 1)]))
    assert client.get(f"/o/acme/runs/{short.pk}/").context["unreached"] == []
    page = client.get(f"/o/acme/runs/{unknown.pk}/")
    assert page.context["unreached"] == []
    assert "What was held for it is not known any more." in page.content.decode()


def test_a_published_version_says_when_it_came(cast: Cast, client: Client) -> None:
    with tenant_scope(cast.acme.id):
        create_preset(name="house", title="", definition=definition_of(PRESET_COST_OPTIMIZED_SAAS), actor="Olga")
        run = add_run(cast, preset="house", policy_version="house@1")
        other = add_run(cast, preset="", policy_version="direct:large")
    text = " ".join(client.get(f"/o/acme/runs/{run.pk}/").content.decode().split())
    assert "2. policy: house, version 1" in text
    assert "by Olga." in text
    assert "2. policy: one model by name, large" in client.get(f"/o/acme/runs/{other.pk}/").content.decode()


def test_a_run_can_be_asked_again_without_its_prompt(cast: Cast, client: Client) -> None:
    with tenant_scope(cast.acme.id):
        run = add_run(cast, tier="pro", domain="code", end_user_id=cast.ben.id)
    page = client.get(f"/o/acme/runs/{run.pk}/")
    assert page.context["replay"] == "model=production_ready&tier=pro&user=ben&domain=code"
    curl = page.context["code"]["curl"]
    assert shlex.split(curl.replace("\\\n", " "))[1:] == [
        "http://testserver/v1/chat/completions", "-H", "Authorization: Bearer $CASCADEFLOW_API_KEY", "-H", "content-type: application/json",
        "-H", "x-cascadeflow-domain: code",
        "-d", '{"model": "production_ready", "messages": [{"role": "user", "content": "THE PROMPT"}], "user": "ben"}',
    ]  # fmt: skip
    form = client.get("/o/acme/playground/", dict(parse_qsl(page.context["replay"]))).context["form"]
    assert [form[name].value() for name in ("model", "tier", "user", "domain", "prompt")] == ["production_ready", "pro", "ben", "code", None]
    asked = client.get("/o/acme/playground/", {"prompt": "a secret", "model": "<nonsense>"}).content.decode()
    assert "a secret" not in asked
    assert "<nonsense>" not in asked


def test_who_may_not_spend_is_led_to_no_playground(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        run = add_run(cast)
    page = logged_in(person_of(cast, "viewer")).get(f"/o/acme/runs/{run.pk}/")
    assert page.status_code == 200
    assert "Replay in playground" not in page.content.decode()


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
