"""A tier in the browser: whoever denies a model sees the way of the next call change."""

from collections.abc import Callable

from tests.browser.conftest import Visit
from tests.stage import Stage

Opened = Callable[..., Visit]


def test_a_model_that_is_denied_leaves_the_way_that_is_previewed(visit: Opened, live_cast: Stage) -> None:
    page = visit("operator").go("tiers/")
    page.get_by_role("link", name="pro", exact=True).click()
    page.get_by_text("demo-mini → demo-large").wait_for()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_role("group", name="Denied models").get_by_label("demo-large").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved: Denied models").wait_for()
    page.get_by_role("link", name="pro", exact=True).click()
    page.get_by_role("row", name="demo-large no").wait_for()
    page.get_by_label("Budget left, US dollars").fill("0.000000001")
    page.get_by_text("This run may cost at most").wait_for()
