"""What can be exported, as columns over queries: cost entries, usage by day, and budgets. FOCUS has a file of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from billing.exports.columns import Column
from billing.exports.wanted import IDS, Wanted

ENTRIES = "billing_costentry e"
IN_TIME = "e.tenant_id = %(tenant)s AND e.booked_at >= %(start)s AND e.booked_at < %(end)s"
USAGE_VALUES = {
    "all": "''", "end_user": "coalesce(e.end_user_id::text, '')", "api_key": "coalesce(e.api_key_id::text, '')",
    "tag": "coalesce(t.tag, '')", **{name: f"e.{name}" for name in ("tier", "model", "provider", "domain", "preset", "step", "kind")},
}  # fmt: skip
CORRECTION = "(e.kind = 'adjustment' OR (e.kind = 'overrun' AND e.actor <> ''))"
"""As billing/reports/statements.py has it."""


class Table(Struct, frozen=True, kw_only=True):
    """Columns, the query that they are read from (FROM and what follows), and the order that makes a file the same each time."""

    name: str
    columns: Sequence[Column]
    source: str
    order: str
    total: str
    """A query of one row: how many rows of the database it is made from, and what its amounts sum to in nano-USD."""
    amount: str
    """The column that sums to the total."""
    parameters: Mapping[str, Any]
    for_people: bool = True
    """May a person open it in a spreadsheet? Then texts that look like formulas are made harmless in CSV."""
    is_in_order: bool = False
    """Is the order that of an index? Then rows are read in it, so that the first one comes at once, instead of being sorted first."""
    notes: Sequence[str] = ()


def conditions(wanted: Wanted) -> str:
    """Return the WHERE clause over entries `e`; its parameters are `parameters_of`."""
    tests = [IN_TIME]
    for name in sorted(wanted.filters):
        value = f"%(filter_{name})s"
        tests.append(f"{value} = ANY (e.tags)" if name == "tag" else f"e.{name} = {value}{'::uuid' if name in IDS else ''}")
    return " AND ".join(tests)


def parameters_of(wanted: Wanted) -> dict[str, Any]:
    return {f"filter_{name}": value for name, value in wanted.filters.items()}


def cost_entries(wanted: Wanted) -> Table:
    """One row for each entry of the book, in the order of booking."""
    texts = {
        "step": "Part of the cascade.", "outcome": "What became of the answer.", "provider": "The connection's name.",
        "model": "Your name of the model.", "tier": "", "domain": "", "preset": "With its version.",
    }  # fmt: skip
    tokens = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    columns = [
        Column(name="entry_id", kind="word", sql="e.id", about="Never given twice."),
        Column(name="booked_at", kind="time", sql="e.booked_at", about="UTC. Decides the month."),
        Column(name="occurred_at", kind="time", sql="e.occurred_at", about="UTC: when the call was let in."),
        Column(name="kind", kind="word", sql="e.kind", about="settled, estimated, assumed, voided, overrun or adjustment"),
        Column(name="amount", kind="usd", sql="e.amount_nusd", about="USD."),
        Column(name="amount_nusd", kind="integer", sql="e.amount_nusd", about="The same in nano-USD: a whole number, sums exactly."),
        Column(name="run_id", kind="word", sql="e.reservation_id", about="The call that it belongs to."),
        Column(name="leg", kind="integer", sql="e.leg", about="Which of the run's calls to providers."),
        Column(name="attempt", kind="integer", sql="e.attempt", about=""),
        *(Column(name=name, kind="text", sql=f"e.{name}", about=about) for name, about in texts.items()),
        *(Column(name=name, kind="integer", sql=f"e.{name}", about="") for name in tokens),
        Column(name="price_version", kind="text", sql="e.price_version", about="Id of the price that applied; empty where there was none."),
        Column(name="is_unverified", kind="boolean", sql="e.is_unverified", about="Booked on the provider's error alone."),
        Column(name="provider_request_id", kind="text", sql="e.provider_request_id", about=""),
        Column(name="end_user_id", kind="word", sql="e.end_user_id", about="Ours, derived from your name of them."),
        Column(name="api_key_id", kind="word", sql="e.api_key_id", about=""),
        Column(name="tags", kind="json", sql="to_json(e.tags)::text", about="A list, as JSON."),
        Column(name="actor", kind="text", sql="e.actor", about="Of corrections: who posted it."),
        Column(name="reason", kind="text", sql="e.reason", about="Of corrections: why."),
        Column(name="reference", kind="text", sql="e.reference", about="Of corrections: what it comes from."),
    ]
    source = ENTRIES
    if wanted.names:
        source += " LEFT JOIN tenants_enduser u ON u.id = e.end_user_id AND u.tenant_id = e.tenant_id"
        source += " LEFT JOIN tenants_apikey k ON k.id = e.api_key_id AND k.tenant_id = e.tenant_id"
        columns += [
            Column(name="end_user", kind="text", sql="u.external_id", about="Your name of them, as it is now; empty once they are erased."),
            Column(name="api_key", kind="text", sql="k.name", about="The key's name, as it is now."),
        ]
    where = conditions(wanted)
    return Table(
        name="cost_entries", columns=columns, source=f"{source} WHERE {where}", order="e.booked_at, e.id", amount="amount_nusd", is_in_order=True,
        total=f"SELECT count(*), coalesce(sum(e.amount_nusd), 0) FROM {ENTRIES} WHERE {where}", parameters=parameters_of(wanted),
    )


def usage(wanted: Wanted) -> Table:
    """One row for each day and each value of one dimension. Days are those of booking in the tenant's zone."""
    value, tagged = USAGE_VALUES[wanted.dimension], wanted.dimension == "tag"
    source = ENTRIES + (" LEFT JOIN LATERAL unnest(e.tags) AS t(tag) ON true" if tagged else "")
    name = {
        "end_user": "SELECT u.external_id FROM tenants_enduser u WHERE u.tenant_id = %(tenant)s AND u.id::text = g.value",
        "api_key": "SELECT k.name FROM tenants_apikey k WHERE k.tenant_id = %(tenant)s AND k.id::text = g.value",
    }.get(wanted.dimension)
    sums = {
        "cost": ("usd", "sum(e.amount_nusd)::bigint", "USD, corrections included."),
        "cost_nusd": ("integer", "sum(e.amount_nusd)::bigint", "In nano-USD: a whole number, sums exactly."),
        "corrections": ("usd", f"coalesce(sum(e.amount_nusd) FILTER (WHERE {CORRECTION}), 0)::bigint", "USD: what corrects earlier entries."),
        "calls": ("integer", "count(*) FILTER (WHERE e.kind IN ('settled', 'estimated', 'assumed'))", "To providers, that may have cost something."),
        "entries": ("integer", "count(*)", ""),
        "input_tokens": ("integer", "sum(e.input_tokens)::bigint", ""), "cached_input_tokens": ("integer", "sum(e.cached_input_tokens)::bigint", ""),
        "output_tokens": ("integer", "sum(e.output_tokens)::bigint", ""), "reasoning_tokens": ("integer", "sum(e.reasoning_tokens)::bigint", ""),
    }  # fmt: skip
    where = conditions(wanted)
    grouped = ", ".join(f"{sql} AS {column}" for column, (_, sql, _) in sums.items())
    columns = [
        Column(name="day", kind="date", sql="g.day", about="Of the tenant's zone."),
        Column(name="dimension", kind="word", sql=f"'{wanted.dimension}'::text", about=""),
        Column(name="value", kind="text", sql="g.value", about="Empty: booked without one."),
        *([Column(name="name", kind="text", sql=f"({name})", about="As it is now.")] if name and wanted.names else []),
        *(Column(name=column, kind=kind, sql=f"g.{column}", about=about) for column, (kind, _, about) in sums.items()),  # type: ignore[arg-type]
    ]
    return Table(
        name="usage", columns=columns, order="g.day, g.value", amount="cost_nusd", parameters=parameters_of(wanted),
        source=f"(SELECT (e.booked_at AT TIME ZONE %(zone)s)::date AS day, {value} AS value, {grouped} FROM {source} WHERE {where} GROUP BY 1, 2) g",
        total=f"SELECT count(*), coalesce(sum(e.amount_nusd), 0) FROM {source} WHERE {where}",
        notes=["An entry with several tags counts under each of them, so the rows sum to more than was booked."] if tagged else [],
    )  # fmt: skip


def budgets() -> Table:
    """One row for each window of a budget that lay in the days: what was its limit, what was spent, and what is held."""
    texts = {"name": "", "scope": "", "subject": "Whom it limits.", "period": "", "action": "What it does when it is spent."}
    columns = [
        Column(name="budget_id", kind="word", sql="b.id", about=""),
        *(Column(name=name, kind="text", sql=f"b.{name}", about=about) for name, about in texts.items()),
        Column(name="window_of", kind="text", sql="w.subject", about="Of budgets that each end user has: our id of the one whose window it is."),
        Column(name="start_at", kind="time", sql="CASE WHEN b.period <> 'total' THEN w.start_at END", about="UTC; empty for budgets over all time."),
        Column(name="end_at", kind="time", sql="CASE WHEN b.period <> 'total' THEN w.end_at END", about="UTC."),
        Column(name="limit", kind="usd", sql="w.limit_nusd", about="USD."),
        Column(name="spent", kind="usd", sql="w.spent_nusd", about="USD, by the time of the calls; corrections included."),
        Column(name="held", kind="usd", sql="w.held_nusd", about="USD held by calls in flight."),
        Column(name="overrun", kind="usd", sql="w.overrun_nusd", about="USD that providers billed beyond what was held."),
        Column(name="spent_nusd", kind="integer", sql="w.spent_nusd", about="In nano-USD: a whole number, sums exactly."),
        Column(name="is_paused", kind="boolean", sql="b.is_paused", about=""),
    ]
    source = (
        "billing_budgetwindow w JOIN billing_budget b ON b.id = w.budget_id AND b.tenant_id = w.tenant_id"
        " WHERE w.tenant_id = %(tenant)s AND w.start_at < %(end)s AND w.end_at > %(start)s"
    )
    return Table(
        name="budgets", columns=columns, source=source, order="b.created_at, b.id, w.subject, w.start_at", amount="spent_nusd", parameters={},
        total=f"SELECT count(*), coalesce(sum(w.spent_nusd), 0) FROM {source}",
        notes=["Windows of several budgets hold the same calls: their sum is no spend. They are as they stand when the file is written."],
    )
