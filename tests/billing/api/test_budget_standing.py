"""Checks, overrides, windows, marks and summaries over REST: what a person or an application asks before it spends."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenants.models import EndUser
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest, book


@pytest.fixture
def acme(cast: Cast) -> Rest:
    return Rest(cast.acme_admin_key)


def check(rest: Rest, cost: str, **said: Any) -> dict[str, Any]:
    answer = rest.send("post", "budgets/check/", {"estimated_cost": cost, **said})
    assert answer.status_code == 200, answer.content
    told: dict[str, Any] = answer.json()
    return told


def test_a_check_says_what_would_happen_with_the_arithmetic(acme: Rest) -> None:
    acme.make("budgets/", scope="end_user", period="daily", limit="0.50", action="block", name="Each day")
    acme.make("budgets/", scope="tenant", period="monthly", limit="0.20", action="degrade")
    told = check(acme, "0.1", user_id="ann")
    assert (told["can_afford"], told["action"], told["remaining"]) == (True, "allow", "0.2")
    found = {(window["scope"], window["limit"], window["free"]) for window in told["windows"]}
    assert found == {("end_user", "0.5", "0.5"), ("tenant", "0.2", "0.2")}
    assert check(acme, "0.200000001", user_id="ann")["action"] == "degrade"
    assert check(acme, "0.6", user_id="ann")["action"] == "block"
    assert check(acme, "0.15")["windows"][0]["scope"] == "tenant"


def test_a_check_needs_only_the_right_to_call_and_creates_nobody(cast: Cast, acme: Rest) -> None:
    acme.make("budgets/", scope="end_user", period="daily", limit="1")
    told = check(Rest(cast.acme_key), "0.1", user_id="somebody new", tags=["beta"], tier="pro")
    assert told["can_afford"] is True
    with tenant_scope(cast.acme.id):
        assert not EndUser.objects.filter(external_id="somebody new").exists()


def test_a_budget_that_warns_lets_pass_and_says_so(acme: Rest) -> None:
    acme.make("budgets/", scope="tenant", period="total", limit="0.1", action="warn")
    told = check(acme, "1")
    assert (told["can_afford"], told["action"], told["remaining"], told["windows"][0]["resets_at"]) == (True, "warn", None, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "estimated_cost"), ({"estimated_cost": "much"}, "estimated_cost"), ({"estimated_cost": -1}, "estimated_cost"),
        ({"estimated_cost": "1", "user_id": "x" * 256}, "user_id"), ({"estimated_cost": "1", "tags": "beta"}, "tags"),
    ],
)  # fmt: skip
def test_a_check_that_cannot_be_read_names_the_field(acme: Rest, body: Any, field: str) -> None:
    answer = acme.send("post", "budgets/check/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_an_override_holds_until_it_ends_and_can_be_taken_back(acme: Rest) -> None:
    budget = acme.make("budgets/", scope="tenant", period="daily", limit="1")
    made = acme.send("post", f"budgets/{budget['id']}/override/", {"limit": "5", "hours": 24}).json()
    assert (made["limit"], made["override_limit"]) == ("1", "5")
    assert check(acme, "4")["can_afford"] is True
    gone = acme.send("delete", f"budgets/{budget['id']}/override/").json()
    assert (gone["override_limit"], gone["override_until"]) == (None, None)
    assert check(acme, "4")["action"] == "block"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": "5"}, "until"), ({"limit": "5", "hours": 1, "until": "2099-01-01T00:00:00Z"}, "until"), ({"hours": 1}, "limit"),
        ({"limit": "5", "until": "2020-01-01T00:00:00Z"}, "until"), ({"limit": "5", "until": "2999-01-01T00:00:00Z"}, "until"),
        ({"limit": "5", "hours": 0}, "hours"), ({"limit": "-5", "hours": 1}, "limit"),
    ],
)  # fmt: skip
def test_an_override_without_an_end_is_none(acme: Rest, body: Any, field: str) -> None:
    budget = acme.make("budgets/", scope="tenant", period="daily", limit="1")
    answer = acme.send("post", f"budgets/{budget['id']}/override/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_a_deleted_budget_takes_no_override(acme: Rest) -> None:
    budget = acme.make("budgets/", scope="tenant", period="daily", limit="1")
    acme.send("delete", f"budgets/{budget['id']}/")
    assert acme.send("post", f"budgets/{budget['id']}/override/", {"limit": "5", "hours": 1}).status_code in (404, 409)


def test_a_summary_shows_what_was_spent_and_what_is_left(cast: Cast, acme: Rest) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, end_user=cast.ann.pk, amount_nusd=300_000_000)
    acme.make("budgets/", scope="end_user", period="daily", limit="0.50")
    told = acme.get(f"end-users/{cast.ann.pk}/summary/").json()
    assert (told["user_id"], told["tier"], told["is_blocked"]) == ("ann", "free", False)
    assert told["spent"] == {"today": "0.3", "this_week": "0.3", "this_month": "0.3"}
    assert told["remaining"] == "0.2"
    (window,) = told["windows"]
    assert (window["spent"], window["held"], window["free"], window["period"]) == ("0.3", "0", "0.2", "daily")
    assert datetime.fromisoformat(window["resets_at"]) - datetime.now(UTC) < timedelta(days=1, hours=1)


def test_somebody_elses_user_budget_and_windows_are_not_there(cast: Cast, acme: Rest) -> None:
    theirs = Rest(cast.globex_admin_key)
    budget = theirs.make("budgets/", scope="tenant", period="daily", limit="1")
    assert acme.get(f"end-users/{cast.gus.pk}/summary/").status_code == 404
    assert acme.get(f"budgets/{budget['id']}/windows/").status_code == 404
    assert acme.send("post", f"budgets/{budget['id']}/override/", {"limit": "5", "hours": 1}).status_code == 404
    assert acme.get(f"end-users/{uuid.uuid4()}/summary/").status_code == 404
    assert check(acme, "4")["windows"] == []
