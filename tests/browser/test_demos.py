"""From an empty overview to a demo with data in it, and back."""

from collections.abc import Callable
from datetime import UTC, datetime

from cascade.samples.filling import fill_waiting
from tests.browser.conftest import AXE, Visit


def test_a_demo_is_loaded_with_one_click_and_deleted_with_another(visit: Callable[..., Visit]) -> None:
    seen = visit("owner")
    page = seen.go()
    page.get_by_role("button", name="Load demo data").click()
    page.get_by_text("Waiting for the worker").wait_for()
    assert not AXE.exists() or seen.violations() == []
    fill_waiting(now=datetime.now(UTC), days=3)
    page.get_by_text("Top users").wait_for()
    page.get_by_text("Nothing here was spent").wait_for()
    seen.draw_charts()
    assert not AXE.exists() or seen.violations() == []
    page.get_by_text("Delete the demo…").click()
    page.get_by_role("button", name="Delete the demo").click()
    page.get_by_text("The demo is deleted").wait_for()
    assert page.get_by_role("heading", name="No call was made yet.").is_visible()
