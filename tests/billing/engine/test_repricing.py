"""What a line comes to at another price: by its tokens where they are known, by its bound where they are not."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.lines import Booked, Line
from billing.engine.pricing import Price, Usage, bound_nusd
from billing.engine.repricing import Effect, reprice, scaled_bound

USD = 1_000_000_000
OLD = Price(version="old", input_nusd=150_000_000, output_nusd=600_000_000)
NEW = Price(version="new", input_nusd=150_000_000, output_nusd=500_000_000)
NOTHING = {"input_tokens": 0, "cached_input_tokens": 0, "cache_write_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0}


def booked(kind: str, amount: int, *, number: int = 1, version: str = "old", reference: str = "", model: str = "mini", **tokens: int) -> Booked:
    return Booked(
        id=UUID(int=number), kind=kind, amount_nusd=amount, model=model, price_version=version, reference=reference, **{**NOTHING, **tokens}
    )


def line(first: Booked, *later: Booked, **fields: Any) -> Line:
    values = {
        "reservation_id": UUID(int=9), "leg": 0, "attempt": 1, "provider": "openai", "end_user_id": None, "outcome": "accepted",
        "is_unverified": False, "occurred_at": datetime(2026, 11, 1, tzinfo=UTC), "occurred_on": date(2026, 11, 1), **fields,
    }  # fmt: skip
    return Line(first=first, later=later, **values)


USED = {"input_tokens": 142, "output_tokens": 125}


def target(found: Line, price: Price | None = NEW, first_price: Price | None = OLD) -> tuple[int | None, int, str | None]:
    repriced = reprice(found, price=price, first_price=first_price)
    return repriced.target_nusd, repriced.difference_nusd, repriced.why


@pytest.mark.parametrize("kind", ["settled", "estimated"])
def test_known_tokens_are_priced_anew(kind: str) -> None:
    assert target(line(booked(kind, 96_300, **USED))) == (83_800, -12_500, None)


def test_the_docstrings_numbers_are_right() -> None:
    old, new = Price(version="", input_nusd=25, output_nusd=100), Price(version="", input_nusd=30, output_nusd=100)
    assert scaled_bound(7_620_000, old=old, new=new) == 9_144_000


def test_what_has_the_price_already_is_left_alone_and_twice_in_a_row_gives_back_the_difference_of_the_two() -> None:
    assert target(line(booked("settled", 1, version="new", **USED))) == (None, 0, "same price")
    once = line(booked("settled", 96_300, **USED), booked("adjustment", -12_500, number=2, version="new", reference="price new after 1"))
    assert target(once) == (None, 0, "same price")
    third = Price(version="third", input_nusd=150_000_000, output_nusd=550_000_000)
    assert target(once, third)[1] == 125 * 50
    assert target(once, OLD)[1] == 12_500


def test_an_unpriced_call_gets_its_price_and_without_a_price_in_force_nothing_happens() -> None:
    assert target(line(booked("settled", 0, version="", **USED))) == (83_800, 83_800, None)
    assert target(line(booked("settled", 0, version="", **USED)), None) == (None, 0, "no price then")


def test_what_was_never_billed_stays_at_nothing() -> None:
    assert target(line(booked("voided", 0)))[2] == "nothing billed"
    late_void = line(booked("assumed", 400), booked("adjustment", -400, number=2))
    assert target(late_void)[2] == "nothing billed"


def test_an_overrun_is_part_of_what_is_booked_and_its_tokens_count_once() -> None:
    over = line(booked("settled", 90_000, **USED), booked("overrun", 6_300, number=2, **USED))
    assert over.usage == Usage(input_tokens=142, output_tokens=125)
    assert target(over) == (83_800, -12_500, None)


class TestAssumed:
    def test_a_bound_stays_a_bound_at_the_new_price(self) -> None:
        dearer = Price(version="new", input_nusd=300_000_000, output_nusd=600_000_000)
        assert target(line(booked("assumed", 1_000)), dearer) == (2_000, 1_000, None)

    def test_once_explained_its_tokens_count(self) -> None:
        late = line(booked("assumed", 400_000), booked("adjustment", -303_700, number=2, **USED))
        assert target(late) == (83_800, -12_500, None)
        late_over = line(booked("assumed", 40_000), booked("overrun", 56_300, number=2, **USED))
        assert target(late_over) == (83_800, -12_500, None)

    def test_there_and_back_again_leaves_no_trace(self) -> None:
        dearer = Price(version="new", input_nusd=470_000_001, output_nusd=600_000_000)
        there = reprice(line(booked("assumed", 1_001)), price=dearer, first_price=OLD)
        moved = line(booked("assumed", 1_001), booked("adjustment", there.difference_nusd, number=2, version="new", reference="price new after 1"))
        assert target(moved, OLD) == (1_001, -there.difference_nusd, None)

    def test_what_cannot_be_told_is_left_alone(self) -> None:
        assert target(line(booked("assumed", 400)), NEW, None)[2] == "bound cannot be scaled"
        free_input = Price(version="old", input_nusd=0, output_nusd=600)
        assert target(line(booked("assumed", 400)), NEW, free_input)[2] == "bound cannot be scaled"

    def test_another_models_answer_is_not_this_models_price(self) -> None:
        late = line(booked("assumed", 400), booked("adjustment", -100, number=2, model="large", **USED))
        assert target(late)[2] == "another model answered"

    rates = st.integers(1, 10**10)

    @given(st.integers(0, 300_000), st.integers(0, 100_000), rates, rates, rates, rates, st.booleans(), st.integers(0, 10**6))
    def test_a_scaled_bound_is_never_below_the_true_one(
        self, asked: int, said: int, old_in: int, old_out: int, new_in: int, new_out: int, stepped: bool, fee: int
    ) -> None:
        def price(rate_in: int, rate_out: int, request: int) -> Price:
            long = Price(version="", input_nusd=rate_in * 2, output_nusd=rate_out * 3, request_nusd=request) if stepped else None
            return Price(
                version="", input_nusd=rate_in, output_nusd=rate_out, request_nusd=request, long_after_tokens=100_000 if stepped else None, long=long
            )

        old, new = price(old_in, old_out, fee), price(new_in, new_out, 7)
        scaled = scaled_bound(bound_nusd(input_tokens=asked, output_tokens=said, price=old), old=old, new=new)
        assert scaled is not None
        assert scaled >= bound_nusd(input_tokens=asked, output_tokens=said, price=new) - 2, "each part of a bound is rounded up by itself"


def test_an_effect_sums_by_day_and_says_what_is_left_alone() -> None:
    effect = Effect.nothing()
    lines = [line(booked("settled", 96_300, **USED)), line(booked("settled", 83_800, **USED)), line(booked("voided", 0))]
    effect.add(reprice(each, price=NEW, first_price=OLD) for each in lines)
    (day,) = effect.days.values()
    assert (day.day, day.model, day.lines, day.differing) == (date(2026, 11, 1), "mini", 2, 1)
    assert effect.total == {
        "lines": 2, "differing": 1, "booked_nusd": 180_100, "repriced_nusd": 167_600, "difference_nusd": -12_500,
    }  # fmt: skip
    assert effect.left == {"nothing billed": 1}
