"""Rows from a CSV file: read, checked and compared with what there is, before anything is done."""

import csv
import difflib
import io
from collections.abc import Mapping, Sequence
from functools import partial

from django.core.exceptions import ValidationError

from dashboards.resources import MOST_AT_ONCE, Planned, Resource, Row, carry_out, told
from tenants.errors import Conflict
from tenants.models import Membership

LARGEST_FILE = 400_000


def text_of(content: bytes) -> str:
    """Return the text of a file. Raises ValidationError for one that is no text, or too large."""
    if len(content) > LARGEST_FILE:
        raise ValidationError(f"The file is larger than {LARGEST_FILE // 1000} kB. Cut it into parts.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise ValidationError("The file is not UTF-8 text. Save it as CSV in UTF-8.") from wrong


def lines_of(text: str, *, columns: Sequence[str]) -> list[Mapping[str, str]]:
    """Return the lines of a CSV as cells by column. Raises ValidationError, which says what is wrong with the file as a whole."""
    if "\x00" in text:
        raise ValidationError("The file is not text.")
    dialect: type[csv.Dialect] | str = "excel"
    if ";" in text.partition("\n")[0] and "," not in text.partition("\n")[0]:
        dialect = type("Semicolons", (csv.excel,), {"delimiter": ";"})
    try:
        rows = list(csv.reader(io.StringIO(text), dialect, strict=True))
    except csv.Error as wrong:
        raise ValidationError(f"The file cannot be read: {wrong}.") from wrong
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise ValidationError("The file has no lines. The first line names the columns, each further one is a row.")
    if len(rows) > MOST_AT_ONCE + 1:
        raise ValidationError(f"The file has {len(rows) - 1} lines; {MOST_AT_ONCE} at a time can be imported.")
    heading = [name.strip().lower().replace(" ", "_") for name in rows[0]]
    unknown = [name for name in heading if name not in columns]
    if unknown or len(set(heading)) < len(heading):
        raise ValidationError(f"The columns may be: {', '.join(columns)}. {_unknown(unknown, columns)}".strip())
    return [dict(zip(heading, (cell.strip() for cell in row), strict=False)) for row in rows[1:]]


def planned_lines(resource: Resource[Row], text: str) -> list[Planned]:
    """Return what each line of a CSV would do: make a row, change one, nothing, or what is wrong with it."""
    plans: list[Planned] = []
    seen: dict[str, int] = {}
    for number, cells in enumerate(lines_of(text, columns=resource.import_columns), 2):
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
    """Return a question for a word that nobody knows: "Did you mean pro?", or nothing."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"Did you mean {found[0]}?" if found else ""


def _unknown(names: Sequence[str], columns: Sequence[str]) -> str:
    return " ".join(f"{name[:40]!r} is none. {nearest(name, columns)}".strip() for name in names[:3])
