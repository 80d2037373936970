"""Recorded drafts with what the validator sees of them, and a fold for each question."""

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cascade.engine.complexity import assess_complexity
from cascade.engine.domains import DomainDetector
from cascade.engine.quality.checks import run_checks
from cascade.engine.quality.combine import FITTED, Constants, acceptability
from cascade.engine.quality.draft import Draft
from cascade.engine.quality.evidence import Kind, evidence_of, kind_of
from cascade.engine.values import Check, Completion, Complexity

FOLDS = 5
STRONG_OF = {"gpt-4o-mini-2024-07-18": "gpt-4o-2024-08-06", "claude-3-haiku-20240307": "claude-3-5-sonnet-20241022"}
"""The strong model of a draft model where a file has several; else the file's only one."""
_FRAMED = re.compile(r"## Question:\s*(.*?)\s*## Instruction", re.DOTALL)


class Labelled(NamedTuple):
    """One recorded draft: what the validator measures, and how good both answers were."""

    file: str
    id: str
    model: str
    kind: Kind
    domain: str
    complexity: Complexity
    evidence: Mapping[str, float]
    checks: Sequence[Check]
    quality: float
    strong_quality: float
    cost: float
    strong_cost: float
    fold: int
    words: int
    """Of the draft."""

    @property
    def group(self) -> str:
        return f"{self.file}/{self.model}"

    def score(self, constants: Constants = FITTED) -> float:
        """Return the probability that the validator gives, with these constants."""
        if any(check.fatal and check.name == "emptiness" for check in self.checks):
            return 0.0
        return acceptability(kind=self.kind, evidence=self.evidence, checks=self.checks, constants=constants)


def records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def strong_name(record: Mapping[str, Any], model: str) -> str:
    """Return the strong model that `model` drafts for; ZeroEval's other drafts are named in shared/eval/evaluate.py, of whose form this is."""
    named = STRONG_OF.get(model, "")
    return named if named in record["strong"] else next(iter(record["strong"]))


def fold_of(question: str) -> int:
    """Return the fold of a question, 0 to 4. The same question asked in another frame falls into the same fold."""
    framed = _FRAMED.search(question)
    plain = " ".join((framed[1] if framed else question).split())
    return zlib.crc32(plain.encode()) % FOLDS


def labelled_drafts(data: Path) -> list[Labelled]:
    """Return every draft of every cascade_*.jsonl of the folder."""
    detector = DomainDetector()
    return [
        labelled
        for path in sorted(data.glob("cascade_*.jsonl"))
        for record in records(path)
        for labelled in _labelled(record, file=path.stem, domain=detector.detect(record["prompt"]).domain)
    ]


def _labelled(record: Mapping[str, Any], *, file: str, domain: str) -> Iterator[Labelled]:
    complexity = assess_complexity(record["prompt"], domain=domain)
    for model, answer in record["drafts"].items():
        completion = Completion(message={"role": "assistant", "content": answer["output"]}, finish_reason="stop", usage=None)
        draft = Draft(prompt=record["prompt"], completion=completion, parameters={}, domain=domain, complexity=complexity)
        kind, strong = kind_of(draft), record["strong"][strong_name(record, model)]
        yield Labelled(
            file=file, id=record["id"], model=model, kind=kind, domain=domain, complexity=complexity, evidence=evidence_of(draft, kind=kind),
            checks=run_checks(draft, preset="balanced"), quality=float(answer["quality"]), strong_quality=float(strong["quality"]),
            cost=answer["cost"], strong_cost=strong["cost"], fold=fold_of(record["prompt"]), words=len(draft.words),
        )  # fmt: skip
