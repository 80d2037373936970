"""Ranges in the address: which days, and which they are compared with."""

from datetime import UTC, date, datetime

import pytest

from dashboards.ranges import PRESETS, Range, presets_of, range_of

NOW = datetime(2026, 11, 26, 14, 7, tzinfo=UTC)


def chosen(zone: str = "Europe/Berlin", now: datetime = NOW, **asked: str) -> Range:
    return range_of({name.rstrip("_"): value for name, value in asked.items()}, zone=zone, now=now)


def days(found: Range) -> tuple[date, date]:
    return found.first, found.last


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({}, date(2026, 10, 30), date(2026, 11, 26)), ({"range": "7d"}, date(2026, 11, 20), date(2026, 11, 26)),
        ({"range": "mtd"}, date(2026, 11, 1), date(2026, 11, 26)), ({"range": "last-month"}, date(2026, 10, 1), date(2026, 10, 31)),
        ({"range": "mtd", "back": "1"}, date(2026, 10, 1), date(2026, 10, 31)), ({"back": "1"}, date(2026, 10, 2), date(2026, 10, 29)),
        ({"range": "last-month", "back": "8"}, date(2026, 2, 1), date(2026, 2, 28)), ({"range": "12m"}, date(2025, 11, 27), date(2026, 11, 26)),
        ({"range": "custom", "from_": "2026-02-03", "to": "2026-02-09"}, date(2026, 2, 3), date(2026, 2, 9)),
        ({"range": "custom", "from_": "2026-11-20", "to": "2027-01-01"}, date(2026, 11, 20), date(2026, 11, 26)),
    ],
)  # fmt: skip
def test_a_range_is_of_whole_days(asked: dict[str, str], first: date, last: date) -> None:
    assert days(chosen(**asked)) == (first, last)


def test_the_default_is_compared_with_the_same_weekdays_four_weeks_before() -> None:
    found = chosen()
    assert found.before == (date(2026, 10, 2), date(2026, 10, 29))
    assert found.before[0].weekday() == found.first.weekday()


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        ({"compare": "off"}, None), ({"range": "7d", "compare": "previous"}, (date(2026, 11, 13), date(2026, 11, 19))),
        ({"range": "90d"}, (date(2026, 5, 30), date(2026, 8, 27))), ({"compare": "year"}, (date(2025, 10, 30), date(2025, 11, 26))),
        ({"range": "7d", "compare": "month"}, (date(2026, 10, 20), date(2026, 10, 26))),
        ({"range": "custom", "from_": "2026-03-29", "to": "2026-03-31", "compare": "month"}, (date(2026, 2, 28), date(2026, 3, 2))),
        ({"range": "custom", "from_": "2026-03-25", "to": "2026-03-31", "compare": "month"}, (date(2026, 2, 25), date(2026, 3, 3))),
        ({"range": "custom", "from_": "2026-03-01", "to": "2026-03-31", "compare": "month"}, (date(2026, 2, 1), date(2026, 2, 28))),
        ({"range": "mtd", "compare": "month"}, (date(2026, 10, 1), date(2026, 10, 26))), ({"range": "90d", "compare": "month"}, None),
        ({"range": "mtd", "compare": "previous"}, (date(2026, 10, 1), date(2026, 10, 26))),
        ({"range": "last-month", "compare": "previous"}, (date(2026, 9, 1), date(2026, 9, 30))),
        ({"range": "custom", "from_": "2024-02-29", "to": "2024-02-29", "compare": "year"}, (date(2023, 2, 28), date(2023, 2, 28))),
    ],
)  # fmt: skip
def test_what_a_range_is_compared_with(asked: dict[str, str], before: tuple[date, date] | None) -> None:
    assert chosen(**asked).before == before


def test_a_day_begins_in_the_tenants_time_zone() -> None:
    late = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)
    assert chosen(now=late).last == date(2026, 11, 27)
    assert chosen("America/New_York", now=late).last == date(2026, 11, 26)


def test_the_last_24_hours_end_with_the_running_quarter() -> None:
    found = chosen(range="24h")
    assert (found.start_at, found.end_at) == (datetime(2026, 11, 25, 14, 15, tzinfo=UTC), datetime(2026, 11, 26, 14, 15, tzinfo=UTC))
    assert found.before_hours == (datetime(2026, 11, 18, 14, 15, tzinfo=UTC), datetime(2026, 11, 19, 14, 15, tzinfo=UTC))


def test_as_many_days_from_a_day_of_choice_are_compared_with() -> None:
    found = chosen(range="7d", compare="custom", against="2026-03-28")
    assert found.before == (date(2026, 3, 28), date(2026, 4, 3))
    assert found.query() == "range=7d&compare=custom&against=2026-03-28"
    assert chosen(range="24h", compare="custom", against="2026-03-28").before_hours is None


@pytest.mark.parametrize("against", ["", "x", "2026-13-01", "1999-12-31", "2026-11-27", "9999-12-31"])
def test_without_a_day_that_was_there_is_nothing_of_choice_to_compare_with(against: str) -> None:
    assert chosen(compare="custom", against=against) == chosen()


@pytest.mark.parametrize("text", ["", "x", "-1", "99999999999", "2026-13-01", "\x00", "1e3", "٣"])
@pytest.mark.parametrize("name", ["range", "compare", "back", "from", "to", "against"])
def test_nonsense_counts_as_the_default(name: str, text: str) -> None:
    assert days(range_of({"range": "28d", name: text}, zone="Asia/Kolkata", now=NOW)) == days(chosen("Asia/Kolkata"))


@pytest.mark.parametrize("key", [*PRESETS, "custom"])
def test_a_step_back_and_one_forward_lead_to_the_same_days(key: str) -> None:
    from django.http import QueryDict

    begun = chosen(range=key, from_="2026-10-01", to="2026-10-10")
    back = range_of(QueryDict(begun.earlier).dict(), zone="Europe/Berlin", now=NOW)
    assert back.last < begun.last
    assert back.later is not None
    again = range_of(QueryDict(back.later).dict(), zone="Europe/Berlin", now=NOW)
    assert days(again) == days(begun)


def test_links_keep_a_range_relative_and_name_it_also_where_it_is_the_default() -> None:
    assert chosen().query() == "range=28d&compare=weekday"
    assert {key: query for key, _, query in presets_of(chosen(compare="year"))}["7d"] == "range=7d&compare=year"
