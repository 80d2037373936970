"""What a series remembers: surprises are bounded, given back, and unknown steps leave no trace."""

import numpy as np
import pytest
from numpy.typing import NDArray

from billing.engine.forecasting.smoothing import Memory, smooth


def remember(amounts: list[float], *, season: int = 1) -> Memory:
    positions = np.arange(len(amounts) + 1) % season
    return smooth(np.array([amounts]), positions=positions, season=season, moments=[len(amounts)])


def level(memory: Memory) -> NDArray[np.float64]:
    return memory.level[-1, :, 0]


def test_a_constant_series_is_remembered_as_it_is() -> None:
    memory = remember([5.0] * 20)
    assert level(memory) == pytest.approx([5.0] * 3, rel=0.01)
    assert memory.mean[-1, 0] == 5.0
    assert memory.known[-1, 0] == 20


def test_one_wild_day_moves_the_quick_level_by_a_fifth_of_the_usual_surprise_and_the_rest_comes_back_slowly() -> None:
    calm = [90.0, 110.0] * 100
    before, after = level(remember(calm)), level(remember([*calm, 1_000.0]))
    later = level(remember([*calm, 1_000.0, *[100.0] * 30]))
    assert after[1] - before[1] == pytest.approx(0.2 * 11 + 0.02 * 889, rel=0.1)
    assert before[1] < later[1] < after[1]


def test_money_that_comes_in_spikes_is_not_smoothed_away() -> None:
    chance = np.random.default_rng(4)
    amounts = np.where(chance.random((300, 200)) < 0.1, 10.0, 0.0)
    memory = smooth(amounts, positions=np.arange(201) % 7, season=7, moments=[200])
    assert (memory.level[-1, 0] + memory.season[-1, 0].mean(axis=1)).mean() == pytest.approx(1.0, rel=0.1)


def test_an_unknown_step_leaves_no_trace() -> None:
    known = [10.0, 12.0, 8.0, 11.0] * 8
    with_gap = remember([*known, np.nan, np.nan])
    without = remember(known)
    assert level(with_gap)[:2] == pytest.approx(level(without)[:2])
    assert with_gap.last[-1, 0] == 11.0
    assert with_gap.known[-1, 0] == 32


def test_a_series_that_stood_still_may_still_move() -> None:
    assert level(remember([*[100.0] * 60, *[200.0] * 60]))[1] == pytest.approx(200, rel=0.05)


def test_a_season_is_learnt_in_some_weeks_and_the_latest_of_each_kind_is_known_at_once() -> None:
    memory = remember([10.0, 10, 10, 10, 10, 3, 3] * 20, season=7)
    path = memory.level[-1, 0, 0] + memory.season[-1, 0, 0]
    assert path == pytest.approx([10, 10, 10, 10, 10, 3, 3], abs=1.2)
    assert memory.latest[-1, 0].tolist() == [10, 10, 10, 10, 10, 3, 3]
