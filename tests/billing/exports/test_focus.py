"""FOCUS files by the specification's rules, written down here: columns, types, what may be empty, allowed values, and the sums.

The official validator needs another Python and packages that do not go with ours; this is a check of the same rules, not that validator.
"""

import csv
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.closing import close_month
from billing.exports.focus_columns import OLD_COLUMNS
from billing.repricing import to_version
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.billing.exports.test_formats import august, booked, written
from tests.months import move
from tests.shop import Shop

__all__ = ["august"]
MANDATORY = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory",
    "ChargeClass", "ChargeDescription", "ChargePeriodStart", "ChargePeriodEnd", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "ServiceProviderName", "HostProviderName",
}  # fmt: skip
FOR_THE_VALIDATOR = {
    "ChargeFrequency", "ConsumedQuantity", "ConsumedUnit", "ListUnitPrice", "ContractedUnitPrice", "PricingCategory", "PricingCurrency",
    "PricingCurrencyContractedUnitPrice", "PricingCurrencyListUnitPrice", "PricingCurrencyEffectiveCost", "SkuId", "SkuMeter", "SkuPriceId",
    "SkuPriceDetails", "ServiceSubcategory", "SubAccountId", "SubAccountName", "Tags", "ResourceId", "ResourceName", "ResourceType", "RegionId",
    "RegionName", "CommitmentDiscountStatus", "InvoiceId",
}  # fmt: skip
NEVER_EMPTY = MANDATORY - {"BillingAccountName", "ChargeClass", "PricingQuantity", "PricingUnit"} | {"ChargeFrequency", "ServiceSubcategory", "Tags"}
OF_USAGE = {"PricingQuantity", "PricingUnit", "ListUnitPrice", "ContractedUnitPrice", "PricingCategory", "SkuId", "SkuMeter", "SkuPriceId",
            "ConsumedQuantity", "ConsumedUnit"}  # fmt: skip
ALLOWED = {
    "BillingCurrency": {"USD"}, "ChargeCategory": {"Usage", "Adjustment"}, "ChargeClass": {"", "Correction"}, "PricingCurrency": {"USD"},
    "ChargeFrequency": {"One-Time", "Usage-Based"}, "PricingCategory": {"", "Standard"}, "ServiceCategory": {"AI and Machine Learning"},
    "ServiceSubcategory": {"Generative AI"}, "ConsumedUnit": {"", "Tokens", "Requests"}, "PricingUnit": {"", "1000000 Tokens", "Requests"},
}  # fmt: skip
DECIMALS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "PricingCurrencyEffectiveCost", "PricingQuantity", "ConsumedQuantity",
            "ListUnitPrice", "ContractedUnitPrice", "PricingCurrencyListUnitPrice", "PricingCurrencyContractedUnitPrice")  # fmt: skip
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


def rows_of(shop: Shop, folder: Path, **wanted: Any) -> list[dict[str, str]]:
    written(shop, folder / "focus.csv", what="focus", **wanted)
    with (folder / "focus.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check(row: dict[str, str]) -> None:
    assert not [name for name in NEVER_EMPTY & row.keys() if row[name] == ""]
    assert not [name for name, allowed in ALLOWED.items() if row[name] not in allowed]
    for name in DECIMALS:
        assert re.fullmatch(r"(-?\d+\.\d{1,15})?", row[name]), f"{name}: {row[name]}"
    for name in ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"):
        assert INSTANT.fullmatch(row[name])
    assert row["BillingPeriodStart"][8:] == "01T00:00:00Z"
    assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]
    assert isinstance(json.loads(row["Tags"]), dict)
    is_usage = row["ChargeCategory"] == "Usage"
    assert all((row[name] != "") == is_usage for name in OF_USAGE)
    if is_usage:
        quantity = Decimal(row["PricingQuantity"])
        assert Decimal(row["ListUnitPrice"]) * quantity == Decimal(row["ListCost"])
        assert Decimal(row["ContractedUnitPrice"]) * quantity == Decimal(row["ContractedCost"])
        assert Decimal(row["ConsumedQuantity"]) == quantity * (1_000_000 if row["ConsumedUnit"] == "Tokens" else 1)
        assert json.loads(row["SkuPriceDetails"])["x_TokenType"] == row["SkuMeter"]
    assert (row["SubAccountId"] == "") == (row["SubAccountName"] == "")


def test_every_row_keeps_the_rules_of_the_specification(august: Shop, tmp_path: Path) -> None:
    rows = rows_of(august, tmp_path)
    for row in rows:
        check(row)
    names = list(rows[0])
    assert {name for name in names if not name.startswith("x_")} == MANDATORY | FOR_THE_VALIDATOR
    given = [name for name in names if not name.startswith("x_")]
    assert given == sorted(given) == names[: len(given)]
    assert sum(Decimal(row["EffectiveCost"]) for row in rows) * 10**9 == booked(august)
    meters = {(row["x_Model"], row["SkuMeter"]) for row in rows if row["SkuMeter"]}
    assert ("mini", "Cached Input Tokens") in meters
    assert {row["x_EntryKind"] for row in rows} == {"", "assumed", "unpriced"}
    assert {row["ChargeDescription"] for row in rows} >= {"Rounding for odd on openai", "Calls without a known price for unpriced on openai"}


def test_version_1_4_leaves_out_what_was_replaced(august: Shop, tmp_path: Path) -> None:
    old, new = rows_of(august, tmp_path)[0].keys(), rows_of(august, tmp_path, focus="1.4")[0].keys()
    assert set(old) - set(new) == set(OLD_COLUMNS)
    assert rows_of(august, tmp_path, focus="1.3") == rows_of(august, tmp_path)


def test_formulas_stay_as_they_are_since_programs_read_it(august: Shop, tmp_path: Path) -> None:
    assert '=HYPERLINK("http://evil.example","x")' in {row["x_CascadeStep"] for row in rows_of(august, tmp_path)}


def test_where_the_providers_bill_is_imported_too_it_bills_nothing(august: Shop, tmp_path: Path) -> None:
    rows = rows_of(august, tmp_path, provider_bill=True)
    assert {row["BilledCost"] for row in rows} == {"0.0"}
    assert sum(Decimal(row["EffectiveCost"]) for row in rows) * 10**9 == booked(august)


def test_a_row_for_each_call_or_user_sums_to_the_same(august: Shop, tmp_path: Path) -> None:
    days = rows_of(august, tmp_path)
    for options, column in (({"calls": True}, "x_CallId"), ({"users": True}, "x_UserId")):
        rows = rows_of(august, tmp_path, **options)
        assert any(row[column] for row in rows)
        assert not any(row[column] for row in days)
        assert sum(Decimal(row["EffectiveCost"]) for row in rows) * 10**9 == booked(august)


def test_a_correction_of_a_closed_month_is_one_in_the_open_month_and_names_the_day(august: Shop, tmp_path: Path) -> None:
    before = rows_of(august, tmp_path)
    assert {row["InvoiceId"] for row in before} == {""}
    with tenant_scope(august.tenant.id):
        close_month(month=date(2026, 8, 1), actor="finn", now=august.now, in_spite_of=["unpriced"])
        version = august.price("0.30", "1.20", since=datetime(2026, 8, 1, tzinfo=UTC))
    with tenant_scope(august.tenant.id):
        to_version(version).post(actor="finn", reason="the price was wrong")
    after = rows_of(august, tmp_path)
    assert {row["InvoiceId"] for row in after} == {f"{august.tenant.slug}-2026-08"}
    assert [{**row, "InvoiceId": ""} for row in after] == before
    today = datetime.now(UTC).date()
    rows = rows_of(august, tmp_path, first=today.replace(day=1), last=today)
    for row in rows:
        check(row)
    corrections = [row for row in rows if row["ChargeClass"] == "Correction"]
    assert {row["ChargePeriodStart"][:7] for row in corrections} == {"2026-08"}
    assert {row["BillingPeriodStart"][:7] for row in corrections} == {f"{today:%Y-%m}"}
    assert {row["ChargeClass"] for row in rows if row["ChargePeriodStart"] >= "2026-09"} == {""}  # September is open still
    assert sum(Decimal(row["EffectiveCost"]) for row in rows) * 10**9 == sum(entry.amount_nusd for entry in august.corrections())


def test_days_are_of_utc_and_the_manifest_tells_both_sums(august: Shop, tmp_path: Path) -> None:
    price = august.price("1", "1", since=august.ago(days=200), model="late")
    move(august.call(price=price, asked=1, said=0, model="late"), to=datetime(2026, 7, 31, 23, tzinfo=UTC))
    with platform_scope():
        Tenant.objects.filter(pk=august.tenant.id).update(time_zone="Europe/Berlin")
    made = written(august, tmp_path / "x", what="focus", first=date(2026, 8, 1), last=date(2026, 8, 1))
    assert made.manifest["days"]["zone"] == "UTC"
    assert (made.manifest["cost"], made.manifest["cost_in_tenants_days"]) == ("0.0000963", {"zone": "Europe/Berlin", "cost": "0.0000973"})


@pytest.mark.parametrize(("tag_keys", "tags"), [((), [{}]), (("team",), [{"team": "growth"}, {}])])
def test_tags_stand_in_it_by_the_keys_that_were_asked_for(shop: Shop, tmp_path: Path, tag_keys: tuple[str, ...], tags: list[Any]) -> None:
    from tests.months import tamper

    for labels in ("{team=growth,secret}", "{other:x}"):
        hold = shop.call(price=shop.price("1", "1", since=shop.ago(days=200), model=labels[1:5]), asked=5, said=5, model=labels[1:5])
        move(hold, to=datetime(2026, 8, 3, 12, tzinfo=UTC))
        tamper("UPDATE billing_costentry SET tags = %s::varchar[] WHERE reservation_id = %s", labels, hold)
    found = [json.loads(row["Tags"]) for row in rows_of(shop, tmp_path, tag_keys=tag_keys)]
    assert sorted(map(str, found)) == sorted(str(each) for each in (tags * 4 if len(tags) == 1 else [each for each in tags for _ in range(2)]))
    tamper("UPDATE billing_costentry SET tags = '{}' WHERE tenant_id = %s", shop.tenant.id)
