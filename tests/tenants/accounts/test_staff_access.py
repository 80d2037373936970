"""Our own staff in a tenant's console: for a reason, for an hour, in the open."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError

from dashboards.templatetags.console import in_zone_short
from tenants.models import AuditEntry, StaffSession, User
from tenants.scoping import tenant_scope
from tenants.staff_access import open_staff_session
from tests.cast import Cast
from tests.people import Browser, give_second_factor, logged_in

REASON = {"reason": "Ticket 4711: budgets look wrong"}
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_without_a_session_there_is_no_console(cast: Cast) -> None:
    assert logged_in(cast.root).get("/o/acme/").status_code == 404


def test_staff_enters_with_a_reason_which_the_tenant_reads(cast: Cast) -> None:
    root = logged_in(cast.root)
    assert b"audit log" in root.get("/staff/enter/acme/").content
    assert root.post("/staff/enter/acme/", {"reason": "because"}).status_code == 200
    assert root.get("/o/acme/").status_code == 404
    assert root.post("/staff/enter/acme/", REASON).headers["location"] == "/o/acme/"
    page = root.get("/o/acme/")
    assert page.status_code == 200
    assert page.context["staff_session"].reason == REASON["reason"]
    with tenant_scope(cast.acme.id):
        entry = AuditEntry.objects.all()[0]
    assert (entry.object_type, entry.action, entry.actor_kind, entry.actor_name) == ("staff_session", "created", "staff", "root@example.com")
    assert entry.changes["reason"]["after"] == entry.reason == REASON["reason"]
    assert root.get("/o/globex/").status_code == 404, "one tenant, not all"


def test_every_page_says_who_of_our_staff_is_in_until_when_and_lets_them_leave(cast: Cast) -> None:
    root = logged_in(cast.root)
    root.post("/staff/enter/acme/", REASON)
    with tenant_scope(cast.acme.id):
        until = in_zone_short(StaffSession.objects.get().expires_at, cast.acme.time_zone)
    for path in ("/o/acme/", "/o/acme/budgets/", "/o/acme/members/"):
        page = root.get(path).content.decode()
        assert "<b>root@example.com</b> of our staff is in here until" in page, path
        assert f">{until}</time>" in page
        assert REASON["reason"] in page
        assert 'action="/o/acme/leave/"' in page
    assert "of our staff" not in logged_in(cast.olga).get("/o/acme/").content.decode()
    root.post("/o/acme/leave/")
    assert root.get("/o/acme/").status_code == 404


def test_it_ends_after_an_hour_and_when_they_leave(cast: Cast) -> None:
    root = logged_in(cast.root)
    root.post("/staff/enter/acme/", REASON)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=59)):
        assert root.get("/o/acme/").status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=61)):
        assert root.get("/o/acme/").status_code == 404
    assert root.post("/o/acme/leave/").status_code == 302
    assert root.get("/o/acme/").status_code == 404


def test_staff_operates_and_no_more(cast: Cast) -> None:
    root = logged_in(cast.root)
    root.post("/staff/enter/acme/", REASON)
    assert root.get("/o/acme/members/").status_code == 403


def test_who_is_staff_no_more_is_out_at_once(cast: Cast) -> None:
    root = logged_in(cast.root)
    root.post("/staff/enter/acme/", REASON)
    User.objects.filter(pk=cast.root.pk).update(is_staff=False)
    assert root.get("/o/acme/").status_code == 404


def test_nobody_else_enters(cast: Cast) -> None:
    olga = logged_in(cast.olga)
    assert olga.post("/staff/enter/globex/", REASON).status_code == 302
    assert olga.get("/o/globex/").status_code == 404
    helper = User.objects.create_user("helper@example.com", "x" * 20, is_staff=True)
    browser = Browser()
    browser.force_login(helper, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.post("/staff/enter/acme/", REASON).status_code == 403
    with tenant_scope(cast.acme.id):
        for user in (helper, cast.olga):
            with pytest.raises(PermissionDenied):
                open_staff_session(user=user, reason=REASON["reason"], now=NOW)
        assert not StaffSession.objects.exists()


@pytest.mark.parametrize("reason", ["", "   ", "a         b", "x" * 501])
def test_a_reason_that_says_nothing_opens_nothing(cast: Cast, reason: str) -> None:
    with tenant_scope(cast.acme.id), pytest.raises(ValidationError):
        open_staff_session(user=cast.root, reason=reason, now=NOW)


def test_another_session_ends_the_one_before(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for _ in range(2):
            open_staff_session(user=cast.root, reason=REASON["reason"], now=NOW)
        assert StaffSession.objects.filter(ended_at=None).count() == 1


def test_a_member_leaves_no_staff_session(cast: Cast) -> None:
    assert logged_in(cast.olga).post("/o/acme/leave/").status_code == 404


def test_a_second_factor_is_asked_for_where_staff_needs_one(cast: Cast, settings: object) -> None:
    root = logged_in(cast.root)
    root.post("/staff/enter/acme/", REASON)
    settings.STAFF_SECOND_FACTOR = True  # type: ignore[attr-defined]
    assert root.get("/o/acme/").headers["location"] == "/account/second-factor/"
    give_second_factor(cast.root)
    assert root.get("/o/acme/").status_code == 200
