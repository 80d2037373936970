"""The queries that the anomaly engine's docstrings give, asked of a real book."""

from datetime import timedelta
from inspect import cleandoc
from typing import Any

import pytest

from billing.engine.anomalies.anomaly import Series
from billing.engine.anomalies.consumption import Consumption, Used
from billing.engine.anomalies.history import Spent
from billing.engine.anomalies.quality import Judged
from billing.engine.pricing import Usage
from billing.ledger import Ledger
from tests.billing.ledger.conftest import Row, Till, entry

pytestmark = pytest.mark.asyncio


def asked_of(till: Till, described: type, **values: Any) -> list[Row]:
    """Run the query in the docstring: its indented lines."""
    lines = cleandoc(described.__doc__ or "").split("\n")
    query = "\n".join(line for line in lines if line.startswith("    "))
    (now,) = till.owner.execute("SELECT now() AS now").fetchone().values()  # type: ignore[union-attr]
    window = {"start": now - timedelta(hours=1), "end": now + timedelta(hours=1), **values}
    return till.owner.execute(query, window).fetchall()


async def run(ledger: Ledger, till: Till, *entries: Any, legs: tuple[int, ...] = (300, 600)) -> None:
    hold = await ledger.reserve(till.asked(list(legs), user="ann"))
    await ledger.settle(hold, entries=list(entries))


async def test_what_was_used_is_read_by_role_and_model(ledger: Ledger, till: Till) -> None:
    def draft(**fields: Any) -> Any:
        return entry(100, model="query-draft", input_tokens=7, output_tokens=5, price_version="v1", **fields)

    await run(ledger, till, draft(outcome="accepted"))
    await run(ledger, till, draft(outcome="rejected"), entry(250, leg=1, model="query-large", input_tokens=9, outcome="accepted"))
    await run(ledger, till, entry(300, model="query-draft", input_tokens=50, price_version="v1"),
              entry(40, model="query-draft", kind="overrun", input_tokens=50, price_version="v1"))  # fmt: skip
    await run(ledger, till, entry(0, model="query-draft", kind="voided", outcome="failed", price_version="v1"))
    rows = asked_of(till, Consumption, model="query-draft")
    [row] = rows
    assert (row["role"], row["model"], row["price_version"], row["runs"], row["calls"]) == ("draft", "query-draft", "v1", 3, 3)
    assert (row["input_tokens"], row["cost_nusd"]) == (64, 540)
    usage = Usage(input_tokens=int(row["input_tokens"]), output_tokens=10)
    used = Used(role=row["role"], model=row["model"], calls=row["calls"], usage=usage, cost_nusd=int(row["cost_nusd"]))
    assert Consumption(runs=row["runs"], used=(used,)).cost_nusd == 540
    [later] = asked_of(till, Consumption, model="query-large")
    assert (later["role"], later["calls"], later["cost_nusd"]) == ("later", 1, 250)


async def test_what_became_of_drafts_is_read_with_what_came_after(ledger: Ledger, till: Till) -> None:
    await run(ledger, till, entry(100, model="query-judged", outcome="accepted"))
    for cost in (250, 150):
        await run(ledger, till, entry(100, model="query-judged", outcome="rejected"), entry(cost, leg=1, model="query-large", outcome="accepted"))
    await run(ledger, till, entry(0, model="query-judged", kind="voided", outcome="failed"), entry(9, leg=1, model="query-large"))
    found = [row for row in asked_of(till, Judged) if row["model"] == "query-judged"]
    [row] = found
    judged = Judged(judged=row["judged"], rejected=row["rejected"], later_nusd=int(row["later_nusd"]))
    assert judged == Judged(judged=3, rejected=2, later_nusd=400)


async def test_what_was_spent_is_read_by_series_and_quarter_of_an_hour(ledger: Ledger, till: Till) -> None:
    for _ in range(2):
        await run(ledger, till, entry(100, model="query-spent"), entry(50, leg=1, model="query-other"))
    rows = [Spent(Series(row["dimension"], row["value"]), row["at"], int(row["amount_nusd"])) for row in asked_of(till, Spent)]
    sums: dict[Series, int] = {}
    for row in rows:
        sums[row.series] = sums.get(row.series, 0) + row.amount_nusd
        assert row.at.minute % 15 == row.at.second == 0
    assert (sums[Series("model", "query-spent")], sums[Series("model", "query-other")]) == (200, 100)
    assert sums[Series("all")] >= 300
    assert sums[Series("end_user", str(till.subject("ann").end_user_id))] == 300
