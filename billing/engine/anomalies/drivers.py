"""Why a window cost more or less than was expected: how much of the difference each driver makes up, to the nano-dollar."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from itertools import combinations
from math import factorial, floor

from msgspec import Struct
from msgspec.structs import replace

from billing.engine.anomalies.consumption import ROLES, Consumption, Key, Role


class Driver(StrEnum):
    VOLUME = "volume"
    """More or fewer runs."""
    MODEL_MIX = "model_mix"
    """Other models for the same calls: one that is new or gone is all mix."""
    ESCALATION = "escalation"
    """More or fewer calls a run: escalations above all, second tries and checks with them."""
    TOKENS = "tokens"
    """Other tokens a call, and more or fewer of them from a cache."""
    PRICE = "price"
    """Other prices for the same tokens, and what was booked beside prices (see Cell)."""


DRIVERS = tuple(Driver)


def drivers_of(*, actual: Consumption, baseline: Consumption, expected_nusd: int | None = None) -> dict[Driver, int]:
    """Return how much of `actual.cost_nusd - expected_nusd` each driver makes up: integers of nano-USD that add up to it exactly.

    `baseline` is what was used in times like this one, one window or many together. Its runs are scaled so that it costs `expected_nusd` (by
    default it counts as it is); its models, calls a run, tokens a call and prices are kept. Where it costs nothing and something was
    expected, all is volume.

    A window costs runs x calls a run x shares of the models x tokens a call x price of a token, summed over roles, models and meters. Each
    driver gets its Shapley value: the mean, over all orders in which the five could have changed one after the other, of what its change
    adds. So there is no rest and no order, and a driver that did not change gets exactly nothing. Source: Shorrocks, Decomposition procedures
    for distributional analysis, Journal of Economic Inequality 11 (2013); for costs with factors, Albrecht, Francois and Schoors, A Shapley
    decomposition of carbon emissions without residuals, Energy Policy 30 (2002). The exact fractions are rounded down; the nano-dollars that
    are left go to the largest rests, of equal ones to the driver that is named first.
    Worked number: 10 runs at 3 and then 20 at 4 are 50 more: (20 - 10) x 3.5 = 35 by volume and (4 - 3) x 15 = 15 by price.
    """
    wanted = baseline.cost_nusd if expected_nusd is None else expected_nusd
    total = actual.cost_nusd - wanted
    if wanted and not baseline.cost_nusd:
        return {driver: total if driver is Driver.VOLUME else 0 for driver in DRIVERS}
    before, after = _facts(baseline, beside=actual), _facts(actual, beside=baseline)
    if baseline.cost_nusd:
        before = replace(before, runs=before.runs * wanted / baseline.cost_nusd)
    costs = {frozenset(changed): _cost(before, after, changed) for size in range(len(DRIVERS) + 1) for changed in combinations(DRIVERS, size)}
    return _whole({driver: _shapley(driver, costs) for driver in DRIVERS}, total=total)


class _Facts(Struct, frozen=True, kw_only=True):
    """The factors of one side. Of what it has no word on (the tokens of a model that it did not use) it has the other side's."""

    runs: Fraction
    calls_a_run: Mapping[Role, Fraction]
    shares: Mapping[Key, Fraction]
    used: Mapping[Key, tuple[Fraction, ...]]
    rates: Mapping[Key, tuple[Fraction, ...]]


def _facts(own: Consumption, *, beside: Consumption) -> _Facts:
    cells, others = own.cells(), beside.cells()
    if others and not cells:
        return replace(_facts(beside, beside=own), runs=Fraction())
    keys, runs = sorted({*cells, *others}), max(own.runs, 1)
    calls, calls_beside = ({role: sum(cell.calls for key, cell in side.items() if key[0] == role) for role in ROLES} for side in (cells, others))
    shares = {}
    for key in keys:
        side, of = (cells, calls) if calls[key[0]] else (others, calls_beside)
        shares[key] = Fraction(side[key].calls, of[key[0]]) if key in side else Fraction()
    return _Facts(
        runs=Fraction(runs), calls_a_run={role: Fraction(calls[role], runs) for role in ROLES}, shares=shares,
        used={key: (cells.get(key) or others[key]).used for key in keys},
        rates={key: _known((cells.get(key) or others[key]).rates, (others.get(key) or cells[key]).rates) for key in keys},
    )  # fmt: skip


def _known(own: Sequence[Fraction | None], beside: Sequence[Fraction | None]) -> tuple[Fraction, ...]:
    return tuple(next((rate for rate in pair if rate is not None), Fraction()) for pair in zip(own, beside, strict=True))


def _cost(before: _Facts, after: _Facts, changed: Collection[Driver]) -> Fraction:
    """Return what the window would have cost if these drivers alone had changed."""
    volume, mix, calls, tokens, prices = (after if driver in changed else before for driver in DRIVERS)
    a_run = sum(
        (
            calls.calls_a_run[key[0]] * share * sum(used * rate for used, rate in zip(tokens.used[key], prices.rates[key], strict=True))
            for key, share in mix.shares.items()
            if share
        ),
        Fraction(),
    )
    return volume.runs * a_run


def _shapley(driver: Driver, costs: Mapping[frozenset[Driver], Fraction]) -> Fraction:
    """Return what the driver adds to every set of others that changed before it, each weighed by how many orders have it so."""
    orders = factorial(len(DRIVERS))
    value = Fraction()
    for changed, cost in costs.items():
        if driver not in changed:
            weight = Fraction(factorial(len(changed)) * factorial(len(DRIVERS) - len(changed) - 1), orders)
            value += weight * (costs[changed | {driver}] - cost)
    return value


def _whole(parts: Mapping[Driver, Fraction], *, total: int) -> dict[Driver, int]:
    whole = {driver: floor(part) for driver, part in parts.items()}
    rests = sorted(parts, key=lambda driver: whole[driver] - parts[driver])
    for driver in rests[: total - sum(whole.values())]:
        whole[driver] += 1
    return whole
