"""From the diamond on the chart to what it was: an anomaly is resolved in the browser."""

from collections.abc import Callable

import pytest

from billing.models import Anomaly
from tenants.scoping import tenant_scope
from tests.browser.conftest import AXE, Visit
from tests.dashboards.scene import anomaly_of
from tests.stage import Stage

Opened = Callable[..., Visit]


@pytest.fixture
def found(live_cast: Stage) -> Anomaly:
    live_cast.ask()
    live_cast.wait_until_closed()
    return anomaly_of(live_cast.cast, drivers={"volume": 100 * 10**9, "escalation": 24 * 10**9})


def test_an_operator_resolves_what_the_overview_points_at(visit: Opened, live_cast: Stage, found: Anomaly) -> None:
    page = visit("operator").go()
    page.get_by_role("link", name="+$124.00: Everything").click()
    page.wait_for_url(f"**/anomalies/{found.pk}/")
    page.get_by_text("2.3 times what was expected").wait_for()
    page.get_by_label("Fixed: it is no measure for others").check()
    page.get_by_role("form", name="Resolve").get_by_label("Comment").fill("a loop in the batch job")
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("resolves it: fixed").wait_for()
    page.get_by_text("a loop in the batch job").first.wait_for()
    with tenant_scope(live_cast.cast.acme.id):
        assert Anomaly.objects.get(pk=found.pk).resolution == "fixed"
    page.get_by_role("link", name="Anomalies").first.click()
    page.get_by_text("Nothing is out of the ordinary.").wait_for()


def test_an_anomaly_is_snoozed_in_its_row(visit: Opened, live_cast: Stage, found: Anomaly) -> None:
    page = visit("operator").go("anomalies/")
    page.locator("summary", has_text="Snooze").click()
    page.get_by_role("button", name="3 days").click()
    page.get_by_text("it goes on being looked at").wait_for()
    page.get_by_role("link", name="Snoozed 1").wait_for()


def test_a_diamond_is_reached_and_opened_with_the_keyboard(visit: Opened, found: Anomaly) -> None:
    somebody = visit()
    page = somebody.go()
    somebody.draw_charts()
    page.locator(".cf-chart").first.focus()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
        if "Out of the ordinary" in page.locator(".readout").first.inner_text():
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/anomalies/{found.pk}/")


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_pages_of_anomalies_are_whole(visit: Opened, found: Anomaly, theme: str, width: int) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make test` installs it (clients/package-lock.json).")
    somebody = visit(theme=theme, width=width)
    for path in ("anomalies/", f"anomalies/{found.pk}/", "attention/"):
        page = somebody.go(path)
        somebody.draw_charts()
        assert somebody.violations() == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
