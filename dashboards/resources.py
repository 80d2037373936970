"""One small layer for every screen that lists rows and changes them. A screen is a Resource (docs/guides/console.md); dashboards/views/resource.py
shows it. Rows change through the services of the lower apps alone, and every change passes through `carry_out`."""

import base64
import binascii
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from msgspec import Struct

from tenants.errors import Conflict
from tenants.models import Membership
from tenants.roles import Permission
from tenants.scoping import current_tenant_id

log = logging.getLogger(__name__)
Row = TypeVar("Row", bound=Model)
PAGE_SIZE = 50
MOST_AT_ONCE = 1000
"""Rows that one bulk change or one import may touch."""
SEEN_SALT = "console.seen"


class Column(Struct, frozen=True, kw_only=True):
    """`key` is its name in the address, for a column that a person may leave out."""

    label: str
    is_number: bool = False
    key: str = ""


class Filter(Struct, frozen=True, kw_only=True):
    """A choice, or a text, in the address that narrows a list. `narrow` gets the rows and what was chosen."""

    name: str
    label: str
    narrow: Callable[[QuerySet[Any], str], QuerySet[Any]]
    choices: Callable[[], Sequence[tuple[str, str]]] | None = None
    is_rare: bool = False
    """Behind "More filters" until something is chosen."""


class BulkAction(Struct, frozen=True, kw_only=True):
    """A change of many rows at once. `changes` tells from a row and the form's data which attributes become what; empty: nothing to do.

    Raises ValidationError for a row that cannot be changed so.
    """

    name: str
    label: str
    needs: Permission
    changes: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]]
    form: type[forms.Form] = forms.Form


class Change(Struct, frozen=True, kw_only=True):
    """One change of one row: who reads it should know what was done to what. `before` and `after` are what Resource.describe said."""

    verb: str
    kind: str
    label: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    row_id: str = ""

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """What is not the same any more, as name, before and after."""
        names = dict.fromkeys([*self.before, *self.after])
        pairs = [(name, self.before.get(name, ""), self.after.get(name, "")) for name in names]
        return [(name, before, after) for name, before, after in pairs if before != after]


class Resource(Generic[Row]):
    """What a screen says of its model. `name` leads the names of its pages: "budgets", "budgets_new", "budgets_edit" and so on.

    No method here is every screen's: the audit log is looked at only, a rollout is changed and has no list, few are imported. So each raises
    NotImplementedError until a screen that routes the page that needs it says what it does.
    """

    name: ClassVar[str]
    one: ClassVar[str]
    title: ClassVar[str]
    columns: ClassVar[Sequence[Column]]
    list_template: ClassVar[str] = "console/list.html"
    row_template: ClassVar[str]
    panel_template: ClassVar[str] = ""
    form_template: ClassVar[str] = "console/form.html"
    filters: ClassVar[Sequence[Filter]] = ()
    search_fields: ClassVar[Sequence[str]] = ()
    search_label: ClassVar[str] = "Search"
    ordering: ClassVar[Sequence[str]] = ()
    bulk_actions: ClassVar[Sequence[BulkAction]] = ()
    import_columns: ClassVar[Sequence[str]] = ()
    creates: ClassVar[Permission | None] = None
    """Who may make new rows, and import them."""
    note: ClassVar[str] = ""
    later: ClassVar[str] = ""
    """Name of the page that fills in what is slow, once the list is there: it gets the list's own address."""

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[Row]:
        """Return all rows of the tenant that the person may see in the list."""
        raise NotImplementedError

    def search(self, rows: QuerySet[Row], text: str) -> QuerySet[Row]:
        """Return the rows that a text is found in."""
        wanted = Q()
        for field in self.search_fields:
            wanted |= Q(**{f"{field}__icontains": text})
        return rows.filter(wanted)

    def bounded(self, rows: QuerySet[Row], *, asked: Mapping[str, str]) -> QuerySet[Row]:
        """Return fewer rows where what the address asks for could only be found by reading all of them."""
        return rows

    def present(self, rows: Sequence[Row], *, now: datetime) -> Sequence[Any]:
        """Return what the row template shows, one a row: has `row` and whatever else it needs."""
        return [{"row": row} for row in rows]

    def panel(self, row: Row, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        """Return what the panel beside the list shows of one row."""
        return {}

    def beside(self, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        """Return what a list template of one's own shows beside the list."""
        return {}

    def describe(self, row: Row) -> Mapping[str, str]:
        """Return the row as people read it, name by name: what editors compare, what a preview shows, what is kept of a change."""
        raise NotImplementedError

    def describe_all(self, rows: Sequence[Row]) -> Sequence[Mapping[str, str]]:
        """Return what describe() says of each row; a screen whose rows read of other tables asks those once for all."""
        return [self.describe(row) for row in rows]

    def form(
        self, data: Mapping[str, Any] | None, *, row: Row | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> forms.Form:
        """Return the form of a row, or of a new one, whose address may suggest values."""
        raise NotImplementedError

    def preview(self, form: Any, *, row: Row | None, membership: Membership, now: datetime) -> Mapping[str, Any]:
        """Return what a form's template shows of valid data that were not saved yet. Of most forms, nothing."""
        return {}

    def save(self, form: Any, *, row: Row | None, membership: Membership, now: datetime) -> Row:
        """Create or change a row by the form's data through a service. Raises ValidationError or Conflict."""
        raise NotImplementedError

    def changed(self, row: Row, changes: Mapping[str, Any]) -> Row:
        """Change attributes of a row through a service: what bulk changes call."""
        raise NotImplementedError

    def read_line(self, cells: Mapping[str, str]) -> tuple[Row | None, Row]:
        """Return the row that a line of an import is about, None for a new one, and the row as it will be. Raises ValidationError."""
        raise NotImplementedError

    def write_line(self, existing: Row | None, wanted: Row) -> Row:
        """Carry out what read_line promised, through a service."""
        raise NotImplementedError

    def label(self, row: Row) -> str:
        return str(row)


def carry_out(resource: Resource[Row], *, verb: str, before: Mapping[str, str], do: Callable[[], Row], membership: Membership) -> Row:
    """Do a change for a person, and return the row. Every write of the console passes here: this is the one place that tells who did what."""
    done = do()
    change = Change(
        verb=verb, kind=resource.one, label=resource.label(done), before=before, after=resource.describe(done), row_id=str(done.pk)
    )  # fmt: skip
    log.info("%s of %s %s by user %s: %s", change.verb, change.kind, change.row_id, membership.user_id, [name for name, *_ in change.differences])
    return done


# ---- Two people at one row
def sign_seen(description: Mapping[str, str]) -> str:
    """Return what an editor saw, for the form to bring back."""
    return signing.dumps(dict(description), salt=SEEN_SALT, compress=True)


def differences_of(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return what is not the same in two descriptions of a row, as name, before and after."""
    return Change(verb="", kind="", label="", before=before, after=after).differences


def differences_since(seen: str, now_is: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return what somebody else has changed since an editor saw the row, as name, then and now. What nobody has signed counts as all changed."""
    try:
        then: Mapping[str, str] = signing.loads(seen, salt=SEEN_SALT)
    except signing.BadSignature:
        then = {}
    return differences_of(then, now_is)


# ---- Pages by key
class Page(Struct, frozen=True, kw_only=True):
    rows: Sequence[Any]
    after: str
    """What the address of the next page says; empty on the last one."""


def page_of(rows: QuerySet[Row], *, ordering: Sequence[str], after: str, size: int = PAGE_SIZE) -> Page:
    """Return the rows behind the key `after`, at most `size`. Order fields may be annotations; the primary key decides between equals.

    However deep the page, the database reads `size` rows and not those before them. A key that nobody gave begins at the first page.
    """
    order = [*ordering, "-pk" if ordering and ordering[0].startswith("-") else "pk"]
    key = _read_key(after, len(order))
    try:
        behind = rows.filter(_behind(order, key)) if key else rows
    except (ValueError, TypeError, ValidationError):  # of another list
        behind = rows
    found = list(behind.order_by(*order)[: size + 1])
    more = len(found) > size
    return Page(rows=found[:size], after=_write_key(found[size - 1], order) if more else "")


def count_of(rows: QuerySet[Row], page: Page, *, is_first: bool) -> int:
    """Return how many rows there are, at most one more than a bulk change takes: further the database does not count."""
    if is_first and not page.after:
        return len(page.rows)
    return rows.order_by().values("pk")[: MOST_AT_ONCE + 1].count()


def _behind(order: Sequence[str], key: Sequence[Any]) -> Q:
    """(a, b) behind (x, y) is: a behind x, or a = x and b behind y. That a is not before x follows from it, and lets an index begin there."""
    behind, equal = Q(), Q()
    for field, value in zip(order, key, strict=True):
        name = field.lstrip("-")
        behind |= equal & Q(**{f"{name}__{'lt' if field.startswith('-') else 'gt'}": value})
        equal &= Q(**{name: value})
    first = order[0]
    return Q(**{f"{first.lstrip('-')}__{'lte' if first.startswith('-') else 'gte'}": key[0]}) & behind


def _write_key(row: Any, order: Sequence[str]) -> str:
    values = [getattr(row, field.lstrip("-")) for field in order]
    told = [value.isoformat() if isinstance(value, date | datetime) else str(value) if isinstance(value, UUID) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(told, ensure_ascii=False).encode()).decode().rstrip("=")


def _read_key(text: str, length: int) -> list[Any]:
    try:
        key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) if text and len(text) < 2000 else []
        UUID(key[-1]) if key else None
        "".join(value for value in key if isinstance(value, str)).encode()  # half of a character reaches no database
    except (binascii.Error, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return []
    sane = isinstance(key, list) and len(key) == length and all(isinstance(value, str | int) and "\x00" not in str(value) for value in key)
    return key if sane else []


# ---- Lists
def columns_shown(columns: Sequence[Column], asked: Sequence[str]) -> list[Column]:
    """Return the columns that an address asks for by their keys, beside those that have none; all of them where it asks for none."""
    known = {column.key for column in columns if column.key}
    wanted = known.intersection(asked) or known
    return [column for column in columns if not column.key or column.key in wanted]


def narrowed(resource: Resource[Row], asked: Mapping[str, str], *, membership: Membership, now: datetime) -> QuerySet[Row]:
    """Return the rows that the address asks for: what it searches, and what its filters choose."""
    rows = resource.rows(membership=membership, now=now)
    text = asked.get("q", "").replace("\x00", "").strip()[:200]
    if text and resource.search_fields:
        rows = resource.search(rows, text)
    for one in resource.filters:
        if chosen := asked.get(one.name, "").replace("\x00", "")[:300]:
            rows = one.narrow(rows, chosen)
    return resource.bounded(rows, asked=asked)


def neighbour(rows: QuerySet[Row], row: Row, *, ordering: Sequence[str]) -> UUID | None:
    """Return the id of the row that comes behind a row in an order; None behind the last one."""
    order = [*ordering, "-pk" if ordering[0].startswith("-") else "pk"]
    behind = rows.filter(_behind(order, [getattr(row, field.lstrip("-")) for field in order]))
    found: UUID | None = behind.order_by(*order).values_list("pk", flat=True).first()
    return found


# ---- Many at once
class Planned(Struct, frozen=True, kw_only=True):
    """What would become of one row, or of one line of an import (numbered from 1, the heading being line 1), before anything is done."""

    label: str
    before: Mapping[str, str] = {}
    after: Mapping[str, str] = {}
    problem: str = ""
    line: int = 0
    existing: Any = None
    wanted: Any = None

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        return differences_of(self.before, self.after)

    @property
    def state(self) -> str:
        if self.problem:
            return "error"
        if self.existing is None:
            return "new"
        return "change" if self.differences else "same"


def planned(resource: Resource[Row], action: BulkAction, rows: Sequence[Row], said: Mapping[str, Any]) -> list[Planned]:
    """Return what a bulk change would make of each row."""
    changes: list[Mapping[str, Any]] = []
    problems: list[str] = []
    for row in rows:
        problem, wanted = "", dict[str, Any]()
        try:
            wanted = dict(action.changes(row, said))
        except ValidationError as wrong:
            problem = told(wrong)
        changes.append(wanted)
        problems.append(problem)
    before = resource.describe_all(rows)
    after = resource.describe_all([with_changes(row, wanted) for row, wanted in zip(rows, changes, strict=True)])
    return [
        Planned(label=resource.label(row), before=was, after=will, problem=problem, existing=row, wanted=wanted)
        for row, was, will, problem, wanted in zip(rows, before, after, problems, changes, strict=True)
    ]


def with_changes(row: Row, changes: Mapping[str, Any]) -> Row:
    """Return a copy of a row, not saved, with some attributes changed."""
    copy = type(row)(**{field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields})
    copy._state.adding = row._state.adding  # so that constraints know the row itself
    for name, value in changes.items():
        setattr(copy, name, value)
    return copy


def do_planned(resource: Resource[Row], plans: Sequence[Planned], *, membership: Membership) -> int:
    """Carry out what a preview showed, as far as it changes anything. Returns how many rows were changed."""
    done = 0
    for plan in plans:
        if plan.state != "change":
            continue
        do = partial(resource.changed, plan.existing, plan.wanted)
        carry_out(resource, verb="change", before=plan.before, do=do, membership=membership)
        done += 1
    return done


def checked(row: Row, *, exclude: Sequence[str] = ()) -> Row:
    """Return a row of the scope's tenant that may be saved. Raises ValidationError for what its fields or its constraints do not take."""
    row.tenant_id = current_tenant_id()  # type: ignore[attr-defined]
    row.clean_fields(exclude={"tenant", *exclude})
    row.validate_constraints()
    return row


def told(wrong: Exception) -> str:
    """Return what a service objects to, for a person."""
    if isinstance(wrong, ValidationError):
        return " ".join(wrong.messages)
    return str(wrong) if isinstance(wrong, Conflict) else "This could not be done."
