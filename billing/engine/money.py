"""Amounts of money: integers of nano-USD (1 USD = 1,000,000,000), converted, rounded and printed here alone."""

from collections.abc import Sequence
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow, Underflow

NUSD_PER_USD = 1_000_000_000
TOKENS_PER_PRICE = 1_000_000
MAX_NUSD = 2**63 - 1
"""The largest amount a bigint column holds: about 9.2 billion dollars."""
MOST_DIGITS = 10
"""Before the point. "1e999990" is eight characters long and a number of 400 kB: making it takes most of a minute."""
_EXACT = Context(prec=40, traps=[InvalidOperation, Inexact, Overflow, Underflow])
"""Raises rather than rounds: the default context would quietly drop what is beyond 28 digits."""


class InvalidAmount(ValueError):
    """The text or number is no amount of USD that can be stored exactly."""


def to_nusd(usd: str | int | Decimal) -> int:
    """Return the amount `usd` (US dollars) as integer nano-USD, exactly.

    Raises InvalidAmount for floats, for text that is no decimal number, for more than nine decimal places and for
    amounts beyond a bigint. Example: `to_nusd("0.15")` is 150_000_000.
    """
    if isinstance(usd, float | bool):
        raise InvalidAmount(f"{usd!r} is not exact: write the amount as a decimal string, for example \"0.15\"")
    shown = repr(usd)[:40]
    try:
        amount = Decimal(usd)
    except (DecimalException, ValueError, TypeError) as wrong:
        raise InvalidAmount(f"{shown} is not an amount in USD: write a decimal number, for example \"0.15\"") from wrong
    if not amount.is_finite():
        raise InvalidAmount(f"{shown} is not an amount in USD: write a decimal number, for example \"0.15\"")
    if not amount:
        return 0
    if amount.adjusted() >= MOST_DIGITS:
        raise InvalidAmount(f"{shown} is larger than any amount that can be stored (9.2 billion USD)")
    try:
        scaled = _EXACT.multiply(amount, Decimal(NUSD_PER_USD))
    except DecimalException as rounded:
        raise InvalidAmount(f"{shown} has more than nine decimal places; the smallest amount is 0.000000001 USD") from rounded
    if scaled != scaled.to_integral_value():
        raise InvalidAmount(f"{shown} has more than nine decimal places; the smallest amount is 0.000000001 USD")
    if abs(scaled) > MAX_NUSD:
        raise InvalidAmount(f"{shown} is larger than any amount that can be stored (9.2 billion USD)")
    return int(scaled)


def to_usd(nusd: int) -> str:
    """Return integer nano-USD as a decimal string in USD without trailing zeros. Example: `to_usd(21_300)` is "0.0000213"."""
    if nusd < 0:
        return f"-{to_usd(-nusd)}"
    whole, fraction = divmod(nusd, NUSD_PER_USD)
    return f"{whole}.{fraction:09d}".rstrip("0") if fraction else str(whole)


def dollars(nusd: int) -> str:
    """Return an amount as people read it: two decimals from a cent on, below it up to nine. Example: 96_300 is "$0.0000963"."""
    if nusd < 0:
        return f"-{dollars(-nusd)}"
    if nusd and nusd < NUSD_PER_USD // 100:
        return f"${to_usd(nusd)}"
    whole, cents = divmod(divide_half_even(nusd, NUSD_PER_USD // 100), 100)
    return f"${whole:,}.{cents:02d}"


def divide_half_even(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded half to even, for a positive denominator. Example: 5 / 2 is 2, 7 / 2 is 4."""
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))


def divide_up(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded up, as every hold is. Example: 7 / 2 is 4."""
    return -(-numerator // denominator)


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Return `total` split by the weights, none of them negative, so that the parts sum to it exactly (largest remainder).

    Weights of nothing but 0 share equally. Example: 100 by weights of 1, 1 and 1 is 34, 33, 33.
    """
    shares = weights if any(weights) else [1] * len(weights)
    whole = sum(shares)
    parts = [total * share // whole for share in shares]
    rests = sorted(range(len(shares)), key=lambda at: -(total * shares[at] % whole))
    for at in rests[: total - sum(parts)]:
        parts[at] += 1
    return parts


def rounded_to_sum(amounts: Sequence[int], *, unit: int) -> list[int]:
    """Return the amounts as multiples of `unit` that sum to their sum, rounded half to even: each is off by less than a unit (largest remainder).

    Amounts may be negative. Example: 14, 14 and -3 by tens are 10, 10 and 0, since 25 is 20.
    """
    parts = [amount // unit for amount in amounts]
    missing = divide_half_even(sum(amounts), unit) - sum(parts)
    for at in sorted(range(len(amounts)), key=lambda at: -(amounts[at] % unit))[:missing]:
        parts[at] += 1
    return [part * unit for part in parts]
