"""Writes the engine's decisions on recorded data, in the formats of shared/eval/evaluate.py.

    python -m bench.decisions domain  --data ../shared/data --out domain.csv     id,pred
    python -m bench.decisions cascade --data ../shared/data --out cascade.csv    file,id,draft,score,accept

Looks at nothing but the prompt and the draft's text. Thresholds are the validator's defaults.
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cascade.engine.complexity import assess_complexity
from cascade.engine.domains import DomainDetector
from cascade.engine.quality.validator import QualityValidator
from cascade.engine.values import Completion


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def domain_rows(data: Path) -> Iterator[tuple[str, ...]]:
    """Yield id and predicted domain of each row of domain.jsonl, after the heading."""
    detector = DomainDetector()
    yield "id", "pred"
    for record in _records(data / "domain.jsonl"):
        yield record["id"], detector.detect(record["text"]).domain


def cascade_rows(data: Path) -> Iterator[tuple[str, ...]]:
    """Yield file, id, draft model, score and decision for each draft of every cascade_*.jsonl, after the heading."""
    detector, validator = DomainDetector(), QualityValidator()
    yield "file", "id", "draft", "score", "accept"
    for path in sorted(data.glob("cascade_*.jsonl")):
        for record in _records(path):
            prompt = record["prompt"]
            domain = detector.detect(prompt).domain
            complexity = assess_complexity(prompt, domain=domain)
            for model, answer in record["drafts"].items():
                completion = Completion(message={"role": "assistant", "content": answer["output"]}, finish_reason="stop", usage=None)
                result = validator.validate(prompt=prompt, completion=completion, parameters={}, domain=domain, complexity=complexity)
                yield path.stem, record["id"], model, f"{result.score:.6f}", str(int(result.accepted))


SUBJECTS = {"domain": domain_rows, "cascade": cascade_rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    with chosen.out.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(SUBJECTS[chosen.subject](chosen.data))


if __name__ == "__main__":
    main()
