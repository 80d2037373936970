"""Looking ahead over REST: numbers with their errors, nothing of another tenant, and clear words for what cannot be asked."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from billing.forecasts import forecast_tenant
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.history import History, history
from tests.rest import Rest
from tests.shop import Shop

USD = 1_000_000_000


def today_in_berlin() -> date:
    return datetime.now(ZoneInfo("Europe/Berlin")).date()


@pytest.fixture
def past(committed_cast: Cast, django_db_blocker: pytest.FixtureRequest) -> Iterator[History]:
    with django_db_blocker.unblock(), history() as written:
        today = today_in_berlin()
        days = {today - timedelta(days=number): 10 * USD for number in range(1, 61)}
        for dimension, value in (("all", ""), ("model", "mini")):
            written.days(committed_cast.acme.id, days, dimension=dimension, value=value)
        yield written
        connection.close()


def test_a_series_is_told_with_its_interval_and_its_back_tested_error(committed_cast: Cast, past: History) -> None:
    told = Rest(committed_cast.acme_admin_key).get("forecasts/series/?dimension=model&value=mini&steps=7").json()
    assert len(told["path"]) == 7
    assert float(told["total"]["low"]) <= float(told["total"]["expected"]) <= float(told["total"]["high"])
    assert float(told["total"]["expected"]) == pytest.approx(70, rel=0.02)
    assert told["error"] is not None
    assert (told["is_early"], told["reason"]) == (False, "")


def test_the_list_is_last_nights_and_globex_sees_none_of_it(committed_cast: Cast, past: History) -> None:
    with tenant_scope(committed_cast.acme.id):
        forecast_tenant(today=today_in_berlin())
    told = Rest(committed_cast.acme_admin_key).get("forecasts/?dimension=model").json()["results"]
    assert [(row["value"], row["tests"] > 0) for row in told] == [("mini", True)]
    assert Rest(committed_cast.globex_admin_key).get("forecasts/").json()["results"] == []
    empty = Rest(committed_cast.globex_admin_key).get("forecasts/series/?dimension=model&value=mini").json()
    assert (empty["path"], empty["total"], empty["reason"]) == ([], None, "Nothing has been spent yet.")


def test_the_end_of_the_month_is_told(committed_cast: Cast, past: History) -> None:
    told = Rest(committed_cast.acme_admin_key).get("forecasts/month-end/").json()
    assert float(told["estimate"]["expected"]) >= float(told["spent"])


def test_a_budget_is_told_with_the_day_on_which_it_runs_out(shop: Shop) -> None:
    for days in range(1, 6):
        shop.call(amount=10 * USD, at=shop.ago(days=days))
    shop.budget(24 * USD, period="total", action="warn")
    shop.call(amount=2 * USD)
    (told,) = shop.admin.get("forecasts/budgets/").json()
    assert (told["limit"], told["at_end"], told["is_early"]) == ("24", None, True)
    assert told["runs_out"]["words"].startswith(("runs out on", "is not expected", "does not run out"))


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("dimension=planet", "dimension", "planet"),
        ("value=mini", "value", "Name the value of the dimension"),
        ("dimension=model", "value", "Name the value of the dimension"),
        ("step=day&steps=93", "steps", "at most 92 days"),
        ("steps=0", "steps", "greater than or equal to 1"),
        ("steps=many", "steps", "integer"),
        ("step=hour&dimension=tag&value=x", "dimension", "Hours are summed for"),
        ("stepps=7", "stepps", "There is no such parameter"),
        ("dimension=model&value=" + "x" * 256, "value", "255"),
        ("dimension=model&value=%00", "value", "Null"),
    ],
)
def test_what_cannot_be_asked_is_told_in_words(cast: Cast, query: str, field: str, words: str) -> None:
    answer = Rest(cast.acme_admin_key).get(f"forecasts/series/?{query}")
    assert answer.status_code == 400
    assert words in str(answer.json()["errors"][field])
