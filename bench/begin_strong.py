"""Would a cascade save more if the prompts that gain most from the strong model went straight to it? Replayed on recorded answers.

    python -m bench.begin_strong --data ../shared/data

For each recorded pair, and each share of prompts that begins at the strong model: what is saved at equal quality, the prompts chosen by
`strong_model_gain` and, beside it, by lot. Thresholds are chosen on four folds of questions and measured on the fifth, with scores and gains by
constants that were fitted without it; between two thresholds the better mixture of them counts. Takes two minutes.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from bench.decisions.metrics import Outcome, outcome
from bench.decisions.table import held_out_scores
from bench.difficulty import strong_model_gain
from bench.difficulty_weights import WEIGHTS
from bench.fit_difficulty import fit, prompts_of
from bench.labelled import FOLDS, Labelled, labelled_drafts, records
from bench.site import ROOT

SHARES = (0.1, 0.2)
KEPT = (0.99, 0.97, 0.95)
TARGETS = [step / 400 for step in range(352, 401)]
"""Of the strong model's quality: thresholds are chosen for each."""
THRESHOLDS, LOTS = 60, 4


class Prompt(NamedTuple):
    """One recorded prompt of a pair: how good its draft is held to be, and by what it is chosen to begin at the strong model."""

    draft: Labelled
    score: float
    rank: float


def replay(prompts: Sequence[Prompt], *, threshold: float, above: float) -> Outcome:
    """Return what is kept and saved where prompts of a rank above this have no draft at all."""
    drafted = [prompt.rank <= above for prompt in prompts]
    return outcome(
        [is_drafted and prompt.score >= threshold for prompt, is_drafted in zip(prompts, drafted, strict=True)],
        draft=[prompt.draft.quality for prompt in prompts], strong=[prompt.draft.strong_quality for prompt in prompts],
        cost=[prompt.draft.cost * is_drafted for prompt, is_drafted in zip(prompts, drafted, strict=True)],
        strong_cost=[prompt.draft.strong_cost for prompt in prompts],
    )  # fmt: skip


def unseen(prompts: Sequence[Prompt], *, share: float) -> list[tuple[float, float]]:
    """Return (kept, saved) for each target, on the folds that the thresholds were not chosen on."""
    totals = {target: [0.0, 0.0] for target in TARGETS}
    for fold in range(FOLDS):
        own, rest = ([prompt for prompt in prompts if (prompt.draft.fold == fold) is here] for here in (True, False))
        ranks, scores = sorted(prompt.rank for prompt in rest), sorted({prompt.score for prompt in rest})
        above = ranks[int(len(ranks) * (1 - share))] if share else float("inf")
        thresholds = [*scores[:: max(1, len(scores) // THRESHOLDS)], 2.0]
        choices = [(replay(rest, threshold=threshold, above=above), threshold) for threshold in thresholds]
        measured = {threshold: replay(own, threshold=threshold, above=above) for threshold in thresholds}
        quality, cost = sum(prompt.draft.strong_quality for prompt in own), sum(prompt.draft.strong_cost for prompt in own)
        for target, total in totals.items():
            _, threshold = max((choice for choice in choices if choice[0].kept >= target), key=lambda choice: choice[0].saved, default=choices[-1])
            total[0] += measured[threshold].kept * quality
            total[1] += measured[threshold].saved * cost
    quality, cost = sum(prompt.draft.strong_quality for prompt in prompts), sum(prompt.draft.strong_cost for prompt in prompts)
    return [(kept / quality, saved / cost) for kept, saved in totals.values()]


def saved_at(kept: float, points: Sequence[tuple[float, float]]) -> float:
    """Return the most that a mixture of two of the points saves while it keeps so much. The strong model alone keeps all and saves nothing."""
    points = [*points, (1.0, 0.0)]
    best = max(saved for own, saved in points if own >= kept)
    for low, more in (point for point in points if point[0] < kept):
        for high, less in (point for point in points if point[0] >= kept):
            best = max(best, less + (more - less) * (high - kept) / (high - low))
    return best


def prompts_of_pairs(data: Path) -> dict[str, list[Prompt]]:
    drafts = labelled_drafts(data)
    texts = {(path.stem, record["id"]): record["prompt"] for path in sorted(data.glob("cascade_*.jsonl")) for record in records(path)}
    labelled = prompts_of(data)["routellm_gsm8k"]
    weights = {
        fold: {**WEIGHTS, "quantities": fit([prompt for prompt in labelled if prompt.fold != str(fold)], form="quantities")} for fold in range(FOLDS)
    }
    pairs: dict[str, list[Prompt]] = defaultdict(list)
    for draft, score in zip(drafts, held_out_scores(drafts), strict=True):
        gain = strong_model_gain(texts[draft.file, draft.id], domain=draft.domain, weights=weights[draft.fold])
        pairs[draft.group].append(Prompt(draft, 0.0 if any(check.fatal for check in draft.checks) else score, gain))
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="folder with the recorded rows (default: ../shared/data)")
    lot = random.Random(1)
    print(f"saved at {', '.join(f'{kept:.0%}' for kept in KEPT)} of the strong model's quality")
    for group, prompts in prompts_of_pairs(parser.parse_args().data).items():
        print(f"{group.removeprefix('cascade_')}: all drafted {_told([unseen(prompts, share=0)])}", flush=True)
        for share in SHARES:
            by_lot = [unseen([prompt._replace(rank=lot.random()) for prompt in prompts], share=share) for _ in range(LOTS)]
            print(f"  {share:.0%} begin strong: by gain {_told([unseen(prompts, share=share)])}, by lot {_told(by_lot)}", flush=True)


def _told(curves: Sequence[Sequence[tuple[float, float]]]) -> str:
    return " ".join(f"{fmean(saved_at(kept, points) for points in curves):.3f}" for kept in KEPT)


if __name__ == "__main__":
    main()
