"""The statistics below the detector, beside slow and plain ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from billing.engine.anomalies.robust import Floats, Medians, mean_before, mean_until, power, ranked_from_top

NAN = float("nan")
values = arrays.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 12)), elements=st.sampled_from([NAN, 0.0, 1.0, 2.5, 4.0, -3.0]))


def known_median(some: Floats) -> float:
    some = some[~np.isnan(some)]
    return float(np.median(some)) if len(some) else NAN


@settings(max_examples=150, deadline=None)
@given(some=values, seed=st.integers(0, 9))
def test_medians_of_groups_and_of_the_others_in_them(some: Floats, seed: int) -> None:
    groups = np.random.default_rng(seed).integers(0, 3, some.shape[1])
    medians = Medians(some, groups=groups, count=3)
    whole = [[known_median(row[groups == group]) for group in range(3)] for row in some]
    assert medians.of_all() == pytest.approx(np.array(whole), nan_ok=True)
    others = medians.of_others(least=2)
    for (row, column), found in np.ndenumerate(others):
        alike = groups == groups[column]
        if (~np.isnan(some[row, alike])).sum() < 2:
            assert np.isnan(found)
        else:
            rest = alike & (np.arange(some.shape[1]) != column)
            assert found == pytest.approx(known_median(some[row, rest]))


def test_a_rank_counts_from_the_largest_and_what_is_unknown_is_nothing() -> None:
    row = np.array([[3.0, 7.0, NAN, 5.0]])
    assert [ranked_from_top(row, rank=rank)[0] for rank in (1, 2, 3, 4, 9)] == [7, 5, 3, 0, 0]


def test_means_before_and_until() -> None:
    row = np.array([[5.0, 1.0, 3.0, 8.0]])
    assert mean_before(row, width=2, gap=1)[0] == pytest.approx([NAN, 5, 3, 2], nan_ok=True)
    assert mean_before(np.array([[NAN, 4.0, 6.0]]), width=2, gap=1)[0] == pytest.approx([NAN, NAN, 4], nan_ok=True)
    assert mean_until(row, width=2)[0] == pytest.approx([NAN, 3, 2, 5.5], nan_ok=True)
    assert np.isnan(mean_until(row, width=5)).all()


def test_a_power_keeps_the_sign() -> None:
    assert power(np.array([4.0, -9.0]), 0.5).tolist() == [2, -3]
