"""A report that comes by mail: made in the browser, sent now, and its link gives the file."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from django.core import mail

from billing.models import ReportSchedule
from cascade.report_mails import run_schedules
from tenants.scoping import tenant_scope
from tests.browser.conftest import AXE, Visit
from tests.browser.test_finance import called_last_month
from tests.stage import Stage

Opened = Callable[..., Visit]


def test_finance_makes_a_schedule_and_sends_it_now(visit: Opened, live_cast: Stage) -> None:
    at = called_last_month(live_cast)
    mail.outbox = []
    page = visit("finance").go("reports/")
    page.get_by_role("link", name="Schedules").click()
    page.get_by_role("link", name="New schedule").first.click()
    page.get_by_label("Name", exact=True).fill("FOCUS for finance")
    page.get_by_text("Only some of it, or finer rows").click()
    page.get_by_label("Only of the end user").fill("ann")
    page.get_by_label("Recipients").fill("finn@example.com")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Send now").click()
    page.get_by_text("leaves within two minutes").wait_for()
    assert run_schedules(now=datetime.now(UTC)) == 1
    link = re.search(r"/api/v1/export-files/\S+", str(mail.outbox[0].body))
    assert link is not None
    answer = httpx.get(f"{live_cast.site.url}{link[0]}")
    assert f"focus-1.2_{at:%Y-%m}-01" in answer.headers["content-disposition"]
    assert len(answer.text.splitlines()) > 1
    page.reload()
    page.locator("tr[data-row]", has_text="FOCUS for finance").get_by_text("Sent", exact=True).wait_for()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_pages_of_schedules_are_whole(visit: Opened, live_cast: Stage, theme: str, width: int) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make test` installs it (clients/package-lock.json).")
    with tenant_scope(live_cast.cast.acme.id):
        row = ReportSchedule.objects.create(
            name="FOCUS", wanted={"what": "focus", "filters": {"end_user_id": str(live_cast.cast.ann.pk)}}, recipients=["finn@example.com"],
            due_at=datetime.now(UTC), first="2026-10-01", last="2026-10-31", failure="The mail was not sent: it was refused.", created_by="x",
        )  # fmt: skip
    somebody = visit(theme=theme, width=width)
    for path in (f"reports/schedules/?sel={row.pk}", f"reports/schedules/{row.pk}/edit/", "reports/"):
        page = somebody.go(path)
        assert somebody.violations() == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
