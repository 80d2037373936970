"""Reports by mail: asked for when they are due, sent once with a link that gives the file, tried again when the mail server is away."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from billing.engine.alerts.paths import path_of
from billing.engine.alerts.texts import Told, text_of
from billing.engine.alerts.words import Names
from billing.models import Alert, ExportJob, ReportSchedule
from cascade import reporting
from cascade.report_mails import UNEXPECTED, run_schedules
from cascade.reporting import change_schedule, delete_schedule, send_now
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest, book
from tests.shop import Shop

USAGE = {"what": "usage", "dimension": "end_user"}


@pytest.fixture
def acme(cast: Cast, settings: Any) -> Rest:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=5 * 10**9, end_user=cast.ann.id)
    return Rest(cast.acme_admin_key)


def made(acme: Rest, **body: Any) -> Any:
    answer = acme.send(
        "post", "report-schedules/", {"name": "Usage", "wanted": USAGE, "every": "day", "hour": 0, "recipients": ["finn@example.com"], **body}
    )  # fmt: skip
    assert answer.status_code == 201, answer.json()
    return answer.json()


def schedule(cast: Cast) -> ReportSchedule:
    with tenant_scope(cast.acme.id):
        return ReportSchedule.objects.get()


def due(cast: Cast) -> datetime:
    """The time at which today's costs are reported."""
    return schedule(cast).due_at


def test_when_it_is_due_its_recipients_get_a_link_to_the_file_and_the_next_one_is_a_period_later(cast: Cast, acme: Rest) -> None:
    told = made(acme, recipients=["finn@example.com", "olga@example.com"])
    assert (told["first"], told["is_active"], told["sent_at"]) == (told["last"], True, None)
    at = due(cast)
    assert run_schedules(now=at - timedelta(seconds=1)) == 0
    assert run_schedules(now=at) == 1
    assert run_schedules(now=at) == 0
    (sent,) = mail.outbox
    assert sent.to == ["finn@example.com", "olga@example.com"]
    assert sent.subject.startswith("Acme Inc.: Usage, ")
    link = re.search(r"http://[^/]+(/api/v1/export-files/\S+)", str(sent.body))
    assert link is not None
    answer = Client().get(link[1], secure=True)
    assert answer.status_code == 200
    assert "usage-by-end_user_" in answer["content-disposition"]
    after = schedule(cast)
    assert (after.sent_at, after.due_at, after.first) == (at, at + timedelta(days=1), date.fromisoformat(told["last"]) + timedelta(days=1))


def test_a_period_in_which_nothing_was_booked_sends_no_mail_and_says_so(shop: Shop, settings: Any) -> None:
    """The entries are counted over a connection of their own, so they must be there."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []
    shop.call(amount=5)
    made(shop.admin, wanted={"what": "cost_entries"})
    assert run_schedules(now=due(shop.cast)) == 1
    assert run_schedules(now=due(shop.cast)) == 0
    assert len(mail.outbox) == 1
    assert schedule(shop.cast).failure.startswith("Nothing was booked from ")


def test_a_mail_that_cannot_be_sent_is_tried_again_for_a_day(cast: Cast, acme: Rest, settings: Any) -> None:
    made(acme)
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    at = due(cast)
    run_schedules(now=at)
    assert "no mail server is set up" in schedule(cast).failure
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert run_schedules(now=at + timedelta(minutes=1)) == 1
    assert schedule(cast).failure == ""
    with tenant_scope(cast.acme.id):
        assert ExportJob.objects.count() == 1, "the file is asked for once"


def alerts(cast: Cast) -> list[Alert]:
    with tenant_scope(cast.acme.id):
        return list(Alert.objects.order_by("raised_at"))


def test_a_mail_that_fails_is_one_alert_a_period_that_ends_when_one_is_sent(cast: Cast, acme: Rest, settings: Any) -> None:
    made(acme, name="Usage of the day")
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    first = due(cast)
    for hours in (0, 1, 23, 25):  # given up with the last one
        run_schedules(now=first + timedelta(hours=hours))
    (told,) = alerts(cast)
    text = text_of(Told(id=told.pk, event=told.event, raised_at=told.raised_at), Names(tenant="acme", organisation="Acme", zone="UTC"))
    assert text.title.startswith("Report Usage of the day was not sent: ")
    assert dict(text.facts)["Why"].startswith("The mail was not sent: no mail server is set up")
    assert told.event.tried_until is None, "the alert of the first try says now that it was the last one"
    assert path_of(told.event, tenant="acme") == f"/o/acme/reports/schedules/?sel={schedule(cast).pk}"
    second = due(cast)
    run_schedules(now=second)
    assert [alert.state for alert in alerts(cast)] == ["resolved", "open"], "the next period takes the place of the one that was given up"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert run_schedules(now=second + timedelta(minutes=1)) == 1
    assert [alert.state for alert in alerts(cast)] == ["resolved", "resolved"]


@pytest.mark.parametrize("done", ["pause", "delete"])
def test_one_that_is_paused_or_deleted_is_nobodys_problem_any_more(cast: Cast, acme: Rest, settings: Any, done: str) -> None:
    made(acme)
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    run_schedules(now=due(cast))
    with tenant_scope(cast.acme.id):
        row = ReportSchedule.objects.get()
        row.is_active = False
        change_schedule(schedule=row, now=row.due_at) if done == "pause" else delete_schedule(schedule=row, now=row.due_at)
    assert [alert.state for alert in alerts(cast)] == ["resolved"]


def test_one_that_is_mended_while_its_mail_fails_sends_the_same_days_at_once(cast: Cast, acme: Rest, settings: Any) -> None:
    told = made(acme)
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    at = due(cast)
    run_schedules(now=at)
    with tenant_scope(cast.acme.id):
        mended = ReportSchedule.objects.get()
        mended.recipients, mended.wanted = ["olga@example.com"], {"what": "usage", "dimension": "tier"}
        change_schedule(schedule=mended, now=at + timedelta(minutes=1))
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert run_schedules(now=at + timedelta(minutes=2)) == 1
    (sent,) = mail.outbox
    assert (sent.to, f"usage-by-tier_{told['first']}_{told['last']}.csv" in str(sent.body)) == (["olga@example.com"], True)


def test_one_that_is_broken_neither_stops_another_nor_sends_its_mail_again(cast: Cast, acme: Rest) -> None:
    made(acme)
    broken = made(acme, name="Broken")
    with tenant_scope(cast.acme.id):
        at = ReportSchedule.objects.filter(pk=broken["id"]).get().due_at
        ReportSchedule.objects.filter(pk=broken["id"]).update(wanted=["nothing"])
    assert [run_schedules(now=at + timedelta(minutes=minute)) for minute in range(3)] == [1, 0, 0]
    with tenant_scope(cast.acme.id):
        assert ReportSchedule.objects.get(pk=broken["id"]).failure == UNEXPECTED


def test_a_large_file_is_sent_when_the_worker_has_written_it_and_given_up_when_it_cannot(cast: Cast, acme: Rest) -> None:
    made(acme)
    at = due(cast)
    with tenant_scope(cast.acme.id):
        slow = ExportJob.objects.create(
            what="usage", format="csv", file_name="x.csv", state="running", rows_expected=400_000, created_by="x", created_at=at, expires_at=at,
            wanted={"wanted": {}, "catalog": {}},
        )  # fmt: skip
        ReportSchedule.objects.update(export=slow)
    assert run_schedules(now=at) == 0
    assert mail.outbox == []
    with tenant_scope(cast.acme.id):
        ExportJob.objects.update(state="done")
    assert run_schedules(now=at + timedelta(minutes=9)) == 1
    with tenant_scope(cast.acme.id):
        ExportJob.objects.update(state="failed", failure="No room.")
        ReportSchedule.objects.update(export=slow)
    run_schedules(now=due(cast))
    assert schedule(cast).failure == "The file is failed. No room."
    assert schedule(cast).export is None


def test_one_that_is_paused_is_not_sent(cast: Cast, acme: Rest) -> None:
    told = made(acme)
    at = due(cast)
    assert acme.send("patch", f"report-schedules/{told['id']}/", {"is_active": False}).status_code == 200
    assert run_schedules(now=at + timedelta(days=3)) == 0
    assert mail.outbox == []
    answer = acme.send("post", f"report-schedules/{told['id']}/send/")
    assert (answer.status_code, answer.json()["code"]) == (409, "schedule_paused")


def test_send_now_is_about_the_newest_period_that_is_over(cast: Cast, acme: Rest) -> None:
    made(acme, every="month", working_day=2, hour=6)
    with tenant_scope(cast.acme.id):
        told = send_now(schedule=schedule(cast), now=datetime(2026, 11, 27, 9, tzinfo=UTC))
    assert (told.first, told.last) == (date(2026, 10, 1), date(2026, 10, 31))
    run_schedules(now=told.due_at)
    assert schedule(cast).due_at == datetime(2026, 12, 2, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"recipients": []}, "recipients"), ({"recipients": ["nobody"]}, "recipients"),
        ({"recipients": [f"a{n}@example.com" for n in range(21)]}, "recipients"),
        ({"wanted": {}}, "wanted"), ({"wanted": "focus"}, "wanted"), ({"wanted": {"what": "everything"}}, "wanted"),
        ({"wanted": {"what": "usage", "first": "2026-01-01"}}, "wanted"), ({"wanted": {"what": "usage", "filters": {"colour": "red"}}}, "wanted"),
        ({"every": "hour"}, "every"), ({"working_day": 6}, "working_day"), ({"hour": 24}, "hour"), ({"name": ""}, "name"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_field(acme: Rest, body: Any, field: str) -> None:
    answer = acme.send(
        "post", "report-schedules/", {"name": "Usage", "wanted": USAGE, "recipients": ["finn@example.com"], **body}
    )  # fmt: skip
    assert answer.status_code == 400
    assert field in {name.partition(".")[0] for name in answer.json()["errors"]}


def test_there_is_a_most(cast: Cast, acme: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MOST_SCHEDULES", 1)
    made(acme)
    answer = acme.send("post", "report-schedules/", {"name": "Usage", "wanted": USAGE, "recipients": ["finn@example.com"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_schedules")


def test_a_schedule_of_another_tenant_sends_nothing_of_ours(cast: Cast, acme: Rest) -> None:
    made(acme)
    with tenant_scope(cast.globex.id):
        assert not ReportSchedule.objects.exists()
    run_schedules(now=due(cast))
    (sent,) = mail.outbox
    assert "Globex" not in str(sent.body)
