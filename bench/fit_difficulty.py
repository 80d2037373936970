"""Fits the constants of bench/difficulty_weights.py and writes them as Python source.

    python -m bench.fit_difficulty --data ../shared/data --out bench/difficulty_weights.py

One ridge regression per form of prompt of the gain (strong model's quality less the draft model's) on what `difficulty.measure` sees.
The ridge is strong because a gain is nearly all chance: 655 prompts with sums, 3,546 with options. Open prompts have no labels here; their
weights are judged: draft models lose on sums, code and logic, and hold their own where they may invent.
"""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.difficulty import Form, form_of, measure
from bench.labelled import fold_of, records
from bench.newton import ridge_line
from cascade.engine.domains import DomainDetector

RIDGE: dict[Form, float] = {"quantities": 1_000.0, "options": 1_000.0}
PRIOR: dict[str, float] = {"log words": 0.02}
"""Longer prompts gain more in nearly all collections; the visible subjects with options hardly show it. In quality per standard deviation."""
JUDGED_OPEN = {
    "intercept": 0.1, "math": 0.25, "code": 0.2, "data": 0.1, "words of logic": 0.08, "inventing": -0.1, "numbers": 0.02, "log words": 0.01,
}
GAINS, OPTIONS = "cascade_routellm_gsm8k", "router_routellm_mmlu"
HEADER = '''"""Constants of `strong_model_gain`, written by bench/fit_difficulty.py: quality (0 to 1) gained per unit measured."""

__all__ = ["WEIGHTS"]

'''


class Prompt(NamedTuple):
    """One labelled prompt. Its fold is its subject's, or its question's: neighbours in subject must not teach each other."""

    id: str
    text: str
    domain: str
    weak: float
    strong: float
    fold: str

    @property
    def gain(self) -> float:
        return self.strong - self.weak


def prompts_of(data: Path) -> dict[str, list[Prompt]]:
    """Return the labelled prompts by name of their set."""
    csv.field_size_limit(sys.maxsize)
    detector, found = DomainDetector(), {}
    if (path := data / f"{GAINS}.jsonl").is_file():
        found["routellm_gsm8k"] = [_of_record(row, detector) for row in records(path)]
    if (path := data / f"{OPTIONS}.csv").is_file():
        with path.open(newline="", encoding="utf-8") as rows:
            found["routellm_mmlu"] = [_of_line(number, row, detector) for number, row in enumerate(csv.DictReader(rows))]
    return found


def _of_record(row: Mapping[str, Any], detector: DomainDetector) -> Prompt:
    (draft,), (strong,) = row["drafts"].values(), row["strong"].values()
    text = row["prompt"]
    return Prompt(row["id"], text, detector.detect(text).domain, draft["quality"], strong["quality"], str(fold_of(text)))


def _of_line(number: int, row: Mapping[str, str], detector: DomainDetector) -> Prompt:
    text = row["prompt"]
    return Prompt(str(number), text, detector.detect(text).domain, float(row["mixtral_correct"]), float(row["gpt4_correct"]), row["subject"])


def fit(prompts: Sequence[Prompt], *, form: Form) -> dict[str, float]:
    """Return the weights in raw units, with "intercept"."""
    seen = [(measure(p.text, form=form, domain=p.domain), p.gain) for p in prompts if form_of(p.text, domain=p.domain) == form]
    names = list(seen[0][0])
    means = {name: sum(row[name] for row, _ in seen) / len(seen) for name in names}
    scales = {name: (sum((row[name] - means[name]) ** 2 for row, _ in seen) / len(seen)) ** 0.5 or 1.0 for name in names}
    mean_gain = sum(gain for _, gain in seen) / len(seen)
    solved = ridge_line(
        [[(row[name] - means[name]) / scales[name] for name in names] for row, _ in seen], [gain - mean_gain for _, gain in seen],
        prior=[PRIOR.get(name, 0.0) for name in names], ridge=RIDGE[form],
    )  # fmt: skip
    weights = {name: weight / scales[name] for name, weight in zip(names, solved, strict=True)}
    return {**weights, "intercept": mean_gain - sum(weights[name] * means[name] for name in names)}


def fit_all(prompts: Mapping[str, Sequence[Prompt]]) -> dict[str, dict[str, float]]:
    return {
        "options": fit(prompts["routellm_mmlu"], form="options"), "quantities": fit(prompts["routellm_gsm8k"], form="quantities"),
        "open": JUDGED_OPEN,
    }  # fmt: skip


def source_of(weights: Mapping[str, Mapping[str, float]]) -> str:
    """Return the text of difficulty_weights.py."""
    lines = [f"{HEADER}WEIGHTS: dict[str, dict[str, float]] = {{"]
    for form, own in weights.items():
        lines += [f'    "{form}": {{', *(f'        "{name}": {weight:.4f},' for name, weight in own.items()), "    },"]
    return "\n".join([*lines, "}", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    prompts = prompts_of(chosen.data)
    chosen.out.write_text(source_of(fit_all(prompts)))
    print({name: len(found) for name, found in prompts.items()})


if __name__ == "__main__":
    main()
