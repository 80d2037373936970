"""The anomaly row of the table of decisions: no point is judged by what comes after it, and the score is NAB's."""

import csv
import importlib.util
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench.decisions.anomalies import NAB_ALARM, daily_flags, first_of_each, lane_for, nab_scores, swings_of, write_anomalies
from bench.decisions.nab import anomaly_table, nab_score, weights_of
from bench.site import ROOT

SHARED = ROOT.parent / "shared"
needs_data = pytest.mark.skipif(not (SHARED / "data/anomaly_nab").is_dir(), reason="../shared/data is not there")
FIVE_MINUTES = timedelta(minutes=5)
START = datetime(2026, 3, 2, tzinfo=UTC)


def write_nab(folder: Path, name: str, values: np.ndarray, *, window: slice) -> Path:
    path = folder / "anomaly_nab" / name
    path.parent.mkdir(exist_ok=True)
    inside = np.zeros(len(values), int)
    inside[window] = 1
    lines = [f"{START + FIVE_MINUTES * at:%Y-%m-%d %H:%M:%S},{value},{inside[at]},0" for at, value in enumerate(values)]
    path.write_text("timestamp,value,in_window,label_point\n" + "\n".join(lines))
    return path


def wavy(points: int = 6 * 288) -> np.ndarray:
    at = np.arange(points)
    return 50 + 20 * np.sin(2 * np.pi * at / 288) + np.random.default_rng(5).normal(0, 1, points)


def test_no_point_is_judged_by_a_later_one() -> None:
    values = wavy()
    instants = [START + FIVE_MINUTES * at for at in range(len(values))]
    whole = swings_of(instants, values, lane=lane_for(FIVE_MINUTES))
    changed = values.copy()
    changed[1000:] = np.random.default_rng(6).normal(500, 300, len(values) - 1000)
    assert np.array_equal(swings_of(instants, changed, lane=lane_for(FIVE_MINUTES))[:1000], whole[:1000])
    assert np.array_equal(swings_of(instants[:700], values[:700], lane=lane_for(FIVE_MINUTES)), whole[:700])


def test_an_anomaly_that_goes_on_is_told_once() -> None:
    assert first_of_each(np.array([0, 3, 2, 4, 4, 1, 0, 1.0]), within=3).tolist() == [0, 3, 0, 4, 0, 0, 0, 0]
    assert first_of_each(np.array([2, 0, 0, 2.0]), within=2).tolist() == [2, 0, 0, 2]


def test_a_spike_is_the_alarm_and_all_else_is_silence(tmp_path: Path) -> None:
    values = wavy()
    values[1200:1206] = 200
    path = write_nab(tmp_path, "a__b.csv", values, window=slice(1150, 1250))
    scores, weights = nab_scores(path), weights_of(path)
    alarms = np.flatnonzero(scores >= NAB_ALARM)
    assert alarms[0] == 1200
    assert alarms[-1] < 1206
    assert 50 < nab_score([(scores, weights)], threshold=NAB_ALARM) < 100
    assert nab_score([(scores, weights)], threshold=2) == 0


def test_the_folder_is_written_as_it_is_scored(tmp_path: Path) -> None:
    write_nab(tmp_path, "a__b.csv", wavy(700), window=slice(600, 650))
    days = "".join(f"A,{day},{'' if day == 9 else 10 + day % 7},{int(day == 80)}\n" for day in range(90))
    (tmp_path / "anomaly_nn5_injected.csv").write_text(f"series,day,value,injected_factor\n{days}".replace("A,80,13,1", "A,80,65,5"))
    taxi = "".join(f"{START + timedelta(days=day):%Y-%m-%d},{0 if day == 70 else 10 + day % 7},0\n" for day in range(75))
    (tmp_path / "anomaly_nyc_taxi_daily.csv").write_text(f"date,value,in_window\n{taxi}")
    done = subprocess.run(
        [sys.executable, "-m", "bench.decisions", "anomaly", "--data", str(tmp_path), "--out", str(tmp_path / "out")], cwd=ROOT, check=False
    )
    assert done.returncode == 0
    with (tmp_path / "out/a__b.csv").open(newline="") as rows:
        scores = [float(row["score"]) for row in csv.DictReader(rows)]
    assert len(scores) == 700
    assert 0 <= min(scores) <= max(scores) <= 1
    with (tmp_path / "out/daily.csv").open(newline="") as rows:
        read = list(csv.DictReader(rows))
    flagged = [(row["key"], row["day"]) for row in read if row["flag"] == "1"]
    assert len(read) == 90 + 75
    assert flagged == [("nyc_taxi", "70"), ("A", "80")]


def test_without_daily_files_there_are_no_flags(tmp_path: Path) -> None:
    write_nab(tmp_path, "a__b.csv", wavy(600), window=slice(500, 510))
    write_anomalies(tmp_path, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a__b.csv"]


def test_a_day_is_flagged_by_days_before_it_alone() -> None:
    values = np.array([[10.0 + day % 7 for day in range(100)]])
    values[0, 60:] *= 3
    changed = values.copy()
    changed[0, 61:] = 0
    assert daily_flags(values)[0, :61].tolist() == daily_flags(changed)[0, :61].tolist() == [False] * 60 + [True]


def scorer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("CF_DATA", str(SHARED / "data"))
    spec = importlib.util.spec_from_file_location("nab_score", SHARED / "eval/nab_score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_data
def test_the_score_is_that_of_the_shared_scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted((SHARED / "data/anomaly_nab").glob("*.csv"))
    chance = np.random.default_rng(3)
    weights = [weights_of(path) for path in paths]
    scores = [chance.random(len(weight.worth)) for weight in weights]
    theirs = {path.name.replace("__", "/"): score for path, score in zip(paths, scores, strict=True)}
    for threshold in (0.9, 0.99, 0.999):
        expected, _ = scorer(monkeypatch).nab(theirs, list(theirs), "standard", [threshold])
        assert nab_score(list(zip(scores, weights, strict=True)), threshold=threshold) == pytest.approx(expected)


@needs_data
def test_the_score_reaches_its_target_at_a_threshold_that_other_files_chose_too() -> None:
    [row] = anomaly_table(SHARED / "data")
    assert row.met
    assert row.holds
