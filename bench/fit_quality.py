"""Fits the constants of cascade/engine/quality/weights.py on labelled drafts and writes them as Python source.

    python -m bench.fit_quality --data ../shared/data --out cascade/engine/quality/weights.py

Reads every cascade_*.jsonl of the folder (schema: README.md there), measures each draft as the validator does, and fits one ridge
logistic regression per kind of answer by Newton's method (iteratively reweighted least squares). Every (file, draft model) has an
intercept of its own, so that the weights learn what tells good from bad drafts of one model and not which model is better; the
intercept that is written is that of the drafts named in CALIBRATED_ON. Penalties of checks are drawn towards judged values, which stay
where rows with that fault are missing. Quality counts as good from 0.5. Rows never enter the source, only these constants do.
"""

import argparse
import json
from collections import defaultdict
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple

from cascade.engine.complexity import assess_complexity
from cascade.engine.domains import DomainDetector
from cascade.engine.quality.checks import run_checks
from cascade.engine.quality.draft import Draft
from cascade.engine.quality.evidence import Kind, evidence_of, kind_of
from cascade.engine.values import Completion

EVIDENCE_RIDGE, PENALTY_RIDGE, PROVEN_RIDGE = 12.0, 6.0, 30.0
JUDGED_PENALTIES = {
    "truncation": 2.0, "refusal": 4.0, "repetition": 3.0, "json": 1.5, "arithmetic": 6.0, "contradiction": 4.0, "hedging": 0.6,
    "relevance": 1.0, "language": 4.0, "code": 2.5, "tools": 4.0,
}
PROVEN = frozenset({"arithmetic", "contradiction", "refusal", "language", "tools"})
"""A sum that does not come out is wrong whatever else speaks for the draft: these stay near their judged values."""
ACCEPTABLE_PROSE = 0.85
"""AlpacaEval's label is "better than GPT-4-turbo", far above acceptable: prose keeps the fitted order and gets this mean."""
PROSE_EVIDENCE_SHARE = 0.35
"""For the same reason prose's measurements count a third: being long loses against GPT-4-turbo, but is no fault."""
CALIBRATED_ON: dict[Kind, str] = {"worked": "cascade_zeroeval_gsm8k/", "code": "cascade_routerbench_mbpp/gpt-3.5-turbo"}
"""The probability is right on average for these drafts, the nearest here to what tenants draft with today."""
PREFERENCES = "cascade_alpaca"
"""Its label is a preference, not correctness: it teaches prose only."""
HEADER = '''"""Constants of the logistic combination, written by bench/fit_quality.py: nats per unit measured, nats per whole fault."""

from cascade.engine.quality.evidence import Kind

__all__ = ["PENALTIES", "WEIGHTS"]
'''


class Row(NamedTuple):
    group: str
    evidence: dict[str, float]
    penalties: dict[str, float]
    good: float


def rows_of(data: Path) -> dict[Kind, list[Row]]:
    detector = DomainDetector()
    rows: dict[Kind, list[Row]] = defaultdict(list)
    for path in sorted(data.glob("cascade_*.jsonl")):
        kinds: dict[str, list[tuple[Kind, Row]]] = defaultdict(list)
        for line in path.read_text().splitlines():
            record = json.loads(line)
            domain = detector.detect(record["prompt"]).domain
            for model, answer in record["drafts"].items():
                kinds[model].append(_row(f"{path.stem}/{model}", record["prompt"], domain, answer))
        for measured in kinds.values():
            for kind, row in measured:
                if (kind == "prose") == path.stem.startswith(PREFERENCES):
                    rows[kind].append(row)
    return rows


def _row(group: str, prompt: str, domain: str, answer: dict[str, Any]) -> tuple[Kind, Row]:
    completion = Completion(message={"role": "assistant", "content": answer["output"]}, finish_reason="stop", usage=None)
    complexity = assess_complexity(prompt, domain=domain)
    draft = Draft(prompt=prompt, completion=completion, parameters={}, domain=domain, complexity=complexity)
    kind = kind_of(draft)
    penalties = {check.name: 1 - check.score for check in run_checks(draft, preset="balanced")}
    return kind, Row(group, dict(evidence_of(draft, kind=kind)), penalties, float(answer["quality"] >= 0.5))


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Return x of matrix x = right by Gauss-Jordan elimination with partial pivoting."""
    size = len(right)
    work = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda r: abs(work[r][column]))
        work[column], work[pivot] = work[pivot], work[column]
        for row in range(size):
            if row != column and (factor := work[row][column] / work[column][column]):
                work[row] = [a - factor * b for a, b in zip(work[row], work[column], strict=True)]
    return [work[i][size] / work[i][i] for i in range(size)]


def newton(inputs: list[list[float]], labels: list[float], *, prior: list[float], ridge: list[float]) -> list[float]:
    """Return the ridge-logistic weights that maximise the likelihood with a normal prior (mean `prior`, precision `ridge`)."""
    size, weights = len(prior), list(prior)
    for _ in range(12):
        gradient = [ridge[i] * (prior[i] - weights[i]) for i in range(size)]
        hessian = [[ridge[i] if i == j else 0.0 for j in range(size)] for i in range(size)]
        for x, y in zip(inputs, labels, strict=True):
            p = 1 / (1 + exp(-sum(w * v for w, v in zip(weights, x, strict=True))))
            spread = p * (1 - p)
            for i in (i for i in range(size) if x[i]):
                gradient[i] += (y - p) * x[i]
                line, scaled = hessian[i], spread * x[i]
                for j in range(size):
                    line[j] += scaled * x[j]
        step = solve(hessian, gradient)
        weights = [w + s for w, s in zip(weights, step, strict=True)]
    return weights


def fit(rows: list[Row], *, calibrated_on: str | None) -> tuple[dict[str, float], dict[str, float]]:
    """Return (weights by measurement with "intercept", penalties by check) in raw units."""
    names, checks = list(rows[0].evidence), [name for name in JUDGED_PENALTIES if name in rows[0].penalties]
    groups = sorted({row.group for row in rows})
    means = {n: sum(r.evidence[n] for r in rows) / len(rows) for n in names}
    scales = {n: (sum((r.evidence[n] - means[n]) ** 2 for r in rows) / len(rows)) ** 0.5 or 1.0 for n in names}
    inputs = [
        [
            *((row.evidence[n] - means[n]) / scales[n] for n in names),
            *(-row.penalties[c] for c in checks),
            *(float(row.group == group) for group in groups),
        ]
        for row in rows
    ]
    prior = [0.0] * len(names) + [JUDGED_PENALTIES[c] for c in checks] + [0.0] * len(groups)
    ridge = [EVIDENCE_RIDGE] * len(names) + [PROVEN_RIDGE if c in PROVEN else PENALTY_RIDGE for c in checks] + [0.01] * len(groups)
    solved = newton(inputs, [r.good for r in rows], prior=prior, ridge=ridge)
    weights = {n: solved[i] / scales[n] for i, n in enumerate(names)}
    own = [value for group, value in zip(groups, solved[-len(groups) :], strict=True) if group.startswith(calibrated_on or "")]
    intercept = sum(own) / len(own)
    if calibrated_on is None:
        intercept = log(ACCEPTABLE_PROSE / (1 - ACCEPTABLE_PROSE))
        weights = {n: PROSE_EVIDENCE_SHARE * w for n, w in weights.items()}
    weights["intercept"] = intercept - sum(weights[n] * means[n] for n in names)
    return weights, {c: max(0.0, solved[len(names) + i]) for i, c in enumerate(checks)}


def source_of(fitted: dict[Kind, tuple[dict[str, float], dict[str, float]]]) -> str:
    """Return the text of weights.py."""
    lines = [HEADER]
    for title, index in (("WEIGHTS", 0), ("PENALTIES", 1)):
        lines.append(f"{title}: dict[Kind, dict[str, float]] = {{")
        for kind, found in fitted.items():
            lines.append(f'    "{kind}": {{')
            lines += [f'        "{name}": {value:.3f},' for name, value in found[index].items()]
            lines.append("    },")
        lines.append("}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    rows = rows_of(chosen.data)
    kinds: tuple[Kind, ...] = ("worked", "code", "prose")
    chosen.out.write_text(source_of({kind: fit(rows[kind], calibrated_on=CALIBRATED_ON.get(kind)) for kind in kinds}))
    print("rows:", {kind: len(rows[kind]) for kind in kinds})


if __name__ == "__main__":
    main()
