"""Finn's month: every kind of entry there is, made by calls to the running site, closed, exported five ways, and every sum is that of the ledger."""

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Sum

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
from tests.billing.exports.test_formats import read_back
from tests.live import answer
from tests.months import move, tamper
from tests.shop import Shop
from tests.stage import REJECT, Stage, step

FIRST, LAST = date(2026, 9, 1), date(2026, 9, 30)
FORMATS = ("csv", "jsonl", "json", "sqlite", "parquet")
AMOUNTS = {"cost_entries": "amount", "focus": "EffectiveCost"}
KINDS = {"settled", "estimated", "assumed", "voided", "overrun", "adjustment"}


@pytest.fixture
def shop_of(live_cast: Stage) -> Shop:
    """The shop of the tenant on the running site."""
    with platform_scope():
        Tenant.objects.filter(pk=live_cast.cast.acme.pk).update(time_zone="UTC")
    return Shop(live_cast.cast)


@pytest.fixture
def september(live_cast: Stage, shop_of: Shop) -> Shop:
    """A month of calls: exact, with cached tokens, rejected and escalated, counted by ourselves, at their bound, failed, unpriced, beyond their
    bound, degraded, blocked, held back on the baseline; one settled late, and one whose price is corrected within the month. And one of August."""
    stage, shop, start = live_cast, shop_of, datetime(2026, 8, 1, tzinfo=UTC)
    stage.add_preset("house", step("draft", "demo-mini", **REJECT), step("escalate", "demo-large"))
    stage.add_preset("held-back", step("draft", "demo-mini", **REJECT), step("escalate", "demo-large"))
    stage.roll_out("held-back", share=0)
    stage.add_models("up", {"free-of-price": stage.upstream_name("steady")}, price=None)
    stage.add_budget("0.0005", action="degrade", scope="tag", subject="thrift")
    stage.add_budget("0", scope="tag", subject="stopped")
    stage.script(body=answer(usage={"prompt_tokens": 900, "completion_tokens": 90, "prompt_tokens_details": {"cached_tokens": 300}}))
    stage.script("scripted-strong", body=answer(usage=(11, 90_000)))
    arms = {stage.ask("house", user="ann").cascadeflow["arm"], stage.ask("held-back", user="ben").cascadeflow["arm"]}
    assert arms == {"cascade", "baseline"}
    assert stage.ask("house", extra_headers={"X-CascadeFlow-Tags": "thrift"}).cascadeflow["degraded"]
    assert stage.refused(extra_headers={"X-CascadeFlow-Tags": "stopped"}).status_code == 402
    for model in ("steady", "scripted", "free-of-price", "fault-no-usage"):
        stage.ask(model, user="ann")
    stage.ask("scripted-strong", max_tokens=10)
    for model in ("fault-500", "fault-garbage"):
        stage.refused(model)
    stage.wait_until_closed(holds=10)
    for hold in stage.holds():
        stage.run(hold.id)
    price = shop.price("0.15", "0.60", since=start)
    late = shop.call(price=price, kind="assumed", amount=500_000, held=500_000)
    shop.settle_late(late, amount=210_000, asked=1000, said=100)
    august = shop.call(price=price, asked=4000, said=400)
    shop.call(price=shop.price("1", "2", since=start, model="dear"), asked=1000, said=1000, model="dear")
    correct(shop, "1.5", "2.5", since=start + timedelta(seconds=1), model="dear")
    for day, hold in enumerate(stage.holds(), 1):
        move(hold.id, to=datetime(2026, 9, day, 9, 30, tzinfo=UTC))
    move(august, to=datetime(2026, 8, 20, 9, tzinfo=UTC))
    tamper("UPDATE cascade_cascaderun SET started_at = '2026-09-03Z' WHERE tenant_id = %s", shop.tenant.id)
    return shop


def correct(shop: Shop, *price: str, **since: Any) -> None:
    version = shop.price(*price, **since)
    with tenant_scope(shop.tenant.id):
        assert to_version(version).post(actor="finn", reason="the list price rose").posted == 1


def export(shop: Shop, path: Path, **wanted: Any) -> Made:
    with tenant_scope(shop.tenant.id):
        prepared = prepare(Wanted(**{"what": "cost_entries", "first": FIRST, "last": LAST, **wanted}))
    with path.open("wb") as file:
        return make(prepared, file)


def total(path: Path, form: str, *, what: str) -> Decimal:
    """What a file read back sums to, in nano-USD; FOCUS has finer amounts."""
    return sum((Decimal(row[AMOUNTS[what]]) for row in read_back(path, form, table=what)), Decimal(0)) * 10**9


def test_finn_closes_his_month_and_every_file_sums_to_the_ledger(september: Shop, tmp_path: Path) -> None:
    tenant = september.tenant
    with tenant_scope(tenant.id):
        in_month = CostEntry.objects.filter(booked_at__gte=datetime(2026, 9, 1, tzinfo=UTC), booked_at__lt=datetime(2026, 10, 1, tzinfo=UTC))
        ledger = in_month.aggregate(sum=Sum("amount_nusd"))["sum"]
        assert set(in_month.values_list("kind", flat=True)) == KINDS
        assert set(CascadeRun.objects.values_list("status", flat=True)) == {"served", "degraded", "failed"}
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
        assert {charge.name for charge in chargeback(month=month, dimension="end_user")} == {"ann", "ben", ""}
        assert budget_report(month=month) == []
        saved = savings_statement(start_at=month.start_at, end_at=month.end_at)
        answered = CascadeRun.objects.filter(baseline_nusd__isnull=False, status__in=("served", "degraded"))
        runs = answered.aggregate(baseline=Sum("baseline_nusd"), cost=Sum("cost_nusd"))
        assert saved.saved_nusd == runs["baseline"] - runs["cost"]
    digests = {}
    for what in AMOUNTS:
        for form in FORMATS:
            made = export(september, tmp_path / form, what=what, format=form)
            assert total(tmp_path / form, form, what=what) == ledger
            assert made.manifest["cost"] == to_usd(ledger)
            assert made.manifest["month"]["closed"]
            digests[what, form] = made.sha256
    told = [row for row in read_back(tmp_path / "csv", "csv", table="focus") if row["x_EntryKind"] == "baseline"]
    assert sum(Decimal(row["x_BaselineCost"]) for row in told) * 10**9 == saved.baseline_nusd
    assert sum(Decimal(row["x_SavingsAmount"]) for row in told) * 10**9 == saved.saved_nusd
    assert {row["x_BaselineModel"] for row in told} >= {"demo-large", "steady"}
    assert export(september, tmp_path / "usage", what="usage", dimension="end_user").manifest["cost"] == to_usd(ledger)
    # A price of the closed month is corrected: its files stay the same to the byte, and the correction is one of the open month.
    correct(september, "2", "3", since=datetime(2026, 8, 1, 0, 0, 2, tzinfo=UTC), model="dear")
    assert {(what, form): export(september, tmp_path / form, what=what, format=form).sha256 for what, form in digests} == digests
    today = september.now.date()
    export(september, tmp_path / "open", what="focus", first=today.replace(day=1), last=today)
    (correction,) = read_back(tmp_path / "open", "csv", table="focus")
    assert (correction["ChargeClass"], correction["ChargeCategory"], correction["InvoiceId"]) == ("Correction", "Adjustment", "")
    assert (correction["BillingPeriodStart"][:7], correction["ChargePeriodStart"][:7]) == (f"{today:%Y-%m}", "2026-09")
    assert to_nusd(correction["EffectiveCost"]) == 1_000_000
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
