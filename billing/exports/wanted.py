"""What an export is asked to hold, as a value that can be stored."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import Struct

What = Literal["cost_entries", "usage", "budgets", "focus"]
Format = Literal["csv", "csv.gz", "jsonl", "json", "sqlite", "parquet"]
Dimension = Literal["all", "end_user", "tier", "model", "provider", "domain", "api_key", "preset", "step", "tag", "kind"]
DIMENSIONS = get_args(Dimension)
FocusVersion = Literal["1.2", "1.3", "1.4"]
FILTERS = ("model", "provider", "tier", "domain", "preset", "step", "kind", "tag", "api_key_id", "end_user_id")
IDS = ("api_key_id", "end_user_id")
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(9000, 1, 1)
MOST_TAG_KEYS, LONGEST_FILTER = 10, 255


class UnknownExport(ValueError):
    """What was asked for cannot be exported. `field` says which part of it, the message what to ask for instead."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


class Wanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One export. Days are the tenant's own, by the time of booking; those of FOCUS are UTC's."""

    what: What
    format: Format = "csv"
    first: date
    last: date
    filters: Mapping[str, str] = {}
    dimension: Dimension = "model"
    """Of usage: what is counted per day."""
    names: bool = False
    """Names of end users and keys beside their ids, as they are when the file is written."""
    focus: FocusVersion = "1.2"
    tag_keys: tuple[str, ...] = ()
    """Of FOCUS: the keys of tags (`team` of `team=growth`) that split rows and stand in Tags."""
    users: bool = False
    """Of FOCUS: one row per end user too, with our id of them."""
    calls: bool = False
    """Of FOCUS: one row per call and meter, instead of one per day."""
    provider_bill: bool = False
    """Of FOCUS: the provider's own bill is imported beside it, so BilledCost is 0 here."""

    def checked(self) -> "Wanted":
        """Return itself. Raises UnknownExport for what does not fit together."""
        if self.last < self.first:
            raise UnknownExport("to", f"{self.last} is before {self.first}: name the earlier day first.")
        if not FIRST_DAY <= self.first <= self.last <= LAST_DAY:
            raise UnknownExport("from", f"Name days from {FIRST_DAY} to {LAST_DAY}.")
        if self.what == "budgets" and self.filters:
            raise UnknownExport("filter", "Budgets have no filters: leave them out.")
        if len(self.tag_keys) > MOST_TAG_KEYS:
            raise UnknownExport("tag_keys", f"Name at most {MOST_TAG_KEYS} keys of tags.")
        for name, value in self.filters.items():
            _check_filter(name, value)
        return self

    @property
    def has_names(self) -> bool:
        """Are end users named in it? A budget of one says whose it is."""
        return self.names or self.what == "budgets"

    @property
    def file_name(self) -> str:
        days = f"{self.first:%Y-%m-%d}_{self.last:%Y-%m-%d}"
        name = {"usage": f"usage-by-{self.dimension}", "focus": f"focus-{self.focus}", "cost_entries": "cost-entries"}.get(self.what, self.what)
        return f"{name}_{days}.{self.format}"

    def as_json(self) -> dict[str, Any]:
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made


def wanted_of(stored: Mapping[str, Any]) -> Wanted:
    """Return what `as_json` made of a Wanted."""
    return msgspec.convert(stored, Wanted)


def _check_filter(name: str, value: str) -> None:
    if name not in FILTERS:
        raise UnknownExport("filter", f"There is no filter {name[:40]!r}. Known are: {', '.join(FILTERS)}.")
    if len(value) > LONGEST_FILTER or "\x00" in value:
        raise UnknownExport("filter", f"The filter {name} is no text that an entry could hold.")
    if name in IDS:
        try:
            UUID(value)
        except ValueError as wrong:
            raise UnknownExport("filter", f"{name} is an id, as the list of entries shows it, not {value[:40]!r}.") from wrong
