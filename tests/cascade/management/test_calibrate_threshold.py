"""manage.py calibrate_threshold: an operator's labelled rows, and what is wrong with them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command


def run(file: Path, *arguments: str) -> str:
    out = io.StringIO()
    call_command("calibrate_threshold", "--file", str(file), *arguments, stdout=out)
    return out.getvalue()


def written(folder: Path, rows: list[Any]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return file


def scored(score: float, draft: Any, **more: Any) -> dict[str, Any]:
    return {"score": score, "draft_correct": draft, "strong_correct": True, **more}


def test_rows_with_scores_give_the_threshold_what_is_kept_and_what_is_saved(tmp_path: Path) -> None:
    costs = {"draft_cost": 1, "strong_cost": 10}
    told = run(written(tmp_path, [scored(0.9, 1, **costs), scored(0.2, 0, **costs), scored(0.6, True, **costs), ""]))
    assert "threshold 0.6000: 100.00% of the strong model's quality kept, saved 56.7% of the strong model's cost" in told
    assert "Too few rows" in told
    assert "| 0.6000 | 33.3% | 56.7% | 100.00% | from 0.00% |" in told


def test_rows_with_prompts_and_drafts_are_scored_as_the_gateway_scores_them(tmp_path: Path) -> None:
    good = {"prompt": "What is 3 + 4? How many?", "draft": "3 + 4 = 7.\n#### 7", "draft_correct": 1, "strong_correct": 1}
    bad = {**good, "draft": "3 + 4 = 9.\n#### 9", "draft_correct": 0}
    told = run(written(tmp_path, [good, bad]), "--target", "1.0")
    assert "50.0% escalated" in told
    assert "saved not known: the rows have no costs" in told


def test_one_threshold_for_each_domain(tmp_path: Path) -> None:
    rows = [{**scored(0.5, 1), "prompt": prompt} for prompt in ("What dose of amoxicillin for otitis media?", "Who won the world cup?")]
    told = run(written(tmp_path, rows), "--by", "domain")
    assert told.index("general:") < told.index("medical:")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("not json", "line 2"),
        ("[1]", "not a JSON object"),
        ({"draft_correct": 1, "strong_correct": 1}, "neither a score nor a prompt and a draft"),
        (scored(1.5, 1), "score must be a number from 0 to 1"),
        (scored(0.5, "yes"), "draft_correct must be a number from 0 to 1, or true or false"),
        (scored(0.5, 1, draft_cost=-1, strong_cost=1), "draft_cost must be a number from 0 on"),
        ('{"score": NaN, "draft_correct": 1, "strong_correct": 1}', "score must be"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: Any, complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint) as refused:
        run(written(tmp_path, [scored(0.5, 1), line]))
    assert refused.value.returncode == 2


def test_a_file_that_is_absent_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run(tmp_path / "absent.jsonl")
    with pytest.raises(CommandError, match="has no rows"):
        run(written(tmp_path, []))


def test_a_target_that_is_no_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="a share of the strong"):
        run(written(tmp_path, [scored(0.5, 1)]), "--target", "99")
