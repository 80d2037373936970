"""Rows from a CSV file: read, checked and compared with what there is, before anything is done."""

import csv
import difflib
import io
import re
from collections.abc import Mapping, Sequence
from functools import partial

from django.core.exceptions import ValidationError
from msgspec import Struct

from dashboards.resources import MOST_AT_ONCE, Planned, Resource, Row, carry_out, told
from dashboards.spreadsheets import FORMULA
from tenants.errors import Conflict
from tenants.models import Membership

LARGEST_FILE = 400_000
MOST_COLUMNS = 100
ALIKE = 0.7
"""How much of two names must be the same for one to be taken for the other."""


class Table(Struct, frozen=True, kw_only=True):
    """A file as it was read: `heading` names its columns, a row may be shorter than it."""

    heading: Sequence[str]
    rows: Sequence[Sequence[str]]


def text_of(content: bytes) -> str:
    """Return the text of a file. Raises ValidationError for one that is no text, or too large."""
    if len(content) > LARGEST_FILE:
        raise ValidationError(f"The file is larger than {LARGEST_FILE // 1000} kB. Cut it into parts.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise ValidationError("The file is not UTF-8 text. Save it as CSV in UTF-8.") from wrong


def table_of(text: str) -> Table:
    """Return the table of a CSV, without empty lines. Raises ValidationError, which says what is wrong with the file as a whole."""
    if "\x00" in text:
        raise ValidationError("The file is not text.")
    dialect: type[csv.Dialect] | str = "excel"
    if ";" in text.partition("\n")[0] and "," not in text.partition("\n")[0]:
        dialect = type("Semicolons", (csv.excel,), {"delimiter": ";"})
    try:
        rows = list(csv.reader(io.StringIO(text), dialect, strict=True))
    except csv.Error as wrong:
        raise ValidationError(f"The file cannot be read: {wrong}.") from wrong
    rows = [[_unguarded(cell.strip()) for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise ValidationError("The file has no lines. The first line names the columns, each further one is a row.")
    if len(rows) > MOST_AT_ONCE + 1:
        raise ValidationError(f"The file has {len(rows) - 1} lines; {MOST_AT_ONCE} at a time can be imported.")
    if len(rows[0]) > MOST_COLUMNS:
        raise ValidationError(f"The file has {len(rows[0])} columns; {MOST_COLUMNS} can be told apart here.")
    return Table(heading=rows[0], rows=rows[1:])


def _unguarded(cell: str) -> str:
    """Files for people have an apostrophe before what a spreadsheet would carry out: it is none of the text."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA) else cell


def places_by_name(table: Table, *, columns: Sequence[str]) -> Mapping[str, int] | None:
    """Return where in the file each column is, by its heading; None where a heading is none of ours, or there twice."""
    names = [_plain(name) for name in table.heading]
    if len(set(names)) < len(names) or not set(names) <= set(columns):
        return None
    return {name: at for at, name in enumerate(names)}


def places_guessed(table: Table, *, columns: Sequence[str]) -> Mapping[str, int]:
    """Return where each column seems to be: by its name, by a word of a heading, by a heading much alike. Example: "Limit (USD)" is limit."""
    names = [_plain(name) for name in table.heading]
    found: dict[str, int] = {}
    for is_alike in (_is_same, _is_word, _is_close):
        for column in columns:
            free = [at for at, name in enumerate(names) if at not in found.values() and is_alike(column, name)]
            if column not in found and free:
                found[column] = free[0]
    return found


def places_said(said: Mapping[str, str], table: Table, *, columns: Sequence[str]) -> Mapping[str, int] | None:
    """Return where a form says that each column is, as its fields "column-limit" and so on do; None where it says nothing of columns.

    Raises ValidationError for a place that the file does not have, for two columns at one place, and for none at all.
    """
    if not any(f"column-{column}" in said for column in columns):
        return None
    found: dict[str, int] = {}
    for column in columns:
        place = said.get(f"column-{column}", "")
        if place and place not in map(str, range(len(table.heading))):
            raise ValidationError(f"The file has no such column for {column}.")
        if place and int(place) in found.values():
            raise ValidationError(f"{table.heading[int(place)][:40] or 'One column'!r} is chosen twice. Each column of the file is one thing.")
        if place:
            found[column] = int(place)
    if not found:
        raise ValidationError("Say of one column at least what it is.")
    return found


def planned_lines(resource: Resource[Row], table: Table, places: Mapping[str, int]) -> list[Planned]:
    """Return what each line of a CSV would do: make a row, change one, nothing, or what is wrong with it."""
    plans: list[Planned] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(table.rows, 2):
        cells = {column: row[at] for column, at in places.items() if at < len(row)}
        try:
            existing, wanted = resource.read_line(cells)
        except (ValidationError, Conflict) as wrong:
            plans.append(Planned(label=", ".join(filter(None, cells.values()))[:120], problem=told(wrong), line=number))
            continue
        after, label = resource.describe(wanted), resource.label(wanted)
        if label in seen:
            plans.append(Planned(label=label, problem=f"This is the same row as line {seen[label]}.", line=number))
            continue
        seen[label] = number
        before = resource.describe(existing) if existing is not None else {}
        plans.append(Planned(label=label, before=before, after=after, line=number, existing=existing, wanted=wanted))
    return plans


def left_out(table: Table, plans: Sequence[Planned]) -> list[list[str]]:
    """Return the rows of the file that have a problem, as they are in it, each with the problem behind its last column."""
    width = len(table.heading)
    wrong = [(table.rows[plan.line - 2], plan.problem) for plan in plans if plan.state == "error"]
    return [[*row[:width], *[""] * (width - len(row)), problem] for row, problem in wrong]


def do_lines(resource: Resource[Row], plans: Sequence[Planned], *, membership: Membership) -> int:
    """Carry out the lines that make or change something. Returns how many. Those with a problem are left out."""
    done = 0
    for plan in plans:
        if plan.state not in ("new", "change"):
            continue
        do = partial(resource.write_line, plan.existing, plan.wanted)
        carry_out(resource, verb="import", before=plan.before, do=do, membership=membership)
        done += 1
    return done


def nearest(word: str, known: Sequence[str]) -> str:
    """Return a question for a word that nobody knows: "Did you mean Pro?", or nothing. Capitals make no difference."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), list(names), n=1, cutoff=0.5)
    return f"Did you mean {names[found[0]]}?" if found else ""


def _plain(heading: str) -> str:
    return heading.strip().lower().replace(" ", "_")


def _is_same(column: str, name: str) -> bool:
    return column == name


def _is_word(column: str, name: str) -> bool:
    return column in re.split(r"[^a-z0-9]+", name)


def _is_close(column: str, name: str) -> bool:
    return difflib.SequenceMatcher(None, column, name).ratio() >= ALIKE
