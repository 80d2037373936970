"""Where a saving comes from: of what a call was cheaper by, what caching and what a price of one's own make up."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from billing.engine.pricing import Price, Usage, cost_nusd


class Discounts(Struct, frozen=True, kw_only=True):
    """What some calls cost less than the same tokens uncached and at the list price. Nano-USD; negative where they cost more."""

    cache_nusd: int = 0
    """For what was read from the provider's cache, less what was paid for writing to it."""
    price_nusd: int = 0
    """By a price of the tenant's own instead of the list price."""

    def __sub__(self, other: "Discounts") -> "Discounts":
        return Discounts(cache_nusd=self.cache_nusd - other.cache_nusd, price_nusd=self.price_nusd - other.price_nusd)


NOTHING = Discounts()


def discounts(*, usage: Usage, price: Price, listed: Price | None) -> Discounts:
    """Return the discounts of one call. `listed` is the list price in force beside `price`, None where that is the price itself.

    What a call costs is what its tokens would cost uncached at the list price, less both discounts, to the nano-USD.
    Worked number: 1,000,000 input tokens, half of them cached, at 2 USD and 1 USD cached, list price 3 USD: 1.50 USD, with 0.50 USD by the
    cache and 1 USD by the price.
    """
    if listed is None and not usage.cached_input_tokens and not usage.cache_write_tokens:
        return NOTHING
    uncached = msgspec.structs.replace(usage, cached_input_tokens=0, cache_write_tokens=0)
    at_price = cost_nusd(usage=uncached, price=price)
    return Discounts(
        cache_nusd=at_price - cost_nusd(usage=usage, price=price),
        price_nusd=cost_nusd(usage=uncached, price=listed) - at_price if listed is not None else 0,
    )


def all_discounts(calls: Iterable[Discounts]) -> Discounts:
    """Return the discounts of several calls together."""
    found = list(calls)
    return Discounts(cache_nusd=sum(one.cache_nusd for one in found), price_nusd=sum(one.price_nusd for one in found))
