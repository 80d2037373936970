"""Budgets in the console: made, changed, overridden, ended and many at once, each through the services."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from billing.alerting import ForecastOverBudget, raise_alert
from billing.models import Budget
from tenants.models import ApiKey
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import budget_of, budgets, fresh, logged_in, person_of
from tests.rest import book

NEW = {"scope": "tenant", "limit": "12.50", "period": "monthly", "action": "block", "soft_marks": "50, 80", "name": "All of it"}


@pytest.fixture
def operator(cast: Cast) -> Client:
    return logged_in(cast.olga)


def seen_in(client: Client, path: str) -> str:
    """What the form brings back of what its editor saw."""
    return str(client.get(path).context["seen"])


def test_a_new_budget_says_what_it_does(cast: Cast, operator: Client) -> None:
    page = operator.post("/o/acme/budgets/new/", NEW, follow=True)
    (made,) = budgets(cast)
    assert (made.name, made.limit_nusd, made.period, made.action, made.soft_marks) == ("All of it", 12_500_000_000, "monthly", "block", [50, 80])
    assert b"Block: calls are refused" in page.content


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"limit": "$"}, "is not an amount in USD"),
        ({"limit": "much"}, "is not an amount in USD"), ({"limit": "-1"}, "must not be negative"), ({"limit": "9" * 20}, "larger than any amount"),
        ({"limit": "0.0000000001"}, "nine decimal places"), ({"scope": "tier"}, "Name the tier"), ({"scope": "tag", "tag": " "}, "Name the tag"),
        ({"scope": "api_key"}, "Name the API key"), ({"scope": "planet"}, "valid choice"), ({"period": "hourly"}, "valid choice"),
        ({"soft_marks": "0, 101"}, "whole percentages"), ({"name": "x" * 201}, "at most 200"), ({"scope": "tier", "tier": "gold"}, "valid choice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_made(cast: Cast, operator: Client, changes: dict[str, str], told: str) -> None:
    page = operator.post("/o/acme/budgets/new/", {**NEW, **changes})
    assert page.status_code == 422
    assert told in page.content.decode().replace("&#x27;", "'")
    assert budgets(cast) == []


def test_another_tenants_key_is_no_choice(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.globex.id):
        foreign = str(ApiKey.objects.values_list("pk", flat=True)[0])
    assert operator.post("/o/acme/budgets/new/", {**NEW, "scope": "api_key", "api_key": foreign}).status_code == 422


def test_two_budgets_of_the_same_kind_are_refused(cast: Cast, operator: Client) -> None:
    operator.post("/o/acme/budgets/new/", NEW)
    again = operator.post("/o/acme/budgets/new/", NEW)
    assert b"There is a budget for the same subject and period" in again.content
    assert len(budgets(cast)) == 1


def test_finance_changes_the_limit_and_nothing_else(cast: Cast) -> None:
    budget, client = budget_of(cast, name="kept"), logged_in(cast.finn)
    path = f"/o/acme/budgets/{budget.pk}/edit/"
    client.post(path, {"limit": "7", "soft_marks": "90", "action": "warn", "name": "taken", "is_paused": "on", "seen": seen_in(client, path)})
    found = fresh(cast, budget)
    assert (found.limit_nusd, found.soft_marks, found.action, found.name, found.is_paused) == (7 * 10**9, [90], "block", "kept", False)
    assert client.get("/o/acme/budgets/new/").status_code == 403


def test_whoever_saves_second_sees_what_the_first_changed(cast: Cast, operator: Client) -> None:
    budget = budget_of(cast)
    path = f"/o/acme/budgets/{budget.pk}/edit/"
    seen = seen_in(operator, path)
    form = {"action": "block", "soft_marks": "50", "name": ""}
    operator.post(path, {**form, "limit": "7", "seen": seen})
    late = operator.post(path, {**form, "limit": "9", "seen": seen})
    assert late.status_code == 409
    assert ("Limit", "$10.00", "$7.00") in late.context["conflict"]
    assert fresh(cast, budget).limit_nusd == 7 * 10**9
    assert operator.post(path, {**form, "limit": "9", "seen": late.context["seen"]}).status_code == 302
    assert fresh(cast, budget).limit_nusd == 9 * 10**9


@pytest.mark.parametrize("seen", ["", "made up", "e30:1abc:xyz"])
def test_a_form_that_does_not_say_what_its_editor_saw_changes_nothing(cast: Cast, operator: Client, seen: str) -> None:
    budget = budget_of(cast)
    assert operator.post(f"/o/acme/budgets/{budget.pk}/edit/", {"limit": "1", "action": "block", "seen": seen}).status_code == 409
    assert fresh(cast, budget).limit_nusd == 10**10


def test_the_riskiest_budget_comes_first_and_pages_go_by_key(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.acme.id):
        full = Budget.objects.create(scope="tenant", period="daily", limit_nusd=1_000_000, action="warn", name="full")
        Budget.objects.bulk_create(Budget(scope="tag", subject=f"tag-{number}", period="daily", limit_nusd=10**9) for number in range(60))
        book(cast.acme, amount_nusd=2_000_000)
    first = operator.get("/o/acme/budgets/")
    assert first.context["shown"][0]["row"] == full
    second = operator.get("/o/acme/budgets/", {"after": first.context["after"]})
    ids = [one["row"].pk for page in (first, second) for one in page.context["shown"]]
    assert len(ids) == len(set(ids)) == 61
    assert second.context["after"] == ""


def test_after_those_that_are_over_come_those_that_will_not_last_on_whatever_page(cast: Cast, operator: Client) -> None:
    now = datetime.now(UTC)
    with tenant_scope(cast.acme.id):
        over = Budget.objects.create(scope="tenant", period="daily", limit_nusd=1_000_000, action="warn", name="over")
        used = Budget.objects.create(scope="tenant", period="weekly", limit_nusd=2_500_000, action="warn", name="used")
        rows = [Budget(scope="tag", subject=f"t{number}", period="daily", limit_nusd=10**9) for number in range(60)]
        Budget.objects.bulk_create(rows)
        book(cast.acme, amount_nusd=2_000_000)
        for row in [*rows[:55], over]:
            raise_alert(event=foreseen(row, end_at=now + timedelta(hours=8)), now=now)
        raised, paused = rows[0], rows[1]
        Budget.objects.filter(pk=raised.pk).update(limit_nusd=5 * 10**9)  # what was foreseen holds no more
        Budget.objects.filter(pk=paused.pk).update(is_paused=True)
    first = operator.get("/o/acme/budgets/")
    second = operator.get("/o/acme/budgets/", {"after": first.context["after"]})
    ids = [one["row"].pk for page in (first, second) for one in page.context["shown"]]
    assert len(ids) == len(set(ids)) == 62
    assert ids[0] == over.pk
    assert set(ids[1:54]) == {row.pk for row in rows[2:55]}
    assert ids[54] == used.pk
    assert ids[-1] == paused.pk
    assert len(operator.get("/o/acme/budgets/", {"state": "foreseen"}).context["shown"]) == 50


def foreseen(budget: Budget, *, end_at: datetime) -> ForecastOverBudget:
    return ForecastOverBudget(
        budget=budget.pk, scope=budget.scope, period=budget.period, action=budget.action, start_at=end_at - timedelta(days=1), end_at=end_at,
        limit_nusd=budget.limit_nusd, spent_nusd=0, expected_nusd=2 * 10**9, low_nusd=10**9, high_nusd=3 * 10**9,
    )  # fmt: skip


def test_budgets_of_a_tier_are_those_of_the_tier_and_of_its_end_users(cast: Cast, operator: Client) -> None:
    for scope, subject in (("tier", "free"), ("tier", "pro"), ("end_user", "ann"), ("end_user", "ben"), ("end_user", ""), ("tag", "free")):
        budget_of(cast, scope=scope, subject=subject)
    shown = operator.get("/o/acme/budgets/", {"tier": "free"}).context["shown"]
    assert {(one["row"].scope, one["row"].subject) for one in shown} == {("tier", "free"), ("end_user", "ann")}
    assert b"Nothing matches." in operator.get("/o/acme/budgets/", {"tier": "gold"}).content


def test_an_override_holds_for_a_while_and_can_be_ended(cast: Cast, operator: Client) -> None:
    budget = budget_of(cast)
    operator.post(f"/o/acme/budgets/{budget.pk}/override/", {"limit": "25", "hours": "6"})
    assert fresh(cast, budget).override_limit_nusd == 25 * 10**9
    operator.post(f"/o/acme/budgets/{budget.pk}/override/", {"end": "1"})
    assert fresh(cast, budget).override_until is None
    page = operator.post(f"/o/acme/budgets/{budget.pk}/override/", {"limit": "x", "hours": "0"}, follow=True)
    assert b"No override" in page.content


def test_a_budget_is_paused_resumed_and_ended(cast: Cast, operator: Client) -> None:
    budget = budget_of(cast)
    operator.post(f"/o/acme/budgets/{budget.pk}/pause/")
    assert fresh(cast, budget).is_paused
    operator.post(f"/o/acme/budgets/{budget.pk}/pause/")
    assert not fresh(cast, budget).is_paused
    operator.post(f"/o/acme/budgets/{budget.pk}/end/")
    assert fresh(cast, budget).ended_at is not None
    assert operator.get(f"/o/acme/budgets/{budget.pk}/edit/").status_code == 404


def bulk(client: Client, **said: Any) -> Any:
    return client.post("/o/acme/budgets/bulk/", said)


def test_a_bulk_change_shows_before_and_after_and_then_does_it(cast: Cast, operator: Client) -> None:
    rows = [budget_of(cast, scope="tag", subject=name) for name in ("a", "b")]
    preview = bulk(operator, action="limit", id=[row.pk for row in rows], percent="20", preview="1")
    assert preview.content.count(b"$12.00") == 2
    assert fresh(cast, rows[0]).limit_nusd == 10**10
    bulk(operator, action="limit", id=[row.pk for row in rows], percent="20", seen=preview.context["seen"])
    assert [fresh(cast, row).limit_nusd for row in rows] == [12 * 10**9] * 2


def test_a_bulk_change_is_taken_back_but_for_what_was_changed_since(cast: Cast, operator: Client) -> None:
    rows = [budget_of(cast, name=f"batch {number}", scope="tag", subject=f"t{number}") for number in range(3)]
    preview = bulk(operator, action="limit", id=[row.pk for row in rows], percent="20", preview="1")
    assert b"Undo" not in operator.get("/o/acme/budgets/").content
    bulk(operator, action="limit", id=[row.pk for row in rows], percent="20", seen=preview.context["seen"])
    assert b"Undo" in operator.get("/o/acme/budgets/").content
    assert b"Undo" not in operator.get("/o/acme/rules/").content
    with tenant_scope(cast.acme.id):
        Budget.objects.filter(pk=rows[0].pk).update(limit_nusd=5)
    told = operator.post("/o/acme/budgets/undo/", follow=True).content.decode()
    assert "Taken back: 2. 1 were changed meanwhile" in told
    assert {row.name: row.limit_nusd for row in budgets(cast)} == {"batch 0": 5, "batch 1": 10**10, "batch 2": 10**10}
    assert "nothing to take back" in operator.post("/o/acme/budgets/undo/", follow=True).content.decode()


def test_the_change_of_one_budget_is_taken_back_too(cast: Cast, operator: Client) -> None:
    budget = budget_of(cast, action="warn", soft_marks=[50])
    path = f"/o/acme/budgets/{budget.pk}/edit/"
    edited = {"limit": "7", "action": "degrade", "soft_marks": "60, 90", "name": "Seven"}
    page = operator.post(path, {**edited, "seen": seen_in(operator, path)}, follow=True).content.decode()
    assert "Limit $10.00 → $7.00" in page
    assert "Edit of 1, until" in page
    assert "Taken back: 1." in operator.post("/o/acme/budgets/undo/", follow=True).content.decode()
    found = fresh(cast, budget)
    assert (found.limit_nusd, found.action, found.soft_marks, found.name) == (10**10, "warn", [50], "")


def test_who_may_change_limits_alone_takes_back_their_own_limit_and_no_more(cast: Cast) -> None:
    budget, client = budget_of(cast), logged_in(cast.finn)
    path = f"/o/acme/budgets/{budget.pk}/edit/"
    client.post(path, {"limit": "7", "soft_marks": "50, 80, 100", "seen": seen_in(client, path)})
    assert "Taken back: 1." in client.post("/o/acme/budgets/undo/", follow=True).content.decode()
    client.post(path, {"limit": "7", "soft_marks": "50, 80, 100", "seen": seen_in(client, path)})
    session = client.session
    session["undo"] = {**session["undo"], "needs": "edit_budgets"}  # done while they might do more
    session.save()
    assert client.post("/o/acme/budgets/undo/").status_code == 403
    assert fresh(cast, budget).limit_nusd == 7 * 10**9


def test_a_bulk_change_of_nothing_leaves_the_last_one_to_be_taken_back(cast: Cast, operator: Client) -> None:
    row = budget_of(cast, scope="tag", subject="t")
    for _ in range(2):  # the second one finds it paused
        bulk(operator, action="pause", id=[row.pk], seen=bulk(operator, action="pause", id=[row.pk]).context["seen"])
    assert "Taken back: 1." in operator.post("/o/acme/budgets/undo/", follow=True).content.decode()


def test_what_another_version_kept_is_nothing_to_take_back(cast: Cast, operator: Client) -> None:
    session = operator.session
    session["undo"] = {"tenant": str(cast.acme.id), "rows": 5}
    session.save()
    assert operator.get("/o/acme/budgets/").status_code == 200
    assert "undo" not in operator.session


def test_after_ten_minutes_a_bulk_change_stays(cast: Cast, operator: Client) -> None:
    row = budget_of(cast, scope="tag", subject="t")
    bulk(operator, action="pause", id=[row.pk], seen=bulk(operator, action="pause", id=[row.pk]).context["seen"])
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=10, seconds=1), tick=True):
        assert "nothing to take back" in operator.post("/o/acme/budgets/undo/", follow=True).content.decode()
    assert [budget.is_paused for budget in budgets(cast)] == [True]


def test_a_bulk_change_is_shown_again_when_a_row_changed_meanwhile(cast: Cast, operator: Client) -> None:
    row = budget_of(cast)
    preview = bulk(operator, action="limit", id=[row.pk], percent="20", preview="1")
    with tenant_scope(cast.acme.id):
        Budget.objects.filter(pk=row.pk).update(limit_nusd=5 * 10**9)
    again = bulk(operator, action="limit", id=[row.pk], percent="20", seen=preview.context["seen"])
    assert b"Something changed since you looked" in again.content
    assert fresh(cast, row).limit_nusd == 5 * 10**9


def test_a_bulk_change_takes_all_that_match_and_not_what_a_role_may_not(cast: Cast, operator: Client) -> None:
    rows = [budget_of(cast, scope="tag", subject=name) for name in ("nightly-a", "nightly-b", "web")]
    preview = bulk(operator, action="pause", all="on", q="nightly")
    assert preview.context["count"] == 2
    bulk(operator, action="pause", id=preview.context["ids"], seen=preview.context["seen"])
    assert [fresh(cast, row).is_paused for row in rows] == [True, True, False]
    assert bulk(logged_in(cast.finn), action="resume", id=[rows[0].pk]).status_code == 403


def test_an_action_that_another_budget_has_already_is_left_out(cast: Cast, operator: Client) -> None:
    rows = [budget_of(cast, action=action) for action in ("warn", "block")]
    preview = bulk(operator, action="action", id=[row.pk for row in rows], does="block", preview="1")
    assert [plan.state for plan in preview.context["plans"]] == ["error", "same"]
    other = bulk(operator, action="action", id=[rows[0].pk], does="degrade", preview="1")
    bulk(operator, action="action", id=[rows[0].pk], does="degrade", seen=other.context["seen"])
    assert fresh(cast, rows[0]).action == "degrade"


def test_the_preview_says_whom_a_limit_would_have_hit(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.acme.id):
        for person, amount in ((cast.ann, 300_000_000), (cast.ben, 100_000_000)):
            book(cast.acme, amount_nusd=amount, end_user=person.id)
    asked = {"scope": "end_user", "limit": "0.20", "period": "daily", "action": "block"}
    page = operator.get("/o/acme/budgets/preview/", asked).content.decode()
    assert "<b>1 of 2</b> who spent would have hit it" in page
    assert "$0.10 of $0.40 (25.0 %) lay beyond it." in page
    assert "Those calls would have been refused." in page
    assert "/o/acme/budgets/preview/runs/?" in page, "what reads the calls comes after it"
    runs = operator.get("/o/acme/budgets/preview/runs/", asked).content.decode()
    assert "Last week it had no room for <b>1 of 2</b> runs (50.0 %): refused." in runs
    assert operator.get("/o/acme/budgets/preview/runs/", {**asked, "limit": "?"}).content.strip() == b""
    assert "Saving changes" not in page
    assert "Say whom" in operator.get("/o/acme/budgets/preview/", {**asked, "limit": "?"}).content.decode()
    assert person_of(cast, "viewer")


def test_the_difference_is_shown_before_it_is_saved(cast: Cast, operator: Client) -> None:
    budget = budget_of(cast, action="warn")
    edited = {"limit": "12", "action": "degrade", "soft_marks": "50, 80, 100", "whole": "1"}
    told = "Limit $10.00 → $12.00; When reached Warn: calls continue → Degrade: cheaper models."
    page = operator.get(f"/o/acme/budgets/{budget.pk}/preview/", edited).content.decode()
    assert told in page
    same = operator.get(f"/o/acme/budgets/{budget.pk}/preview/", {**edited, "limit": "10", "action": "warn"}).content.decode()
    assert "Nothing is changed yet." in same
    of_finance = logged_in(cast.finn).get(f"/o/acme/budgets/{budget.pk}/preview/", {**edited, "action": "block"}).content.decode()
    assert "Limit $10.00 → $12.00.</p>" in of_finance, "their form has no action"
    path = f"/o/acme/budgets/{budget.pk}/edit/"
    without_script = operator.post(path, {**edited, "preview": "1", "seen": seen_in(operator, path)})
    assert (without_script.status_code, told in without_script.content.decode()) == (200, True)
    assert fresh(cast, budget).limit_nusd == 10**10


def test_the_form_leads_to_a_rule_of_what_is_forecast(cast: Cast, operator: Client) -> None:
    assert 'href="/o/acme/alerts/rules/new/?kinds=forecast_over_budget"' in operator.get("/o/acme/budgets/new/").content.decode()
    form = operator.get("/o/acme/alerts/rules/new/?kinds=forecast_over_budget").context["form"]
    assert form["kinds"].value() == ["forecast_over_budget"]
    assert operator.get("/o/acme/alerts/rules/new/?kinds=made_up").context["form"]["kinds"].value() == []
