"""A preset from the browser to the road: whoever publishes a version sees the next run carry it."""

from collections.abc import Callable

from tests.browser.conftest import Visit
from tests.stage import Stage

Opened = Callable[..., Visit]


def test_a_preset_that_is_copied_edited_and_published_is_what_the_next_run_carries(visit: Opened, live_cast: Stage) -> None:
    page = visit("operator").go("presets/cost_optimized_saas/")
    page.get_by_text("No run of it in the last 7 days.").wait_for()
    page.get_by_role("link", name="Copy to edit").click()
    page.get_by_label("Name", exact=True).fill("ours")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_text("ours is made, as version 1").wait_for()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Least score").first.fill("0.9")
    page.get_by_role("button", name="Save draft").click()
    page.get_by_text("Revision 1").wait_for()
    page.get_by_role("link", name="Compare with live").click()
    page.get_by_role("row", name="general, draft, threshold none 0.9").wait_for()
    page.go_back()
    page.get_by_label("Why, for those who look later").fill("Stricter")
    page.get_by_role("button", name="Publish the saved draft").click()
    page.get_by_text("Published: calls use it from now on.").wait_for()
    live_cast.ask("ours", content="What is 17 + 25?")
    live_cast.wait_until_closed(holds=1)
    run = live_cast.holds()[0].id
    live_cast.run(run)
    page.goto(f"{page.url.partition('/presets/')[0]}/runs/{run}/?tab=facts")
    page.get_by_text("ours@2").wait_for()


def test_a_step_is_moved_with_a_button(visit: Opened, live_cast: Stage) -> None:
    live_cast.add_preset("ours", {"name": "first", "models": ["@draft"]}, {"name": "second", "models": ["@strong"]})
    page = visit("developer").go("presets/ours/draft/")
    page.get_by_role("button", name="Move up second").click()
    page.get_by_text("Revision 1").wait_for()
    assert [field.input_value() for field in page.get_by_label("Name", exact=True).all()] == ["second", "first"]
    page.get_by_text("Operators and owners publish.").wait_for()
