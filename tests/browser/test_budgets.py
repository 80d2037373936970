"""A budget from the browser to the ledger: whoever sets one sees it hold."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.browser.conftest import Visit
from tests.history import history
from tests.stage import Stage

Opened = Callable[..., Visit]


def test_a_budget_made_in_the_browser_refuses_a_real_call(visit: Opened, live_cast: Stage) -> None:
    live_cast.ask()
    page = visit("operator").go("budgets/")
    page.get_by_role("link", name="New budget").first.click()
    page.get_by_label("Limit, US dollars").fill("0.000000001")
    page.get_by_text("It binds").or_(page.get_by_text("would have hit")).first.wait_for()
    page.get_by_label("Block: calls are refused").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved:").wait_for()
    assert live_cast.refused().status_code == 402
    page.reload()
    page.get_by_role("link", name="Everything, daily").wait_for()


def test_a_budget_is_made_with_the_keyboard_alone(visit: Opened, live_cast: Stage) -> None:
    page = visit().go("budgets/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(page, "New budget")
    page.keyboard.press("Enter")
    page.wait_for_url("**/budgets/new/")
    tab_to(page, "Whole organisation")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("End user", exact=True).is_visible()
    assert not page.get_by_label("Tag", exact=True).is_visible()
    tab_to(page, "Limit, US dollars")
    page.keyboard.type("2.50")
    tab_to(page, "Name")
    page.keyboard.type("By hand")
    page.keyboard.press("Enter")
    page.get_by_text("Saved: By hand").wait_for()


def test_the_second_of_two_operators_sees_what_the_first_has_changed(visit: Opened, live_cast: Stage) -> None:
    budget = live_cast.add_budget("5", name="Ours")
    first, second = visit("operator").go(f"budgets/{budget.pk}/edit/"), visit("owner").go(f"budgets/{budget.pk}/edit/")
    for page, limit in ((first, "7"), (second, "9")):
        page.get_by_label("Limit, US dollars").fill(limit)
        page.get_by_role("button", name="Save").click()
    second.get_by_text("Somebody else changed this meanwhile").wait_for()
    assert second.locator("tr", has_text="Limit").inner_text().split() == ["Limit", "$5.00", "$7.00"]
    assert second.get_by_label("Limit, US dollars").input_value() == "9"
    second.get_by_role("button", name="Save").click()
    second.get_by_text("Saved: Limit $7.00 → $9.00").wait_for()


def test_many_budgets_change_after_a_preview(visit: Opened, live_cast: Stage) -> None:
    for name in ("one", "two"):
        live_cast.add_budget("5", name=name, scope="tag", subject=name)
    page = visit().go("budgets/")
    page.get_by_label("Select one").check()
    page.get_by_label("Select two").check()
    page.get_by_text("2 ticked:").wait_for()
    page.get_by_role("button", name="Change limit…").click()
    page.get_by_label("or change by, per cent").fill("20")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("cell", name="$6.00").first.wait_for()
    page.get_by_role("button", name="Change 2").click()
    page.get_by_text("Change limit: 2 changed.").wait_for()


def tab_to(page: Any, name: str, *, most: int = 60) -> None:
    """Press Tab until the focus is on what is called so."""
    for _ in range(most):
        page.keyboard.press("Tab")
        said = page.evaluate(
            "(() => { const at = document.activeElement; return (at.labels?.[0]?.textContent ?? at.textContent ?? '').trim(); })()"
        )
        if said == name:
            return
    raise AssertionError(f"{name!r} was not reached with {most} tabs")


def test_a_budget_says_when_its_calls_stop(visit: Opened, live_cast: Stage) -> None:
    live_cast.add_budget("60", period="monthly", name="All of it")
    live_cast.ask()
    live_cast.wait_until_closed()
    today = datetime.now(UTC).date()
    with history() as past:
        past.days(live_cast.cast.acme.id, {today - timedelta(days=number): 1000 * 10**9 for number in range(1, 60)})
        page = visit("finance").go("budgets/")
        page.locator("td span", has_text=re.compile(r"\(.* (to|or not)|no")).first.wait_for()
        page.get_by_role("link", name="All of it").click()
        page.get_by_text("Calls stop").wait_for()
        page.get_by_text("runs out on").wait_for()


def test_budgets_of_a_file_are_shown_as_a_difference_and_then_applied(visit: Opened, live_cast: Stage) -> None:
    live_cast.add_budget("5", name="Ours", period="monthly")
    page = visit("operator").go("budgets/import/")
    lines = "scope,subject,period,limit,action\ntenant,,monthly,8,block\ntag,nightly,daily,1,warn\ntier,gold,daily,1,block\n"
    page.get_by_label("File").set_input_files({"name": "budgets.csv", "mimeType": "text/csv", "buffer": lines.encode()})
    page.get_by_role("button", name="Check").click()
    page.get_by_role("heading", name="1 change, 1 new, 0 unchanged, 1 error").wait_for()
    page.get_by_text("$5.00 → $8.00").wait_for()
    page.get_by_text("Unknown tier 'gold'").wait_for()
    page.get_by_role("button", name="Apply 2 lines, leave out 1").click()
    page.get_by_text("2 of 3 lines are applied").wait_for()
    page.get_by_role("link", name="nightly").wait_for()


def test_what_an_edit_changes_is_told_while_it_is_typed_and_can_be_taken_back(visit: Opened, live_cast: Stage) -> None:
    budget = live_cast.add_budget("5", name="Ours")
    page = visit("operator").go(f"budgets/{budget.pk}/edit/")
    page.get_by_text("Nothing is changed yet.").wait_for()
    page.get_by_label("Limit, US dollars").fill("7")
    page.get_by_label("Degrade: cheaper models").check()
    page.get_by_text("Limit $5.00 → $7.00; When reached").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved: Limit $5.00 → $7.00").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Taken back: 1.").wait_for()
    page.locator("tr", has_text="$5.00").first.wait_for()
