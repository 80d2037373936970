"""What the detector finds in the spend of a tenant's series, and what it lets pass."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec.structs import replace

from billing.engine.anomalies.anomaly import Anomaly, AnomalyKind, Impact, Series, Severity
from billing.engine.anomalies.detector import AnomalyDetector
from billing.engine.anomalies.history import SpendHistory, Spent, spend_history
from billing.engine.anomalies.lanes import DAILY, FAST, Lane

USD, CENT = 1_000_000_000, 10_000_000
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
TENANT = Series("all")
SUNDAY = datetime(2026, 3, 1, tzinfo=UTC)
Spend = Callable[[datetime], float]
"""USD spent in the bucket that begins at an instant."""


@cache
def office(at: datetime, *, seed: int = 1) -> float:
    """About two dollars a quarter of an hour in working hours, a tenth of it at other times, some noise on top."""
    busy = at.weekday() < 5 and 8 <= at.hour < 18
    noise = np.random.default_rng([seed, int(at.timestamp())]).gamma(20) / 20
    return (2.0 if busy else 0.2) * float(noise)


def history(spend: Spend, *, last_at: datetime, buckets: int, lane: Lane = FAST, zone: str = "UTC", series: Series = TENANT) -> SpendHistory:
    back = lane.bucket * (buckets - 1)
    instants = [last_at - back + lane.bucket * number for number in range(buckets)]
    rows = [Spent(series, at, round(spend(at) * USD)) for at in instants]
    return spend_history(rows, bucket=lane.bucket, buckets=buckets, last_at=last_at, zone=zone, known_since=instants[0])


class Watch:
    """Ticks through buckets as a worker does: learns at the first tick of each day, judges each bucket, keeps what is ongoing."""

    def __init__(self, spend: Spend, *, lane: Lane = FAST, zone: str = "UTC", days: int = 35) -> None:
        self.spend, self.lane, self.zone, self.days = spend, lane, zone, days
        self.detector = AnomalyDetector(lane=lane)
        self.found: dict[tuple[AnomalyKind, datetime], Anomaly] = {}

    def run(self, first: datetime, last: datetime) -> list[Anomaly]:
        learned, at = None, first
        while at <= last:
            if learned is None or at.hour == at.minute == 0:
                whole = self.days * (DAY // self.lane.bucket)
                past = history(self.spend, last_at=at - self.lane.bucket, buckets=whole, lane=self.lane, zone=self.zone)
                learned = self.detector.learn(past)
            recent = history(self.spend, last_at=at, buckets=self.lane.looks_back + 1, lane=self.lane, zone=self.zone)
            for anomaly in self.detector.find(recent, learned, ongoing=list(self.found.values())):
                self.found[anomaly.kind, anomaly.started_at] = anomaly
            at += self.lane.bucket
        return sorted(self.found.values(), key=lambda anomaly: anomaly.started_at)


MONDAY = SUNDAY + timedelta(days=36)


def test_an_ordinary_week_has_no_anomaly() -> None:
    assert Watch(office).run(MONDAY, MONDAY + timedelta(days=7)) == []


def test_a_spike_is_found_in_the_bucket_that_still_runs() -> None:
    at = MONDAY + timedelta(hours=3)
    detector = AnomalyDetector()
    learned = detector.learn(history(office, last_at=MONDAY - QUARTER, buckets=35 * 96))
    recent = history(lambda bucket: 30.0 if bucket == at else office(bucket), last_at=at, buckets=FAST.looks_back + 1)
    [spike] = detector.find(recent, learned, is_running=True)
    assert (spike.kind, spike.started_at, spike.ended_at) == (AnomalyKind.SPIKE, at, at + QUARTER)
    assert spike.figures.actual_nusd == 30 * USD
    assert spike.figures.expected_nusd == pytest.approx(0.2 * USD, rel=0.5)
    assert spike.figures.low_nusd <= spike.figures.expected_nusd <= spike.figures.high_nusd < spike.figures.actual_nusd
    assert spike.excess_nusd == spike.figures.actual_nusd - spike.figures.expected_nusd
    assert spike.severity is Severity.WARNING


def test_what_is_ordinary_by_day_is_a_spike_by_night() -> None:
    night = MONDAY + timedelta(hours=3)
    [spike] = Watch(lambda at: 2.0 if at == night else office(at)).run(MONDAY, MONDAY + timedelta(hours=12))
    assert spike.started_at in (night, night - 3 * QUARTER)


def test_a_job_that_runs_each_night_is_ordinary_and_one_that_moves_is_not() -> None:
    def nightly(hour: int) -> Spend:
        return lambda at: office(at) + (20.0 if (at.hour, at.minute) == ((hour if at >= MONDAY else 2), 0) else 0.0)

    assert Watch(nightly(2)).run(MONDAY, MONDAY + DAY) == []
    found = Watch(nightly(4)).run(MONDAY, MONDAY + timedelta(hours=8))
    hours = [(AnomalyKind.DROP, MONDAY + timedelta(hours=2)), (AnomalyKind.SPIKE, MONDAY + timedelta(hours=4))]
    assert [(anomaly.kind, anomaly.started_at) for anomaly in found] == hours


def test_a_working_days_spend_is_out_of_the_ordinary_on_a_saturday() -> None:
    saturday = MONDAY + timedelta(days=5)
    found = Watch(lambda at: office(at - DAY) if at >= saturday else office(at)).run(saturday, saturday + DAY - QUARTER)
    assert [anomaly.kind for anomaly in found] == [AnomalyKind.SPIKE]
    assert found[0].started_at.hour in (7, 8)


def test_a_new_level_is_found_once_and_not_for_ever() -> None:
    change = MONDAY + timedelta(days=1, hours=10)
    found = Watch(lambda at: 4 * office(at) if at >= change else office(at)).run(MONDAY, MONDAY + timedelta(days=7))
    assert [anomaly.kind for anomaly in found] == [AnomalyKind.SPIKE]
    assert change - timedelta(hours=1) <= found[0].started_at <= change
    assert found[0].ended_at - found[0].started_at < timedelta(hours=10)


def test_use_that_grows_slowly_is_ordinary() -> None:
    assert Watch(lambda at: office(at) * 1.003 ** ((at - SUNDAY) / DAY)).run(MONDAY, MONDAY + timedelta(days=7)) == []


def test_falling_to_nothing_is_found_when_the_bucket_is_over_and_only_once() -> None:
    stop = MONDAY + timedelta(days=1, hours=11)

    def spend(at: datetime) -> float:
        return 0.0 if at >= stop else office(at)

    detector = AnomalyDetector()
    learned = detector.learn(history(spend, last_at=MONDAY - QUARTER, buckets=35 * 96))
    recent = history(spend, last_at=stop + QUARTER, buckets=FAST.looks_back + 1)
    assert detector.find(recent, learned, is_running=True) == []
    [drop] = detector.find(recent, learned)
    assert (drop.kind, drop.last.actual_nusd) == (AnomalyKind.DROP, 0)
    assert drop.excess_nusd < 0
    [ended] = Watch(spend).run(MONDAY, MONDAY + timedelta(days=5))
    assert ended.ended_at - stop < timedelta(hours=10)


def test_a_first_spend_is_an_anomaly_from_the_least_money_on() -> None:
    at = MONDAY + timedelta(hours=3)
    detector = AnomalyDetector()
    learned = detector.learn(history(lambda _: 0.0, last_at=MONDAY - QUARTER, buckets=35 * 96))
    for spent, kinds in ((0.09, []), (0.11, [AnomalyKind.SPIKE])):
        recent = history(lambda bucket, spent=spent: spent if bucket == at else 0.0, last_at=at, buckets=FAST.looks_back + 1)  # type: ignore[misc]
        assert [anomaly.kind for anomaly in detector.find(recent, learned)] == kinds


def test_spend_that_comes_now_and_then_is_ordinary() -> None:
    """About once a day at any time: most buckets are empty."""

    @cache
    def rare(at: datetime) -> float:
        chance = np.random.default_rng([3, int(at.timestamp())])
        return float(chance.gamma(4) / 4) if chance.random() < 1 / 60 else 0.0

    assert Watch(rare).run(MONDAY, MONDAY + timedelta(days=4)) == []


BERLIN = ZoneInfo("Europe/Berlin")
CHANGED = datetime(2026, 3, 29, 1, tzinfo=UTC)


@pytest.mark.parametrize("clock", [BERLIN, UTC], ids=["by the clock on the wall", "by UTC"])
def test_a_changed_clock_makes_no_anomaly(clock: ZoneInfo) -> None:
    def job(at: datetime) -> float:
        here = at.astimezone(clock)
        return 5.0 if (here.hour, here.minute) == (4, 30) else 0.5

    watch = Watch(job, zone="Europe/Berlin", days=25)
    assert watch.run(CHANGED - timedelta(hours=6), CHANGED + timedelta(days=2)) == []


def test_a_young_series_is_not_judged_and_says_so() -> None:
    detector = AnomalyDetector()
    learned = detector.learn(history(office, last_at=MONDAY - QUARTER, buckets=6 * 96))
    recent = history(lambda _: 50.0, last_at=MONDAY, buckets=FAST.looks_back + 1)
    assert detector.find(recent, learned) == []
    assert [judgement.is_young.tolist() for judgement in detector.judge(recent, learned)] == [[True], [True]]
    stranger = replace(recent, series=(Series("end_user", "new"),))
    assert detector.judge(stranger, learned)[0].is_young.all()
    assert detector.find(stranger, learned) == []


def test_where_nobody_spends_there_is_nothing_to_find() -> None:
    nobody = spend_history([], bucket=QUARTER, buckets=35 * 96 + 1, last_at=MONDAY, zone="UTC", known_since=SUNDAY)
    detector = AnomalyDetector()
    assert detector.find(nobody, detector.learn(nobody.without_newest())) == []


def test_what_is_not_useful_is_found_less_easily() -> None:
    detector = AnomalyDetector()
    learned = detector.learn(history(office, last_at=MONDAY - QUARTER, buckets=35 * 96))
    recent = history(lambda at: 1.5 if at == MONDAY else office(at), last_at=MONDAY, buckets=FAST.looks_back + 1)
    scores = [detector.judge(recent, learned, steps={TENANT: step})[0].score[0, 0] for step in range(4)]
    assert scores == pytest.approx([scores[0] / 1.5**step for step in range(4)])
    assert [bool(detector.find(recent, learned, steps={TENANT: step})) for step in (0, 3)] == [True, False]


def test_impact_changes_the_severity_and_not_what_is_found() -> None:
    past = history(office, last_at=MONDAY - QUARTER, buckets=35 * 96)
    recent = history(lambda at: 40.0 if at == MONDAY else office(at), last_at=MONDAY, buckets=FAST.looks_back + 1)
    found: list[Anomaly] = []
    for minimum in (USD, 50 * USD):
        detector = AnomalyDetector(impact=Impact(minimum_nusd=minimum))
        found += detector.find(recent, detector.learn(past))
    assert [anomaly.severity for anomaly in found] == [Severity.CRITICAL, Severity.INFO]
    assert found[0].figures == found[1].figures


def test_an_anomaly_goes_on_and_the_same_bucket_counts_once() -> None:
    start = MONDAY + timedelta(hours=3)
    detector = AnomalyDetector()
    learned = detector.learn(history(office, last_at=MONDAY - QUARTER, buckets=35 * 96))

    def tick(at: datetime, spent: float, ongoing: Sequence[Anomaly]) -> Anomaly:
        recent = history(lambda bucket: spent if bucket == at else office(bucket), last_at=at, buckets=FAST.looks_back + 1)
        return next(iter(detector.find(recent, learned, ongoing=ongoing, is_running=True)))

    first = tick(start, 10.0, [])
    again = tick(start, 15.0, [first])
    assert (again.started_at, again.ended_at, again.figures.actual_nusd) == (start, start + QUARTER, 15 * USD)
    later = tick(start + 3 * QUARTER, 20.0, [again])
    assert (later.started_at, later.ended_at, later.figures.actual_nusd) == (start, start + 4 * QUARTER, 35 * USD)
    assert later.excess_nusd == again.excess_nusd + 20 * USD - later.last.expected_nusd
    assert tick(start, 15.0, [later]) == later
    much_later = tick(start + 20 * QUARTER, 20.0, [later])
    assert much_later.started_at > later.ended_at


def test_after_a_night_that_is_left_out_the_usual_alone_is_likely() -> None:
    detector = AnomalyDetector()
    learned = detector.learn(history(office, last_at=MONDAY - QUARTER, buckets=35 * 96))
    recent = history(lambda at: 9.0 if at == MONDAY else office(at), last_at=MONDAY, buckets=FAST.looks_back + 1)
    known = recent.known.copy()
    known[:, :-1] = False
    assert [anomaly.kind for anomaly in detector.find(replace(recent, known=known), learned)] == [AnomalyKind.SPIKE]


def test_a_long_incident_hides_the_next_one_unless_it_is_left_out() -> None:
    weeks = MONDAY - timedelta(days=7)
    times = [weeks + QUARTER * number for number in range(20)]
    rows = [Spent(TENANT, at, round((9.0 if at in times else office(at)) * USD)) for at in (MONDAY - QUARTER * n for n in range(1, 35 * 96))]
    detector = AnomalyDetector()
    recent = history(lambda at: 9.0 if at == MONDAY else office(at), last_at=MONDAY, buckets=FAST.looks_back + 1)
    found = []
    for left_out in ([], [(TENANT, at) for at in times]):
        past = spend_history(
            rows, bucket=QUARTER, buckets=35 * 96, last_at=MONDAY - QUARTER, zone="UTC", known_since=SUNDAY, left_out=left_out,
        )  # fmt: skip
        found.append(len(detector.find(recent, detector.learn(past))))
    assert found == [0, 1]


def test_many_series_are_judged_as_each_alone() -> None:
    def of(number: int) -> Iterator[Spent]:
        for back in range(35 * 96 + 1):
            at = MONDAY - QUARTER * back
            amount = 25.0 if number == 2 and at == MONDAY else office(at, seed=number) * number
            yield Spent(Series("api_key", str(number)), at, round(amount * USD))

    def scores(numbers: Sequence[int]) -> list[list[float]]:
        rows = [row for number in numbers for row in of(number)]
        whole = spend_history(rows, bucket=QUARTER, buckets=35 * 96 + 1, last_at=MONDAY, zone="UTC", known_since=SUNDAY)
        detector = AnomalyDetector()
        learned = detector.learn(whole.without_newest())
        found = detector.find(whole, learned)
        assert [anomaly.series.value for anomaly in found] == (["2"] if 2 in numbers else [])
        return [judgement.score[:, 0].tolist() for judgement in detector.judge(whole, learned)]

    together, apart = scores([0, 1, 2, 3]), [scores([number]) for number in range(4)]
    assert together == [[each[span][0] for each in apart] for span in range(2)]


def test_bands_of_a_whole_day_are_there_for_a_chart() -> None:
    detector = AnomalyDetector()
    learned = detector.learn(history(office, last_at=MONDAY - QUARTER, buckets=35 * 96))
    day = history(office, last_at=MONDAY + DAY - QUARTER, buckets=FAST.looks_back + 96)
    alone = detector.judge(day, learned, newest=96)[0]
    assert alone.low.shape == (1, 96)
    inside = (alone.low <= day.amounts[:, -96:]) & (day.amounts[:, -96:] <= alone.high)
    assert inside.all()
    assert alone.high[0, 40] > 3 * alone.high[0, 4]


def daily(change: Callable[[datetime], float] = lambda _: 1.0) -> Spend:
    """100 USD on working days, 20 on the others, growing by a hundredth a day."""

    def spend(at: datetime) -> float:
        noise = np.random.default_rng([7, at.toordinal()]).normal(1, 0.05)
        return (100.0 if at.weekday() < 5 else 20.0) * 1.01 ** ((at - SUNDAY) / DAY) * float(noise) * change(at)

    return spend


LATER = SUNDAY + timedelta(days=80)


def days_found(spend: Spend, days: int = 21) -> list[Anomaly]:
    return Watch(spend, lane=DAILY, days=70).run(LATER, LATER + timedelta(days=days))


def test_the_slow_lane_lets_weeks_and_growth_pass() -> None:
    assert days_found(daily()) == []


def test_the_slow_lane_finds_a_day_that_is_too_dear_or_too_cheap() -> None:
    odd = LATER + timedelta(days=12)
    [spike] = days_found(daily(lambda at: 2.0 if at == odd else 1.0))
    assert (spike.kind, spike.started_at, spike.ended_at, spike.lane) == (AnomalyKind.SPIKE, odd, odd + DAY, "daily")
    assert spike.ratio == pytest.approx(2, rel=0.2)
    [drop] = days_found(daily(lambda at: 0.0 if at == odd else 1.0))
    assert (drop.kind, drop.ratio, drop.severity) == (AnomalyKind.DROP, 0.0, Severity.CRITICAL)


def test_the_slow_lane_finds_a_new_level_once() -> None:
    change = LATER + timedelta(days=2)
    [found] = days_found(daily(lambda at: 2.0 if at >= change else 1.0), days=28)
    assert found.started_at == change
    assert found.ended_at <= change + timedelta(days=7)


def test_days_of_a_zone_end_at_its_midnights() -> None:
    odd = datetime(2026, 3, 29, 12, tzinfo=BERLIN)
    spend = daily(lambda at: 3.0 if at.date() == odd.date() else 1.0)
    lane = replace(DAILY, least_known=21)
    noon = [odd - DAY * back for back in range(28)]
    rows = [Spent(TENANT, at, round(spend(at) * USD)) for at in noon]
    whole = spend_history(rows, bucket=DAY, buckets=28, last_at=odd, zone="Europe/Berlin", known_since=noon[-1])
    detector = AnomalyDetector(lane=lane)
    [spike] = detector.find(whole, detector.learn(whole.without_newest()))
    assert (spike.started_at, spike.ended_at) == (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
