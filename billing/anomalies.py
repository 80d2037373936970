"""Looking for anomalies: every minute in the quarter that runs, every morning in the day before, every hour at the quality of drafts."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection
from django.db.models import Q, QuerySet, Sum

from billing.alerting import AnomalyFound, raise_alert
from billing.alerting import Driver as Part
from billing.engine.anomalies.anomaly import Anomaly as Found
from billing.engine.anomalies.anomaly import Impact, Series, Severity, sensitivity_step
from billing.engine.anomalies.detector import AnomalyDetector, Learned
from billing.engine.anomalies.history import SpendHistory, Spent, spend_history
from billing.engine.anomalies.lanes import DAILY, FAST, Lane
from billing.engine.anomalies.quality import Judged, quality_collapse
from billing.engine.budgets import Period, window_bounds
from billing.explaining import Explanation, explain
from billing.models import Anomaly, DayRollup, QuarterRollup
from billing.quarters import QUARTER, quarter_of
from billing.series import day_of_first_spend
from tenants.models import Tenant
from tenants.rounds import active_tenants, go_round
from tenants.scoping import current_tenant_id, platform_scope

WATCHED = ("all", "api_key", "model", "domain", "end_user")
AFTERMATH = timedelta(minutes=2)
"""So long into a quarter the one before is looked at once more, when all of it is booked: only then can too little be seen."""
MORNING_HOURS = 3
PARTS_TOLD = 5
QUALITY_DAYS = 28
MOST_LEARNED = 100_000
"""Series that one worker remembers what is ordinary for; beyond, it learns anew."""

JUDGED = """
SELECT draft.model, (draft.booked_at AT TIME ZONE %s)::date AS day, count(*), count(*) FILTER (WHERE draft.outcome = 'rejected'),
       coalesce(sum(later.amount_nusd) FILTER (WHERE draft.outcome = 'rejected'), 0)::bigint
  FROM billing_costentry draft
  LEFT JOIN LATERAL (SELECT sum(l.amount_nusd) AS amount_nusd FROM billing_costentry l
                      WHERE l.reservation_id = draft.reservation_id AND l.leg > 0) later ON true
 WHERE draft.tenant_id = %s AND draft.booked_at >= %s AND draft.booked_at < %s AND draft.leg = 0 AND draft.preset <> ''
   AND draft.outcome IN ('accepted', 'rejected') AND draft.kind IN ('settled', 'estimated')
 GROUP BY 1, 2
"""


class Learnt:
    """What this worker knows to be ordinary, tenant by tenant, for one day. Made of the past alone, so another worker learns the same."""

    def __init__(self) -> None:
        self._of: dict[UUID, tuple[date, list[Learned]]] = {}

    def of(self, tenant_id: UUID, *, on: date) -> list[Learned]:
        if sum(len(some.series) for _, learned in self._of.values() for some in learned) > MOST_LEARNED:
            self._of.clear()
        known_on, learned = self._of.get(tenant_id, (on, []))
        self._of[tenant_id] = (on, learned if known_on == on else [])
        return self._of[tenant_id][1]


LEARNT = Learnt()


def look_at_quarters(*, now: datetime) -> int:
    """Look at the running quarter of every tenant that books in it. Returns how many anomalies there are, old ones that go on included."""
    newest = quarter_of(now if now - quarter_of(now) >= AFTERMATH else now - QUARTER)
    with platform_scope():
        busy = set(QuarterRollup.objects.filter(dimension="all", start_at__gte=newest - QUARTER).values_list("tenant_id", flat=True))
    tenants = [tenant for tenant in active_tenants() if tenant[0] in busy]
    return go_round(tenants, lambda zone: _look_at_quarter(newest, zone=zone, now=now))


def look_at_days(*, now: datetime) -> int:
    """Look at yesterday of every tenant whose morning it is. Again changes nothing."""
    tenants = [(pk, zone) for pk, zone in active_tenants() if now.astimezone(ZoneInfo(zone)).hour < MORNING_HOURS]
    return go_round(tenants, lambda zone: _look_at_day(now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1), zone=zone, now=now))


def look_at_quality(*, now: datetime) -> int:
    """Look whether more drafts of a model are rejected today than in the four weeks before. Again changes nothing."""
    return go_round(active_tenants(), lambda zone: _look_at_drafts(zone=zone, now=now))


def look_back(*, days: Iterable[date], zone: str) -> int:
    """Look at days of the scope's tenant that are long over, each as its evening and the next morning would have: for one whose past came at once."""
    found = 0
    for day in days:
        morning = window_bounds(period=Period.DAILY, zone=zone, instant=datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)))[1]
        evening = morning - timedelta(minutes=1)
        found += _look_at_drafts(zone=zone, now=evening) + _look_at_day(day, zone=zone, now=morning)
    return found


def _look_at_quarter(newest: datetime, *, zone: str, now: datetime) -> int:
    began = day_of_first_spend()
    candidates = _spending(newest - FAST.looks_back * QUARTER, newest, least_nusd=FAST.minimum_nusd)
    if began is None or not candidates:
        return 0
    known_since = datetime(began.year, began.month, began.day, tzinfo=ZoneInfo(zone))
    learned = LEARNT.of(current_tenant_id(), on=newest.date())
    new = candidates - {series for some in learned for series in some.series}
    detector = AnomalyDetector(lane=FAST, impact=_impact())
    if new:
        until = newest - QUARTER
        rows = _booked(new, since=until - (FAST.memory - 1) * QUARTER, until=until)
        learned.append(detector.learn(_history(rows, of=new, buckets=FAST.memory, last_at=until, zone=zone, known_since=known_since)))
    rows = _booked(candidates, since=newest - FAST.looks_back * QUARTER, until=newest)
    recent = _history(rows, of=candidates, buckets=FAST.looks_back + 1, last_at=newest, zone=zone, known_since=known_since)
    steps, ongoing = _steps(candidates), _ongoing(FAST, since=newest)
    found = [
        anomaly
        for some in learned
        if (own := candidates & set(some.series))
        for anomaly in detector.find(
            _only(recent, own), some, steps=steps, ongoing=ongoing, is_running=newest == quarter_of(now)
        )
    ]
    return _note_all(found, now=now)


def _look_at_day(day: date, *, zone: str, now: datetime) -> int:
    first = day - timedelta(days=DAILY.memory + DAILY.looks_back)
    began = day_of_first_spend()
    if began is None:
        return 0
    active = DayRollup.objects.filter(dimension__in=WATCHED, day__gt=day - timedelta(days=28), day__lte=day).values("dimension", "value")
    dear = active.annotate(spent=Sum("cost_nusd")).filter(Q(spent__gte=DAILY.minimum_nusd))
    series = {Series(row["dimension"], row["value"]) for row in dear}
    if not series:
        return 0
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    rows = _booked_by_day(series, first=first, last=day, zone=zone)
    known_since = datetime(began.year, began.month, began.day, tzinfo=ZoneInfo(zone))
    whole = _history(rows, of=series, buckets=DAILY.memory + DAILY.looks_back + 1, last_at=noon, zone=zone, known_since=known_since, lane=DAILY)
    detector = AnomalyDetector(lane=DAILY, impact=_impact())
    found = detector.find(whole, detector.learn(whole.without_newest()), steps=_steps(series), ongoing=_ongoing(DAILY, since=noon))
    return _note_all(found, now=now)


def _look_at_drafts(*, zone: str, now: datetime) -> int:
    start, end = window_bounds(period=Period.DAILY, zone=zone, instant=now)
    today = now.astimezone(ZoneInfo(zone)).date()
    with connection.cursor() as cursor:
        cursor.execute(JUDGED, [zone, current_tenant_id(), start - timedelta(days=QUALITY_DAYS), now])
        rows = cursor.fetchall()
    by_model: dict[str, dict[date, Judged]] = defaultdict(dict)
    for model, day, judged, rejected, later in rows:
        by_model[model][day] = Judged(judged=judged, rejected=rejected, later_nusd=later)
    steps, impact = _steps({Series("model", model) for model in by_model}), _impact()
    found = [
        quality_collapse(
            model=model, now=days[today], past=[judged for day, judged in days.items() if day != today], started_at=start, ended_at=end,
            step=steps.get(Series("model", model), 0), impact=impact,
        )
        for model, days in by_model.items()
        if today in days
    ]
    return _note_all([anomaly for anomaly in found if anomaly is not None], now=now)


def _spending(since: datetime, newest: datetime, *, least_nusd: int) -> set[Series]:
    """Return the series that spent enough in the newest quarters to be worth a look. End users are looked at where they spend alone."""
    rows = QuarterRollup.objects.filter(dimension__in=WATCHED, start_at__gt=newest - max(FAST.spans) * QUARTER, start_at__lte=newest)
    steady = QuarterRollup.objects.filter(dimension__in=("all", "api_key", "model", "domain"), start_at__gt=since, start_at__lte=newest)
    return _dear(rows, least_nusd) | _dear(steady, least_nusd)


def _dear(rows: QuerySet[QuarterRollup], least_nusd: int) -> set[Series]:
    dear = rows.values("dimension", "value").annotate(spent=Sum("cost_nusd")).filter(spent__gte=least_nusd)
    return {Series(row["dimension"], row["value"]) for row in dear}


def _booked(series: Iterable[Series], *, since: datetime, until: datetime) -> list[Spent]:
    rows = QuarterRollup.objects.filter(_any_of(series), start_at__gte=since, start_at__lte=until)
    return [Spent(Series(*name), at, cost) for *name, at, cost in rows.values_list("dimension", "value", "start_at", "cost_nusd").iterator()]


def _booked_by_day(series: Iterable[Series], *, first: date, last: date, zone: str) -> list[Spent]:
    rows = DayRollup.objects.filter(_any_of(series), day__gte=first, day__lte=last).values_list("dimension", "value", "day", "cost_nusd")
    local = ZoneInfo(zone)
    return [Spent(Series(*name), datetime(day.year, day.month, day.day, 12, tzinfo=local), cost) for *name, day, cost in rows.iterator()]


def _any_of(series: Iterable[Series]) -> Q:
    by_dimension: dict[str, list[str]] = defaultdict(list)
    for each in series:
        by_dimension[each.dimension].append(each.value)
    chosen = Q(pk__in=[])
    for dimension, values in by_dimension.items():
        chosen |= Q(dimension=dimension, value__in=values)
    return chosen


def _history(
    rows: Sequence[Spent], *, of: Iterable[Series], buckets: int, last_at: datetime, zone: str, known_since: datetime, lane: Lane = FAST
) -> SpendHistory:
    began: dict[Series, datetime] = {}
    for row in rows:
        began[row.series] = min(began.get(row.series, row.at), row.at)
    fixed = Anomaly.objects.filter(lane=lane.name, resolution=Anomaly.Resolution.FIXED, ended_at__gte=known_since)
    left_out = [(Series(row.dimension, row.value), at) for row in fixed for at in _buckets_of(row, lane)]
    return spend_history(
        rows, bucket=lane.bucket, buckets=buckets, last_at=last_at, zone=zone, known_since=known_since, left_out=left_out,
        began={series: at for series, at in began.items() if series.dimension != "all"}, of=of,
    )  # fmt: skip


def _buckets_of(row: Anomaly, lane: Lane) -> list[datetime]:
    return [row.started_at + number * lane.bucket for number in range(max(1, -((row.started_at - row.ended_at) // lane.bucket)))]


def _only(history: SpendHistory, series: set[Series]) -> SpendHistory:
    rows = [number for number, each in enumerate(history.series) if each in series]
    return msgspec.structs.replace(
        history, series=tuple(history.series[number] for number in rows), spend_nusd=history.spend_nusd[rows], known=history.known[rows]
    )


def _ongoing(lane: Lane, *, since: datetime) -> list[Found]:
    rows = Anomaly.objects.filter(lane=lane.name, ended_at__gte=since - (lane.quiet + 1) * lane.bucket)
    return [msgspec.convert(row.facts, type=Found, strict=False) for row in rows]


def _steps(series: Iterable[Series]) -> dict[Series, int]:
    """Return by how many steps each series is to be less sensitive."""
    wanted = set(series)
    answers = Anomaly.objects.filter(resolution=Anomaly.Resolution.NOT_USEFUL).values_list("dimension", "value")
    counted = Counter(Series(*name) for name in answers)
    return {each: sensitivity_step(counted[each]) for each in wanted if counted[each]}


def _impact() -> Impact:
    """Return from how much on the tenant wants to be told. What is found does not depend on it."""
    tenant = Tenant.objects.only("anomaly_minimum_nusd", "anomaly_minimum_percent").get(pk=current_tenant_id())
    return Impact(minimum_nusd=tenant.anomaly_minimum_nusd, minimum_percent=tenant.anomaly_minimum_percent)


def _note_all(found: Iterable[Found], *, now: datetime) -> int:
    """Keep all that was found, the largest first, since what is told first stands for the others. Returns how many."""
    largest_first = sorted(found, key=lambda anomaly: -abs(anomaly.excess_nusd))
    for anomaly in largest_first:
        _note(anomaly, now=now)
    return len(largest_first)


def _note(found: Found, *, now: datetime) -> None:
    """Keep what was found, with its explanation, and tell it where it is money: once a series and day, and not while it is snoozed."""
    row = Anomaly.objects.filter(
        lane=found.lane, kind=found.kind.value, dimension=found.series.dimension, value=found.series.value, started_at=found.started_at
    ).first()
    if row is None:
        row = Anomaly(
            lane=found.lane, kind=found.kind.value, dimension=found.series.dimension, value=found.series.value, started_at=found.started_at,
            found_at=now,
        )  # fmt: skip
    explanation = explain(found, now=now)
    row.take(found)
    row.facts = msgspec.to_builtins(found)
    row.drivers = {driver.value: amount for driver, amount in explanation.drivers.items()}
    row.contributors = msgspec.to_builtins(explanation.contributors)
    row.save()
    if found.severity is not Severity.INFO and row.state == Anomaly.State.OPEN and not row.told_at and not _is_quiet(row, now=now):
        raise_alert(event=_event(row, found, explanation), now=now)
        row.told_at = now
        row.save(update_fields=["told_at"])


def _is_quiet(row: Anomaly, *, now: datetime) -> bool:
    """Is the series snoozed, or is what happened told already? One key's spike is the tenant's and the model's, too: the largest is told."""
    snoozed = Q(dimension=row.dimension, value=row.value, state=Anomaly.State.SNOOZED, snoozed_until__gt=now)
    same = Q(lane=row.lane, kind=row.kind, told_at__isnull=False, started_at__lt=row.ended_at, ended_at__gt=row.started_at)
    others = Anomaly.objects.filter(snoozed | same).exclude(pk=row.pk)
    return any(other.state == Anomaly.State.SNOOZED or 2 * abs(other.excess_nusd) >= abs(row.excess_nusd) for other in others)


def _event(row: Anomaly, found: Found, explanation: Explanation) -> AnomalyFound:
    parts = [
        Part(dimension=some.dimension, value=part.value, change_nusd=part.amount_nusd) for some in explanation.contributors for part in some.largest
    ]
    return AnomalyFound(
        anomaly=row.pk, dimension=found.series.dimension, value=found.series.value, started_at=found.started_at, ended_at=found.ended_at,
        expected_nusd=found.figures.expected_nusd, actual_nusd=found.figures.actual_nusd,
        drivers=sorted(parts, key=lambda part: -abs(part.change_nusd))[:PARTS_TOLD],
    )  # fmt: skip
