"""What finance comes for: who raised a limit, a FOCUS file of last month, a month that is closed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.browser.conftest import AXE, Visit
from tests.months import move
from tests.stage import Stage

Opened = Callable[..., Visit]


def called_last_month(stage: Stage) -> datetime:
    """A call whose entries were booked in the month before this one; returns when."""
    stage.ask("production_ready", content="What is 17 + 25?", user="ann")
    stage.wait_until_closed(holds=1)
    at = datetime.now(UTC).replace(day=1, hour=12) - timedelta(days=10)
    move(stage.holds()[0].id, to=at)
    return at


def test_whoever_raised_a_limit_is_found_in_the_audit_log(visit: Opened, live_cast: Stage) -> None:
    budget = live_cast.add_budget("5", name="Ours")
    operator = visit("operator").go(f"budgets/{budget.pk}/edit/")
    operator.get_by_label("Limit, US dollars").fill("7")
    operator.get_by_role("button", name="Save").click()
    operator.get_by_text("Saved: Limit $5.00 → $7.00").wait_for()
    finance = visit("finance")
    page = finance.go(f"budgets/?sel={budget.pk}")
    page.get_by_text("limit 5 → 7").wait_for()
    page.get_by_role("link", name="All of its changes").click()
    row = page.locator("tr[data-row]", has_text="changed budget")
    assert f"operator-{live_cast.suffix}@example.com" in row.inner_text()
    assert "limit 5 → 7" in row.inner_text()
    assert not AXE.exists() or finance.violations() == []


def test_finance_downloads_last_months_focus_file_and_closes_the_month(visit: Opened, live_cast: Stage, tmp_path: Path) -> None:
    at = called_last_month(live_cast)
    finance = visit("finance")
    page = finance.go("reports/")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    downloading.value.save_as(tmp_path / "focus.csv")
    assert f"focus-1.2_{at:%Y-%m}-01" in downloading.value.suggested_filename
    head, *lines = (tmp_path / "focus.csv").read_text().splitlines()
    assert "BilledCost" in head
    assert lines
    page = finance.go("reports/")
    page.get_by_text(downloading.value.suggested_filename).wait_for()
    page.get_by_role("link", name="Months").click()
    page.get_by_role("button", name=f"Close {at:%B %Y}").click()
    page.get_by_text(f"{at:%B %Y} is closed.").wait_for()
    page.get_by_role("button", name="Check the chain of hashes").click()
    page.get_by_text("Every closed month is as it was sealed.").wait_for()
    assert not AXE.exists() or finance.violations() == []
