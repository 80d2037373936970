"""manage.py calibrate_threshold: from labelled rows of a pair of models to the threshold that saves most. docs/algorithms/quality.md tells how."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cascade.engine.complexity import assess_complexity
from cascade.engine.domains import DomainDetector
from cascade.engine.quality.calibration import Calibration, ScoredDraft, calibrate_threshold
from cascade.engine.quality.checks import QualityPreset
from cascade.engine.quality.validator import QualityValidator
from cascade.engine.values import Completion

WRONG_FILE = 2
MOST_PROBLEMS = 20
PRESETS: tuple[QualityPreset, ...] = ("fast", "balanced", "strict")
FORM = "one JSON object a line: prompt and draft, or score; draft_correct and strong_correct; for the saving also draft_cost and strong_cost"


class Command(BaseCommand):
    help = "Finds the threshold at which a pair of models saves most and still keeps a share of the strong model's quality, from labelled rows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", type=Path, required=True, help=FORM)
        parser.add_argument("--target", type=float, default=0.99, help="share of the strong model's quality to be kept (default: %(default)s)")
        parser.add_argument("--preset", choices=PRESETS, default="balanced", help="the validator that scores the drafts (default: %(default)s)")
        parser.add_argument("--by", choices=("domain", "complexity"), help="one threshold for each; needs prompts")

    def handle(self, *, file: Path, target: float, preset: QualityPreset, by: str | None, **_: Any) -> None:
        if not 0 < target <= 1:
            raise CommandError("--target is a share of the strong model's quality: above 0 and at most 1, for example 0.99", returncode=WRONG_FILE)
        groups: dict[str, list[ScoredDraft]] = defaultdict(list)
        for group, row in read(file, scorer=Scorer(preset), by=by):
            groups[group].append(row)
        for group, rows in sorted(groups.items()):
            if group:
                self.stdout.write(f"{group}:")
            self._show(calibrate_threshold(rows, target=target))

    def _show(self, found: Calibration) -> None:
        saved = "not known: the rows have no costs" if found.saved is None else f"{found.saved:.1%} of the strong model's cost"
        self.stdout.write(f"threshold {found.threshold:.4f}: {found.quality_kept:.2%} of the strong model's quality kept, saved {saved}")
        self.stdout.write(f"  {found.rows} rows, {found.escalated:.1%} escalated")
        if found.unseen_kept is not None:
            other = "" if found.unseen_saved is None else f", {found.unseen_saved:.1%} saved"
            self.stdout.write(f"  on rows that the threshold was not chosen on: {found.unseen_kept:.2%} kept{other}")
        self.stdout.write(f"  {found.statement}")
        self.stdout.write(f"  | threshold | escalated | saved | kept | kept, 95 % |\n  | {_cells(found)} |")


class Scorer:
    """Scores drafts as the gateway does, with the built-in domains."""

    def __init__(self, preset: QualityPreset) -> None:
        self._validator, self._detector = QualityValidator(preset=preset), DomainDetector()

    def group_of(self, prompt: str, by: str) -> str:
        domain = self._detector.detect(prompt).domain
        return domain if by == "domain" else assess_complexity(prompt, domain=domain)

    def score(self, prompt: str, draft: str) -> float:
        domain = self._detector.detect(prompt).domain
        completion = Completion(message={"role": "assistant", "content": draft}, finish_reason="stop", usage=None)
        complexity = assess_complexity(prompt, domain=domain)
        return self._validator.validate(prompt=prompt, completion=completion, parameters={}, domain=domain, complexity=complexity).score


def read(file: Path, *, scorer: Scorer, by: str | None) -> list[tuple[str, ScoredDraft]]:
    """Return (group, row) for each line. Raises CommandError that lists every wrong line, at most twenty."""
    found: list[tuple[str, ScoredDraft]] = []
    problems: list[str] = []
    for number, line in _lines(file):
        try:
            found.append(_row(line, scorer=scorer, by=by))
        except ValueError as wrong:
            problems.append(f"  {file.name} line {number}: {wrong}")
    if problems or not found:
        told = "\n".join(problems[:MOST_PROBLEMS]) or f"  {file.name} has no rows"
        raise CommandError(f"the file cannot be used; it has {FORM}.\n{told}", returncode=WRONG_FILE)
    return found


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        with file.open(encoding="utf-8") as lines:
            yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    except (OSError, UnicodeDecodeError) as wrong:
        raise CommandError(f"{file} cannot be read: {wrong}", returncode=WRONG_FILE) from wrong


def _row(line: str, *, scorer: Scorer, by: str | None) -> tuple[str, ScoredDraft]:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("it is not a JSON object")
    prompt, draft = row.get("prompt"), row.get("draft")
    if by and not isinstance(prompt, str):
        raise ValueError(f"it has no prompt, which --by {by} needs")
    if "score" not in row and not (isinstance(prompt, str) and isinstance(draft, str)):
        raise ValueError("it has neither a score nor a prompt and a draft")
    score = _number(row, "score", most=1.0) if "score" in row else scorer.score(str(prompt), str(draft))
    costs = [_number(row, name, most=None) if row.get(name) is not None else None for name in ("draft_cost", "strong_cost")]
    labelled = ScoredDraft(
        score=score, draft_quality=_number(row, "draft_correct", most=1.0), strong_quality=_number(row, "strong_correct", most=1.0),
        draft_cost=costs[0], strong_cost=costs[1],
    )  # fmt: skip
    return (scorer.group_of(str(prompt), by) if by else ""), labelled


def _number(row: Mapping[str, Any], name: str, *, most: float | None) -> float:
    value = row.get(name)
    if not isinstance(value, int | float) or not 0 <= value <= (most if most is not None else 1e12):
        raise ValueError(f"{name} must be a number from 0{f' to {most:g}' if most is not None else ' on'}, or true or false")
    return float(value)


def _cells(found: Calibration) -> str:
    cells: Sequence[str] = (
        f"{found.threshold:.4f}", f"{found.escalated:.1%}", "-" if found.saved is None else f"{found.saved:.1%}", f"{found.quality_kept:.2%}",
        f"from {found.kept_low:.2%}",
    )  # fmt: skip
    return " | ".join(cells)
