"""Many series at once: each gets what it would get alone, and what a forecast says of its error is true."""

import numpy as np
import pytest

from billing.engine.forecasting import block as blocks
from billing.engine.forecasting.block import forecast_block
from billing.engine.forecasting.forecaster import prediction_of
from tests.billing.engine.forecasting.recipes import DAYS, USD, WEEK, many, noisy, predict, total


def test_a_series_is_forecast_in_company_as_it_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a block is cut into pieces, and beside older, younger and silent series: nothing of another tenant's gets in."""
    monkeypatch.setattr(blocks, "CELLS_AT_ONCE", 20_000)
    ages = (200, 200, 90, 45, 45, 20, 13, 5, 3, 2, 0)
    rows = [[0] * (200 - age) + noisy(np.resize(WEEK, age).tolist(), seed=number) for number, age in enumerate(ages)]
    together = forecast_block(np.array(rows * 3, dtype=np.float64), calendar=DAYS, horizon=30)
    for number, row in enumerate(rows):
        alone = predict(row, horizon=30)
        for copy in (number, number + 2 * len(rows)):
            found = prediction_of(together, copy)
            assert (found.reason, found.tests, found.tested_steps, found.history_days) == (
                alone.reason, alone.tests, alone.tested_steps, alone.history_days,
            )  # fmt: skip
            if alone.path:
                assert total(found).expected_nusd == pytest.approx(total(alone).expected_nusd, rel=1e-9)
                assert total(found).high_nusd == pytest.approx(total(alone).high_nusd, rel=1e-9)
                assert found.wape == pytest.approx(alone.wape, rel=1e-6)


def test_what_is_said_of_error_and_interval_is_what_happens() -> None:
    amounts = many(rows=300, days=207)
    found = forecast_block(amounts[:, :200], calendar=DAYS, horizon=7)
    came = amounts[:, 200:].sum(axis=1)
    wape = np.abs(found.sums[0, :, -1] - came).sum() / came.sum()
    assert np.mean(found.wape) == pytest.approx(wape, rel=0.15)
    assert ((found.sums[1, :, -1] <= came) & (came <= found.sums[2, :, -1])).mean() == pytest.approx(0.8, abs=0.06)
    assert ((found.path[1] <= amounts[:, 200:]) & (amounts[:, 200:] <= found.path[2])).mean() == pytest.approx(0.8, abs=0.06)
    assert np.mean(found.coverage) == pytest.approx(0.8, abs=0.06)


def test_end_users_who_come_now_and_then_are_forecast_right_in_sum() -> None:
    chance = np.random.default_rng(8)
    amounts = np.where(chance.random((2_000, 150)) < 0.08, np.rint(chance.lognormal(0, 1, (2_000, 150)) * USD), 0.0)
    found = forecast_block(amounts[:, :120], calendar=DAYS, horizon=30)
    assert found.sums[0, :, -1].sum() == pytest.approx(amounts[:, 120:].sum(), rel=0.1)


def test_no_series_and_no_days_are_no_trouble() -> None:
    assert forecast_block(np.zeros((0, 40)), calendar=DAYS, horizon=3).path.shape == (3, 0, 3)
    assert forecast_block(np.zeros((2, 0)), calendar=DAYS, horizon=3).age.tolist() == [0, 0]


def test_the_largest_amounts_do_not_overflow() -> None:
    found = forecast_block(np.full((1, 30), 2.0**61), calendar=DAYS, horizon=40)
    assert (found.path >= 0).all()
    assert (found.sums >= 0).all()
