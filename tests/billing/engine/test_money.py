from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.money import MAX_NUSD, InvalidAmount, divide_half_even, divide_up, rounded_to_sum, to_nusd, to_usd

amounts = st.integers(min_value=-MAX_NUSD, max_value=MAX_NUSD)


@given(amounts)
def test_an_amount_survives_being_printed_and_read(nusd: int) -> None:
    assert to_nusd(to_usd(nusd)) == nusd


@given(amounts)
def test_a_printed_amount_is_exact_and_has_no_trailing_zero(nusd: int) -> None:
    text = to_usd(nusd)
    assert Decimal(text) == Decimal(nusd).scaleb(-9)
    assert "e" not in text.lower()
    assert "." not in text or not text.endswith(("0", "."))


@given(st.decimals(min_value=-9_000_000_000, max_value=9_000_000_000, places=9))
def test_decimals_of_nine_places_are_read_exactly(usd: Decimal) -> None:
    assert to_nusd(usd) == to_nusd(str(usd)) == Fraction(usd) * 1_000_000_000


@pytest.mark.parametrize(
    ("usd", "nusd"),
    [("0.15", 150_000_000), ("1e-9", 1), (3, 3_000_000_000), ("-0.000000001", -1), ("0.10000000000", 100_000_000), ("0e999999999", 0)],
)
def test_decimal_strings_integers_and_decimals_are_read(usd: str | int, nusd: int) -> None:
    assert to_nusd(usd) == nusd


def test_the_docstrings_numbers_are_right() -> None:
    assert to_nusd("0.15") == 150_000_000
    assert to_usd(21_300) == "0.0000213"
    assert (divide_half_even(5, 2), divide_half_even(7, 2)) == (2, 4)
    assert divide_up(7, 2) == 4


@pytest.mark.parametrize("usd", [0.1, 1.0, float("nan"), float("inf"), True])
def test_floats_and_booleans_are_refused(usd: float) -> None:
    with pytest.raises(InvalidAmount, match="decimal string"):
        to_nusd(usd)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "usd", ["", "abc", "0,15", "$1", "1.2.3", "NaN", "sNaN", "Infinity", "-inf", Decimal("NaN"), Decimal("Infinity"), None, [1], (0, (1,), "F")]
)
def test_what_is_no_finite_decimal_number_is_refused(usd: object) -> None:
    with pytest.raises(InvalidAmount):
        to_nusd(usd)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "usd", ["0.0000000001", f"1.{'0' * 40}1", "0.1234567891", "1e-30", "9223372036.8547758069999999999", "1e-999999", f"9223372036.{'7' * 60}"]
)
def test_more_than_nine_places_are_refused_however_small_the_rest(usd: str) -> None:
    with pytest.raises(InvalidAmount, match="nine decimal places"):
        to_nusd(usd)


@pytest.mark.parametrize("usd", ["9223372036.854775808", "-9223372036.854775808", "1e10", "1e400", "1e999999999", "9" * 5000, 10**30])
def test_what_a_bigint_cannot_hold_is_refused_at_once(usd: str | int) -> None:
    with pytest.raises(InvalidAmount, match="larger"):
        to_nusd(usd)


def test_the_largest_amount_is_read() -> None:
    assert to_nusd("9223372036.854775807") == MAX_NUSD


@given(st.integers(), st.integers(min_value=1, max_value=10**12))
def test_division_rounds_half_to_even_or_up(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert divide_half_even(numerator, denominator) == round(exact)  # Python's own rule for fractions
    assert 0 <= divide_up(numerator, denominator) - exact < 1


@given(st.lists(amounts, max_size=6), st.sampled_from([1, 10, 10_000_000]))
def test_amounts_that_are_rounded_together_sum_to_their_rounded_sum(parts: list[int], unit: int) -> None:
    rounded = rounded_to_sum(parts, unit=unit)
    assert sum(rounded) == unit * divide_half_even(sum(parts), unit)
    assert all(one % unit == 0 and abs(one - part) < unit for one, part in zip(rounded, parts, strict=True))
