"""The bench of decisions: its figures, its files, and what it says where there is no data."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.decisions.forecast import CLIENT_TARGET, NN5, SERVEGEN, TARGETS, forecast_rows, try_clients, try_days
from bench.decisions.metrics import apgr, auroc, outcome
from bench.decisions.predictions import SUBJECTS
from bench.decisions.table import domain_table
from bench.labelled import fold_of
from bench.newton import newton, ridge_line, solve
from bench.site import ROOT
from bench.spend import NUSD, daily, servegen

DATA = ROOT.parent / "shared/data"
needs_data = pytest.mark.skipif(not (DATA / "domain.jsonl").is_file(), reason="../shared/data is not there")


def test_auroc_counts_pairs_in_order_and_ties_as_half() -> None:
    assert auroc([True, False, True], [0.9, 0.5, 0.4]) == 0.5
    assert auroc([True, False], [1, 1]) == 0.5
    assert auroc([True, True, False], [3, 2, 1]) == 1.0


def test_apgr_is_a_half_by_chance_and_above_one_half_in_order() -> None:
    weak, strong = [0, 0, 1, 1], [1, 1, 1, 1]
    assert apgr([2, 2, 1, 1], weak=weak, strong=strong) == pytest.approx(0.75)
    assert apgr([1, 1, 2, 2], weak=weak, strong=strong) == pytest.approx(0.25)


def test_a_rejected_draft_costs_both_answers() -> None:
    found = outcome([True, False], draft=[1, 0], strong=[1, 1], cost=[1, 1], strong_cost=[10, 10])
    assert found == (1.0, pytest.approx(1 - 12 / 20), 0.5)


def test_the_regressions_find_what_made_the_data() -> None:
    assert solve([[2, 1], [1, 3]], [5, 10]) == pytest.approx([1, 3])
    assert ridge_line([[1, 0], [0, 1], [1, 1]], [2, 3, 5], prior=[0, 0], ridge=1e-9) == pytest.approx([2, 3])
    rows = [([1.0, x / 10], 1.0 if x > 5 else 0.0) for x in range(11)]
    intercept, slope = newton([row for row, _ in rows], [label for _, label in rows], prior=[0, 0], ridge=[0.1, 0.1])
    assert slope > 1 > -1 > intercept


def test_the_same_question_in_another_frame_falls_into_the_same_fold() -> None:
    assert fold_of("How many  apples?") == fold_of("## Question: \n\nHow many apples?\n\n\n## Instruction \n\nAnswer.")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "bench.decisions", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_without_data_it_says_so_and_ends_with_2(tmp_path: Path) -> None:
    done = run("--data", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("Not measured:")


def test_a_subject_needs_a_file_to_be_written_to(tmp_path: Path) -> None:
    assert run("domain", "--data", str(tmp_path)).returncode == 2


def test_it_writes_the_forms_that_are_scored(tmp_path: Path) -> None:
    record = {"id": "mt-1-t1", "prompt": "How many are 3 and 4?", "drafts": {"small": {"output": "3 + 4 = 7"}}, "strong": {"large": {}}}
    again = {**record, "id": "mt-1-t2", "prompt": "And 5?"}
    days = "".join(f"A,{day},{'' if day == 7 else 10}\n" for day in range(460))
    (tmp_path / "forecast_nn5_daily.csv").write_text(f"series,day,value\n{days}")
    (tmp_path / "cascade_routellm_mtbench.jsonl").write_text("\n".join(map(json.dumps, (record, again))))
    (tmp_path / "domain.jsonl").write_text(json.dumps({"id": "d1", "text": "Refactor this Python function"}))
    found = {}
    for subject in SUBJECTS:
        out = tmp_path / f"{subject}.csv"
        assert run(subject, "--data", str(tmp_path), "--out", str(out)).returncode == 0
        with out.open(newline="") as rows:
            found[subject] = list(csv.DictReader(rows))
    assert found["domain"] == [{"id": "d1", "pred": "code"}]
    assert [(row["id"], row["draft"]) for row in found["cascade"]] == [("mt-1-t1", "small"), ("mt-1-t2", "small")]
    assert {"score", "accept"} <= set(found["cascade"][0])
    assert [(row["file"], row["id"]) for row in found["router"]] == [("routellm_mtbench", "mt-1")]
    asked = [(row["series"], row["origin"], row["h"]) for row in found["forecast"]]
    assert asked == [("A", "400", "7"), ("A", "400", "30"), ("A", "430", "7"), ("A", "430", "30")]
    assert [float(row["total"]) for row in found["forecast"]] == pytest.approx([70, 300, 70, 300])


def test_what_is_not_known_of_the_future_cannot_be_seen_by_a_forecast(tmp_path: Path) -> None:
    """The same past with another future gives the same forecasts."""
    told = []
    for later in (1, 1_000):
        values = [10 + day % 7 + (later if day >= 430 else 0) for day in range(460)]
        (tmp_path / NN5).write_text("series,day,value\n" + "".join(f"A,{day},{value}\n" for day, value in enumerate(values)))
        told.append([row for row in forecast_rows(tmp_path) if row[1] != "origin"])
    assert told[0] == told[1]
    assert [row[1] for row in told[0]] == ["400", "400", "430", "430"]


def test_hours_of_a_client_become_whole_days_and_a_client_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    rows = "".join(f"{client},{hour},{'' if client == 'b' else hour}\n" for client in "ab" for hour in range(50))
    path = tmp_path / "clients.csv"
    path.write_text(f"client_id,hour,requests\n{rows}")
    series = servegen(path, column="requests")
    assert series.names == ["a"]
    assert (series.amounts / NUSD).tolist() == [[276, 852]]


@needs_data
@pytest.mark.parametrize("horizon", [7, 30])
def test_forecasts_reach_their_target_on_recorded_days_and_their_intervals_are_true(horizon: int) -> None:
    found = try_days(daily(DATA / NN5), horizon=horizon)
    assert found.ape <= TARGETS[horizon]
    assert 75 <= found.covered <= 85


@needs_data
def test_forecasts_of_real_clients_reach_their_target() -> None:
    assert try_clients(servegen(DATA / SERVEGEN, column="requests")).wape <= CLIENT_TARGET


@needs_data
def test_domains_reach_their_target_on_recorded_prompts_read_and_unread() -> None:
    rows = list(domain_table(DATA))
    assert all(row.met for row in rows)
    assert float(rows[0].held_out.split(",")[0]) >= 0.85
