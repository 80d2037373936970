"""What a line of the book would have cost at another price: the arithmetic of correcting a price that was wrong."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal

from msgspec import Struct

from billing.engine.lines import Line
from billing.engine.money import divide_up
from billing.engine.pricing import Price, cost_nusd

Why = Literal["same price", "nothing billed", "no price then", "another model answered", "bound cannot be scaled"]
"""Why a line is left as it is."""


class Repriced(Struct, frozen=True, kw_only=True):
    """A line and what it comes to at the price in force, or why it is left alone."""

    line: Line
    price: Price | None = None
    target_nusd: int | None = None
    why: Why | None = None

    @property
    def difference_nusd(self) -> int:
        return 0 if self.target_nusd is None else self.target_nusd - self.line.booked_nusd


def reprice(line: Line, *, price: Price | None, first_price: Price | None) -> Repriced:
    """Return what the line comes to at `price`. `first_price` is the one that its first entry was booked at, as far as it is known.

    Where the tokens are known (`settled`, `estimated` by our own count, and whatever was explained later) they are priced anew. An attempt of
    which nothing is known but its bound (`assumed`) keeps a bound: see scaled_bound. It always starts from the first entry, so that a price
    and back again leaves no trace. What was never billed (`voided`) stays at nothing.
    Worked number: 142 and 125 tokens booked at 0.15 and 0.60 USD (96,300) come to 83,800 at 0.15 and 0.50: a difference of -12,500 nano-USD.
    """
    if line.newest.model != line.first.model:
        return Repriced(line=line, why="another model answered")
    if line.first.kind == "voided" and not line.is_explained:
        return Repriced(line=line, why="nothing billed")
    if price is None:
        return Repriced(line=line, why="no price then")
    if line.newest.price_version == price.version:
        return Repriced(line=line, price=price, why="same price")
    if line.first.kind == "assumed" and not line.is_explained:
        bound = scaled_bound(line.first.amount_nusd, old=first_price, new=price) if first_price else None
        return Repriced(line=line, price=price, target_nusd=bound, why="bound cannot be scaled" if bound is None else None)
    if line.is_explained and not any((line.usage.input_tokens, line.usage.output_tokens)):
        return Repriced(line=line, why="nothing billed")
    return Repriced(line=line, price=price, target_nusd=cost_nusd(usage=line.usage, price=price))


def scaled_bound(amount_nusd: int, *, old: Price, new: Price) -> int | None:
    """Return a bound at the `new` price of what had the bound `amount_nusd` at the `old` one; None where it cannot be told.

    How much of a bound was input and how much output is not kept, so all of it grows by the rate that grows most (or shrinks by the one that
    shrinks least): no less than the true bound at the new price, but for rounding. It cannot be told where a rate was 0 and is not any more.
    Worked number: 7,620,000 at 2.50 and 10 USD are at most 9,144,000 at 3 and 10.
    """
    rates = _rates(old), _rates(new)
    if any(before == 0 and after > 0 for before, after in zip(*rates, strict=True)):
        return None
    variable = max(0, amount_nusd - old.request_nusd)
    scaled = (divide_up(variable * after, before) for before, after in zip(*rates, strict=True) if before > 0)
    return new.request_nusd + max(scaled, default=0)


def _rates(price: Price) -> tuple[int, ...]:
    long = price.long or price
    return price.dearest_input_nusd, price.dearest_output_nusd, long.dearest_input_nusd, long.dearest_output_nusd


class DayEffect(Struct, kw_only=True):
    """What re-pricing does to one model on one day. Nano-USD."""

    day: date
    model: str
    lines: int = 0
    differing: int = 0
    booked_nusd: int = 0
    repriced_nusd: int = 0

    @property
    def difference_nusd(self) -> int:
        return self.repriced_nusd - self.booked_nusd


class Effect(Struct, kw_only=True):
    """What re-pricing does in all: the lines that come to something else, day by day, and how many are left alone and why."""

    days: dict[tuple[date, str], DayEffect]
    left: dict[Why, int]
    is_complete: bool = True

    @classmethod
    def nothing(cls) -> "Effect":
        return cls(days={}, left={})

    def add(self, found: Iterable[Repriced]) -> None:
        for each in found:
            if each.why is not None:
                self.left[each.why] = self.left.get(each.why, 0) + 1
                continue
            key = (each.line.occurred_on, each.line.first.model)
            day = self.days.setdefault(key, DayEffect(day=key[0], model=key[1]))
            day.lines += 1
            day.differing += each.difference_nusd != 0
            day.booked_nusd += each.line.booked_nusd
            day.repriced_nusd += each.line.booked_nusd + each.difference_nusd

    @property
    def total(self) -> Mapping[str, int]:
        """The sums over all days."""
        names = ("lines", "differing", "booked_nusd", "repriced_nusd", "difference_nusd")
        return {name: sum(getattr(day, name) for day in self.days.values()) for name in names}
