"""What is saved at equal quality, on rows made by hand."""

from typing import Any

import pytest

from bench.begin_strong import Prompt, replay, saved_at, unseen
from bench.labelled import FOLDS, Labelled

COST, STRONG_COST = 1.0, 10.0


def prompt(*, quality: float, score: float, rank: float, fold: int = 0) -> Prompt:
    fields: dict[str, Any] = dict.fromkeys(Labelled._fields)
    fields.update(quality=quality, strong_quality=1.0, cost=COST, strong_cost=STRONG_COST, fold=fold)
    return Prompt(Labelled(**fields), score, rank)


def test_what_begins_strong_has_no_draft_to_pay_for() -> None:
    rows = [prompt(quality=1, score=0.9, rank=0), prompt(quality=0, score=0.1, rank=1)]
    drafted, skipped = (replay(rows, threshold=0.5, above=above) for above in (1, 0))
    assert (drafted.kept, drafted.saved) == (1.0, 1 - (1 + 1 + 10) / 20)
    assert (skipped.kept, skipped.saved) == (1.0, 1 - (1 + 10) / 20)


def test_an_order_that_knows_the_failures_saves_their_drafts_and_one_by_chance_does_not() -> None:
    rows = [
        prompt(quality=float(not fails), score=0.2 if fails else 0.8, rank=float(fails), fold=fold)
        for fold in range(FOLDS) for fails in [True] * 2 + [False] * 8
    ]  # fmt: skip
    knowing, blind = (saved_at(1.0, unseen(rows, share=share)) for share in (0.2, 0.0))
    assert blind == pytest.approx(1 - (COST + 0.2 * STRONG_COST) / STRONG_COST)
    assert knowing == pytest.approx(blind, abs=1e-9), "a share of 0.2 leaves out what ranks above the limit alone: ties are drafted"
    ranked = [row._replace(rank=row.rank + number / 1_000) for number, row in enumerate(rows)]
    assert saved_at(1.0, unseen(ranked, share=0.2)) > blind


def test_between_two_points_a_mixture_counts() -> None:
    assert saved_at(0.95, [(0.9, 0.8)]) == pytest.approx(0.4)
    assert saved_at(1.0, [(0.9, 0.8)]) == 0.0
    assert saved_at(0.85, [(0.9, 0.8)]) == 0.8
