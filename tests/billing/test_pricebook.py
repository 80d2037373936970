"""The price book: own prices before the platform's, each version for its time, and no two for one time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.engine.pricing import Usage, bound_nusd, cost_nusd
from billing.models import ModelPrice, PlatformPrice
from billing.models.prices import IN_FORCE
from billing.pricebook import PriceBook, price_of, read_book
from billing.services import add_price
from tenants.scoping import tenant_scope
from tests.cast import Cast

DAY0 = datetime(2026, 6, 1, tzinfo=UTC)
PLACE = ("openai", "gpt-mini-2026")


def day(number: int) -> datetime:
    return DAY0 + timedelta(days=number)


def own(start: int, rate: int = 1, *, model: str = "mini", **fields: Any) -> ModelPrice:
    return ModelPrice(model=model, input_nusd=rate, output_nusd=rate, valid_from=day(start), source="test", **fields)


def platform(start: int, rate: int, *, end: int | None = None, place: tuple[str, str] = PLACE) -> PlatformPrice:
    return PlatformPrice(
        provider=place[0], model=place[1], input_nusd=rate, output_nusd=rate, valid_from=day(start), source="test",
        valid_to=None if end is None else day(end),
    )  # fmt: skip


def timeline(model: str = "mini") -> list[tuple[int, int | None, int]]:
    """Start, end and rate of the versions that are in force at some time, by days."""
    rows = ModelPrice.objects.filter(IN_FORCE, model=model).order_by("valid_from")
    return [((row.valid_from - DAY0).days, None if row.valid_to is None else (row.valid_to - DAY0).days, row.input_nusd) for row in rows]


class TestWhichPriceApplies:
    def rate(self, book: PriceBook, at: int, model: str = "mini", place: tuple[str, str] | None = PLACE) -> int | None:
        price = book.at(day(at), model=model, place=place)
        return price.input_nusd if price else None

    def test_the_tenants_own_comes_before_the_platforms_and_without_either_a_model_is_unpriced(self) -> None:
        book = PriceBook(own=[own(10, 7)], platform=[platform(0, 5)])
        assert [self.rate(book, at) for at in (-1, 0, 9, 10, 99)] == [None, 5, 5, 7, 7]
        assert self.rate(book, 99, model="other") == 5
        assert self.rate(book, 99, model="other", place=None) is None

    def test_only_the_exact_name_at_the_exact_provider_counts(self) -> None:
        """A look-up by the first name that fits in front gives the small model the large one's price, 16.7 times too high."""
        book = PriceBook(platform=[platform(0, 2_500, place=("openai", "gpt-4o")), platform(0, 150, place=("openai", "gpt-4o-mini"))])
        assert [self.rate(book, 1, place=("openai", name)) for name in ("gpt-4o", "gpt-4o-mini")] == [2_500, 150]
        for name in ("gpt-4o-mini-2024-07-18", "gpt-4", "GPT-4o", "gpt-4o ", ""):
            assert self.rate(book, 1, place=("openai", name)) is None
        assert self.rate(book, 1, place=("groq", "gpt-4o")) is None

    def test_a_version_holds_from_its_start_to_before_its_end(self) -> None:
        book = PriceBook(platform=[platform(0, 5, end=10), platform(10, 6), platform(20, 8)])
        assert [self.rate(book, at) for at in (9, 10, 19, 20)] == [5, 6, 6, 8]
        assert sorted(book.changes_after(day(0))) == [day(10), day(10), day(20)]

    def test_a_version_that_was_replaced_from_its_start_never_held(self) -> None:
        assert self.rate(PriceBook(platform=[platform(0, 5, end=0), platform(0, 6)]), 0) == 6

    @pytest.mark.django_db
    def test_the_book_of_a_tenant_has_nothing_of_another(self, cast: Cast) -> None:
        with tenant_scope(cast.globex.id):
            add_price(price=own(0, 9))
        for row in (platform(0, 5), platform(0, 4, place=("groq", "gpt-mini-2026")), platform(-9, 3, end=-5)):
            row.save()
        with tenant_scope(cast.acme.id):
            add_price(price=own(3, 7, model="max"))
            book = read_book([PLACE], since=day(0))
        assert self.rate(book, 5) == 5
        assert self.rate(book, 5, model="max") == 7
        assert self.rate(book, -7) is None, "what ended before is not read"


@pytest.mark.django_db
class TestVersions:
    def test_a_later_one_ends_the_one_before(self, cast: Cast) -> None:
        with tenant_scope(cast.acme.id):
            for start, rate in ((0, 1), (10, 2), (20, 3)):
                add_price(price=own(start, rate))
            assert timeline() == [(0, 10, 1), (10, 20, 2), (20, None, 3)]

    def test_one_in_between_lasts_until_the_next_and_one_before_all_too(self, cast: Cast) -> None:
        with tenant_scope(cast.acme.id):
            for start, rate in ((0, 1), (20, 3), (10, 2), (-5, 4)):
                add_price(price=own(start, rate))
            assert timeline() == [(-5, 0, 4), (0, 10, 1), (10, 20, 2), (20, None, 3)]

    def test_one_from_the_same_instant_takes_the_others_place_and_both_stay(self, cast: Cast) -> None:
        with tenant_scope(cast.acme.id):
            for start, rate in ((0, 1), (20, 3), (0, 2), (0, 4)):
                add_price(price=own(start, rate))
            assert timeline() == [(0, 20, 4), (20, None, 3)]
            assert ModelPrice.objects.count() == 4

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(starts=st.lists(st.integers(-5, 5), min_size=1, max_size=8))
    def test_whatever_the_order_no_two_hold_at_one_time_and_the_last_word_counts(self, cast: Cast, starts: list[int]) -> None:
        with tenant_scope(cast.acme.id):
            ModelPrice.objects.filter(model="any").delete()
            for rate, start in enumerate(starts):
                add_price(price=own(start, rate, model="any"))
            found = timeline("any")
        assert [start for start, _, _ in found] == sorted(set(starts))
        assert [end for _, end, _ in found] == [*sorted(set(starts))[1:], None]
        assert {start: rate for start, _, rate in found} == {start: rate for rate, start in enumerate(starts)}


class TestLongPrompts:
    LONG = {"long_after_tokens": 100, "long_input_nusd": 3_000_000, "long_output_nusd": 9_000_000, "long_cached_input_nusd": 1_000_000}

    def price(self, **fields: Any) -> Any:
        return price_of(own(0, 2_000_000, **{"cached_input_nusd": 500_000, "cache_write_nusd": 2_500_000, **self.LONG, **fields}))

    def test_all_of_a_call_costs_the_long_rates_once_its_prompt_is_longer(self) -> None:
        price = self.price()
        assert cost_nusd(usage=Usage(input_tokens=100, output_tokens=1), price=price) == 202
        assert cost_nusd(usage=Usage(input_tokens=101, output_tokens=1), price=price) == 312
        assert cost_nusd(usage=Usage(input_tokens=101, output_tokens=0, cached_input_tokens=101), price=price) == 101

    def test_reasoning_never_gets_cheaper_by_a_longer_prompt(self) -> None:
        assert self.price(reasoning_nusd=99_000_000).long.reasoning_nusd == 99_000_000
        assert self.price(reasoning_nusd=5_000_000).long.reasoning_nusd == 9_000_000

    @given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 50), st.integers(0, 6_000_000))
    def test_what_was_used_costs_no_more_than_the_bound_on_either_side_of_the_step(self, used: int, more: int, output: int, write: int) -> None:
        price = self.price(cache_write_nusd=write, long_cache_write_nusd=None)
        for written in (0, used):
            usage = Usage(input_tokens=used, output_tokens=output, cache_write_tokens=written)
            assert cost_nusd(usage=usage, price=price) <= bound_nusd(input_tokens=used + more, output_tokens=output, price=price)
