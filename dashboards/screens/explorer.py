"""What the cost explorer was asked for, read from its address, and the report that answers it."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from django.http import QueryDict
from msgspec import Struct

from billing import reports
from cascade.run_reports import STATUS_FILTERS, by_status
from dashboards.ranges import Range
from tenants.end_users import LONGEST_NAME, ids_of_end_user
from tenants.models import ApiKey, Tenant

DIMENSIONS: Mapping[str, str] = {
    "model": "Model", "provider": "Provider", "tier": "Tier", "end_user": "End user", "domain": "Domain", "api_key": "API key", "preset": "Preset",
    "step": "Step", "tag": "Tag", "status": "What became of the run",
}  # fmt: skip
ENTRY_DIMENSIONS = tuple(name for name in DIMENSIONS if name != "status")
"""A call has no status: its run has one."""
METRICS: Mapping[str, tuple[str, str, str]] = {
    "cost": ("Cost", "cost_nusd", "usd"), "calls": ("Provider calls", "entries", "count"), "in": ("Input tokens", "input_tokens", "count"),
    "out": ("Output tokens", "output_tokens", "count"),
}  # fmt: skip
RUN_METRICS: Mapping[str, tuple[str, str, str]] = {
    "runs": ("Runs", "runs", "count"), "saved": ("Saved", "saved_nusd", "usd"), "accepted": ("Drafts accepted", "accepted_permille", "percent"),
    "per-run": ("Cost per run", "cost_per_run_nusd", "usd"), "latency": ("Time per run", "latency_per_run_ms", "ms"),
    "errors": ("Failed runs", "failed", "count"),
}  # fmt: skip
HOUR_DIMENSIONS = ("model", "tier", "end_user", "domain", "api_key")
LIMITS = (5, 8)
"""No more colours can be told apart; the table has all rows."""
MOST_FILTERS, MOST_ROWS = 10, 500
HOUR = timedelta(hours=1)


class Question(Struct, frozen=True, kw_only=True):
    """What is asked: a metric, by one or two dimensions, under filters."""

    metric: str
    group: str
    subgroup: str
    tag_key: str
    limit: int
    filters: Sequence[reports.Filter]

    @property
    def needs_entries(self) -> bool:
        """Two dimensions, a filter, one key of tags, or what became of runs: no sums are kept of those."""
        return bool(self.subgroup or self.filters or self.tag_key or self.is_by_status)

    @property
    def is_by_status(self) -> bool:
        return self.group == "status"

    @property
    def is_of_runs(self) -> bool:
        """Is it told for all runs together?"""
        return self.metric in RUN_METRICS and not self.is_by_status

    @property
    def narrowing(self) -> Sequence[reports.Filter]:
        """The filters that do narrow the answer. A run may call several models, so that runs are not narrowed by them."""
        return [one for one in self.filters if one.dimension in STATUS_FILTERS] if self.is_by_status else self.filters

    @property
    def ignored(self) -> Sequence[str]:
        """The dimensions whose filters do not narrow the chart."""
        kept = [] if self.is_of_runs else self.narrowing
        return list(dict.fromkeys(DIMENSIONS[one.dimension].lower() for one in self.filters if one not in kept))

    def is_by_hours(self, chosen: Range) -> bool:
        """Is it answered by the hour? All else is by the day, also of the last 24 hours: then it is of the two days that they touch."""
        return chosen.is_hours and self.metric == "cost" and self.group in HOUR_DIMENSIONS and not self.needs_entries

    @property
    def label(self) -> str:
        return (METRICS.get(self.metric) or RUN_METRICS[self.metric])[0]

    @property
    def group_label(self) -> str:
        return DIMENSIONS[self.group].lower() if self.group != "api_key" else "API key"

    @property
    def subgroup_label(self) -> str:
        return DIMENSIONS[self.subgroup].lower() if self.subgroup != "api_key" else "API key"

    @property
    def unit(self) -> str:
        return (METRICS.get(self.metric) or RUN_METRICS[self.metric])[2]


class Chip(Struct, frozen=True, kw_only=True):
    """One filter as it is shown, and the query of the page without it."""

    text: str
    without: str


def question_of(asked: QueryDict, *, tenant: Tenant, keys: Sequence[UUID] | None) -> Question:
    """Return what an address asks for, within the keys whose costs the person may see, if not all. What makes no sense counts as not said.

    Of some keys no runs are told: those are summed for all keys together. Never raises.
    """
    metric, group, sub = asked.get("metric", "cost"), asked.get("group", "model"), asked.get("sub", "")
    limit = asked.get("limit", "8")
    group = group if group in DIMENSIONS and (group != "status" or metric in ("cost", "runs")) else "model"
    filters = [
        reports.Filter(dimension=dimension, values=_values(dimension, value, tenant), excludes=excludes)
        for name, excludes in (("f", False), ("x", True))
        for dimension, separator, value in (text.replace("\x00", "").partition(":") for text in asked.getlist(name))
        if separator and dimension in ENTRY_DIMENSIONS
    ]
    sub = sub if sub in ENTRY_DIMENSIONS and "status" not in (sub, group) and sub != group else ""
    return Question(
        metric=metric if metric in METRICS or (metric in RUN_METRICS and keys is None) else "cost", group=group,
        subgroup=sub, tag_key=_text(asked, "tagkey") if "tag" in (group, sub) else "", limit=int(limit) if limit in map(str, LIMITS) else 8,
        filters=[*_merged(filters[:MOST_FILTERS]), *_within(keys)],
    )  # fmt: skip


def answer_of(question: Question, chosen: Range) -> reports.Series:
    """Return all rows of the answer, at most MOST_ROWS, largest first. Raises reports.TooMuchToRead."""
    if question.is_by_hours(chosen):
        return cost_by_hours(chosen, question.group, limit=MOST_ROWS)
    return _of_days(question, chosen.first, chosen.last, zone=chosen.zone)


def answer_before(question: Question, chosen: Range) -> reports.Series | None:
    """Return the same of the days that a range is compared with, where it is read from the calls; None where that is nothing or too much."""
    if chosen.before is None or question.is_of_runs or not question.needs_entries:
        return None
    try:
        return _of_days(question, *chosen.before, zone=chosen.zone)
    except reports.TooMuchToRead:
        return None


def _of_days(question: Question, first: date, last: date, *, zone: str) -> reports.Series:
    if question.is_by_status:
        measure = "runs" if question.metric == "runs" else "cost_nusd"
        return by_status(first=first, last=last, zone=zone, measure=measure, filters=question.narrowing)
    measure = METRICS.get(question.metric, METRICS["cost"])[1]
    if question.needs_entries:
        return reports.pivot(
            first=first, last=last, group=question.group, subgroup=question.subgroup or None, filters=question.filters, measure=measure,
            limit=MOST_ROWS, tag_key=question.tag_key,
        )  # fmt: skip
    return reports.series_by(dimension=question.group, first=first, last=last, limit=MOST_ROWS, measure=measure)


def cost_by_hours(chosen: Range, group: str, *, limit: int) -> reports.Series:
    """Return the cost of the last 24 hours by one of HOUR_DIMENSIONS, its points in the tenant's time zone. Raises ValueError for other ranges."""
    if not (chosen.start_at and chosen.end_at):
        raise ValueError("only the last 24 hours are told by the hour")
    series = reports.spend_by_quarters(dimension=group, start_at=chosen.start_at, end_at=chosen.end_at, step=HOUR, limit=limit)
    instants: Sequence[Any] = series.points
    return msgspec.structs.replace(series, points=[point.astimezone(ZoneInfo(chosen.zone)) for point in instants])


def total_before_by_hours(chosen: Range) -> Sequence[int] | None:
    """Return what each hour's counterpart cost in all, None without one."""
    if chosen.before_hours is None:
        return None
    start_at, end_at = chosen.before_hours
    return reports.spend_by_quarters(dimension="all", start_at=start_at, end_at=end_at, step=HOUR, limit=1).totals


def folded(series: reports.Series, limit: int) -> reports.Series:
    """Return the series with its `limit` largest lines, and all others as one."""
    lines, rest = list(series.lines[:limit]), list(series.lines[limit:])
    if rest:
        amounts = [sum(at) for at in zip(*(line.amounts for line in rest), strict=True)]
        lines.append(reports.Line(value=reports.OTHER, label="Other", amounts=amounts))
    return msgspec.structs.replace(series, lines=lines)


def chips_of(asked: QueryDict) -> list[Chip]:
    """Return the filters of an address, each with the address that lacks it."""
    found = []
    for name, word in (("f", "is"), ("x", "is not")):
        for text in asked.getlist(name):
            dimension, _, value = text.partition(":")
            if dimension not in ENTRY_DIMENSIONS:
                continue
            rest = asked.copy()
            rest.setlist(name, [other for other in asked.getlist(name) if other != text])
            label = reports.names_of(dimension=dimension, values=[value])[value] if _is_uuid(value) else value
            found.append(Chip(text=f"{DIMENSIONS[dimension].lower()} {word} {label or '(none)'}", without=f"?{rest.urlencode()}"))
    return found


def with_filter(asked: QueryDict) -> str | None:
    """Return the query in which a filter of the form (`dim` and `value`) is one of the address; None where the form says none."""
    dimension, value = asked.get("dim", ""), asked.get("value", "").strip()
    if dimension not in ENTRY_DIMENSIONS or not value:
        return None
    rest: Any = asked.copy()
    for name in ("dim", "value", "not"):
        rest.pop(name, None)
    rest.appendlist("x" if asked.get("not") else "f", f"{dimension}:{value[:LONGEST_NAME]}")
    return urlencode([(name, one) for name, many in rest.lists() for one in many])


def _text(asked: QueryDict, name: str) -> str:
    return asked.get(name, "").replace("\x00", "").strip()[:LONGEST_NAME]


def _values(dimension: str, value: str, tenant: Tenant) -> list[str]:
    """People say names where sums are kept by id. Several keys may have one name: a key that was rolled has that of the one before it."""
    if dimension == "end_user" and value:
        return [str(one) for one in ids_of_end_user(value, salt=bytes(tenant.end_user_salt))]
    if dimension == "api_key" and value and not _is_uuid(value):
        return [str(key) for key in ApiKey.objects.filter(name=value).values_list("pk", flat=True)] or [value]
    return [value]


def _within(keys: Sequence[UUID] | None) -> list[reports.Filter]:
    """A filter of its own, which no chosen one widens."""
    return [] if keys is None else [reports.Filter(dimension="api_key", values=[str(key) for key in keys])]


def _merged(filters: Sequence[reports.Filter]) -> list[reports.Filter]:
    """Values of one dimension are alternatives."""
    found: dict[tuple[str, bool], list[str]] = {}
    for one in filters:
        found.setdefault((one.dimension, one.excludes), []).extend(one.values)
    return [reports.Filter(dimension=dimension, values=values, excludes=excludes) for (dimension, excludes), values in found.items()]


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return len(text) == 36
