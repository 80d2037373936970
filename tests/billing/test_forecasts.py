"""The night's forecasts: for whom, of what, and that they say how good they are."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from billing.forecasts import HORIZON_DAYS, forecast_night, forecast_tenant
from billing.models import Forecast
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.history import History, history

TODAY = date(2026, 11, 23)  # a Monday
USD = 1_000_000_000


def workdays(days: int, *, amount: int = 10 * USD, weekend: int = 4 * USD, until: date = TODAY) -> dict[date, int]:
    past = [until - timedelta(days=number) for number in range(1, days + 1)]
    return {day: weekend if day.weekday() >= 5 else amount for day in past}


@pytest.fixture
def past(committed_cast: Cast, django_db_blocker: pytest.FixtureRequest) -> Iterator[History]:
    with django_db_blocker.unblock(), history() as written:
        yield written
        connection.close()


def test_each_name_that_costs_something_is_forecast_with_its_error(committed_cast: Cast, past: History) -> None:
    acme = committed_cast.acme.id
    past.days(acme, workdays(60))
    past.days(acme, workdays(60), dimension="model", value="mini")
    past.days(acme, workdays(20), dimension="end_user", value=str(committed_cast.ann.id))
    with tenant_scope(acme):
        assert forecast_tenant(today=TODAY) == 3
        found = {row.dimension: row for row in Forecast.objects.all()}
    whole = found["all"]
    assert (whole.made_on, whole.age_days) == (TODAY, 60)
    assert whole.week_nusd == pytest.approx(58 * USD, rel=0.01)
    assert whole.week_low_nusd <= whole.week_nusd <= whole.week_high_nusd
    assert whole.error is not None
    assert whole.error < 0.05
    assert whole.path_nusd is not None
    assert len(whole.path_nusd) == HORIZON_DAYS
    assert sum(whole.path_nusd[:7]) == whole.week_nusd
    assert found["end_user"].path_nusd is None
    assert found["end_user"].month_nusd > 0


def test_who_cost_nothing_for_four_weeks_is_not_forecast_and_no_old_forecast_stays(committed_cast: Cast, past: History) -> None:
    acme = committed_cast.acme.id
    past.days(acme, workdays(60))
    past.days(acme, workdays(30, until=TODAY), dimension="model", value="old")
    with tenant_scope(acme):
        forecast_tenant(today=TODAY)
        assert Forecast.objects.filter(value="old").exists()
        forecast_tenant(today=TODAY + timedelta(days=28))
        assert not Forecast.objects.filter(value="old").exists()
        assert not Forecast.objects.filter(made_on=TODAY).exists()


def test_forecasting_again_the_same_day_gives_the_same_rows(committed_cast: Cast, past: History) -> None:
    acme = committed_cast.acme.id
    past.days(acme, workdays(40))
    with tenant_scope(acme):
        forecast_tenant(today=TODAY)
        before = list(Forecast.objects.values())
        forecast_tenant(today=TODAY)
        assert list(Forecast.objects.values()) == before


def test_the_night_comes_to_each_tenant_when_its_own_day_begins(committed_cast: Cast, past: History) -> None:
    acme, globex = committed_cast.acme.id, committed_cast.globex.id  # Berlin and New York
    past.days(acme, workdays(40))
    past.days(globex, workdays(40))
    midnight_in_berlin = datetime(2026, 11, 22, 23, 5, tzinfo=UTC)
    forecast_night(now=midnight_in_berlin)

    def made_on(tenant: object) -> date:
        with tenant_scope(tenant):  # type: ignore[arg-type]
            return Forecast.objects.get(dimension="all").made_on

    assert (made_on(acme), made_on(globex)) == (TODAY, TODAY - timedelta(days=1))
    forecast_night(now=midnight_in_berlin + timedelta(hours=6))
    assert (made_on(acme), made_on(globex)) == (TODAY, TODAY)


def test_a_tenant_without_a_past_is_left_out(committed_cast: Cast, past: History) -> None:
    with tenant_scope(committed_cast.acme.id):
        assert forecast_tenant(today=TODAY) == 0
    past.days(committed_cast.acme.id, {TODAY: USD})
    with tenant_scope(committed_cast.acme.id):
        assert forecast_tenant(today=TODAY) == 0, "today is not over"
