"""The columns of FOCUS, over a row `m` of billing/exports/focus.py: those of the specification in alphabetical order, then ours, led by x_."""

from billing.exports.columns import Column, Kind
from billing.exports.publishers import publisher_sql
from billing.exports.wanted import Wanted

OLD_COLUMNS = ("ProviderName", "PublisherName")
"""In 1.2 and 1.3; ServiceProviderName and HostProviderName took their place."""
IS_USAGE = "(m.count IS NOT NULL)"
IS_BASELINE = "(m.what = 'baseline')"
IS_TOKENS = "(m.count IS NOT NULL AND m.meter < 6)"
PROVIDER = "coalesce(%(names)s::jsonb -> 'providers' ->> m.provider, nullif(m.provider, ''), 'unknown')"
MODEL = "coalesce(%(names)s::jsonb -> 'models' ->> m.model, nullif(m.model, ''), 'unknown')"
COST = "m.cost"
QUANTITY = "CASE WHEN m.meter < 6 THEN m.count::numeric * 0.000001 ELSE m.count::numeric END"
UNIT_PRICE = "m.rate::numeric * 0.000000001"
SKU = f"CASE WHEN {IS_USAGE} THEN lower(replace({PROVIDER}, ' ', '-')) || '/' || {MODEL} || '/' || lower(replace(m.meter_name, ' ', '-')) END"
WORDS = """CASE WHEN m.meter_name IS NOT NULL THEN m.meter_name WHEN m.what = 'assumed' THEN 'Calls booked at their bound'
  WHEN m.what = 'overrun' THEN 'Billed beyond what was held' WHEN m.what = 'adjustment' THEN 'Corrections of earlier calls'
  WHEN m.what = 'unpriced' THEN 'Calls without a known price' WHEN m.what = 'estimated' THEN 'Calls counted by ourselves'
  WHEN m.what = 'baseline' THEN 'What answered runs would have cost, no charge,' ELSE 'Calls' END"""
KEY_NAME = "coalesce(%(names)s::jsonb -> 'keys' ->> m.api_key_id::text, m.api_key_id::text)"
PRICE_DAY = "to_char(m.valid_from AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


def focus_columns(wanted: Wanted) -> list[Column]:
    """Return the columns of the version that is wanted."""
    billed = "0::numeric" if wanted.provider_bill else COST
    publisher = publisher_sql(MODEL, otherwise=PROVIDER)
    given: dict[str, tuple[Kind, str, str]] = {
        "BilledCost": ("decimal", billed, "USD; 0 where the provider's own bill is imported beside it."),
        "BillingAccountId": ("text", "'cascadeflow/org/' || %(slug)s", "The tenant."),
        "BillingAccountName": ("text", "%(tenant_name)s", "The tenant's name."),
        "BillingCurrency": ("text", "'USD'", ""),
        "BillingPeriodEnd": ("text", _instant("m.month + interval '1 month'"), "Exclusive."),
        "BillingPeriodStart": ("text", _instant("m.month"), "The month in which it was booked."),
        "ChargeCategory": ("text", f"CASE WHEN {IS_USAGE} THEN 'Usage' ELSE 'Adjustment' END", "Adjustment: what no quantity explains."),
        "ChargeClass": ("text", "CASE WHEN m.is_late THEN 'Correction' END", "Correction: of a month that was closed by then."),
        "ChargeDescription": ("text", f"{WORDS} || ' for ' || {MODEL} || ' on ' || {PROVIDER}", ""),
        "ChargeFrequency": ("text", f"CASE WHEN {IS_USAGE} THEN 'Usage-Based' ELSE 'One-Time' END", ""),
        "ChargePeriodEnd": ("text", _instant("m.day + interval '1 day'"), "Exclusive."),
        "ChargePeriodStart": ("text", _instant("m.day"), "The UTC day of the calls."),
        "CommitmentDiscountStatus": ("text", "NULL::text", "We know of no commitments."),
        "ConsumedQuantity": ("decimal", f"CASE WHEN {IS_USAGE} THEN m.count::numeric END", ""),
        "ConsumedUnit": ("text", f"CASE WHEN {IS_TOKENS} THEN 'Tokens' WHEN {IS_USAGE} THEN 'Requests' END", ""),
        "ContractedCost": ("decimal", COST, "USD, at the price of your book."),
        "ContractedUnitPrice": ("decimal", UNIT_PRICE, "USD."),
        "EffectiveCost": ("decimal", COST, "USD. Sums to the book."),
        "HostProviderName": ("text", PROVIDER, "1.3."),
        "InvoiceId": ("text", "%(invoice)s::text", "The closed month's statement; empty while the month is open."),
        "InvoiceIssuerName": ("text", PROVIDER, "Who sends the bill."),
        "ListCost": ("decimal", COST, "USD, at the price of your book: the gateway knows of no other."),
        "ListUnitPrice": ("decimal", UNIT_PRICE, "USD."),
        "PricingCategory": ("text", f"CASE WHEN {IS_USAGE} THEN 'Standard' END", ""),
        "PricingCurrency": ("text", "'USD'", ""),
        "PricingCurrencyContractedUnitPrice": ("decimal", UNIT_PRICE, ""),
        "PricingCurrencyEffectiveCost": ("decimal", COST, ""),
        "PricingCurrencyListUnitPrice": ("decimal", UNIT_PRICE, ""),
        "PricingQuantity": ("decimal", QUANTITY, "Millions of tokens, or requests."),
        "PricingUnit": ("text", f"CASE WHEN {IS_TOKENS} THEN '1000000 Tokens' WHEN {IS_USAGE} THEN 'Requests' END", ""),
        "ProviderName": ("text", PROVIDER, "Who serves the model."),
        "PublisherName": ("text", publisher, "Who makes the model."),
        "RegionId": ("text", "NULL::text", ""), "RegionName": ("text", "NULL::text", ""), "ResourceId": ("text", "NULL::text", ""),
        "ResourceName": ("text", "NULL::text", ""), "ResourceType": ("text", "NULL::text", ""),
        "ServiceCategory": ("text", "'AI and Machine Learning'", ""),
        "ServiceName": ("text", f"{PROVIDER} || ' API'", ""),
        "ServiceProviderName": ("text", PROVIDER, "1.3."),
        "ServiceSubcategory": ("text", "'Generative AI'", ""),
        "SkuId": ("text", SKU, ""), "SkuMeter": ("text", f"CASE WHEN {IS_USAGE} THEN m.meter_name END", ""),
        "SkuPriceDetails": ("json", _details(), "JSON."),
        "SkuPriceId": ("text", f"{SKU} || '/' || {PRICE_DAY}", "With the price's first day."),
        "SubAccountId": ("text", "m.api_key_id::text", "The API key's id, never the key."),
        "SubAccountName": ("text", KEY_NAME, "Its name."),
        "Tags": ("json", _tags(), "JSON: tier, domain, and the keys of your tags that were asked for."),
    }  # fmt: skip
    own: dict[str, tuple[Kind, str, str]] = {
        "x_BaselineCost": ("decimal", "m.baseline_nusd * 0.000000001", "USD that the baseline model would have cost; on rows of its own alone."),
        "x_BaselineModel": ("text", f"CASE WHEN {IS_BASELINE} THEN nullif(m.model, '') END", "Your name of it; empty for runs of older releases."),
        "x_CallId": ("text", "m.call_id::text", "Of one row per call: the entry."),
        "x_CascadeStep": ("text", "nullif(m.step, '')", "Part of the cascade."),
        "x_Domain": ("text", "nullif(m.domain, '')", ""), "x_EntryKind": ("text", "nullif(m.what, '')", "Why no quantity explains it."),
        "x_Model": ("text", f"CASE WHEN NOT {IS_BASELINE} THEN m.model END", "Your name of the model."),
        "x_PolicyVersion": ("text", "nullif(m.preset, '')", "The preset with its version."),
        "x_PresetName": ("text", "nullif(split_part(m.preset, '@', 1), '')", ""), "x_PriceVersion": ("text", "nullif(m.price_version, '')", ""),
        "x_RequestCount": ("decimal", "m.calls::numeric", "Calls to the provider; repeated on each of their meters."),
        "x_SavingsAmount": ("decimal", "m.saved_nusd * 0.000000001", "USD: the baseline less what the runs came to; may be negative."),
        "x_StepOutcome": ("text", "nullif(m.outcome, '')", "What became of the answer."), "x_TierName": ("text", "nullif(m.tier, '')", ""),
        "x_UserId": ("text", "m.end_user_id::text", "Ours, where rows per end user were asked for."),
    }  # fmt: skip
    if wanted.focus == "1.4":
        given = {name: column for name, column in given.items() if name not in OLD_COLUMNS}
    return [Column(name=name, kind=kind, sql=sql, about=about) for name, (kind, sql, about) in [*sorted(given.items()), *own.items()]]


def _instant(sql: str) -> str:
    return f"to_char({sql}, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"


def _details() -> str:
    return f"CASE WHEN {IS_USAGE} THEN json_build_object('x_Model', {MODEL}, 'x_TokenType', m.meter_name)::text END"


def _tags() -> str:
    """Tags that are `key=value` or `key:value` by their key, others are true; tier and domain where there is one."""
    key = "split_part(translate(t, ':', '='), '=', 1)"
    pairs = f"SELECT {key}, nullif(substr(t, length({key}) + 2), '') FROM unnest(m.tags) t"
    return f"""(SELECT coalesce(json_object_agg(x.key, coalesce(to_json(x.value), 'true'::json) ORDER BY x.key), '{{}}'::json)::text FROM (
        SELECT DISTINCT ON (key) key, value FROM ({pairs} UNION ALL SELECT 'tier', nullif(m.tier, '') WHERE m.tier <> ''
        UNION ALL SELECT 'domain', nullif(m.domain, '') WHERE m.domain <> '') AS y(key, value) ORDER BY key, value) x)"""
