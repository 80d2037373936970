"""Columns of a file, and how the database prints them: what is written was printed by PostgreSQL, and Python only carries it."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

Kind = Literal["text", "word", "integer", "usd", "decimal", "time", "date", "boolean", "json"]
FORMULA = r"('=', '+', '-', '@', E'\t', E'\r')"
"""How a cell begins that a spreadsheet takes for a formula."""


class Column(Struct, frozen=True, kw_only=True):
    """One column. `sql` yields a text for text, word (of ours: a kind, an id) and json, a bigint for integer and usd (nano-USD), a numeric for
    decimal, a timestamptz for time, and the like."""

    name: str
    kind: Kind
    sql: str
    about: str


def printed(column: Column) -> str:
    """Return the expression that prints a column, as it stands in JSON and in a database: amounts and times as text, the rest as it is."""
    sql = column.sql
    if column.kind == "usd":
        return f"trim_scale(({sql})::numeric * 0.000000001)::text"
    if column.kind == "decimal":  # with a point always: readers that guess at types take 44450 for an integer
        return f"CASE WHEN ({sql}) = trunc({sql}) THEN trunc({sql})::text || '.0' ELSE trim_scale({sql})::text END"
    if column.kind == "time":
        return f"to_char(({sql}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    return f"({sql})::text" if column.kind == "date" else sql


def cell(column: Column, *, for_people: bool) -> str:
    """Return the expression of a cell of a CSV file. For people a text that a spreadsheet would run as a formula is led by an apostrophe.

    A negative amount stays a number: it is of digits alone, so there is nothing to run.
    """
    shown = printed(column)
    if column.kind == "text" and for_people:
        return f"CASE WHEN left({shown}, 1) IN {FORMULA} THEN '''' || ({shown}) ELSE {shown} END"
    if column.kind == "boolean":
        return f"CASE WHEN {shown} THEN 'true' ELSE 'false' END"
    return f"({shown})::text" if column.kind in ("json", "word") else shown


def select_cells(columns: Sequence[Column], *, for_people: bool) -> str:
    return ", ".join(f'{cell(column, for_people=for_people)} AS "{column.name}"' for column in columns)


def select_values(columns: Sequence[Column]) -> str:
    """Return what row_to_json makes an object of."""
    return ", ".join(f'{f"({column.sql})::json" if column.kind == "json" else printed(column)} AS "{column.name}"' for column in columns)
