"""Amounts over time by one dimension: the dearest names, and all others together."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from msgspec import Struct

from billing.reports.names import names_of
from tenants.scoping import current_tenant_id

MEASURES = ("cost_nusd", "entries", "input_tokens", "output_tokens")
OTHER = "\x01other"
"""Value of the line of all others: no value that is stored holds a control character."""


class Line(Struct, frozen=True, kw_only=True):
    """One name's amounts, one a point of its series."""

    value: str
    label: str
    amounts: Sequence[int]

    @property
    def total(self) -> int:
        return sum(self.amounts)


class Series(Struct, frozen=True, kw_only=True):
    """Lines over the same points, largest first, the line of all others last. `names` is how many values there are in all."""

    points: Sequence[date | datetime]
    lines: Sequence[Line]
    names: int

    @property
    def totals(self) -> list[int]:
        """The sum of all lines at each point."""
        return [sum(amounts) for amounts in zip(*(line.amounts for line in self.lines), strict=True)] or [0] * len(self.points)


class Standing(Struct, frozen=True, kw_only=True):
    """One value of a dimension over some days, beside the days it is compared with. `trend` is its cost day by day."""

    value: str
    label: str
    cost_nusd: int
    entries: int
    input_tokens: int
    output_tokens: int
    previous_nusd: int
    trend: Sequence[int] = ()


def days_between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def series_by(*, dimension: str, first: date, last: date, limit: int, measure: str = "cost_nusd") -> Series:
    """Return one measure (see MEASURES) per day from `first` to `last` for the `limit` largest values, and the rest as one line.

    Reads the day sums alone. Raises ValueError for a measure that they do not have. Worked number: three models at 5, 3 and 1 with a
    limit of 2 make lines of 5 and 3, and "Other" of 1.
    """
    if measure not in MEASURES:
        raise ValueError(f"{measure!r} is not one of {', '.join(MEASURES)}")
    query = f"""
        WITH sums AS (
          SELECT d.value, sum(d.{measure}) AS amount FROM billing_dayrollup d
           WHERE d.tenant_id = %(tenant)s AND d.day BETWEEN %(first)s AND %(last)s AND d.dimension = %(dimension)s GROUP BY d.value
        ), largest AS MATERIALIZED (
          SELECT value, row_number() OVER (ORDER BY amount DESC, value) AS rank, count(*) OVER () AS names FROM sums ORDER BY 2 LIMIT %(limit)s
        ), named AS MATERIALIZED (
          SELECT d.day, r.value, r.rank, d.{measure} AS amount FROM largest r CROSS JOIN unnest(%(days)s::date[]) AS looked(at)
            JOIN billing_dayrollup d ON d.tenant_id = %(tenant)s AND d.day = looked.at AND d.dimension = %(dimension)s AND d.value = r.value
        ), rest AS (
          SELECT d.day, sum(d.{measure}) - coalesce((SELECT sum(n.amount) FROM named n WHERE n.day = d.day), 0) AS amount FROM billing_dayrollup d
           WHERE d.tenant_id = %(tenant)s AND d.day BETWEEN %(first)s AND %(last)s AND d.dimension = %(dimension)s
             AND (SELECT max(names) FROM largest) > %(limit)s GROUP BY d.day
        )
        SELECT day, value, rank, amount::bigint, (SELECT max(names) FROM largest) FROM named
        UNION ALL SELECT day, %(other)s, %(limit)s + 1, amount::bigint, (SELECT max(names) FROM largest) FROM rest"""  # noqa: S608 - the measure is one of ours
    asked: dict[str, Any] = {
        "tenant": current_tenant_id(), "first": first, "last": last, "dimension": dimension, "limit": limit, "other": OTHER,
        "days": days_between(first, last),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(query, asked)
        rows = cursor.fetchall()
    return lines_of(rows, dimension=dimension, points=days_between(first, last))


def lines_of(rows: Sequence[tuple[Any, ...]], *, dimension: str, points: Sequence[Any]) -> Series:
    """Return rows of (point, value, rank, amount, how many values there are) as lines; a point without a row counts 0."""
    amounts: dict[str, dict[Any, int]] = {}
    ranks: dict[str, int] = {}
    for point, value, rank, amount, _ in rows:
        amounts.setdefault(value, {})[point] = int(amount)
        ranks[value] = rank
    ordered = sorted(amounts, key=lambda value: ranks[value])
    labels: Mapping[str, str] = {**names_of(dimension=dimension, values=(value for value in ordered if value != OTHER)), OTHER: "Other"}
    lines = [Line(value=value, label=labels[value], amounts=[amounts[value].get(point, 0) for point in points]) for value in ordered]
    return Series(points=points, lines=lines, names=max((names for *_, names in rows), default=0))


def standings_by(*, dimension: str, first: date, last: date, before: tuple[date, date] | None, limit: int) -> Sequence[Standing]:
    """Return the dearest values of a dimension, with what each cost on the days `before` (first and last) that they are compared with."""
    return standings_of(dimensions=(dimension,), first=first, last=last, before=before, limit=limit)[dimension]


def standings_of(
    *, dimensions: Sequence[str], first: date, last: date, before: tuple[date, date] | None, limit: int
) -> Mapping[str, Sequence[Standing]]:
    """Return the dearest values of several dimensions, `limit` of each, in one look.

    First who is dearest, by one sum over every name; then the days of those few, each by its key.
    """
    query = """
        WITH sums AS (
          SELECT d.dimension, d.value, sum(d.cost_nusd)::bigint AS cost
            FROM billing_dayrollup d
           WHERE d.tenant_id = %(tenant)s AND d.dimension = ANY(%(dimensions)s) AND d.day BETWEEN %(first)s AND %(last)s
           GROUP BY d.dimension, d.value
        ), ranked AS (
          SELECT s.*, row_number() OVER (PARTITION BY s.dimension ORDER BY s.cost DESC, s.value) AS rank FROM sums s
        ), dearest AS MATERIALIZED (SELECT * FROM ranked WHERE rank <= %(limit)s LIMIT %(most)s)  -- so that the planner knows that they are few
        SELECT r.dimension, r.value, r.cost, sum(d.entries) FILTER (WHERE p.is_shown)::bigint, sum(d.input_tokens) FILTER (WHERE p.is_shown)::bigint,
               sum(d.output_tokens) FILTER (WHERE p.is_shown)::bigint, coalesce(sum(d.cost_nusd) FILTER (WHERE p.is_earlier), 0)::bigint,
               array_agg(d.day) FILTER (WHERE p.is_shown), array_agg(d.cost_nusd) FILTER (WHERE p.is_shown)
          FROM dearest r CROSS JOIN unnest(%(days)s::date[]) AS looked(at)
          JOIN billing_dayrollup d ON d.tenant_id = %(tenant)s AND d.day = looked.at AND d.dimension = r.dimension AND d.value = r.value
         CROSS JOIN LATERAL (
           SELECT d.day BETWEEN %(first)s AND %(last)s AS is_shown, coalesce(d.day BETWEEN %(from)s::date AND %(to)s::date, false) AS is_earlier) p
         GROUP BY r.dimension, r.rank, r.value, r.cost ORDER BY r.dimension, r.rank"""
    earlier = before or (None, None)
    asked: dict[str, Any] = {
        "tenant": current_tenant_id(), "dimensions": list(dimensions), "first": first, "last": last, "from": earlier[0], "to": earlier[1],
        "limit": limit, "most": limit * len(dimensions), "days": sorted({*days_between(first, last), *(days_between(*before) if before else ())}),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(query, asked)
        rows = cursor.fetchall()
    points = days_between(first, last)
    labels = {name: names_of(dimension=name, values=(row[1] for row in rows if row[0] == name)) for name in dimensions}
    found: dict[str, list[Standing]] = {name: [] for name in dimensions}
    for dimension, value, cost, entries, asked_tokens, said_tokens, previous, days, costs in rows:
        amounts = dict(zip(days, costs, strict=True))
        found[dimension].append(
            Standing(
                value=value, label=labels[dimension][value], cost_nusd=cost, entries=entries, input_tokens=asked_tokens, output_tokens=said_tokens,
                previous_nusd=previous, trend=[amounts.get(day, 0) for day in points],
            )
        )
    return found
