"""Which buckets are alike, and how rows of sums become the history that is judged."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from billing.engine.anomalies.anomaly import Series
from billing.engine.anomalies.history import Spent, spend_history
from billing.engine.anomalies.seasons import Clock, Season, clocks, windows_like

QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
SUNDAY = datetime(2026, 3, 1, tzinfo=UTC)
ANN, BEN = Series("end_user", "ann"), Series("end_user", "ben")


def test_quarters_of_an_hour_are_placed_by_the_wall_and_days_by_weekday() -> None:
    wall = Clock(zone="Europe/Berlin", bucket=QUARTER).places([SUNDAY + timedelta(hours=9, minutes=30), SUNDAY + timedelta(hours=23)])
    assert (wall.kind.tolist(), wall.slot.tolist()) == ([1, 0], [42, 0])
    days = Clock(zone="Europe/Berlin", bucket=DAY).places([SUNDAY, SUNDAY + DAY])
    assert (days.kind.tolist(), days.slot.tolist()) == ([0, 0], [6, 0])


def test_a_second_clock_counts_where_the_first_was_changed() -> None:
    def zones(zone: str, bucket: timedelta = QUARTER) -> list[str]:
        return [clock.zone for clock in clocks(zone=zone, bucket=bucket, first_at=SUNDAY, last_at=SUNDAY + 35 * DAY)]

    assert zones("Europe/Berlin") == ["Europe/Berlin", "UTC"]
    assert zones("Europe/Berlin", DAY) == ["Europe/Berlin"]
    assert zones("Asia/Kolkata") == ["Asia/Kolkata"]


def test_a_kind_of_day_that_is_hardly_known_is_looked_up_in_all_days() -> None:
    clock = Clock(zone="UTC", bucket=timedelta(hours=12))
    instants = [SUNDAY + timedelta(hours=12 * number) for number in range(10)]  # one day of a weekend, four working days
    values = np.array([[1.0, 2.0, *([5.0, 7.0] * 4)]])
    season = Season(values, places=clock.places(instants), clock=clock)
    assert season.table().tolist() == [[[5, 7], [5, 7]]]
    assert season.of_others()[0, :3].tolist() == [5, 7, 5]


def test_what_an_anomaly_is_compared_with_has_the_same_time_on_the_wall() -> None:
    start = datetime(2026, 4, 1, 12, tzinfo=UTC)
    found = windows_like(started_at=start, ended_at=start + timedelta(hours=4, minutes=30), zone="Europe/Berlin", weeks=2)
    before = datetime(2026, 3, 25, 13, tzinfo=UTC)
    assert found == [(at, at + timedelta(hours=4, minutes=30)) for at in (before, before - 7 * DAY)]


def test_rows_of_one_bucket_add_up_and_others_are_passed_over() -> None:
    rows = [
        Spent(ANN, SUNDAY, 1), Spent(ANN, SUNDAY + timedelta(minutes=14), 2), Spent(BEN, SUNDAY + QUARTER, 4), Spent(ANN, SUNDAY - 9 * QUARTER, 8),
        Spent(ANN, SUNDAY + 2 * QUARTER, 16),
    ]  # fmt: skip
    found = spend_history(rows, bucket=QUARTER, buckets=3, last_at=SUNDAY + QUARTER, zone="UTC", known_since=SUNDAY - DAY)
    assert found.series == (ANN, BEN)
    assert found.spend_nusd.tolist() == [[0, 3, 0], [0, 0, 4]]
    assert found.instants == (SUNDAY - QUARTER, SUNDAY, SUNDAY + QUARTER)
    assert found.without_newest().spend_nusd.tolist() == [[0, 3], [0, 0]]


def test_nothing_is_known_before_a_series_began_or_where_it_is_left_out() -> None:
    found = spend_history(
        [], bucket=QUARTER, buckets=4, last_at=SUNDAY, zone="UTC", known_since=SUNDAY - 2 * QUARTER, began={BEN: SUNDAY - QUARTER},
        left_out=[(ANN, SUNDAY - QUARTER), (Series("model", "x"), SUNDAY)], of=[ANN, BEN],
    )  # fmt: skip
    assert found.known.tolist() == [[False, True, False, True], [False, False, True, True]]
    assert np.isnan(found.amounts).tolist() == (~found.known).tolist()


def test_a_row_counts_to_the_day_that_it_has_in_the_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    rows = [Spent(ANN, datetime(2026, 3, 29, 0, 30, tzinfo=berlin), 1), Spent(ANN, datetime(2026, 3, 29, 23, 30, tzinfo=berlin), 2)]
    found = spend_history(
        rows, bucket=DAY, buckets=2, last_at=datetime(2026, 3, 29, 12, tzinfo=UTC), zone="Europe/Berlin", known_since=SUNDAY
    )
    assert found.spend_nusd.tolist() == [[0, 3]]
    assert [instant.hour for instant in found.instants] == [12, 12]


def test_nobody_and_nothing_are_fine() -> None:
    found = spend_history([], bucket=QUARTER, buckets=2, last_at=SUNDAY, zone="UTC", known_since=SUNDAY)
    assert found.spend_nusd.shape == (0, 2)
