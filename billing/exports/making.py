"""From what is wanted to a file: the table, one moment of the book, a writer, and the manifest that says what the file holds."""

import hashlib
from collections.abc import Callable, Mapping
from typing import IO, Any
from uuid import UUID

from msgspec import Struct

from billing.closing import SETTLED_AFTER
from billing.engine.money import to_usd
from billing.engine.months import Stretch, month_stretch, stretch
from billing.exports import tables
from billing.exports.focus import focus
from billing.exports.reading import Moment, moment
from billing.exports.tables import Table
from billing.exports.wanted import Wanted
from billing.exports.writers import WRITERS
from billing.models import CloseOfMonth
from billing.reports.statements import close_of, days_of
from tenants.models import ApiKey, Tenant
from tenants.scoping import current_tenant_id

MANIFEST_VERSION = 1
CATALOG = ("providers", "models")
"""What the edges know of names: titles of providers by connection, and the providers' names of models."""


class Prepared(Struct, frozen=True, kw_only=True):
    """All that a file is made from, so that it can be written outside of a scope."""

    tenant_id: UUID
    slug: str
    file_name: str
    wanted: Wanted
    table: Table
    days: Stretch
    tenants_days: Stretch
    """The same dates in the tenant's own zone."""
    close: CloseOfMonth | None
    """Of the month that it holds, where that is closed."""


class Made(Struct, frozen=True, kw_only=True):
    """What was written: rows, bytes, the SHA-256 in hex, and the manifest."""

    rows: int
    size_bytes: int
    sha256: str
    manifest: dict[str, Any]


class Counter:
    """Carries what a writer writes to a file, and counts and digests it. `on_rows` is told how many rows are done, and may raise."""

    def __init__(self, file: IO[bytes], *, on_rows: Callable[[int], None] = lambda rows: None) -> None:
        self._file, self._on_rows, self._digest = file, on_rows, hashlib.sha256()
        self.rows = self.size = 0

    def write(self, data: bytes, /) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def counted(self, rows: int, /) -> None:
        self.rows += rows
        self._on_rows(self.rows)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def prepare(wanted: Wanted, *, catalog: Mapping[str, Mapping[str, str]] | None = None) -> Prepared:
    """Return the export of the scope's tenant. `catalog` says what providers and models are called (see CATALOG). Raises UnknownExport."""
    wanted.checked()
    tenant = Tenant.objects.get(pk=current_tenant_id())
    tenants_days = days_of(tenant=tenant, first=wanted.first, last=wanted.last)
    days = stretch(wanted.first, wanted.last, zone="UTC") if wanted.what == "focus" else tenants_days
    close = close_of(wanted.first) if tenants_days.is_a_month else None
    if wanted.what == "focus":
        table = focus(wanted, names={**(catalog or {}), **_names(tenant, close)}, invoice=_invoice(tenant, days, close))
    else:
        table = tables.budgets() if wanted.what == "budgets" else {"cost_entries": tables.cost_entries, "usage": tables.usage}[wanted.what](wanted)
    file_name = f"demo_{wanted.file_name}" if tenant.is_demo else wanted.file_name  # what is made up says so wherever it is kept
    return Prepared(
        tenant_id=tenant.pk, slug=tenant.slug, file_name=file_name, wanted=wanted, table=table, days=days, tenants_days=tenants_days, close=close
    )


def count_rows(prepared: Prepared) -> int:
    """Return how many rows of the database the file is made from: as many as it has, or more."""
    with moment(tenant_id=prepared.tenant_id, days=prepared.days) as book:
        return book.total(prepared.table)[0]


def make(prepared: Prepared, file: IO[bytes], *, on_rows: Callable[[int], None] = lambda rows: None) -> Made:
    """Write the file, in constant memory, and return what was written.

    Raises what `on_rows` raises, ParquetMissing, OSError where the disk is full, and psycopg.Error where the database goes away.
    """
    with moment(tenant_id=prepared.tenant_id, days=prepared.days) as book:
        counter = Counter(file, on_rows=on_rows)
        WRITERS[prepared.wanted.format](book, prepared.table, counter)
        manifest = _manifest(prepared, book, rows=counter.rows)
    return Made(rows=counter.rows, size_bytes=counter.size, sha256=counter.sha256, manifest=manifest)


def _manifest(prepared: Prepared, book: Moment, *, rows: int) -> dict[str, Any]:
    wanted, days, close = prepared.wanted, prepared.days, prepared.close
    entries, cost = book.total(prepared.table)
    manifest: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION, "generator": "CascadeFlow", "file": prepared.file_name, "tenant": prepared.slug, "what": wanted.what,
        "format": wanted.format, "counted_by": "booked_at",
        "days": {
            "first": wanted.first.isoformat(), "last": wanted.last.isoformat(), "zone": days.zone,
            "start_at": days.start_at.isoformat(), "end_at": days.end_at.isoformat(),
        },
        "wanted": {name: value for name, value in wanted.as_json().items() if value},
        "rows": rows, "made_from_rows": entries, "cost": to_usd(cost), "currency": "USD",
        "sum_of": prepared.table.amount,
        "month": {"month": f"{close.month:%Y-%m}", "closed": True, "hash": bytes(close.hash).hex()} if close else None,
        "columns": [{"name": column.name, "type": column.kind, "about": column.about} for column in prepared.table.columns],
        "notes": list(prepared.table.notes),
    }  # fmt: skip
    if wanted.what == "focus":
        manifest["focus"] = {"version": wanted.focus, "time_zone": "UTC", "decimal_places": 15}
        _, own = book.total(prepared.table, days=prepared.tenants_days)
        manifest["cost_in_tenants_days"] = {"zone": prepared.tenants_days.zone, "cost": to_usd(own)}
    return manifest


def _names(tenant: Tenant, close: CloseOfMonth | None) -> Mapping[str, Any]:
    """What the tenant and its keys are called; of a closed month, what they, providers and models were called when it was closed."""
    if close is not None:
        names: Mapping[str, Any] = close.names
        return names
    return {"tenant": tenant.name, "slug": tenant.slug, "keys": {str(key.pk): key.name for key in ApiKey.objects.only("name")}}


def _invoice(tenant: Tenant, days: Stretch, close: CloseOfMonth | None) -> str | None:
    """The closed month's id. The month of UTC ends at another time than the tenant's: it must be over too when the books are closed."""
    if close is None or days != month_stretch(days.first, zone="UTC") or close.closed_at < days.end_at + SETTLED_AFTER:
        return None
    return f"{tenant.slug}-{close.month:%Y-%m}"
