"""A keyword rule in the browser: whoever changes one sees the tester change, and calls with it."""

from collections.abc import Callable

from tests.browser.conftest import Visit
from tests.stage import Stage

Opened = Callable[..., Visit]
PROMPT = "Is the frobnicator covered?"


def test_a_rule_that_is_edited_changes_what_the_tester_says(visit: Opened, live_cast: Stage) -> None:
    live_cast.add_rule("legal", "frobnicator", weight=0.5)
    page = visit("operator").go("rules/")
    assert read(page) == "general"
    page.get_by_role("link", name="frobnicator", exact=True).click()
    page.get_by_label("Weight, in nats").fill("6")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved: Weight 0.5 → 6.").wait_for()
    assert read(page) == "legal"
    assert page.locator("#reading mark").all_inner_texts() == ["frobnicator"]


def test_labelled_prompts_are_compared(visit: Opened, live_cast: Stage) -> None:
    page = visit("viewer").go("rules/")
    page.get_by_role("textbox", name="Labelled prompts").fill("medical, Prescribe 5 mg\nlegal, Prescribe 5 mg\n")
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("50.0 %").wait_for()
    page.get_by_role("textbox", name="Labelled prompts").fill("no label")
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("Line 1 does not begin with the name of a domain").wait_for()


def read(page: object) -> str:
    page.get_by_label("Prompt", exact=True).fill(PROMPT)  # type: ignore[attr-defined]
    page.get_by_role("button", name="Read it").click()  # type: ignore[attr-defined]
    return str(page.locator("#reading .read b").inner_text())  # type: ignore[attr-defined]
