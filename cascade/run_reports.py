"""Every number about runs that a person sees: how many, how drafts fared, what was saved. For the tenant of the scope, in nano-USD.

What money was spent is told by billing.reports; a run's own cost is what its trace says.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Avg, Count, Max, Min, Sum
from msgspec import Struct

from billing import reports
from cascade.models import CascadeRun, RunDay
from tenants.scoping import current_tenant_id

SUMS = (
    "runs", "failed", "judged", "accepted", "cost_nusd", "compared_nusd", "baseline_nusd", "by_cache_nusd", "by_price_nusd", "by_degrade_nusd",
    "latency_ms",
)  # fmt: skip
STATUS_MEASURES: Mapping[str, str] = {"cost_nusd": "r.cost_nusd", "runs": "1"}
STATUS_FILTERS: Mapping[str, str] = {
    "tier": "r.tier", "domain": "r.domain", "end_user": "coalesce(r.end_user_id::text, '')", "api_key": "coalesce(r.api_key_id::text, '')",
}  # fmt: skip
QUALITY_DAYS = 31
QUALITY_SPAN = timedelta(days=QUALITY_DAYS, hours=1)
"""An hour more: clocks go back in the longest of them."""
DIMENSIONS = tuple(RunDay.Dimension.values)


class RunSums(Struct, frozen=True, kw_only=True):
    """Runs together, without shadows. Savings compare runs that have a baseline with it; rejected drafts count as cost."""

    runs: int = 0
    failed: int = 0
    judged: int = 0
    accepted: int = 0
    cost_nusd: int = 0
    compared_nusd: int = 0
    baseline_nusd: int = 0
    by_cache_nusd: int = 0
    by_price_nusd: int = 0
    by_degrade_nusd: int = 0
    latency_ms: int = 0

    @property
    def saved_nusd(self) -> int:
        """What was saved against the baseline; negative where the cascade cost more."""
        return self.baseline_nusd - self.compared_nusd

    @property
    def by_routing_nusd(self) -> int:
        """The part of cheaper models that were good enough, less what rejected drafts and checks cost: what no other part explains."""
        return self.saved_nusd - self.by_cache_nusd - self.by_price_nusd - self.by_degrade_nusd

    @property
    def saved_permille(self) -> int | None:
        return 1000 * self.saved_nusd // self.baseline_nusd if self.baseline_nusd else None

    @property
    def accepted_permille(self) -> int | None:
        """Of the drafts that were judged, in a thousand. Worked number: 714 accepted of 1000 judged are 714, shown as 71.4 %."""
        return 1000 * self.accepted // self.judged if self.judged else None

    @property
    def cost_per_run_nusd(self) -> int | None:
        return self.cost_nusd // self.runs if self.runs else None

    @property
    def latency_per_run_ms(self) -> int | None:
        return self.latency_ms // self.runs if self.runs else None


def runs_between(*, first: date, last: date) -> RunSums:
    """Return the runs of the days from `first` to `last`, both included, in the tenant's time zone."""
    sums = RunDay.objects.filter(day__gte=first, day__lte=last, dimension="all").aggregate(**{name: Sum(name) for name in SUMS})
    return _sums(sums)


def runs_of_two_periods(*, first: date, last: date, before: tuple[date, date] | None) -> tuple[RunSums, RunSums | None]:
    """Return the runs of some days and of those they are compared with, in one look."""
    if before is None:
        return runs_between(first=first, last=last), None
    rows = RunDay.objects.filter(day__gte=min(first, before[0]), day__lte=max(last, before[1]), dimension="all").values("day", *SUMS)
    days: list[Mapping[str, Any]] = list(rows)
    return _added(row for row in days if first <= row["day"] <= last), _added(row for row in days if before[0] <= row["day"] <= before[1])


def runs_by(*, dimension: str, values: Sequence[str], first: date, last: date) -> Mapping[str, RunSums]:
    """Return the runs of each value of a dimension. Raises ValueError for a dimension that runs are not summed by."""
    if dimension not in DIMENSIONS:
        raise ValueError(f"runs are not summed by {dimension!r}")
    rows = RunDay.objects.filter(day__gte=first, day__lte=last, dimension=dimension, value__in=values).values("value")
    return {row["value"]: _sums(row) for row in rows.annotate(**{name: Sum(name) for name in SUMS})}


def runs_by_preset(*, first: date, last: date) -> Mapping[str, RunSums]:
    """Return the runs of each preset, its versions together; those of one model by name are under "".

    They are summed by policy version. Worked number: 3 runs of house@1, 4 of house@2 and one of direct:large are 7 of house and 1 of "".
    """
    rows = RunDay.objects.filter(day__gte=first, day__lte=last, dimension="preset").values("value")
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows.annotate(**{name: Sum(name) for name in SUMS}):
        found["" if row["value"].startswith("direct:") else row["value"].partition("@")[0]].append(row)
    return {preset: _added(versions) for preset, versions in found.items()}


def days_with(*, dimension: str, value: str) -> tuple[date, date] | None:
    """Return the first and the last day on which runs had a value, None where none ever had it: so that nobody looks through all runs for it."""
    found = RunDay.objects.filter(dimension=dimension, value=value).aggregate(first=Min("day"), last=Max("day"))
    return (found["first"], found["last"]) if found["first"] else None


def days_with_preset(preset: str) -> tuple[date, date] | None:
    """Return the first and the last day on which runs had a preset, whatever its version; "" is one model by name. As `days_with` otherwise."""
    begins = f"{preset}@" if preset else "direct:"
    found = RunDay.objects.filter(dimension="preset", value__startswith=begins).aggregate(first=Min("day"), last=Max("day"))
    return (found["first"], found["last"]) if found["first"] else None


def newest_days(*, most_runs: int, until: date | None = None) -> date | None:
    """Return the day from which on, up to `until`, there are not more than some runs, of at least one day; None where there were none ever.

    Worked number: with 40 runs today, 50 yesterday and 30 the day before, at most 100 are those from yesterday on.
    """
    since, left = None, most_runs
    rows = RunDay.objects.filter(dimension="all", **({"day__lte": until} if until else {}))
    for day, runs in rows.order_by("-day").values_list("day", "runs"):
        left -= runs
        if since is not None and left < 0:
            break
        since = day
    return since


def runs_in_all(*, keys: Sequence[UUID] | None = None) -> int:
    """Return how many runs there ever were, without shadows, from the sums of days; those of some API keys where keys are given."""
    of_keys = {} if keys is None else {"value__in": [str(key) for key in keys]}
    rows = RunDay.objects.filter(dimension="all" if keys is None else "api_key", **of_keys)
    return int(rows.aggregate(runs=Sum("runs"))["runs"] or 0)


def runs_by_day(*, first: date, last: date) -> Mapping[date, RunSums]:
    """Return the runs of each day that has any."""
    rows = RunDay.objects.filter(day__gte=first, day__lte=last, dimension="all").values("day", *SUMS)
    return {row["day"]: _sums(row) for row in rows}


def runs_within(*, start_at: datetime, end_at: datetime) -> RunSums:
    """Return the runs that began in a span of at most two days, from the traces themselves. Raises ValueError for a longer one."""
    if end_at - start_at > timedelta(days=2):
        raise ValueError("longer spans are read from the sums of days")
    query = """
        SELECT count(*), count(*) FILTER (WHERE r.status = 'failed'), count(r.draft_accepted), count(*) FILTER (WHERE r.draft_accepted),
               coalesce(sum(r.cost_nusd), 0)::bigint, coalesce(sum(r.cost_nusd) FILTER (WHERE r.baseline_nusd IS NOT NULL), 0)::bigint,
               coalesce(sum(r.baseline_nusd), 0)::bigint, coalesce(sum(r.saved_by_cache_nusd), 0)::bigint,
               coalesce(sum(r.saved_by_price_nusd), 0)::bigint,
               coalesce(sum(r.baseline_nusd - r.cost_nusd - r.saved_by_cache_nusd - r.saved_by_price_nusd)
                        FILTER (WHERE r.status = 'degraded'), 0)::bigint, coalesce(round(sum(r.latency_ms)), 0)::bigint
          FROM cascade_cascaderun r
         WHERE r.tenant_id = %s AND r.started_at >= %s AND r.started_at < %s AND r.status <> 'shadow'"""
    with connection.cursor() as cursor:
        cursor.execute(query, [current_tenant_id(), start_at, end_at])
        return RunSums(**dict(zip(SUMS, cursor.fetchone(), strict=True)))


def by_status(*, first: date, last: date, zone: str, measure: str, filters: Sequence[reports.Filter] = ()) -> reports.Series:
    """Return the cost of runs (`cost_nusd`), or how many they were (`runs`), by what became of them, for each day of a time zone: from the
    traces themselves, for no sums are kept by it.

    Only filters by a column of STATUS_FILTERS narrow it; raises ValueError for others, and reports.TooMuchToRead as reports.pivot does.
    Worked number: 3 runs that were served for 2, 1 and 1 nano-USD and 1 that was degraded for 1 are lines of 4 and 1.
    """
    if (last - first).days >= reports.LONGEST_PIVOT_DAYS:
        raise reports.TooMuchToRead(f"at most {reports.LONGEST_PIVOT_DAYS} days")
    if unknown := {chosen.dimension for chosen in filters} - set(STATUS_FILTERS) or {measure} - set(STATUS_MEASURES):
        raise ValueError(f"runs have no {', '.join(sorted(unknown))}")
    wheres = "".join(
        f" AND {'NOT ' if chosen.excludes else ''}{STATUS_FILTERS[chosen.dimension]} = ANY(%(f{number})s)" for number, chosen in enumerate(filters)
    )
    query = f"""
        SELECT (r.started_at AT TIME ZONE %(zone)s)::date, r.status, sum({STATUS_MEASURES[measure]})::bigint FROM cascade_cascaderun r
         WHERE r.tenant_id = %(tenant)s AND r.started_at >= %(start)s AND r.started_at < %(end)s AND r.status <> 'shadow'{wheres}
         GROUP BY 1, 2"""  # noqa: S608 - every piece of the text is ours
    start_at, end_at = (datetime.combine(day, time(), tzinfo=ZoneInfo(zone)) for day in (first, last + timedelta(days=1)))
    asked = {f"f{number}": list(chosen.values) for number, chosen in enumerate(filters)}
    given = {"tenant": current_tenant_id(), "zone": zone, "start": start_at, "end": end_at, **asked}
    rows = reports.read_patiently(query, given, patience_ms=reports.PATIENCE_MS)
    points = reports.days_between(first, last)
    amounts: dict[str, dict[date, int]] = defaultdict(dict)
    for day, status, amount in rows:
        amounts[status][day] = amount
    lines = [reports.Line(value=name, label=name.capitalize(), amounts=[days.get(day, 0) for day in points]) for name, days in amounts.items()]
    return reports.Series(points=points, lines=sorted(lines, key=lambda line: (-line.total, line.value)), names=len(lines))


class Quality(Struct, frozen=True, kw_only=True):
    """Answers of one preset and one side of its rollout: how many were served, how many have a score, and the mean of those, 0 to 1."""

    preset: str
    arm: str
    runs: int
    scored: int
    mean_score: float | None


def quality_by_preset(*, start_at: datetime, end_at: datetime) -> Sequence[Quality]:
    """Return how good the answers are held to be that were served to runs that began in a span, from the traces themselves.

    Raises ValueError for a span of more than QUALITY_DAYS.
    """
    if end_at - start_at > QUALITY_SPAN:
        raise ValueError(f"scores are read of at most {QUALITY_DAYS} days")
    rows = CascadeRun.objects.filter(started_at__gte=start_at, started_at__lt=end_at, status__in=("served", "degraded"))
    sums = rows.order_by("preset", "arm").values("preset", "arm").annotate(runs=Count("pk"), scored=Count("score"), mean_score=Avg("score"))
    return [Quality(**row) for row in sums]


def _sums(row: Mapping[str, Any]) -> RunSums:
    return RunSums(**{name: int(row[name] or 0) for name in SUMS})


def _added(rows: Any) -> RunSums:
    found = list(rows)
    return RunSums(**{name: int(sum(row[name] for row in found)) for name in SUMS})
