"""Every format, read back: each file sums to the ledger, to the nano-dollar."""

import csv
import gzip
import io
import json
import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.engine.money import to_nusd, to_usd
from billing.exports import parquet
from billing.exports.making import Made, make, prepare
from billing.exports.wanted import Wanted
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.months import move
from tests.shop import Shop

FORMATS = ["csv", "csv.gz", "jsonl", "json", "sqlite", "parquet"]
FIRST, LAST = date(2026, 8, 1), date(2026, 8, 31)
ODD_PRICE = ("0.0375001", "0.1500003")
"""Per million tokens: one token costs a fraction of a nano-dollar."""


@pytest.fixture
def august(shop: Shop) -> Shop:
    """Calls of every kind, booked in August in UTC, one of them at its last instant; and one of September."""
    with platform_scope():
        Tenant.objects.filter(pk=shop.tenant.pk).update(time_zone="UTC")
    price = shop.price("0.15", "0.60", since=shop.ago(days=200))
    odd = shop.price(*ODD_PRICE, since=shop.ago(days=200), model="odd")
    user = shop.cast.ann.pk
    holds = [
        shop.call(price=price, asked=142, said=125, user=user), shop.call(price=price, asked=1000, said=7, cached=400),
        shop.call(price=odd, model="odd", asked=1001, said=333), shop.call(price=odd, model="odd", asked=7, said=1),
        shop.call(price=price, kind="estimated", asked=10, said=20), shop.call(kind="assumed", amount=900_001, price=price),
        shop.call(kind="voided"), shop.call(asked=50, said=60, model="unpriced"),
        shop.call(price=price, asked=1, said=1, step='=HYPERLINK("http://evil.example","x")', outcome="@SUM(A1)"),
    ]  # fmt: skip
    for day, hold in enumerate(holds, 1):
        move(hold, to=datetime(2026, 8, day, 12, 30, 1, 250_000, UTC))
    move(shop.call(price=price, asked=3, said=3), to=datetime(2026, 8, 31, 23, 59, 59, 999_999, UTC))
    move(shop.call(price=price, asked=5_000_000, said=5), to=datetime(2026, 9, 1, 0, 0, 0, 0, UTC))
    return shop


def written(shop: Shop, path: Path, **wanted: Any) -> Made:
    with tenant_scope(shop.tenant.id):
        prepared = prepare(Wanted(**{"what": "cost_entries", "first": FIRST, "last": LAST, **wanted}))
    with path.open("wb") as file:
        return make(prepared, file)


def booked(shop: Shop) -> int:
    return sum(entry.amount_nusd for entry in shop.entries() if entry.booked_at < datetime(2026, 9, 1, tzinfo=UTC))


def read_back(path: Path, format_: str, *, table: str) -> list[dict[str, Any]]:
    if format_ in ("csv", "csv.gz"):
        text = gzip.decompress(path.read_bytes()) if format_ == "csv.gz" else path.read_bytes()
        return list(csv.DictReader(io.StringIO(text.decode(), newline="")))
    if format_ == "jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if format_ == "json":
        rows: list[dict[str, Any]] = json.loads(path.read_text())
        return rows
    if format_ == "parquet":
        found: list[dict[str, Any]] = parquet.pyarrow().parquet.read_table(path).to_pylist()
        return found
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    with database:
        return [dict(row) for row in database.execute(f"SELECT * FROM {table}")]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(("what", "column"), [("cost_entries", "amount"), ("usage", "cost")])
def test_a_file_read_back_sums_to_the_ledger(august: Shop, tmp_path: Path, format_: str, what: str, column: str) -> None:
    if format_ == "parquet":
        pytest.importorskip("pyarrow")
    made = written(august, tmp_path / "file", what=what, format=format_)
    rows = read_back(tmp_path / "file", format_, table=what)
    assert sum(to_nusd(row[column]) for row in rows) == booked(august) > 0
    assert sum(int(row[f"{column}_nusd"]) for row in rows) == booked(august)
    assert len(rows) == made.rows == made.manifest["rows"]
    assert made.manifest["cost"] == to_usd(booked(august))
    assert made.size_bytes == (tmp_path / "file").stat().st_size


@pytest.mark.parametrize("format_", FORMATS)
def test_focus_sums_to_the_ledger_in_every_format(august: Shop, tmp_path: Path, format_: str) -> None:
    if format_ == "parquet":
        pytest.importorskip("pyarrow")
    made = written(august, tmp_path / "file", what="focus", format=format_)
    rows = read_back(tmp_path / "file", format_, table="focus")
    assert sum(Decimal(row["EffectiveCost"]) for row in rows) * 10**9 == booked(august)
    assert made.rows == len(rows)
    assert made.manifest["cost"] == to_usd(booked(august))
