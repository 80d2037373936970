"""The FinOps Open Cost and Usage Specification (FOCUS): what is booked as the rows that FinOps tools read.

Source: https://focus.finops.org/focus-specification/, versions 1.2 to 1.4. One file fits 1.2 and 1.3: 1.2 with the two columns that 1.3 added; 1.4
drops the two that those replaced. Days, months and the period are UTC's.

Each row is one meter of the calls of a UTC day, so that unit price x quantity is the cost: input, cached input, cache write, output and reasoning
tokens, and the fee for a request. What its price does not explain has a row of its own: the fractions of a nano-dollar that were rounded when the
calls were booked, calls at their bound, overruns, unpriced calls, corrections. So the file sums to the book to the nano-dollar.
Worked number: 3 calls of 142 input and 125 output tokens at 0.15 and 0.60 USD a million are two rows, 0.0000639 and 0.000225 USD.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from billing.exports import baselines
from billing.exports.focus_columns import focus_columns
from billing.exports.tables import CORRECTION, ENTRIES, Table, conditions, parameters_of
from billing.exports.wanted import Wanted

Names = Mapping[str, Any]
"""What things are called: `tenant`, `slug`, `keys` by id, `providers` (titles by connection), `models` (the provider's names by yours)."""
MICRO = 1_000_000
METERS = {  # in the order of the file: how many, and the rate that applies
    "Input Tokens": ("e.input_tokens - e.cached_input_tokens - e.cache_write_tokens", "e.input_rate"),
    "Cached Input Tokens": ("e.cached_input_tokens", "e.cached_rate"),
    "Cache Write Tokens": ("e.cache_write_tokens", "e.write_rate"),
    "Output Tokens": ("e.output_tokens - e.reasoning_tokens", "e.output_rate"),
    "Reasoning Tokens": ("e.reasoning_tokens", "e.reasoning_rate"),
}
RATES = ("input_rate", "cached_rate", "write_rate", "output_rate", "reasoning_rate", "request_rate")
PRICES = """SELECT p.id::text AS version, p.valid_from, p.long_after_tokens, p.request_nusd AS request_rate,
  p.input_nusd AS input_rate, coalesce(p.cached_input_nusd, p.input_nusd) AS cached_rate, coalesce(p.cache_write_nusd, p.input_nusd) AS write_rate,
  p.output_nusd AS output_rate, coalesce(p.reasoning_nusd, p.output_nusd) AS reasoning_rate,
  p.long_input_nusd AS long_input_rate, coalesce(p.long_cached_input_nusd, p.long_input_nusd) AS long_cached_rate,
  coalesce(p.long_cache_write_nusd, p.long_input_nusd) AS long_write_rate, p.long_output_nusd AS long_output_rate,
  greatest(p.reasoning_nusd, p.long_output_nusd) AS long_reasoning_rate FROM {table} p"""
GRAIN = ("month", "day", "api_key_id", "provider", "model", "price_version", "step", "outcome", "tier", "domain", "preset", "tags", "end_user_id",
         "call_id", "what", "is_late", "is_metered", "valid_from", *RATES)  # fmt: skip
ONCE = "OFFSET 0"
"""Keeps PostgreSQL from putting an expression in each place where its result is used: it would be worked out nine times an entry."""
LATE = f"""{CORRECTION} AND EXISTS (SELECT 1 FROM billing_closeofmonth c WHERE c.tenant_id = e.tenant_id
  AND c.start_at <= e.occurred_at AND c.end_at > e.occurred_at AND c.closed_at <= e.booked_at
  AND (c.reopened_at IS NULL OR c.reopened_at > e.booked_at))"""
"""Does it correct a month that was closed by then?"""
NOTES = [
    "Days and the period are UTC's, those of the tenant's statements are of its own zone: `cost_in_tenants_days` is what the same days hold there.",
    "x_RequestCount is repeated on each meter of the same calls: do not sum it over meters.",
]


def focus(wanted: Wanted, *, names: Names, invoice: str | None) -> Table:
    """Return the table of FOCUS rows. `invoice` is the id of the closed month's statement; None while it is open."""
    where = conditions(wanted)
    return Table(
        name="focus", columns=focus_columns(wanted), source=f"({_rows(wanted, where=where)}) m", amount="EffectiveCost", for_people=False,
        order=", ".join(("m.what = 'baseline'", *(f"m.{name}" for name in (*GRAIN, "meter")))),
        total=f"SELECT count(*), coalesce(sum(e.amount_nusd), 0) FROM {ENTRIES} WHERE {where}",
        parameters={
            **parameters_of(wanted), "slug": names.get("slug", ""), "tenant_name": names.get("tenant", ""), "invoice": invoice,
            "names": msgspec.json.encode({part: names.get(part, {}) for part in ("keys", "providers", "models")}).decode(),
            "tag_keys": list(wanted.tag_keys),
        },
        notes=NOTES + (baselines.NOTES if baselines.has_baselines(wanted) else baselines.LEFT_OUT)
        + (["BilledCost is 0 throughout: the provider's own bill is imported beside it."] if wanted.provider_bill else []),
    )  # fmt: skip


def _rows(wanted: Wanted, *, where: str) -> str:
    """Entries, each with the rates that it was priced by; grouped to the grain; a row for each meter that was used."""
    scaled = " + ".join(f"({count})::numeric * {rate}" for count, rate in METERS.values())
    counts = ", ".join(f"sum({count})::bigint AS m{number}" for number, (count, _) in enumerate(METERS.values(), 1))
    explained = " + ".join(f"g.m{number}::numeric * g.{rate[2:]}" for number, (_, rate) in enumerate(METERS.values(), 1))
    is_sane = f"least({', '.join(count for count, _ in METERS.values())}) >= 0"
    meters = ", ".join(f"({number}, '{name}', g.m{number}, g.{rate[2:]})" for number, (name, (_, rate)) in enumerate(METERS.items(), 1))
    return f"""
WITH prices AS MATERIALIZED ({PRICES.format(table="billing_modelprice")} WHERE p.tenant_id = %(tenant)s
  UNION ALL {PRICES.format(table="billing_platformprice")}
), booked AS (
  SELECT {_labels(wanted)}, {LATE} AS is_late, e.kind, e.amount_nusd, e.price_version,
         e.input_tokens, e.cached_input_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens, p.valid_from, p.version, p.request_rate,
         {", ".join(f"CASE WHEN e.input_tokens > p.long_after_tokens THEN p.long_{rate} ELSE p.{rate} END AS {rate}" for rate in RATES[:-1])}
    FROM {ENTRIES} LEFT JOIN prices p ON p.version = e.price_version WHERE {where} AND NOT (e.kind = 'voided' AND e.amount_nusd = 0) {ONCE}
), told AS (
  SELECT e.*, coalesce(e.version IS NOT NULL AND e.kind IN ('settled', 'estimated') AND {is_sane}
           AND abs((e.amount_nusd - e.request_rate)::numeric * {MICRO} - ({scaled})) <= {MICRO // 2}, false) AS is_metered
    FROM booked e {ONCE}
), labelled AS (
  SELECT e.*, CASE WHEN e.is_metered THEN '' WHEN e.version IS NULL AND e.kind IN ('settled', 'estimated') AND e.amount_nusd = 0 THEN 'unpriced'
                   ELSE e.kind END AS what
    FROM told e
), grouped AS (
  SELECT {", ".join(f"e.{name}" for name in GRAIN)}, count(*) AS calls, sum(e.amount_nusd) AS amount_nusd, {counts}
    FROM (SELECT {", ".join(_plain(name) for name in GRAIN)}, amount_nusd, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
                 reasoning_tokens FROM labelled e) e
   GROUP BY {", ".join(f"e.{name}" for name in GRAIN)}
)
SELECT g.*, x.meter, x.meter_name, x.count, x.rate, x.count::numeric * x.rate * 0.000000000000001 AS cost,
       NULL::numeric AS baseline_nusd, NULL::numeric AS saved_nusd
  FROM grouped g CROSS JOIN LATERAL (VALUES {meters}) AS x(meter, meter_name, count, rate) WHERE g.is_metered AND x.count > 0
UNION ALL
SELECT g.*, 6, 'Requests', g.calls, g.request_rate, g.calls::numeric * g.request_rate * 0.000000001, NULL, NULL
  FROM grouped g WHERE g.is_metered AND g.request_rate > 0
UNION ALL
SELECT g.*, 7, 'Rounding', NULL, NULL, r.rest, NULL, NULL FROM grouped g CROSS JOIN LATERAL (
    SELECT g.amount_nusd * 0.000000001 - g.calls::numeric * g.request_rate * 0.000000001 - ({explained}) * 0.000000000000001 AS rest) r
 WHERE g.is_metered AND r.rest <> 0
UNION ALL
SELECT g.*, 8, NULL, NULL, NULL, g.amount_nusd * 0.000000001, NULL, NULL FROM grouped g WHERE NOT g.is_metered
{_baselines(wanted) if baselines.has_baselines(wanted) else ""}"""


def _baselines(wanted: Wanted) -> str:
    """What the runs' rows have not: rates, calls, tokens and a cost."""
    counts = ", ".join("NULL" for _ in METERS)
    named = [name for name in GRAIN if name not in ("valid_from", *RATES)]
    return f"""UNION ALL
SELECT {", ".join(f"b.{name}" for name in named)}, NULL, {", ".join("NULL" for _ in RATES)}, NULL, 0, {counts}, 9, NULL, NULL, NULL, 0,
       b.baseline_nusd, b.saved_nusd FROM ({baselines.baseline_rows(wanted, labels=_own_labels(wanted))}) b
"""


def _plain(name: str) -> str:
    """Where a price does not explain an entry, its rates are no part of the grain."""
    return f"CASE WHEN e.is_metered THEN e.{name} END AS {name}" if name in (*RATES, "valid_from") else f"e.{name}"


def _own_labels(wanted: Wanted) -> dict[str, str]:
    """What splits rows where it is asked for."""
    tags = "ARRAY(SELECT t FROM unnest(e.tags) t WHERE split_part(translate(t, ':', '='), '=', 1) = ANY (%(tag_keys)s) ORDER BY t)"
    return {"tags": tags if wanted.tag_keys else "'{}'::varchar[]", "end_user_id": "e.end_user_id" if wanted.users else "NULL::uuid"}


def _labels(wanted: Wanted) -> str:
    own = _own_labels(wanted)
    return ", ".join((
        "date_trunc('month', e.booked_at AT TIME ZONE 'UTC') AS month", "(e.occurred_at AT TIME ZONE 'UTC')::date AS day",
        "e.api_key_id", "e.provider", "e.model", "e.step", "e.outcome", "e.tier", "e.domain", "e.preset", f"{own['tags']} AS tags",
        f"{own['end_user_id']} AS end_user_id", f"{'e.id' if wanted.calls else 'NULL::uuid'} AS call_id",
    ))  # fmt: skip
