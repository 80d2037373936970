"""Usage files of providers: what each billed, per day (UTC), model and user. Read line by line, so that size costs no memory."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from msgspec import Struct

MOST_COUNT = 10**15
MOST_GROUPS = 200_000
MOST_PROBLEMS = 100
LONGEST_NAME = 200
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

Key = tuple[date, str, str]
"""Day, the provider's name of the model, and the user as the provider names them."""


class Format(Struct, frozen=True, kw_only=True):
    """One kind of file: which of its columns has what."""

    name: str
    needed: Mapping[str, str]
    """Our field -> its column."""
    optional: Mapping[str, str] = {}


FORMATS = (
    Format(
        name="invoice",
        needed={
            "day": "date", "model": "model", "user": "user", "requests": "requests", "input_tokens": "prompt_tokens",
            "output_tokens": "completion_tokens",
        },
        optional={"cached_input_tokens": "cached_tokens", "cache_write_tokens": "cache_write_tokens"},
    ),
    Format(
        name="OpenAI usage",
        needed={
            "start": "start_time", "model": "model", "requests": "num_model_requests", "input_tokens": "input_tokens",
            "output_tokens": "output_tokens",
        },
        optional={
            "user": "user_id", "cached_input_tokens": "input_cached_tokens", "cache_write_tokens": "input_cache_write_tokens", "batch": "batch",
        },
    ),
)  # fmt: skip


class Billed(Struct, frozen=True):
    """What the provider billed in one group: counts of requests and tokens. Input includes what was cached and written to the cache."""

    requests: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Billed") -> "Billed":
        return Billed(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


class FileProblem(Struct, frozen=True):
    """What is wrong with a line of the file."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class InvalidUsageFile(ValueError):
    """The file cannot be used. Has every wrong line with its number, up to MOST_PROBLEMS of them."""

    def __init__(self, problems: list[FileProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class WrongValue(ValueError):
    pass


class UsageFile(Struct, frozen=True, kw_only=True):
    """What a file says, summed by group."""

    format: str
    groups: Mapping[Key, Billed]
    lines: int

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day that it is about."""
        found = [day for day, _, _ in self.groups]
        return min(found), max(found)


def read_usage(lines: Iterable[str]) -> UsageFile:
    """Return the sums of a CSV file, whichever of the FORMATS it is. Raises InvalidUsageFile that names every wrong line.

    Rows for one group are added up: OpenAI's export has one a minute and key. Rows of its batch interface get the model's name with
    " (batch)", since no call of ours is one.
    """
    problems: list[FileProblem] = []
    groups: dict[Key, Billed] = {}
    number = 1
    rows = _rows(lines)
    header = next(rows, (1, []))[1]
    kind, columns = _format_of(header)
    for number, row in rows:
        try:
            found = _group(kind, columns, row, width=len(header))
        except WrongValue as wrong:
            problems.append(FileProblem(number, str(wrong)))
        else:
            if found is not None:
                groups[found[0]] = groups.get(found[0], Billed()) + found[1]
        if len(problems) >= MOST_PROBLEMS or len(groups) > MOST_GROUPS:
            break
    if len(groups) > MOST_GROUPS:
        problems.append(FileProblem(number, f"more than {MOST_GROUPS:,} groups of day, model and user: split the file by days"))
    if not problems and not groups:
        problems.append(FileProblem(number, "the file lists no usage"))
    if problems:
        raise InvalidUsageFile(problems)
    return UsageFile(format=kind.name, groups=groups, lines=number)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the number of their line. Raises InvalidUsageFile for what is no CSV."""
    source = _decoded(lines)
    first = next(source, "").lstrip("\ufeff")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader((line for part in ((first,), source) for line in part), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as wrong:
            raise InvalidUsageFile([FileProblem(max(reader.line_num, 1), f"this is no CSV: {wrong}")]) from wrong
        if row:
            yield reader.line_num, row


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    read = 0
    try:
        for line in lines:
            yield line
            read += 1
    except UnicodeDecodeError as wrong:
        raise InvalidUsageFile([FileProblem(read + 1, "from here on this is not UTF-8 text")]) from wrong


def _format_of(header: list[str]) -> tuple[Format, dict[str, int]]:
    names = [name.strip().lower() for name in header]
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise InvalidUsageFile([FileProblem(1, f"the column {min(twice)[:60]!r} stands here twice")])
    best = min(FORMATS, key=lambda kind: sum(column not in names for column in kind.needed.values()) / len(kind.needed))
    missing = [column for column in best.needed.values() if column not in names]
    if missing:
        known = " or ".join(f"{kind.name}: {', '.join(kind.needed.values())}" for kind in FORMATS)
        raise InvalidUsageFile([FileProblem(1, f"there is no column {' and no column '.join(missing)}. Needed are the columns of {known}")])
    return best, {field: names.index(column) for field, column in (*best.needed.items(), *best.optional.items()) if column in names}


def _group(kind: Format, columns: Mapping[str, int], row: list[str], *, width: int) -> tuple[Key, Billed] | None:
    """Return a row's group and counts; None for a time in which nothing was used. Raises WrongValue."""
    if len(row) != width:
        raise WrongValue(f"it has {len(row)} fields, the header has {width}")
    said = {field: row[position].strip() for field, position in columns.items()}
    if "start" in said and not said["model"] and not said["requests"].strip("0."):
        return None  # OpenAI lists every time of the export, also those without usage
    day = _day(said["day"]) if "day" in said else _day_of_second(said["start"])
    model = _name(said["model"], what="the model", is_needed=True)
    if said.get("batch", "").lower() in ("true", "1"):
        model = f"{model} (batch)"
    billed = Billed(**{name: _count(said[name], column=_column(kind, name)) for name in Billed.__struct_fields__ if name in said})
    if billed.cached_input_tokens + billed.cache_write_tokens > billed.input_tokens:
        raise WrongValue("more tokens are cached than were sent")
    return (day, model, _name(said.get("user", ""), what="the user", is_needed=False)), billed


def _column(kind: Format, field: str) -> str:
    return kind.needed.get(field) or kind.optional[field]


def _name(text: str, *, what: str, is_needed: bool) -> str:
    if is_needed and not text:
        raise WrongValue(f"{what} is not named: export the usage grouped by model")
    if len(text) > LONGEST_NAME or UNPRINTABLE.search(text):
        raise WrongValue(f"{what} {text[:40]!r} is no name of at most {LONGEST_NAME} printable characters")
    return text


def _count(text: str, *, column: str) -> int:
    """Whole numbers; exports write 3.0 too. Empty is 0."""
    try:
        number = Decimal(text or 0)
        if number.is_finite() and 0 <= number <= MOST_COUNT and number == number.to_integral_value():
            return int(number)
    except InvalidOperation:
        pass
    raise WrongValue(f"{column} is {text[:40]!r}: a whole number from 0 on is needed")


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise WrongValue(f"date is {text[:40]!r}: write days as 2026-11-01") from None
    return _sane(day, text)


def _day_of_second(text: str) -> date:
    """Seconds since 1970, as the export has them, or an ISO time."""
    try:
        if text.replace(".", "", 1).isdecimal():
            return _sane(datetime.fromtimestamp(int(Decimal(text)), UTC).date(), text)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError, InvalidOperation):
        raise WrongValue(f"start_time is {text[:40]!r}: seconds since 1970 are needed") from None
    return _sane((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).date(), text)


def _sane(day: date, text: str) -> date:
    if not 2000 <= day.year < 2200:
        raise WrongValue(f"{text[:40]!r} is a day of the year {day.year}")
    return day
