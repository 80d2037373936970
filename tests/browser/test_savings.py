"""Savings in the browser: from the overview's "how?" to the parts, with the quality beside them."""

from collections.abc import Callable

from tests.browser.conftest import Visit
from tests.stage import ACCEPT, Stage, step

Opened = Callable[..., Visit]


def test_the_overview_leads_to_where_a_saving_comes_from_and_what_it_did_to_quality(visit: Opened, live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"), baseline="scripted-strong")
    live_cast.run(live_cast.ask("house", user="ann").cascadeflow["run_id"])
    live_cast.roll_out("house", share=95)
    page = visit("viewer").go()
    page.get_by_text("how?").click()
    page.get_by_role("link", name="Where it comes from, and the quality beside it").click()
    page.get_by_text("$0.0000975 less $0.00000585 are $0.00009165 saved.").wait_for()
    page.get_by_role("region", name="Scores of the answers by preset").get_by_role("row", name="house cascade 1 1").wait_for()
    page.get_by_text("Nothing is measured: the baseline has served nobody.").wait_for()
