"""What drives a difference in cost: the parts add up to the nano-dollar, and a driver that did not change has none of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.engine.anomalies.consumption import Consumption, Role, Used, cell_of
from billing.engine.anomalies.drivers import Driver, drivers_of
from billing.engine.pricing import Price, Usage, cost_nusd

MINI = Price(version="mini-1", input_nusd=150_000_000, output_nusd=600_000_000, cached_input_nusd=75_000_000)
LARGE = Price(version="large-1", input_nusd=2_500_000_000, output_nusd=10_000_000_000)
DEAR = Price(version="mini-2", input_nusd=300_000_000, output_nusd=1_200_000_000, cached_input_nusd=150_000_000)


def used(model: str, price: Price, *, calls: int, tokens: tuple[int, int] = (1000, 200), role: Role = "draft", cached: int = 0) -> Used:
    """So many calls, each with these tokens in and out."""
    one = Usage(input_tokens=tokens[0], output_tokens=tokens[1], cached_input_tokens=cached)
    usage = Usage(input_tokens=calls * tokens[0], output_tokens=calls * tokens[1], cached_input_tokens=calls * cached)
    return Used(role=role, model=model, calls=calls, usage=usage, cost_nusd=calls * cost_nusd(usage=one, price=price), price=price)


def cascade(runs: int = 100, *, escalated: int = 20, price: Price = MINI, tokens: tuple[int, int] = (1000, 200)) -> Consumption:
    later = (used("large", LARGE, calls=escalated, role="later"),) if escalated else ()
    return Consumption(runs=runs, used=(used("mini", price, calls=runs, tokens=tokens), *later))


def only(driver: Driver, amount: int) -> dict[Driver, int]:
    return {each: amount if each is driver else 0 for each in Driver}


@pytest.mark.parametrize(
    ("driver", "after"),
    [
        (Driver.VOLUME, cascade(200, escalated=40)),
        (Driver.VOLUME, cascade(50, escalated=10)),
        (Driver.ESCALATION, cascade(escalated=60)),
        (Driver.ESCALATION, cascade(escalated=0)),
        (Driver.PRICE, cascade(price=DEAR)),
        (Driver.TOKENS, cascade(tokens=(1000, 800))),
        (Driver.TOKENS, cascade(tokens=(3000, 50))),
        (Driver.TOKENS, Consumption(runs=100, used=(used("mini", MINI, calls=100, cached=600), used("large", LARGE, calls=20, role="later")))),
        (Driver.MODEL_MIX, Consumption(runs=100, used=(used("other", DEAR, calls=100), used("large", LARGE, calls=20, role="later")))),
        (Driver.MODEL_MIX, Consumption(runs=100, used=(used("mini", MINI, calls=100), used("larger", DEAR, calls=20, role="later")))),
    ],
)
def test_what_changed_alone_is_all_of_the_difference(driver: Driver, after: Consumption) -> None:
    before = cascade()
    difference = after.cost_nusd - before.cost_nusd
    assert difference
    assert drivers_of(actual=after, baseline=before) == only(driver, difference)
    assert drivers_of(actual=before, baseline=after) == only(driver, -difference)


def test_two_changes_share_what_they_make_together() -> None:
    """10 runs at 3 and then 20 at 4."""
    three, four = (Price(version=str(each), input_nusd=each * 1_000_000, output_nusd=0) for each in (3, 4))
    before = Consumption(runs=10, used=(used("m", three, calls=10, tokens=(1, 0)),))
    after = Consumption(runs=20, used=(used("m", four, calls=20, tokens=(1, 0)),))
    assert (before.cost_nusd, after.cost_nusd) == (30, 80)
    assert drivers_of(actual=after, baseline=before) == {**only(Driver.VOLUME, 35), Driver.PRICE: 15}


def test_several_windows_of_the_past_are_scaled_to_what_was_expected() -> None:
    month, expected = cascade(400, escalated=80), cascade().cost_nusd
    assert drivers_of(actual=cascade(200, escalated=40), baseline=month, expected_nusd=expected) == only(Driver.VOLUME, expected)
    assert drivers_of(actual=cascade(escalated=60), baseline=month, expected_nusd=expected) == only(Driver.ESCALATION, 40 * 4_500_000)


def test_where_nothing_was_before_all_is_volume() -> None:
    nothing, something = Consumption(runs=0, used=()), cascade()
    assert drivers_of(actual=something, baseline=nothing) == only(Driver.VOLUME, something.cost_nusd)
    assert drivers_of(actual=nothing, baseline=something) == only(Driver.VOLUME, -something.cost_nusd)
    assert drivers_of(actual=something, baseline=nothing, expected_nusd=7) == only(Driver.VOLUME, something.cost_nusd - 7)
    assert drivers_of(actual=nothing, baseline=nothing) == only(Driver.VOLUME, 0)


def test_a_model_that_was_free_and_is_not_any_more_is_price() -> None:
    free = Price(version="free", input_nusd=0, output_nusd=0)
    after = cascade(escalated=0)
    assert drivers_of(actual=after, baseline=cascade(escalated=0, price=free)) == only(Driver.PRICE, after.cost_nusd)


def test_a_model_without_a_known_price_is_split_by_what_a_token_cost() -> None:
    def row(calls: int, tokens: int, cost: int) -> Consumption:
        usage = Usage(input_tokens=tokens, output_tokens=0)
        return Consumption(runs=calls, used=(Used(role="draft", model="m", calls=calls, usage=usage, cost_nusd=cost),))

    before = row(10, 1000, 5000)
    assert drivers_of(actual=row(20, 2000, 10_000), baseline=before) == only(Driver.VOLUME, 5000)
    assert drivers_of(actual=row(10, 2000, 10_000), baseline=before) == only(Driver.TOKENS, 5000)
    assert drivers_of(actual=row(10, 1000, 10_000), baseline=before) == only(Driver.PRICE, 5000)


def test_bounds_of_calls_that_were_never_measured_are_told_as_price() -> None:
    bound = Used(role="draft", model="mini", calls=0, usage=Usage(input_tokens=0, output_tokens=0), cost_nusd=999, price=MINI)
    usual = cascade(escalated=0)
    assert drivers_of(actual=Consumption(runs=100, used=(*usual.used, bound)), baseline=usual) == only(Driver.PRICE, 999)


def test_two_prices_in_one_window_are_weighed_by_their_tokens() -> None:
    changed = Consumption(runs=100, used=(used("mini", MINI, calls=60), used("mini", DEAR, calls=40)))
    usual = cascade(escalated=0)
    assert drivers_of(actual=changed, baseline=usual) == only(Driver.PRICE, changed.cost_nusd - usual.cost_nusd)


counts = st.integers(min_value=0, max_value=10**7)


@st.composite
def rows(draw: st.DrawFn) -> Used:
    inputs, outputs = draw(counts), draw(counts)
    cached = draw(st.integers(0, inputs))
    usage = Usage(
        input_tokens=inputs, output_tokens=outputs, cached_input_tokens=cached, cache_write_tokens=draw(st.integers(0, inputs - cached)),
        reasoning_tokens=draw(st.integers(0, outputs)),
    )  # fmt: skip
    return Used(
        role=draw(st.sampled_from(["draft", "later"])), model=draw(st.sampled_from("abc")), calls=draw(st.integers(0, 1000)), usage=usage,
        cost_nusd=draw(st.integers(-(10**6), 10**12)), price=draw(st.sampled_from([None, MINI, LARGE, DEAR])),
    )  # fmt: skip


consumptions = st.builds(Consumption, runs=st.integers(0, 1000), used=st.lists(rows(), max_size=5).map(tuple))


@settings(max_examples=300, deadline=None)
@given(actual=consumptions, baseline=consumptions, expected=st.none() | st.integers(-(10**6), 10**12))
def test_the_parts_always_add_up_to_the_difference(actual: Consumption, baseline: Consumption, expected: int | None) -> None:
    parts = drivers_of(actual=actual, baseline=baseline, expected_nusd=expected)
    wanted = baseline.cost_nusd if expected is None else expected
    assert sum(parts.values()) == actual.cost_nusd - wanted
    assert set(parts) == set(Driver)


@settings(max_examples=100, deadline=None)
@given(some=st.lists(rows(), min_size=1, max_size=4))
def test_a_cell_costs_what_was_booked(some: list[Used]) -> None:
    cell = cell_of(some)
    assert cell.calls * sum(used * (rate or 0) for used, rate in zip(cell.used, cell.rates, strict=True)) == sum(row.cost_nusd for row in some)


@settings(max_examples=100, deadline=None)
@given(one=consumptions, other=consumptions)
def test_going_back_is_the_opposite_of_going(one: Consumption, other: Consumption) -> None:
    there, back = drivers_of(actual=one, baseline=other), drivers_of(actual=other, baseline=one)
    assert all(abs(there[driver] + back[driver]) <= 1 for driver in Driver)
