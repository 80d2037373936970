"""What the cost explorer was asked for, read from its address, and the report that answers it."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from django.http import QueryDict
from msgspec import Struct

from billing import reports
from dashboards.ranges import Range
from tenants.end_users import LONGEST_NAME, end_user_id
from tenants.models import ApiKey, Tenant

DIMENSIONS: Mapping[str, str] = {
    "model": "Model", "provider": "Provider", "tier": "Tier", "end_user": "End user", "domain": "Domain", "api_key": "API key", "preset": "Preset",
    "step": "Step", "tag": "Tag",
}  # fmt: skip
METRICS: Mapping[str, tuple[str, str, str]] = {
    "cost": ("Cost", "cost_nusd", "usd"), "calls": ("Provider calls", "entries", "count"), "in": ("Input tokens", "input_tokens", "count"),
    "out": ("Output tokens", "output_tokens", "count"),
}  # fmt: skip
RUN_METRICS: Mapping[str, tuple[str, str, str]] = {
    "runs": ("Runs", "runs", "count"), "saved": ("Saved", "saved_nusd", "usd"), "accepted": ("Drafts accepted", "accepted_permille", "percent"),
    "per-run": ("Cost per run", "cost_per_run_nusd", "usd"), "latency": ("Time per run", "latency_per_run_ms", "ms"),
    "errors": ("Failed runs", "failed", "count"),
}  # fmt: skip
LIMITS = (5, 8, 12, 20)
MOST_FILTERS, MOST_ROWS = 10, 500


class Question(Struct, frozen=True, kw_only=True):
    """What is asked: a metric, by one or two dimensions, under filters."""

    metric: str
    group: str
    subgroup: str
    limit: int
    filters: Sequence[reports.Filter]

    @property
    def needs_entries(self) -> bool:
        """Two dimensions, or a filter: no sums are kept of those."""
        return bool(self.subgroup or self.filters)

    @property
    def is_of_runs(self) -> bool:
        return self.metric in RUN_METRICS

    @property
    def label(self) -> str:
        return (METRICS.get(self.metric) or RUN_METRICS[self.metric])[0]

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
    group = group if group in DIMENSIONS else "model"
    filters = [
        reports.Filter(dimension=dimension, values=[_value(dimension, value, tenant)], excludes=excludes)
        for name, excludes in (("f", False), ("x", True))
        for dimension, separator, value in (text.replace("\x00", "").partition(":") for text in asked.getlist(name))
        if separator and dimension in DIMENSIONS
    ]
    return Question(
        metric=metric if metric in METRICS or (metric in RUN_METRICS and keys is None) else "cost", group=group,
        subgroup=sub if sub in DIMENSIONS and sub != group else "", limit=int(limit) if limit in map(str, LIMITS) else 8,
        filters=[*_merged(filters[:MOST_FILTERS]), *_within(keys)],
    )  # fmt: skip


def answer_of(question: Question, chosen: Range) -> reports.Series:
    """Return all rows of the answer, at most MOST_ROWS, largest first. Raises reports.TooMuchToRead."""
    measure = METRICS.get(question.metric, METRICS["cost"])[1]
    if question.needs_entries:
        return reports.pivot(
            first=chosen.first, last=chosen.last, group=question.group, subgroup=question.subgroup or None, filters=question.filters,
            measure=measure, limit=MOST_ROWS,
        )  # fmt: skip
    return reports.series_by(dimension=question.group, first=chosen.first, last=chosen.last, limit=MOST_ROWS, measure=measure)


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
            if dimension not in DIMENSIONS:
                continue
            rest = asked.copy()
            rest.setlist(name, [other for other in asked.getlist(name) if other != text])
            label = reports.names_of(dimension=dimension, values=[value])[value] if _is_uuid(value) else value
            found.append(Chip(text=f"{DIMENSIONS[dimension].lower()} {word} {label or '(none)'}", without=f"?{rest.urlencode()}"))
    return found


def with_filter(asked: QueryDict) -> str | None:
    """Return the query in which a filter of the form (`dim` and `value`) is one of the address; None where the form says none."""
    dimension, value = asked.get("dim", ""), asked.get("value", "").strip()
    if dimension not in DIMENSIONS or not value:
        return None
    rest: Any = asked.copy()
    for name in ("dim", "value", "not"):
        rest.pop(name, None)
    rest.appendlist("x" if asked.get("not") else "f", f"{dimension}:{value[:LONGEST_NAME]}")
    return urlencode([(name, one) for name, many in rest.lists() for one in many])


def _value(dimension: str, value: str, tenant: Tenant) -> str:
    """People say names where sums are kept by id."""
    if dimension == "end_user" and value and not _is_uuid(value):
        return str(end_user_id(salt=bytes(tenant.end_user_salt), external_id=value))
    if dimension == "api_key" and value and not _is_uuid(value):
        found = ApiKey.objects.filter(name=value).values_list("pk", flat=True).first()
        return str(found) if found else value
    return value


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
