"""What if? in the browser: whoever lowers a threshold sees what the past would have cost less, and whom a budget would have met."""

from collections.abc import Callable

from tests.browser.conftest import AXE, Visit
from tests.stage import REJECT, Stage, step

Opened = Callable[..., Visit]


def test_a_lower_threshold_and_a_budget_are_replayed_over_the_last_days(visit: Opened, live_cast: Stage) -> None:
    live_cast.add_preset("strict", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"), baseline="scripted-strong")
    run = live_cast.ask("strict", user="ann").cascadeflow["run_id"]
    live_cast.run(run)
    somebody = visit("finance", width=390)
    page = somebody.go()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="What if?").click()
    page.get_by_label("accept from").fill("0.01")
    page.get_by_role("group", name="Budgets there would have been").get_by_label("Who").select_option("end_user")
    page.get_by_label("$", exact=True).fill("0")
    page.get_by_role("button", name="Replay").click()
    page.get_by_text("Every other domain: drafts are accepted from 0.01").wait_for()
    page.get_by_role("row", name="Escalation rate 100.0 % n/a").wait_for()
    if AXE.exists():
        assert somebody.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="ann", exact=True).click()
    page.get_by_role("link", name=f"…{run[-8:]}").wait_for()
