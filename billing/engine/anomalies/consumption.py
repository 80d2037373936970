"""What was used in a window of time, and the five things that its cost is the product of."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from billing.engine.money import TOKENS_PER_PRICE
from billing.engine.pricing import Price, Usage

Role = Literal["draft", "later"]
Key = tuple[Role, str]
"""Role and model."""
ROLES: tuple[Role, ...] = ("draft", "later")
METERS, CALL = 6, 5


class Used(Struct, frozen=True, kw_only=True):
    """What the calls of one role to one model used at one price."""

    role: Role
    """`draft` is the first leg of a run; `later` are escalations, second tries for quality, and checks."""
    model: str
    calls: int
    usage: Usage
    """The sum of all calls."""
    cost_nusd: int
    price: Price | None = None
    """What `price_version` stands for; None where the calls were not priced or the version is not known."""


class Consumption(Struct, frozen=True, kw_only=True):
    """What was used in a window, or in several windows together, by whatever series is looked at.

    One query of the book gives it, with the series' own condition and any number of windows; `price_of` of the rows that `price_version`
    names gives the prices:

        WITH picked AS (
            SELECT * FROM billing_costentry
            WHERE occurred_at >= %(start)s AND occurred_at < %(end)s AND booked_at >= %(start)s AND model = %(model)s
        )
        SELECT CASE WHEN leg = 0 THEN 'draft' ELSE 'later' END AS role, model, price_version,
               (SELECT count(DISTINCT reservation_id) FROM picked WHERE kind IN ('settled', 'estimated', 'assumed')) AS runs,
               count(*) FILTER (WHERE kind IN ('settled', 'estimated', 'assumed')) AS calls,
               coalesce(sum(input_tokens) FILTER (WHERE kind <> 'overrun' OR reference <> ''), 0) AS input_tokens,  -- and the other meters
               sum(amount_nusd) AS cost_nusd
        FROM picked GROUP BY 1, 2, 3

    An overrun repeats the tokens of the entry it stands beside, and a correction says by how many they changed.
    """

    runs: int
    used: tuple[Used, ...]

    @property
    def cost_nusd(self) -> int:
        return sum(each.cost_nusd for each in self.used)

    def cells(self) -> dict[Key, "Cell"]:
        """Return what was used by role and model, without what was neither called nor booked."""
        rows: dict[Key, list[Used]] = {}
        for each in self.used:
            if each.calls or each.cost_nusd:
                rows.setdefault((each.role, each.model), []).append(each)
        return {key: cell_of(some) for key, some in rows.items()}


class Cell(Struct, frozen=True, kw_only=True):
    """The calls of one role to one model: how many, what one of them uses of each meter, and what a unit of each costs in nano-USD.

    Meters are plain input, cached input, cache writes, plain output, reasoning, and the call itself. `calls` times the sum of `used` times
    `rates` is what was booked, exactly: what that is beyond the prices (bounds of calls that were never measured, corrections, dearer long
    prompts) is spread over the calls. A rate is None where nothing tells it.
    """

    calls: int
    used: tuple[Fraction, ...]
    rates: tuple[Fraction | None, ...]


def cell_of(rows: Sequence[Used]) -> Cell:
    """Return the cell that rows of one role and model make together."""
    calls = max(1, sum(row.calls for row in rows))
    units = [_units(row) for row in rows]
    sums = [sum(column) for column in zip(*units, strict=True)]
    listed = [_rates(row) for row in rows]
    rates: list[Fraction | None] = [
        sum((Fraction(unit[meter]) * rate[meter] for unit, rate in zip(units, listed, strict=True)), Fraction()) / sums[meter]
        if sums[meter] else _any_rate(rows, listed, meter)
        for meter in range(METERS)
    ]  # fmt: skip
    told = sum((unit * rate for unit, rate in zip(sums, rates, strict=True) if unit and rate), Fraction())
    rates[CALL] = (rates[CALL] or Fraction()) + (sum(row.cost_nusd for row in rows) - told) / calls
    return Cell(calls=calls, used=(*(Fraction(unit, calls) for unit in sums[:CALL]), Fraction(1)), rates=tuple(rates))


def _units(row: Used) -> tuple[int, ...]:
    usage = row.usage
    plain = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
    return plain, usage.cached_input_tokens, usage.cache_write_tokens, usage.output_tokens - usage.reasoning_tokens, usage.reasoning_tokens, row.calls


def _rates(row: Used) -> tuple[Fraction, ...]:
    """Return the rates of the row's price; without one, what a token cost on average."""
    price, tokens = row.price, row.usage.input_tokens + row.usage.output_tokens
    if price is None:
        return (*(Fraction(row.cost_nusd, tokens) if tokens else Fraction(),) * CALL, Fraction())
    inputs = [price.input_nusd if rate is None else rate for rate in (price.input_nusd, price.cached_input_nusd, price.cache_write_nusd)]
    outputs = [price.output_nusd, price.output_nusd if price.reasoning_nusd is None else price.reasoning_nusd]
    return (*(Fraction(rate, TOKENS_PER_PRICE) for rate in (*inputs, *outputs)), Fraction(price.request_nusd))


def _any_rate(rows: Sequence[Used], listed: Sequence[tuple[Fraction, ...]], meter: int) -> Fraction | None:
    """Return what a unit of a meter that was not used would have cost, at the price of the most calls; None without any price."""
    priced = [(row.calls, rates[meter]) for row, rates in zip(rows, listed, strict=True) if row.price is not None]
    return max(priced, default=(0, None))[1]
