from hypothesis import given
from hypothesis import strategies as st

from billing.engine.pricing import Price, Usage, bound_nusd, cost_nusd

MILLION = 1_000_000_000
rates = st.integers(min_value=0, max_value=1_000 * MILLION)
meters = st.none() | rates
prices = st.builds(
    Price, version=st.just("v"), input_nusd=rates, output_nusd=rates, cached_input_nusd=meters, cache_write_nusd=meters, reasoning_nusd=meters,
    request_nusd=st.integers(min_value=0, max_value=MILLION),
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read, written, output = (draw(st.integers(min_value=0, max_value=2_000_000)) for _ in range(3))
    cached = draw(st.integers(min_value=0, max_value=read))
    writes = draw(st.integers(min_value=0, max_value=read - cached))
    reasoning = draw(st.integers(min_value=0, max_value=output))
    return Usage(
        input_tokens=read, output_tokens=output, cached_input_tokens=cached, cache_write_tokens=writes, reasoning_tokens=reasoning,
    ) if written else Usage(input_tokens=read, output_tokens=output)


def price(**meters: int) -> Price:
    return Price(**{"version": "v", "input_nusd": 0, "output_nusd": 0, **meters})


def test_the_docstrings_numbers_are_right() -> None:
    mini = price(input_nusd=150_000_000, output_nusd=600_000_000)
    assert cost_nusd(usage=Usage(input_tokens=142, output_tokens=125), price=mini) == 96_300
    large = price(input_nusd=2_500_000_000, output_nusd=10_000_000_000)
    assert bound_nusd(input_tokens=1_000, output_tokens=512, price=large) == 2_500_000 + 5_120_000


def test_each_meter_has_its_own_rate_and_none_costs_what_its_whole_costs() -> None:
    usage = Usage(
        input_tokens=10_000_000, cached_input_tokens=4_000_000, cache_write_tokens=1_000_000, output_tokens=3_000_000, reasoning_tokens=1_000_000
    )
    assert cost_nusd(usage=usage, price=price(input_nusd=100, output_nusd=1_000)) == 1_000 + 3_000
    apart = price(input_nusd=100, cached_input_nusd=10, cache_write_nusd=125, output_nusd=1_000, reasoning_nusd=2_000, request_nusd=7)
    assert cost_nusd(usage=usage, price=apart) == 7 + 5 * 100 + 4 * 10 + 125 + 2 * 1_000 + 2_000


def test_a_price_of_zero_is_no_missing_price() -> None:
    usage = Usage(input_tokens=1_000_000, cached_input_tokens=1_000_000, output_tokens=0)
    assert cost_nusd(usage=usage, price=price(input_nusd=100, cached_input_nusd=0)) == 0


def test_a_cost_is_rounded_once_half_to_even() -> None:
    half = price(input_nusd=500_000, output_nusd=500_000)
    assert cost_nusd(usage=Usage(input_tokens=1, output_tokens=0), price=half) == 0
    assert cost_nusd(usage=Usage(input_tokens=3, output_tokens=0), price=half) == 2
    assert cost_nusd(usage=Usage(input_tokens=1, output_tokens=1), price=half) == 1  # two halves are one, not two roundings


def test_a_bound_rounds_each_part_up() -> None:
    assert bound_nusd(input_tokens=1, output_tokens=1, price=price(input_nusd=1, output_nusd=1)) == 2


@given(usages(), prices, st.integers(min_value=0, max_value=10_000), st.integers(min_value=0, max_value=10_000))
def test_tokens_within_the_bounds_cost_no_more_than_the_bound(usage: Usage, price: Price, more_input: int, more_output: int) -> None:
    assert usage.is_sane
    bound = bound_nusd(input_tokens=usage.input_tokens + more_input, output_tokens=usage.output_tokens + more_output, price=price)
    assert 0 <= cost_nusd(usage=usage, price=price) <= bound


def test_counts_that_contradict_themselves_are_not_sane() -> None:
    assert not Usage(input_tokens=-1, output_tokens=0).is_sane
    assert not Usage(input_tokens=5, output_tokens=0, cached_input_tokens=3, cache_write_tokens=3).is_sane
    assert not Usage(input_tokens=5, output_tokens=1, reasoning_tokens=2).is_sane
    assert not Usage(input_tokens=5, output_tokens=1, cached_input_tokens=-1).is_sane
