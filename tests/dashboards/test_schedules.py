"""Report schedules in the console: made, changed, sent now, paused and deleted, by who may, through the services that REST uses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from billing.models import ReportSchedule
from cascade.report_mails import run_schedules
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import logged_in, person_of
from tests.rest import Rest, book

NEW = {
    "name": "FOCUS for finance", "report": "focus", "format": "csv.gz", "every": "month", "working_day": "2", "hour": "6", "is_active": "on",
    "recipients": "finn@example.com, olga@example.com",
}  # fmt: skip
PAGES = "/o/acme/reports/schedules/"


@pytest.fixture
def finance(cast: Cast) -> Client:
    return logged_in(cast.finn)


def schedules(cast: Cast) -> list[ReportSchedule]:
    with tenant_scope(cast.acme.id):
        return list(ReportSchedule.objects.order_by("created_at"))


def made(cast: Cast, client: Client, **changes: str) -> ReportSchedule:
    answer = client.post(f"{PAGES}new/", {**NEW, **changes})
    assert answer.status_code == 302, answer.context["form"].errors
    return schedules(cast)[-1]


def edited(client: Client, row: ReportSchedule, **changes: str) -> Any:
    path = f"{PAGES}{row.pk}/edit/"
    return client.post(path, {**NEW, "seen": str(client.get(path).context["seen"]), **changes})


def test_finance_makes_a_schedule_and_the_panel_says_what_comes_when_and_to_whom(cast: Cast, finance: Client) -> None:
    row = made(cast, finance, tier="pro", end_user_id="ben", grain="users", tag_keys="team, product")
    assert row.wanted == {
        "what": "focus", "format": "csv.gz", "filters": {"tier": "pro", "end_user_id": str(cast.ben.pk)},
        "tag_keys": ["team", "product"], "users": True,
    }  # fmt: skip
    assert (row.recipients, row.created_by) == (["finn@example.com", "olga@example.com"], cast.finn.email)
    page = finance.get(f"{PAGES}?sel={row.pk}").content.decode()
    for told in ("monthly, 2nd working day, 06:00", "tier pro, end user ben", "Not sent yet", "team, product", "CSV, compressed"):
        assert told in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"recipients": "nobody"}, "valid email"), ({"recipients": ""}, "required"),
        ({"recipients": " ".join(f"a{n}@x.org" for n in range(21))}, "at most 20"),
        ({"report": "everything"}, "valid choice"), ({"working_day": "6"}, "valid choice"), ({"hour": "24"}, "valid choice"),
        ({"end_user_id": "gus"}, "no end user of this name"), ({"report": "budgets", "tier": "pro"}, "leave out what narrows it"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_beside_its_field(cast: Cast, finance: Client, wrong: dict[str, str], said: str) -> None:
    answer = finance.post(f"{PAGES}new/", {**NEW, **wrong})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert schedules(cast) == []


def test_whoever_saves_second_sees_what_the_first_changed(cast: Cast, finance: Client) -> None:
    row = made(cast, finance)
    seen = str(finance.get(f"{PAGES}{row.pk}/edit/").context["seen"])
    assert edited(finance, row, hour="8").status_code == 302
    late = finance.post(f"{PAGES}{row.pk}/edit/", {**NEW, "hour": "9", "seen": seen})
    assert late.status_code == 409
    assert ("When", "monthly, 2nd working day, 06:00", "monthly, 2nd working day, 08:00") in late.context["conflict"]
    assert schedules(cast)[0].hour == 8


def test_what_rest_alone_can_say_of_a_file_outlives_the_form(cast: Cast, finance: Client) -> None:
    rest = Rest(cast.acme_admin_key)
    body = {"every": "week", "recipients": ["finn@example.com"]}
    step = {"what": "usage", "dimension": "step", "filters": {"provider": "openai", "tier": "pro"}}
    rest.make("report-schedules/", name="Step", wanted=step, **body)
    rest.make("report-schedules/", name="Gone", wanted={"what": "focus", "filters": {"tier": "platinum"}}, **body)
    rest.make("report-schedules/", name="Bill", wanted={"what": "focus", "focus": "1.4", "provider_bill": True, "users": True, "calls": True}, **body)
    by_step, gone, bill = schedules(cast)
    assert edited(finance, gone, tier="platinum").status_code == 302, "a tier that is gone stays a choice, so the file is not widened"
    assert edited(finance, by_step, report="as-it-is", tier="free").status_code == 302
    assert edited(finance, bill, format="jsonl", grain="calls").status_code == 302
    by_step, gone, bill = schedules(cast)
    assert (gone.name, gone.wanted["filters"]) == (NEW["name"], {"tier": "platinum"})
    assert (by_step.wanted["dimension"], by_step.wanted["filters"]) == ("step", {"provider": "openai", "tier": "free"})
    assert (bill.wanted["focus"], bill.wanted["provider_bill"], bill.wanted["format"], bill.wanted["users"]) == ("1.4", True, "jsonl", True)


def test_send_now_sends_the_newest_period_and_the_panel_tells_the_result(cast: Cast, finance: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND, mail.outbox = "django.core.mail.backends.locmem.EmailBackend", []
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=5, end_user=cast.ann.id)
    row = made(cast, finance, report="by-end-user")
    page = finance.post(f"{PAGES}{row.pk}/send/", follow=True).content.decode()
    assert "leaves within two minutes" in page
    assert "On its way" in page
    assert run_schedules(now=datetime.now(UTC)) == 1
    assert [sent.to for sent in mail.outbox] == [["finn@example.com", "olga@example.com"]]
    assert ">Sent</span>" in finance.get(f"{PAGES}?sel={row.pk}").content.decode()
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    finance.post(f"{PAGES}{row.pk}/send/")
    run_schedules(now=datetime.now(UTC))
    page = finance.get(f"{PAGES}?sel={row.pk}").content.decode()
    assert "Failing, tried again" in page
    assert "no mail server is set up" in page


def test_a_copy_is_paused_and_can_be_changed_before_it_sends(cast: Cast, finance: Client) -> None:
    row = made(cast, finance, tier="pro")
    page = finance.post(f"{PAGES}{row.pk}/copy/", follow=True)
    _, twin = schedules(cast)
    assert page.redirect_chain[-1][0] == f"{PAGES}{twin.pk}/edit/"
    assert (twin.name, twin.is_active, twin.wanted, twin.recipients) == ("Copy of FOCUS for finance", False, row.wanted, row.recipients)


def test_one_is_paused_resumed_and_deleted_and_the_audit_log_has_it(cast: Cast, finance: Client) -> None:
    row = made(cast, finance)
    finance.post(f"{PAGES}{row.pk}/pause/")
    assert not schedules(cast)[0].is_active
    assert "is paused: resume it first" in finance.post(f"{PAGES}{row.pk}/send/", follow=True).content.decode()
    finance.post(f"{PAGES}{row.pk}/pause/")
    assert schedules(cast)[0].due_at > datetime.now(UTC) - timedelta(minutes=1)
    assert "deleted" in finance.post(f"{PAGES}{row.pk}/delete/", follow=True).content.decode()
    assert schedules(cast) == []
    log = logged_in(person_of(cast, "owner")).get("/o/acme/audit/").content.decode()
    for told in ("changed report schedule", "deleted report schedule", cast.finn.email, "is active"):
        assert told in log
