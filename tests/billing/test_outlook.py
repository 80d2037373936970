"""Looking ahead at the moment somebody asks: one name, the end of the month, and when a budget runs out."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.engine.forecasting.series import Step
from billing.models import Budget, BudgetWindow
from billing.outlook import BudgetOutlook, budget_outlooks, limit_of, month_end_in, month_end_of, outlooks_of, predict, series_of
from billing.reports import spent_days
from billing.series import bucketed_spend, bucketed_spend_of
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.history import History, history

USD = 1_000_000_000
NOON = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)  # a Monday in Berlin
TODAY = date(2026, 11, 23)
BERLIN = "Europe/Berlin"


@pytest.fixture
def past(committed_cast: Cast, django_db_blocker: pytest.FixtureRequest) -> Iterator[History]:
    with django_db_blocker.unblock(), history() as written:
        yield written
        connection.close()


def daily(days: int, amount: int) -> dict[date, int]:
    return {TODAY - timedelta(days=number): amount for number in range(1, days + 1)}


def running(cast: Cast, *, limit: int, spent: int, period: str = "monthly", **fields: object) -> BudgetWindow:
    """A window as the ledger would have made it, not stored."""
    ends = {"monthly": datetime(2026, 11, 30, 23), "daily": datetime(2026, 11, 23, 23), "total": datetime(9999, 12, 31)}  # noqa: DTZ001
    budget = Budget(tenant=cast.acme, scope="tenant", period=period, limit_nusd=limit, action="warn", **fields)
    return BudgetWindow(
        budget=budget, start_at=datetime(2026, 10, 31, 23, tzinfo=UTC), end_at=ends[period].replace(tzinfo=UTC), limit_nusd=limit, spent_nusd=spent
    )


def outlook_of(window: BudgetWindow, *, zone: str, now: datetime) -> BudgetOutlook:
    (found,) = outlooks_of([window], zone=zone, now=now)
    return found


def test_days_are_forecast_from_today_on(committed_cast: Cast, past: History) -> None:
    past.days(committed_cast.acme.id, daily(40, 10 * USD))
    with tenant_scope(committed_cast.acme.id):
        found = predict(dimension="all", value="", step=Step.DAY, horizon=7, zone=BERLIN, now=NOON)
    assert [step.begins for step in found.path] == [TODAY + timedelta(days=number) for number in range(7)]
    assert found.total is not None
    assert found.total.expected_nusd == pytest.approx(70 * USD, rel=0.01)
    assert found.history_days == 40


def test_hours_and_weeks_are_forecast_too(committed_cast: Cast, past: History) -> None:
    hours = {NOON.replace(minute=0) - timedelta(hours=number): USD for number in range(1, 20 * 24)}
    past.quarters(committed_cast.acme.id, hours)
    past.days(committed_cast.acme.id, daily(70, 24 * USD))
    with tenant_scope(committed_cast.acme.id):
        of_hours = predict(dimension="all", value="", step=Step.HOUR, horizon=5, zone=BERLIN, now=NOON)
        of_weeks = predict(dimension="all", value="", step=Step.WEEK, horizon=4, zone=BERLIN, now=NOON)
    assert of_hours.path[0].begins == NOON.replace(minute=0)
    assert of_hours.total is not None
    assert of_hours.total.expected_nusd == pytest.approx(5 * USD, rel=0.02)
    assert of_weeks.path[0].begins == TODAY
    assert of_weeks.path[0].spend.expected_nusd == pytest.approx(168 * USD, rel=0.02)


def test_too_little_past_says_so_and_too_far_ahead_is_refused(committed_cast: Cast, past: History) -> None:
    with tenant_scope(committed_cast.acme.id):
        assert predict(dimension="all", value="", step=Step.DAY, horizon=7, zone=BERLIN, now=NOON).reason == "Nothing has been spent yet."
        with pytest.raises(ValueError, match="1 to 92 days"):
            predict(dimension="all", value="", step=Step.DAY, horizon=93, zone=BERLIN, now=NOON)


def test_the_end_of_the_month_is_what_was_spent_and_what_is_ahead(committed_cast: Cast, past: History) -> None:
    past.days(committed_cast.acme.id, {**daily(50, 10 * USD), TODAY: 3 * USD})
    with tenant_scope(committed_cast.acme.id):
        found = month_end_of(dimension="all", value="", zone=BERLIN, now=NOON)
    assert (found.month, found.spent_nusd) == (date(2026, 11, 1), 223 * USD)
    assert found.estimate is not None
    assert found.estimate.expected_nusd == pytest.approx(300 * USD, rel=0.01)


def test_a_monthly_budget_runs_out_on_the_day_that_the_path_passes_it(committed_cast: Cast, past: History) -> None:
    past.days(committed_cast.acme.id, {**daily(50, 10 * USD), TODAY: 4 * USD})
    with tenant_scope(committed_cast.acme.id):
        found = outlook_of(running(committed_cast, limit=255 * USD, spent=224 * USD), zone=BERLIN, now=NOON)
    assert found.runs_out is not None
    assert found.runs_out.expected == date(2026, 11, 26)
    assert found.is_over
    assert found.at_end is not None
    assert found.at_end.expected_nusd == pytest.approx(300 * USD, rel=0.01)
    with tenant_scope(committed_cast.acme.id):
        safe = outlook_of(running(committed_cast, limit=400 * USD, spent=224 * USD), zone=BERLIN, now=NOON)
    assert not safe.is_over
    assert safe.runs_out is not None
    assert safe.runs_out.expected is None


def test_a_daily_budget_runs_out_at_an_hour(committed_cast: Cast, past: History) -> None:
    hours = {NOON.replace(minute=0) - timedelta(hours=number): USD for number in range(1, 20 * 24)}
    past.quarters(committed_cast.acme.id, hours)
    with tenant_scope(committed_cast.acme.id):
        found = outlook_of(running(committed_cast, limit=15 * USD, spent=12 * USD, period="daily"), zone=BERLIN, now=NOON)
    assert found.runs_out is not None
    assert found.runs_out.expected == datetime(2026, 11, 23, 13, tzinfo=UTC)


def test_a_monthly_budget_that_stops_calls_soon_says_the_hour(committed_cast: Cast, past: History) -> None:
    hours = {NOON.replace(minute=0) - timedelta(hours=number): USD for number in range(1, 20 * 24)}
    past.quarters(committed_cast.acme.id, hours)
    past.days(committed_cast.acme.id, {**daily(50, 24 * USD), TODAY: 12 * USD})
    with tenant_scope(committed_cast.acme.id):
        soon, later = (running(committed_cast, limit=limit * USD, spent=500 * USD) for limit in (530, 620))
        soon.budget.action = later.budget.action = "block"
        warns = running(committed_cast, limit=530 * USD, spent=500 * USD)
        found = outlooks_of([soon, later, warns], zone=BERLIN, now=NOON)
    assert [one.runs_out.expected for one in found if one.runs_out] == [date(2026, 11, 24), date(2026, 11, 28), date(2026, 11, 24)]
    assert [one.out_at for one in found] == [datetime(2026, 11, 24, 16, tzinfo=UTC), None, None]


def test_where_hours_are_not_summed_the_day_is_all_that_is_said(committed_cast: Cast, past: History) -> None:
    past.days(committed_cast.acme.id, daily(50, 10 * USD), dimension="tag", value="nightly")
    past.days(committed_cast.acme.id, daily(50, 10 * USD))
    window = running(committed_cast, limit=235 * USD, spent=220 * USD)
    window.budget.scope, window.budget.subject, window.budget.action = "tag", "nightly", "block"
    with tenant_scope(committed_cast.acme.id):
        found = outlook_of(window, zone=BERLIN, now=NOON)
    assert found.runs_out is not None
    assert (found.runs_out.expected, found.out_at) == (date(2026, 11, 24), None)


def test_a_budget_over_all_time_has_no_end_but_may_run_out(committed_cast: Cast, past: History) -> None:
    past.days(committed_cast.acme.id, daily(50, 10 * USD))
    with tenant_scope(committed_cast.acme.id):
        found = outlook_of(running(committed_cast, limit=1_000 * USD, spent=700 * USD, period="total"), zone=BERLIN, now=NOON)
    assert found.at_end is None
    assert found.runs_out is not None
    assert found.runs_out.expected == date(2026, 12, 22)


def test_windows_of_many_end_users_are_read_together(committed_cast: Cast, past: History) -> None:
    users = [str(uuid.uuid4()) for _ in range(20)]
    for number, user in enumerate(users):
        past.days(committed_cast.acme.id, daily(50, (number + 1) * USD), dimension="end_user", value=user)
    past.days(committed_cast.acme.id, daily(50, 210 * USD))
    windows = []
    for number, user in enumerate(users):
        window = running(committed_cast, limit=255 * (number + 1) // 10 * USD, spent=224 * (number + 1) // 10 * USD)
        window.subject = user
        windows.append(window)
    with tenant_scope(committed_cast.acme.id), CaptureQueriesContext(connection) as captured:
        found = outlooks_of(windows, zone=BERLIN, now=NOON)
    assert len(captured) <= 6
    assert [one.subject for one in found] == users
    for number, one in enumerate(found):
        assert one.prediction.path[0].spend.expected_nusd == pytest.approx((number + 1) * USD, rel=0.01)
    with tenant_scope(committed_cast.acme.id):
        assert [outlook_of(window, zone=BERLIN, now=NOON).runs_out for window in windows[:3]] == [one.runs_out for one in found[:3]]


def test_an_override_is_the_limit_while_it_lasts() -> None:
    budget = Budget(scope="tenant", limit_nusd=10, override_limit_nusd=99, override_until=NOON)
    assert limit_of(budget, now=NOON - timedelta(seconds=1)) == 99
    assert limit_of(budget, now=NOON) == 10


def test_each_window_is_looked_at_in_the_sums_of_its_own() -> None:
    assert series_of(Budget(scope="tenant"), subject="") == ("all", "")
    assert series_of(Budget(scope="tier", subject="free"), subject="an id") == ("end_user", "an id")
    assert series_of(Budget(scope="api_key", subject="a key"), subject="") == ("api_key", "a key")
    assert series_of(Budget(scope="tag", subject="batch"), subject="") == ("tag", "batch")


def test_the_windows_of_other_tenants_are_not_looked_at(committed_cast: Cast, past: History) -> None:
    with tenant_scope(committed_cast.acme.id):
        assert budget_outlooks(zone=BERLIN, now=NOON) == []


def test_many_windows_are_looked_at_together_and_each_as_if_alone(committed_cast: Cast, past: History) -> None:
    past.days(committed_cast.acme.id, daily(40, 10 * USD))
    past.days(committed_cast.acme.id, daily(30, USD), dimension="tag", value="jobs")
    hours = {NOON.replace(minute=0) - timedelta(hours=number): USD for number in range(1, 20 * 24)}
    past.quarters(committed_cast.acme.id, hours)
    windows = [
        running(committed_cast, limit=255 * USD, spent=224 * USD), running(committed_cast, limit=15 * USD, spent=12 * USD, period="daily"),
        running(committed_cast, limit=1_000 * USD, spent=700 * USD, period="total"),
    ]  # fmt: skip
    windows[2].budget.scope, windows[2].budget.subject = "tag", "jobs"
    with tenant_scope(committed_cast.acme.id):
        with CaptureQueriesContext(connection) as captured:
            together = outlooks_of(windows, zone=BERLIN, now=NOON)
        alone = [outlook_of(window, zone=BERLIN, now=NOON) for window in windows]
        assert outlooks_of([], zone=BERLIN, now=NOON) == []
    assert [(each.runs_out, each.at_end) for each in together] == [(each.runs_out, each.at_end) for each in alone]
    assert len(captured) == 3


def test_the_end_of_the_month_is_the_same_from_days_that_were_read_already(committed_cast: Cast, past: History) -> None:
    past.days(committed_cast.acme.id, {**daily(40, 10 * USD), TODAY: 4 * USD})
    with tenant_scope(committed_cast.acme.id):
        asked = month_end_of(dimension="all", value="", zone=BERLIN, now=NOON)
        assert month_end_in(spent_days(since=TODAY - timedelta(days=800)), zone=BERLIN, now=NOON) == asked
    assert month_end_in({}, zone=BERLIN, now=NOON).estimate is None


def test_every_quarter_of_an_hour_counts_to_its_own_hour_the_running_one_included(committed_cast: Cast, past: History) -> None:
    """A quarter in the second half of an hour is no part of the next one, which may not have begun."""
    hour = NOON.replace(minute=0)
    quarters = {hour + timedelta(minutes=minutes): USD for minutes in (-30, -15, 0, 15, 30, 45)}
    past.quarters(committed_cast.acme.id, quarters)
    with tenant_scope(committed_cast.acme.id):
        one = bucketed_spend(dimension="all", first_at=hour - timedelta(hours=1), buckets=2, length=timedelta(hours=1), values=[""])
        many = bucketed_spend_of([("all", "")], first_at=hour - timedelta(hours=1), buckets=2, length=timedelta(hours=1))
    assert one.amounts.tolist() == many.tolist() == [[2 * USD, 4 * USD]]
