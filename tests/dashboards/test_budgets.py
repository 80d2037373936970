"""Budgets in the console: made, changed, overridden, ended, many at once and from a file, each through the services."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from billing.alerting import ForecastOverBudget, raise_alert
from billing.models import Budget
from tenants.models import ApiKey, Tier
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import budget_of, logged_in, person_of
from tests.rest import book

NEW = {"scope": "tenant", "limit": "12.50", "period": "monthly", "action": "block", "soft_marks": "50, 80", "name": "All of it"}


@pytest.fixture
def operator(cast: Cast) -> Client:
    return logged_in(cast.olga)


def seen_in(client: Client, path: str) -> str:
    """What the form brings back of what its editor saw."""
    return str(client.get(path).context["seen"])


def budgets(cast: Cast) -> list[Budget]:
    with tenant_scope(cast.acme.id):
        return list(Budget.objects.order_by("created_at", "id"))


def fresh(cast: Cast, budget: Budget) -> Budget:
    with tenant_scope(cast.acme.id):
        return Budget.objects.get(pk=budget.pk)


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


FILE = """name,scope,subject,period,limit,action,paused
Everything,tenant,,monthly,50,warn,
,tag,nightly,daily,0.25,block,no
,tier,fre,daily,1,block,
,planet,,daily,1,block,
,tag,nightly,daily,9,block,
,tag,web,daily,much,block,
"""


def test_an_import_shows_what_it_would_do_and_then_does_it(cast: Cast, operator: Client) -> None:
    kept = budget_of(cast, action="warn", name="Everything", limit_nusd=40 * 10**9)
    page = operator.post("/o/acme/budgets/import/", {"file": SimpleUploadedFile("b.csv", FILE.encode())})
    text = page.content.decode().replace("&#x27;", "'")
    assert page.context["states"] == {"new": 1, "change": 1, "same": 0, "error": 4}
    for told in ("Limit: $40.00 → $50.00", "Did you mean free?", "Unknown scope 'planet'", "the same row as line 3", "not an amount"):
        assert told in text
    assert fresh(cast, kept).limit_nusd == 40 * 10**9
    done = operator.post("/o/acme/budgets/import/", {"text": page.context["text"], "apply": "1"}, follow=True)
    assert b"2 of 6 lines are applied." in done.content
    assert fresh(cast, kept).limit_nusd == 50 * 10**9
    assert {row.subject for row in budgets(cast)} == {"", "nightly"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "has no lines"), (b"\xff\xfe", "not UTF-8"), (b"a" + b"," * 100 + b"\n1\n", "101 columns"),
        (b"limit\n" + b"1\n" * 1001, "1001 lines"), (b"x" * 400_001, "larger than"), (b'limit\n"1\n', "cannot be read"),
        (b"limit\n\x00\n", "not text"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(cast: Cast, operator: Client, content: bytes, told: str) -> None:
    page = operator.post("/o/acme/budgets/import/", {"file": SimpleUploadedFile("b.csv", content)} if content else {"text": ""})
    assert page.status_code == 422
    assert told in page.content.decode()


FOREIGN = """Budget limit (USD);Who;periode;Colour;subject
"1,200.00";tier;monthly;red;fre
5;tag;daily;blue;nightly
=1+1;tag;weekly;green;-2+3
"""


def of_file(client: Client, text: str, **said: Any) -> Any:
    return client.post("/o/acme/budgets/import/", {"text": text, **said})


def test_a_file_with_other_headings_asks_which_column_is_which(cast: Cast, operator: Client) -> None:
    page = of_file(operator, FOREIGN)
    assert page.status_code == 200
    assert {one["label"]: one["chosen"] for one in page.context["asked"]} == {
        "Name": "", "Scope": "", "Subject": "4", "Period": "2", "Limit": "0", "Action": "", "Paused": "",
    }  # fmt: skip
    assert "Budget limit (USD), such as 1,200.00" in page.content.decode()
    checked = of_file(operator, FOREIGN, **{"column-limit": "0", "column-scope": "1", "column-period": "2", "column-subject": "4"})
    assert checked.context["states"] == {"new": 1, "change": 0, "same": 0, "error": 2}
    assert "Did you mean free?" in checked.content.decode()
    again = of_file(operator, FOREIGN, map="1", **{"column-limit": "0", "column-scope": "1"})
    assert [one["chosen"] for one in again.context["asked"]] == ["", "1", "", "", "0", "", ""]
    said = {f"column-{column}": at for column, at in checked.context["places"].items()}
    assert b"1 of 3 lines are applied." in operator.post("/o/acme/budgets/import/", {"text": FOREIGN, "apply": "1", **said}, follow=True).content
    assert [(row.scope, row.subject, row.limit_nusd) for row in budgets(cast)] == [("tag", "nightly", 5 * 10**9)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"column-limit": "0", "column-scope": "0"}, "chosen twice"), ({"column-limit": "99"}, "no such column"),
        ({"column-limit": "-1"}, "no such column"), ({"column-limit": ""}, "one column at least"), ({"column-limit": "\u0661"}, "no such column"),
    ],
)  # fmt: skip
def test_a_choice_of_columns_that_makes_no_sense_is_asked_again(cast: Cast, operator: Client, said: dict[str, str], told: str) -> None:
    page = of_file(operator, FOREIGN, apply="1", **said)
    assert page.status_code == 422
    assert told in page.content.decode()
    assert page.context["asked"]
    assert budgets(cast) == []


def test_lines_with_errors_are_a_file_with_the_reason_that_no_spreadsheet_carries_out(cast: Cast, operator: Client) -> None:
    said = {"column-limit": "0", "column-scope": "1", "column-period": "2", "column-subject": "4"}
    file = of_file(operator, FOREIGN, errors="1", **said)
    assert file["content-disposition"] == 'attachment; filename="budgets-left-out.csv"'
    first, *rows = csv.reader(io.StringIO(file.content.decode()))
    assert first == ["Budget limit (USD)", "Who", "periode", "Colour", "subject", "why it is left out"]
    assert [(row[0], row[4]) for row in rows] == [("1,200.00", "fre"), ("'=1+1", "'-2+3")]
    assert "Did you mean free?" in rows[0][-1]
    assert "not an amount" in rows[1][-1]
    assert budgets(cast) == []


def test_a_guarded_name_of_a_file_for_people_is_read_as_it_was(cast: Cast, operator: Client) -> None:
    of_file(operator, "scope,subject,period,limit,action\nend_user,'+4915112345,daily,1,block\n", apply="1")
    assert [budget.subject for budget in budgets(cast)] == ["+4915112345"]


def test_a_file_may_name_tiers_by_their_title_and_keys_by_their_name(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.acme.id):
        Tier.objects.filter(name="pro").update(title="Professional")
        ApiKey.objects.filter(name="test").update(name="spare")
        shop = ApiKey.objects.first()
        ApiKey.objects.filter(pk=shop.pk).update(name="Web shop")
    lines = "scope,subject,period,limit\ntier,Professional,daily,1\napi_key,Web shop,daily,1\napi_key,webshop,daily,1\ntier,profesional,daily,2\n"
    page = of_file(operator, lines)
    text = page.content.decode()
    assert page.context["states"] == {"new": 2, "change": 0, "same": 0, "error": 2}
    assert "Did you mean Web shop?" in text
    assert "Did you mean Professional?" in text
    of_file(operator, lines, apply="1")
    assert {row.subject for row in budgets(cast)} == {"pro", str(shop.pk)}
    with tenant_scope(cast.acme.id):
        ApiKey.objects.update(name="spare")
    assert "There are 2 called" in of_file(operator, "scope,subject,period,limit\napi_key,spare,daily,1\n").content.decode()


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
