"""Finn's month: every kind of entry there is, closed, exported five ways, and every sum is that of the ledger."""

import csv
import gzip
import io
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from billing.closing import close_month, verify_closes
from billing.engine.money import to_nusd, to_usd
from billing.exports.making import Made, make, prepare
from billing.exports.wanted import Wanted
from billing.models import Budget, CostEntry
from billing.reports.chargeback import budget_report, chargeback
from billing.reports.statements import month_of, month_statement
from billing.repricing import to_version
from cascade.models import CascadeRun
from cascade.savings import savings_statement
from tenants.errors import Conflict
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.months import move
from tests.shop import Shop

FIRST, LAST = date(2026, 9, 1), date(2026, 9, 30)
READ: dict[str, Callable[[Path], int]] = {
    "csv": lambda path: sum(to_nusd(row["amount"]) for row in csv.DictReader(path.open(newline=""))),
    "csv.gz": lambda path: sum(to_nusd(row["amount"]) for row in csv.DictReader(gzip.decompress(path.read_bytes()).decode().splitlines())),
    "jsonl": lambda path: sum(to_nusd(json.loads(line)["amount"]) for line in path.open()),
    "sqlite": lambda path: sqlite3.connect(path).execute("SELECT sum(amount_nusd) FROM cost_entries").fetchone()[0],
}


@pytest.fixture
def september(shop: Shop) -> Shop:
    """Exact, estimated, assumed, voided, unpriced and overrun calls, one settled late, a degraded run, a refused one, a price that is corrected
    within the month; and one call of August."""
    with platform_scope():
        Tenant.objects.filter(pk=shop.tenant.pk).update(time_zone="UTC")
    start = datetime(2026, 8, 1, tzinfo=UTC)
    price = shop.price("0.15", "0.60", since=start)
    august = shop.call(price=price, asked=4000, said=400)
    ann = shop.cast.ann.pk
    holds = [
        shop.call(price=price, asked=142, said=125, user=ann), shop.call(price=price, asked=900, said=90, cached=300, outcome="rejected"),
        shop.call(price=price, kind="estimated", asked=11, said=13), shop.call(kind="assumed", amount=700_003, price=price),
        shop.call(kind="voided"), shop.call(asked=8, said=9, model="unknown"), shop.call(price=price, asked=5, said=5, step="degraded"),
    ]  # fmt: skip
    late = shop.call(price=price, kind="assumed", amount=500_000, held=500_000)
    shop.settle_late(late, amount=210_000, asked=1000, said=100)
    wrong = shop.price("1", "2", since=start, model="dear")
    dear = shop.call(price=wrong, asked=1000, said=1000, model="dear")
    right = shop.price("1.5", "2.5", since=start + timedelta(seconds=1), model="dear")
    with tenant_scope(shop.tenant.id):
        assert to_version(right).post(actor="finn", reason="the list price rose").posted == 1
    for day, hold in enumerate([*holds, late, dear], 1):
        move(hold, to=datetime(2026, 9, day, 9, 30, tzinfo=UTC))
    move(august, to=datetime(2026, 8, 20, 9, tzinfo=UTC))
    with tenant_scope(shop.tenant.id):  # a run that was refused costs nothing, and is in no file
        runs = (("served", 96_300, 2_000_000, holds[0]), ("degraded", 3750, None, holds[6]), ("refused", 0, None, august))
        for status, cost, baseline, run in runs:
            CascadeRun.objects.create(
                id=run, status=status, preset="p", policy_version="p@1", domain="general", domain_confidence=0.9, complexity="simple", latency_ms=1,
                cost_nusd=cost, baseline_nusd=baseline, started_at=datetime(2026, 9, 3, tzinfo=UTC),
            )  # fmt: skip
    return shop


def export(shop: Shop, path: Path, **wanted: Any) -> Made:
    with tenant_scope(shop.tenant.id):
        prepared = prepare(Wanted(**{"what": "cost_entries", "first": FIRST, "last": LAST, **wanted}))
    with path.open("wb") as file:
        return make(prepared, file)


def test_finn_closes_his_month_and_every_file_sums_to_the_ledger(september: Shop, tmp_path: Path) -> None:
    tenant = september.tenant
    with tenant_scope(tenant.id):
        in_month = CostEntry.objects.filter(booked_at__gte=datetime(2026, 9, 1, tzinfo=UTC), booked_at__lt=datetime(2026, 10, 1, tzinfo=UTC))
        ledger = sum(in_month.values_list("amount_nusd", flat=True))
        assert set(in_month.values_list("kind", flat=True)) >= {"settled", "estimated", "assumed", "voided", "adjustment"}
        with pytest.raises(Conflict, match="1 calls of 2026-09 have no price"):
            close_month(month=FIRST, actor="finn", now=september.now)
    call_command("close_month", "--tenant", tenant.slug, "--month", "2026-09", "--accept", "unpriced", stdout=io.StringIO())
    with tenant_scope(tenant.id):
        month = month_of(tenant=Tenant.objects.get(pk=tenant.pk), day=FIRST)
        statement = month_statement(month=month)
        assert statement.usage_nusd + statement.adjustments_nusd == ledger
        assert statement.adjustments_nusd != 0
        assert statement.opening_nusd == 4000 * 150 + 400 * 600
        for dimension in ("end_user", "tier", "key", "domain", "model", "tag"):
            assert sum(charge.cost_nusd for charge in chargeback(month=month, dimension=dimension)) == ledger
        assert {charge.name for charge in chargeback(month=month, dimension="end_user")} == {"ann", ""}
        assert budget_report(month=month) == []
        saved = savings_statement(start_at=month.start_at, end_at=month.end_at)
        assert (saved.runs, saved.runs_without_baseline, saved.saved_nusd, saved.saved_percent) == (1, 1, 1_903_700, 95)
    for form, total in READ.items():
        made = export(september, tmp_path / form, format=form)
        assert total(tmp_path / form) == ledger
        assert made.manifest["cost"] == to_usd(ledger)
        assert made.manifest["month"]["closed"]
    export(september, tmp_path / "focus", what="focus")
    with (tmp_path / "focus").open(newline="") as file:
        assert sum(Decimal(row["EffectiveCost"]) for row in csv.DictReader(file)) * 10**9 == ledger
    usage = export(september, tmp_path / "usage", what="usage", dimension="end_user")
    assert usage.manifest["cost"] == to_usd(ledger)
    with tenant_scope(tenant.id):
        assert list(verify_closes()) == []


def test_the_budget_report_tells_each_window_of_the_month(shop: Shop) -> None:
    shop.budget(5_000_000, period="monthly", name="All of it")
    shop.call(price=shop.price("1", "1", since=shop.ago(days=1)), asked=1000, said=500)
    today = shop.now.date()
    with tenant_scope(shop.tenant.id):
        (line,) = budget_report(month=month_of(tenant=Tenant.objects.get(pk=shop.tenant.pk), day=today))
        assert Budget.objects.count() == 1
    assert (line.budget, line.period, line.limit_nusd, line.spent_nusd, line.left_nusd) == ("All of it", "monthly", 5_000_000, 1_500_000, 3_500_000)
    assert line.start_on == today.replace(day=1)
