"""What the engine decides on recorded data, as rows in the formats of shared/eval/evaluate.py. Looks at nothing but prompt and draft."""

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.decisions.anomalies import write_anomalies
from bench.decisions.forecast import NN5, forecast_rows
from bench.difficulty import strong_model_gain
from bench.labelled import records
from cascade.engine.complexity import assess_complexity
from cascade.engine.domains import DomainDetector
from cascade.engine.quality.validator import QualityValidator
from cascade.engine.values import Completion

Row = tuple[str, ...]


def domain_rows(data: Path) -> Iterator[Row]:
    """Yield id and predicted domain of each row of domain.jsonl, after the heading."""
    detector = DomainDetector()
    yield "id", "pred"
    for record in records(data / "domain.jsonl"):
        yield record["id"], detector.detect(record["text"]).domain


def cascade_rows(data: Path) -> Iterator[Row]:
    """Yield file, id, draft model, score and decision (the validator's defaults) for each draft of every cascade_*.jsonl, after the heading."""
    detector, validator = DomainDetector(), QualityValidator()
    yield "file", "id", "draft", "score", "accept"
    for path in sorted(data.glob("cascade_*.jsonl")):
        for record in records(path):
            prompt = record["prompt"]
            domain = detector.detect(prompt).domain
            complexity = assess_complexity(prompt, domain=domain)
            for model, answer in record["drafts"].items():
                completion = Completion(message={"role": "assistant", "content": answer["output"]}, finish_reason="stop", usage=None)
                result = validator.validate(prompt=prompt, completion=completion, parameters={}, domain=domain, complexity=complexity)
                yield path.stem, record["id"], model, f"{result.score:.6f}", str(int(result.accepted))


def router_rows(data: Path) -> Iterator[Row]:
    """Yield file, id and score (higher: needs the strong model) of each prompt of RouteLLM's sets that are there, after the heading."""
    detector = DomainDetector()
    yield "file", "id", "score"
    for name, prompts in (
        ("routellm_gsm8k", _of_records(data / "cascade_routellm_gsm8k.jsonl")),
        ("routellm_mtbench", _of_turns(data / "cascade_routellm_mtbench.jsonl")),
        ("routellm_mmlu", _of_table(data / "router_routellm_mmlu.csv")),
    ):
        for identity, prompt in prompts:
            yield name, identity, f"{strong_model_gain(prompt, domain=detector.detect(prompt).domain):.6f}"


def _of_records(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_file():
        yield from ((record["id"], record["prompt"]) for record in records(path))


def _of_turns(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each conversation once, by its first turn: its id without the last "-tN"."""
    seen: set[str] = set()
    for identity, prompt in _of_records(path):
        conversation = identity.rsplit("-", 1)[0]
        if conversation not in seen:
            seen.add(conversation)
            yield conversation, prompt


def _of_table(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_file():
        csv.field_size_limit(sys.maxsize)
        with path.open(newline="", encoding="utf-8") as rows:
            yield from ((str(number), row["prompt"]) for number, row in enumerate(csv.DictReader(rows)))


SUBJECTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "domain": domain_rows, "cascade": cascade_rows, "router": router_rows, "forecast": forecast_rows,
}  # fmt: skip
"""A further subject is a function here and its rows in table.py."""
FOLDERS: dict[str, Callable[[Path, Path], None]] = {"anomaly": write_anomalies}
"""Subjects whose decisions are a folder of files."""
NEEDED = {
    "domain": ("domain.jsonl",), "cascade": ("cascade_*.jsonl",), "router": ("cascade_routellm_*.jsonl", "router_routellm_mmlu.csv"),
    "forecast": (NN5,), "anomaly": ("anomaly_nab/*.csv",),
}  # fmt: skip
"""Files without which a subject cannot be measured: one of each line must be there."""


def missing(data: Path, subject: str) -> bool:
    """Is there nothing in `data` that this subject can be measured on?"""
    return not any(next(data.glob(pattern), None) for pattern in NEEDED[subject])
