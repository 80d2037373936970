"""Finds the threshold of one pair of models from labelled rows, and says how much the rows can prove."""

from collections.abc import Sequence
from math import ceil, sqrt

from msgspec import Struct, structs

__all__ = ["ESCALATE_ALL", "Calibration", "ScoredDraft", "calibrate_threshold", "outcome_at"]

ESCALATE_ALL = 1.01
"""No probability reaches it."""
FOLDS = 5
MIN_ROWS_FOR_FOLDS = 50
Z_95 = 1.96
RULE_OF_THREE = 3.0
"""Where n rows show no loss at all, the loss is below 3/n with 95 % certainty."""


class ScoredDraft(Struct, frozen=True, kw_only=True):
    """One labelled row of a pair: the validator's score, the quality (0 to 1) of both answers, and what they cost in any one unit."""

    score: float
    draft_quality: float
    strong_quality: float
    draft_cost: float | None = None
    strong_cost: float | None = None


class Calibration(Struct, frozen=True, kw_only=True):
    """What a threshold does on labelled rows. A saving is never told without the quality kept beside it."""

    threshold: float
    target: float
    rows: int
    escalated: float
    """Share of rows whose draft is rejected."""
    quality_kept: float
    """Quality of the cascade divided by the strong model's, on the rows that the threshold was chosen on."""
    kept_low: float
    """With 95 % certainty no less is kept on traffic like these rows."""
    saved: float | None
    """Share of the strong model's cost, drafts paid for. None where the rows have no costs; negative where the pair does not pay."""
    unseen_kept: float | None = None
    """The same on rows that the threshold was not chosen on (five folds): the figure to believe. None with fewer than 50 rows."""
    unseen_saved: float | None = None
    rows_needed: int = 0
    """So many rows would tell what is kept to within half of what may be lost: to 0.5 points at a target of 99 %."""
    statement: str = ""
    """How far the rows can be trusted, in a sentence or two."""


def calibrate_threshold(rows: Sequence[ScoredDraft], *, target: float = 0.99) -> Calibration:
    """Return the lowest threshold at which the cascade keeps at least `target` of the strong model's quality on `rows`.

    The lowest such threshold escalates least and so saves most. Where none keeps it, or there are no rows, everything is escalated.
    Time: n log n. Raises ValueError for a target that is not above 0 and at most 1.
    Worked number: scores 0.2, 0.6, 0.9 with draft qualities 0, 1, 1, a strong model always right and costs of 1 and 10: threshold 0.6
    escalates a third, keeps 1.0 and saves 1 - (3 + 10) / 30 = 0.57; three rows prove nothing, and the statement says so.
    """
    if not 0 < target <= 1:
        raise ValueError("target is a share of the strong model's quality: above 0 and at most 1, for example 0.99")
    threshold = _lowest(rows, target)
    kept, saved, escalated = outcome_at(threshold, rows)
    half_width = _half_width(rows, threshold, kept)
    unseen_kept, unseen_saved = _unseen(rows, target) if len(rows) >= MIN_ROWS_FOR_FOLDS else (None, None)
    may_miss = (1 - target) / 2
    needed = max(ceil(len(rows) * (half_width / may_miss) ** 2), ceil(RULE_OF_THREE / may_miss)) if may_miss else 0
    found = Calibration(
        threshold=threshold, target=target, rows=len(rows), escalated=escalated, quality_kept=kept, kept_low=max(0.0, kept - half_width), saved=saved,
        unseen_kept=unseen_kept, unseen_saved=unseen_saved, rows_needed=needed,
    )  # fmt: skip
    return _with_statement(found)


def outcome_at(threshold: float, rows: Sequence[ScoredDraft]) -> tuple[float, float | None, float]:
    """Return quality kept, cost saved (None without costs) and share escalated at `threshold`. Without rows: 1.0, None, 1.0."""
    if not rows:
        return 1.0, None, 1.0
    strong = sum(row.strong_quality for row in rows)
    served = sum(row.draft_quality if row.score >= threshold else row.strong_quality for row in rows)
    escalated = sum(row.score < threshold for row in rows) / len(rows)
    return (served / strong if strong else 1.0), _saved(threshold, rows), escalated


def _saved(threshold: float, rows: Sequence[ScoredDraft]) -> float | None:
    spent = baseline = 0.0
    for row in rows:
        if row.draft_cost is None or row.strong_cost is None:
            return None
        spent += row.draft_cost + (row.strong_cost if row.score < threshold else 0.0)
        baseline += row.strong_cost
    return 1 - spent / baseline if baseline else None


def _lowest(rows: Sequence[ScoredDraft], target: float) -> float:
    ordered = sorted(rows, key=lambda row: row.score)
    strong = sum(row.strong_quality for row in ordered)
    cascade = sum(row.draft_quality for row in ordered)
    for position, row in enumerate(ordered):
        # Rows of equal score fall together, so a threshold can stand only before the first of them.
        if (position == 0 or row.score > ordered[position - 1].score) and cascade >= target * strong - 1e-9:
            return row.score
        cascade += row.strong_quality - row.draft_quality
    return ESCALATE_ALL


def _half_width(rows: Sequence[ScoredDraft], threshold: float, kept: float) -> float:
    """Return by how much less may be kept elsewhere, with 95 % certainty: normal bound of a ratio (delta method), at least the rule of three."""
    strong = sum(row.strong_quality for row in rows)
    if not strong:
        return 1.0
    served = [row.draft_quality if row.score >= threshold else row.strong_quality for row in rows]
    spread = sqrt(sum((own - kept * row.strong_quality) ** 2 for own, row in zip(served, rows, strict=True)))
    return max(Z_95 * spread / strong, min(1.0, RULE_OF_THREE / len(rows)) if threshold < ESCALATE_ALL else 0.0)


def _unseen(rows: Sequence[ScoredDraft], target: float) -> tuple[float, float | None]:
    """Return kept and saved when each fifth is served by the threshold that the other four fifths gave."""
    strong = kept = spent = baseline = 0.0
    for fold in range(FOLDS):
        threshold = _lowest([row for place, row in enumerate(rows) if place % FOLDS != fold], target)
        own = rows[fold::FOLDS]
        quality = sum(row.strong_quality for row in own)
        share, saved, _ = outcome_at(threshold, own)
        strong, kept = strong + quality, kept + share * quality
        cost = sum(row.strong_cost or 0.0 for row in own)
        baseline, spent = baseline + cost, spent + cost * (1 - (saved or 0.0))
    has_costs = baseline > 0 and _saved(ESCALATE_ALL, rows) is not None
    return (kept / strong if strong else 1.0), (1 - spent / baseline if has_costs else None)


def _with_statement(found: Calibration) -> Calibration:
    parts = []
    if found.rows < RULE_OF_THREE / max(1 - found.target, 1e-9):
        parts.append(f"Too few rows: {found.rows} cannot prove that {found.target:.1%} is kept, whatever they show")
    elif found.kept_low < found.target:
        parts.append(f"The rows show {found.quality_kept:.2%} kept, but with 95 % certainty only no less than {found.kept_low:.2%}")
    else:
        parts.append(f"With 95 % certainty no less than {found.kept_low:.2%} is kept on traffic like these rows")
    if found.kept_low < found.target and found.rows_needed > found.rows:
        parts.append(f"about {found.rows_needed:,} rows would tell it to {(1 - found.target) / 2:.2%}")
    if found.unseen_kept is not None and found.unseen_kept < found.target:
        parts.append(f"on rows that the threshold was not chosen on, {found.unseen_kept:.2%} is kept")
    if found.saved is not None and found.saved <= 0:
        parts.append("the pair does not pay: asking the strong model alone is cheaper")
    return structs.replace(found, statement="; ".join(parts) + ".")
