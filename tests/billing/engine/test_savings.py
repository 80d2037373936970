"""Discounts explain the whole difference to the same tokens uncached at the list price, to the nano-USD."""

import msgspec
from hypothesis import given
from hypothesis import strategies as some

from billing.engine.pricing import Price, Usage, cost_nusd
from billing.engine.savings import NOTHING, Discounts, all_discounts, discounts

USD = 1_000_000_000
RATES = some.integers(0, 100 * USD)


@some.composite
def usages(draw: some.DrawFn) -> Usage:
    cached, written, plain = (draw(some.integers(0, 300_000)) for _ in range(3))
    said = draw(some.integers(0, 9_000))
    return Usage(input_tokens=cached + written + plain, cached_input_tokens=cached, cache_write_tokens=written, output_tokens=said)


@some.composite
def prices(draw: some.DrawFn) -> Price:
    return Price(
        version="v", input_nusd=draw(RATES), output_nusd=draw(RATES), cached_input_nusd=draw(some.none() | RATES),
        cache_write_nusd=draw(some.none() | RATES), request_nusd=draw(some.integers(0, USD)),
    )  # fmt: skip


def test_a_cached_half_and_a_price_of_ones_own() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=0, cached_input_tokens=500_000)
    own = Price(version="own", input_nusd=2 * USD, output_nusd=0, cached_input_nusd=USD)
    listed = Price(version="list", input_nusd=3 * USD, output_nusd=0)
    assert cost_nusd(usage=usage, price=own) == 3 * USD // 2
    assert discounts(usage=usage, price=own, listed=listed) == Discounts(cache_nusd=USD // 2, price_nusd=USD)


def test_without_cache_and_own_price_there_is_none() -> None:
    price = Price(version="v", input_nusd=7, output_nusd=9)
    assert discounts(usage=Usage(input_tokens=10, output_tokens=10), price=price, listed=None) is NOTHING


def test_writing_to_the_cache_without_reading_from_it_costs() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=0, cache_write_tokens=1_000_000)
    price = Price(version="v", input_nusd=4 * USD, output_nusd=0, cache_write_nusd=5 * USD)
    assert discounts(usage=usage, price=price, listed=None) == Discounts(cache_nusd=-USD)


@given(usages(), prices(), some.none() | prices())
def test_discounts_add_up_to_the_difference(usage: Usage, price: Price, listed: Price | None) -> None:
    found = discounts(usage=usage, price=price, listed=listed)
    uncached = msgspec.structs.replace(usage, cached_input_tokens=0, cache_write_tokens=0)
    full = cost_nusd(usage=uncached, price=price if listed is None else listed)
    assert cost_nusd(usage=usage, price=price) == full - found.cache_nusd - found.price_nusd


def test_several_calls_together() -> None:
    assert all_discounts([Discounts(cache_nusd=1, price_nusd=2), Discounts(cache_nusd=-3)]) == Discounts(cache_nusd=-2, price_nusd=2)
    assert all_discounts([]) == NOTHING
    assert Discounts(cache_nusd=5) - Discounts(price_nusd=2) == Discounts(cache_nusd=5, price_nusd=-2)
