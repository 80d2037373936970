"""Two dimensions at once, or one with filters: read from the entries themselves, since no sums are kept of pairs."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct

from billing.reports.names import names_of
from billing.reports.patience import LONGEST_PIVOT_DAYS, PATIENCE_MS, TooMuchToRead, read_patiently
from billing.reports.series import OTHER, Line, Series, days_between, lines_of
from tenants.scoping import current_tenant_id

COLUMNS: Mapping[str, str] = {
    "all": "''", "model": "e.model", "provider": "e.provider", "tier": "e.tier", "domain": "e.domain", "preset": "e.preset", "step": "e.step",
    "end_user": "coalesce(e.end_user_id::text, '')", "api_key": "coalesce(e.api_key_id::text, '')", "tag": "t.tag",
}  # fmt: skip
PIVOT_DIMENSIONS = tuple(name for name in COLUMNS if name != "all")
MEASURES: Mapping[str, str] = {
    "cost_nusd": "e.amount_nusd", "entries": "1", "input_tokens": "e.input_tokens", "output_tokens": "e.output_tokens",
}  # fmt: skip
KEY_OF_TAG = "split_part(translate(t.tag, ':', '='), '=', 1)"
SEPARATOR = "\x1f"


class Filter(Struct, frozen=True, kw_only=True):
    """Only entries whose dimension has one of the values, or, where it excludes, none of them."""

    dimension: str
    values: Sequence[str]
    excludes: bool = False


def pivot(
    *, first: date, last: date, group: str, subgroup: str | None, filters: Sequence[Filter], measure: str, limit: int,
    tag_key: str = "",
) -> Series:  # fmt: skip
    """Return a measure per day by one or two dimensions under filters, the `limit` largest and the rest as one line.

    A line of two dimensions has the value "group\\x1fsubgroup" and the label "group · subgroup". With `tag_key` only
    tags of that key count: of "team:core" and "team=core" it is "team". Reads entries of at most
    LONGEST_PIVOT_DAYS days and for at most 5 s. Raises TooMuchToRead beyond either, ValueError for names that are no dimension or measure.
    """
    if (last - first).days >= LONGEST_PIVOT_DAYS:
        raise TooMuchToRead(f"at most {LONGEST_PIVOT_DAYS} days")
    groups = [name for name in (group, subgroup) if name]
    if unknown := {*groups, *(chosen.dimension for chosen in filters)} - set(COLUMNS) or {measure} - set(MEASURES):
        raise ValueError(f"no dimension or measure: {', '.join(sorted(unknown))}")
    query = _query(groups, filters, measure, of_key=bool(tag_key))
    rows = read_patiently(query, {**_asked(first, last, filters, limit), "tag_key": tag_key}, patience_ms=PATIENCE_MS)
    return _named(rows, groups, points=days_between(first, last))


def _query(groups: Sequence[str], filters: Sequence[Filter], measure: str, *, of_key: bool) -> str:
    """Every piece of the text is ours: what a person said is passed beside it."""
    value = f" || '{SEPARATOR}' || ".join(COLUMNS[name] for name in groups)
    tags = "CROSS JOIN LATERAL unnest(e.tags) AS t(tag)" if "tag" in groups else ""
    wheres = "".join(
        f" AND {'NOT ' if chosen.excludes else ''}{_matches(chosen.dimension, number)}" for number, chosen in enumerate(filters)
    )
    if tags and of_key:
        wheres += f" AND {KEY_OF_TAG} = %(tag_key)s"
    return f"""
        WITH days AS MATERIALIZED (
          SELECT e.occurred_on AS day, {value} AS value, sum({MEASURES[measure]}) AS amount FROM billing_costentry e {tags}
           WHERE e.tenant_id = %(tenant)s AND e.occurred_on BETWEEN %(first)s AND %(last)s
             AND e.booked_at >= %(first)s::date - 2{wheres}
           GROUP BY 1, 2
        ), ranked AS (
          SELECT value, row_number() OVER (ORDER BY sum(amount) DESC, value) AS rank, count(*) OVER () AS names FROM days GROUP BY value
        )
        SELECT d.day, CASE WHEN r.rank <= %(limit)s THEN d.value ELSE %(other)s END, least(r.rank, %(limit)s + 1), sum(d.amount)::bigint, max(r.names)
          FROM days d JOIN ranked r ON r.value = d.value GROUP BY 1, 2, 3"""  # noqa: S608


def _matches(dimension: str, number: int) -> str:
    return f"e.tags && %(f{number})s::varchar[]" if dimension == "tag" else f"{COLUMNS[dimension]} = ANY(%(f{number})s)"


def _asked(first: date, last: date, filters: Sequence[Filter], limit: int) -> dict[str, Any]:
    values = {f"f{number}": list(chosen.values) for number, chosen in enumerate(filters)}
    return {"tenant": current_tenant_id(), "first": first, "last": last, "limit": limit, "other": OTHER, **values}


def _named(rows: list[tuple[Any, ...]], groups: Sequence[str], *, points: Sequence[date]) -> Series:
    if len(groups) == 1:
        return lines_of(rows, dimension=groups[0], points=points)
    pairs = {value: value.split(SEPARATOR, 1) for _, value, *_ in rows if value != OTHER}
    named = [names_of(dimension=name, values=(pair[at] for pair in pairs.values())) for at, name in enumerate(groups)]
    series = lines_of(rows, dimension="pair", points=points)
    lines = [
        line if line.value == OTHER else Line(
            value=line.value, label=" · ".join(named[at][part] for at, part in enumerate(pairs[line.value])), amounts=line.amounts
        )
        for line in series.lines
    ]  # fmt: skip
    return Series(points=series.points, lines=lines, names=series.names)
