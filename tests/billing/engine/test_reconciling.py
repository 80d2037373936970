"""A group of a provider's file beside the book: what is certain is never touched, and what was a guess absorbs the rest to the nano-dollar."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.money import apportion
from billing.engine.pricing import Price, Usage, cost_nusd
from billing.engine.reconciling import KINDS, BookSide, Gap, Uncertain, compare
from billing.engine.usage_files import Billed
from tests.billing.engine.test_repricing import booked, line

MINI = Price(version="v", input_nusd=150_000_000, output_nusd=600_000_000, cached_input_nusd=75_000_000)
ODD = Price(version="v", input_nusd=37_500_001, output_nusd=112_500_003, request_nusd=7)
number = iter(range(10, 10**9))


def certain(*calls: tuple[int, int], price: Price = MINI, at_book: int | None = None) -> BookSide:
    amount = sum(cost_nusd(usage=Usage(input_tokens=asked, output_tokens=said), price=price) for asked, said in calls)
    usage = Billed(0, sum(asked for asked, _ in calls), 0, 0, sum(said for _, said in calls))
    return BookSide(requests=len(calls), usage=usage, certain_nusd=amount, certain_at_book_nusd=amount if at_book is None else at_book, price=price)


def guess(kind: str, amount: int, *, bound: int | None = None, price: Price | None = MINI, **tokens: int) -> Uncertain:
    entry = booked(kind, amount, number=next(number), **tokens)
    return Uncertain(line=line(entry, is_unverified=kind == "voided"), bound_nusd=amount if bound is None else bound, price=price)


def gap(provider: Billed, book: BookSide, *uncertain: Uncertain) -> Gap:
    book.uncertain = list(uncertain)
    return compare(day=date(2026, 11, 1), model="gpt", user="ann", provider=provider, book=book)


def after(found: Gap) -> int:
    return found.booked_nusd + found.adjusted_nusd


def test_the_docstrings_numbers_are_right() -> None:
    found = gap(Billed(3, 30, 0, 0, 300), certain((10, 100), (10, 100)), guess("assumed", 900_000))
    assert [(target.amount_nusd, target.usage.input_tokens, target.usage.output_tokens) for target in found.targets] == [(61_500, 10, 100)]


class TestWithoutAGuess:
    @pytest.mark.parametrize(
        ("provider", "kind"),
        [
            (Billed(2, 20, 0, 0, 200), "equal"), (Billed(2, 20, 5, 0, 200), "cache"), (Billed(3, 30, 0, 0, 300), "outside"),
            (Billed(1, 10, 0, 0, 100), "not_listed"), (Billed(), "not_listed"), (Billed(2, 21, 0, 0, 200), "counts_differ"),
            (Billed(2, 19, 0, 0, 200), "counts_differ"),
        ],
    )  # fmt: skip
    def test_each_gap_has_its_kind_and_nothing_is_adjusted(self, provider: Billed, kind: str) -> None:
        found = gap(provider, certain((10, 100), (10, 100)))
        assert (found.kinds, found.targets, found.words) == ((kind,), [], KINDS[kind])
        assert found.difference_nusd == cost_nusd(
            usage=Usage(input_tokens=provider.input_tokens, output_tokens=provider.output_tokens, cached_input_tokens=provider.cached_input_tokens),
            price=MINI,
        ) - 2 * 61_500

    def test_calls_that_the_book_does_not_know_at_all_are_outside(self) -> None:
        found = gap(Billed(1, 10, 0, 0, 100), BookSide(price=MINI))
        assert (found.kinds, found.provider_nusd, found.booked_nusd) == (("outside",), 61_500, 0)
        assert gap(Billed(1, 10, 0, 0, 100), BookSide()).provider_nusd == 0

    def test_a_price_that_was_corrected_since_is_told_and_left_to_repricing(self) -> None:
        found = gap(Billed(1, 10, 0, 0, 100), certain((10, 100), at_book=41_500))
        assert (found.kinds, found.difference_nusd, found.targets) == (("price",), -20_000, [])


class TestWithGuesses:
    def test_assumed_calls_come_down_to_what_is_left_of_the_bill(self) -> None:
        found = gap(Billed(3, 30, 0, 0, 300), certain((10, 100)), guess("assumed", 900_000), guess("assumed", 300_000))
        assert found.kinds == ("assumed_too_high",)
        assert after(found) == found.provider_nusd == 3 * 61_500
        assert [target.usage.output_tokens for target in found.targets] == [150, 50], "shared by the bounds"

    def test_an_estimate_is_corrected_up_or_down(self) -> None:
        for said in (50, 150):
            found = gap(Billed(1, 10, 0, 0, said), BookSide(), guess("estimated", 61_500, bound=900_000, input_tokens=10, output_tokens=100))
            assert (found.kinds, after(found)) == (("estimated_off",), 1_500 + said * 600)
            assert found.targets[0].tokens == {"output_tokens": said - 100}

    def test_a_failure_that_was_billed_is_booked(self) -> None:
        found = gap(Billed(1, 10, 0, 0, 100), BookSide(), guess("voided", 0, bound=900_000))
        assert (found.kinds, after(found)) == (("failure_billed",), 61_500)

    def test_calls_that_broke_off_and_were_not_billed_come_to_nothing(self) -> None:
        found = gap(Billed(1, 10, 0, 0, 100), certain((10, 100)), guess("assumed", 900_000), guess("voided", 0, bound=900_000))
        assert (found.kinds, after(found)) == (("disconnect",), 61_500)

    def test_the_likeliest_calls_were_billed(self) -> None:
        calls = guess("voided", 0, bound=500_000), guess("assumed", 500_000), guess("estimated", 400_000, bound=500_000, output_tokens=1)
        one = gap(Billed(1, 10, 0, 0, 100), BookSide(), *calls)
        assert {target.line.first.kind: target.amount_nusd for target in one.targets} == {"estimated": 61_500, "assumed": 0}
        two = gap(Billed(2, 20, 0, 0, 200), BookSide(), *calls)
        assert {target.line.first.kind: target.amount_nusd for target in two.targets} == {"estimated": 61_500, "assumed": 61_500}
        three = gap(Billed(3, 30, 0, 0, 300), BookSide(), *calls)
        assert {target.line.first.kind: target.amount_nusd for target in three.targets} == dict.fromkeys(("estimated", "assumed", "voided"), 61_500)
        assert [after(found) for found in (one, two, three)] == [61_500, 123_000, 184_500]

    def test_a_group_that_is_right_already_is_equal(self) -> None:
        found = gap(Billed(1, 10, 0, 0, 100), BookSide(), guess("estimated", 61_500, input_tokens=10, output_tokens=100))
        assert (found.kinds, found.targets, found.difference_nusd) == (("equal",), [], 0)
        assert gap(Billed(), BookSide(), guess("voided", 0, bound=9)).kinds == ("equal",)

    def test_cached_tokens_are_taken_over_too(self) -> None:
        found = gap(Billed(2, 100, 60, 0, 0), BookSide(), guess("assumed", 900_000), guess("assumed", 900_000))
        assert after(found) == 40 * 150 + 60 * 75
        assert all(target.usage.is_sane for target in found.targets)

    def test_more_than_they_can_have_cost_is_not_theirs(self) -> None:
        found = gap(Billed(9, 10_000, 0, 0, 10_000), BookSide(), guess("assumed", 900_000))
        assert (found.kinds, found.targets) == (("beyond_bounds",), [])

    def test_more_requests_than_calls_of_ours_are_said_to_be_outside(self) -> None:
        found = gap(Billed(3, 10, 0, 0, 100), BookSide(price=MINI), guess("assumed", 900_000))
        assert (found.kinds, after(found)) == (("assumed_too_high", "outside"), 61_500)

    def test_a_file_that_lists_less_than_the_provider_said_itself_corrects_nothing(self) -> None:
        found = gap(Billed(1, 10, 0, 0, 100), certain((10, 100), (10, 100)), guess("assumed", 900_000))
        assert (found.kinds, found.targets) == (("not_listed",), [])

    def test_without_a_price_nothing_is_brought_to_nothing(self) -> None:
        found = gap(Billed(1, 10, 0, 0, 100), BookSide(), guess("assumed", 900_000, price=None))
        assert (found.kinds, found.targets) == (("unpriced",), [])
        found = gap(Billed(1, 10, 0, 0, 100), BookSide(), guess("assumed", 0, price=None))
        assert [target.tokens for target in found.targets] == [{"input_tokens": 10, "output_tokens": 100}]


kinds = st.sampled_from(["assumed", "estimated", "voided"])
calls = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)), max_size=5)
bills = st.integers(0, 2_000)


guessed = st.lists(st.tuples(kinds, st.integers(1_500_000, 9_000_000)), min_size=1, max_size=6)


@given(calls, guessed, bills, bills, st.integers(0, 2_000), st.booleans())
def test_after_the_corrections_the_sum_is_the_providers_to_the_nano_dollar(
    known: Any, guesses: Any, asked: int, said: int, cached: int, is_odd: bool
) -> None:
    price = ODD if is_odd else MINI
    book = certain(*known, price=price)
    uncertain = [guess(kind, 0 if kind == "voided" else bound, bound=bound, price=price) for kind, bound in guesses]
    left = Usage(input_tokens=asked, output_tokens=said, cached_input_tokens=min(cached, asked))
    provider = book.usage + Billed(len(known) + len(guesses), asked, left.cached_input_tokens, 0, said)
    found = gap(provider, book, *uncertain)
    if found.kinds == ("beyond_bounds",):
        return
    fees = price.request_nusd * (len(guesses) - 1)  # each call has its fee, the tokens are rounded once
    assert after(found) == found.provider_nusd == book.certain_nusd + cost_nusd(usage=left, price=price) + fees
    for name in ("input_tokens", "cached_input_tokens", "output_tokens"):
        assert sum(target.usage.__getattribute__(name) for target in found.targets) <= getattr(left, name)
    assert all(target.usage.is_sane and target.amount_nusd >= 0 for target in found.targets)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
def test_parts_sum_to_the_whole_and_are_off_by_less_than_one(total: int, weights: list[int]) -> None:
    parts = apportion(total, weights)
    assert sum(parts) == total
    if any(weights):
        assert all(abs(part * sum(weights) - total * weight) < sum(weights) for part, weight in zip(parts, weights, strict=True))
    assert apportion(100, [1, 1, 1]) == [34, 33, 33]
    assert apportion(3, [0, 0]) == [2, 1]
