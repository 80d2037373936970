"""What is built with in a browser: a run that is watched, and a price for a model that has none."""

from collections.abc import Callable

from tests.browser.conftest import AXE, Visit
from tests.stage import REJECT, Stage, step

Opened = Callable[..., Visit]


def test_a_run_is_watched_step_by_step_beside_another_one(visit: Opened, live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"), baseline="scripted-strong")
    seen = visit("operator")
    page = seen.go("playground/")
    page.get_by_label("Preset or model").select_option("house")
    page.get_by_label("Side by side with").select_option("scripted")
    page.get_by_label("Prompt").fill("What is 17 + 25?")
    page.get_by_role("button", name="Show the way, call nobody").click()
    page.get_by_text("The way it would take").wait_for()
    assert live_cast.holds() == []
    page.get_by_label("Prompt").press("Control+Enter")
    left, right = page.locator("[data-run-of=model]"), page.locator("[data-run-of=beside]")
    left.locator("pre.answer").wait_for()
    right.locator("pre.answer").wait_for()
    assert [left.locator("li").count(), right.locator("li").count()] == [3, 2]
    assert "rejected" in left.locator("li").nth(1).inner_text()
    bars = left.locator("rect[data-to]").evaluate_all("all => all.map(bar => [bar.x.baseVal.value, bar.width.baseVal.value])")
    assert bars[0][0] == 0
    assert abs(bars[0][1] - bars[1][0]) < 3, "the second bar begins where the first one ends"
    assert abs(sum(bars[1]) - 600) < 3
    assert not AXE.exists() or seen.violations() == []
    left.locator("dl a").click()
    page.wait_for_url("**/runs/*/")
    assert page.get_by_text("rejected").count() > 0
    first = page.url
    page.get_by_role("heading", name="policy: house").wait_for()
    assert not AXE.exists() or seen.violations() == []
    neighbour, back = ("[", "]") if page.get_by_role("link", name="Newer").count() else ("]", "[")
    page.keyboard.press(neighbour)
    page.wait_for_url(lambda url: url != first)
    page.keyboard.press(back)
    page.wait_for_url(first)
    page.get_by_role("link", name="Replay in playground").click()
    page.wait_for_url("**/playground/?*")
    assert page.get_by_label("Preset or model").input_value() == "house"
    page = seen.go("budgets/")
    page.get_by_role("link", name="Playground").first.wait_for()


def test_a_model_without_a_price_gets_one_and_its_badge_goes(visit: Opened, live_cast: Stage) -> None:
    live_cast.add_models("script", {"bare": live_cast.upstream_name("bare")}, price=None)
    seen = visit("owner")
    page = seen.go("models/?priced=no")
    page.get_by_text("no price").wait_for()
    page.get_by_role("link", name="bare").click()
    page.get_by_label("Input", exact=True).fill("0.15")
    page.get_by_label("Output").fill("0.60")
    page.get_by_label("Source").fill("contract of May")
    assert not AXE.exists() or seen.violations() == []
    page.get_by_role("button", name="Set the price").click()
    page.get_by_text("bare costs $0.15 and $0.60").wait_for()
    assert page.get_by_text("no price").count() == 0
