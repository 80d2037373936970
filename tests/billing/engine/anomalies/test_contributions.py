"""Who makes up a difference: the largest by name, all others as one, to the nano-dollar."""

from hypothesis import given
from hypothesis import strategies as st

from billing.engine.anomalies.contributions import Contribution, contributions_of

amounts = st.dictionaries(st.text(max_size=3), st.integers(-(10**6), 10**12), max_size=12)


def test_the_largest_come_first_and_the_baseline_is_scaled() -> None:
    found = contributions_of(dimension="end_user", actual={"ann": 200, "ben": 20}, baseline={"ann": 96, "ben": 96}, expected_nusd=96)
    assert found.largest == (Contribution(value="ann", amount_nusd=152), Contribution(value="ben", amount_nusd=-28))
    assert found.others_nusd == 0


def test_all_beyond_the_named_are_one_sum() -> None:
    found = contributions_of(dimension="api_key", actual={str(number): number for number in range(10)}, baseline={}, expected_nusd=0, named=2)
    assert [each.value for each in found.largest] == ["9", "8"]
    assert found.others_nusd == 28


def test_who_came_and_who_left_are_there() -> None:
    found = contributions_of(dimension="model", actual={"new": 10}, baseline={"old": 10}, expected_nusd=10)
    assert {each.value: each.amount_nusd for each in found.largest} == {"new": 10, "old": -10}


@given(actual=amounts, baseline=amounts, expected=st.integers(0, 10**12), named=st.integers(0, 5))
def test_the_parts_always_add_up_to_the_difference(actual: dict[str, int], baseline: dict[str, int], expected: int, named: int) -> None:
    found = contributions_of(dimension="model", actual=actual, baseline=baseline, expected_nusd=expected, named=named)
    assert sum(each.amount_nusd for each in found.largest) + found.others_nusd == sum(actual.values()) - expected
