"""Every recorded pair of models through our site, each with a threshold of its own: calibrated on one half of its rows, measured on the other."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import floor
from pathlib import Path
from typing import Any, NamedTuple

from openai import AsyncOpenAI, OpenAIError

from bench.labelled import Labelled, labelled_drafts, records
from bench.labelled import strong_name as strong_of
from cascade.engine.quality.calibration import Calibration, ScoredDraft, calibrate_threshold

MAX_TOKENS = 4_096
STAND_IN_PRICES = {
    "claude-instant-v1": ("0.8", "2.4"), "mixtral-8x7b-chat": ("0.6", "0.6"), "mistral-7b-chat": ("0.2", "0.2"),
    "code-llama-instruct-34b-chat": ("0.776", "0.776"),
}  # fmt: skip
"""USD per million tokens of the models that the recorded prices leave out: those of the same model under its other name, or of its size."""


class Pair(NamedTuple):
    """A draft and a strong model on one file, and what they are to be measured on."""

    number: int
    file: str
    draft: str
    strong: str
    found: Calibration
    measured: Sequence[Mapping[str, Any]]
    """The half of the records that the threshold was not chosen on."""

    @property
    def preset(self) -> str:
        return f"pair-{self.number}"

    @property
    def threshold(self) -> float:
        """As a preset takes it: at most 1, and to six decimals downwards, so that the row it stands on is still accepted."""
        return min(floor(self.found.threshold * 1e6) / 1e6, 1.0)

    @property
    def name(self) -> str:
        return f"{self.file.removeprefix('cascade_')} {self.draft} -> {self.strong}"


class Served(NamedTuple):
    """One call: what it cost and what it served, by its own reply. `model` is "" where it failed."""

    record: Mapping[str, Any]
    model: str
    error: str = ""


def pairs_of(data: Path, *, target: float, most: int) -> list[Pair]:
    """Return the pairs of every cascade_*.jsonl, calibrated on their even rows; at most `most` of the odd rows are to be measured."""
    drafts: dict[tuple[str, str], list[Labelled]] = defaultdict(list)
    for draft in labelled_drafts(data):
        drafts[draft.file, draft.model].append(draft)
    of_file = {path.stem: list(records(path)) for path in sorted(data.glob("cascade_*.jsonl"))}
    found = []
    for number, ((file, model), rows) in enumerate(drafts.items()):
        calibration = calibrate_threshold([_scored(row) for row in rows[::2]], target=target)
        measured = of_file[file][1::2][:most]
        found.append(Pair(number, file, model, strong_of(measured[0], model), calibration, measured))
    return found


def _scored(row: Labelled) -> ScoredDraft:
    return ScoredDraft(
        score=0.0 if any(check.fatal for check in row.checks) else row.score(), draft_quality=row.quality, strong_quality=row.strong_quality,
        draft_cost=row.cost, strong_cost=row.strong_cost,
    )  # fmt: skip


def catalog(pairs: Sequence[Pair], prices: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the models of the pairs for a provisioning file."""
    names = dict.fromkeys(name for pair in pairs for name in (pair.draft, pair.strong))
    return [
        {"name": name, "provider": "openai", "price": dict(zip(("input", "output"), prices[name], strict=True)), "price_source": "prices_used.csv"}
        for name in names
    ]


def presets(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Return a preset for each pair: its draft, judged by its own threshold, then its strong model."""
    return [
        {
            "name": pair.preset, "baseline": pair.strong,
            "strategies": [{"domain": "general", "steps": [
                {"name": "draft", "models": [pair.draft], "validator": "balanced", "threshold": pair.threshold},
                {"name": "strong", "models": [pair.strong]},
            ]}],
        }
        for pair in pairs
    ]  # fmt: skip


async def send_pairs(pairs: Sequence[Pair], *, url: str, key: str, at_once: int) -> list[list[Served]]:
    """Return what was served to the measured half of each pair, in its order."""
    free = asyncio.Semaphore(at_once)
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:

        async def send(pair: Pair, record: Mapping[str, Any]) -> Served:
            async with free:
                try:
                    reply = await client.chat.completions.create(
                        model=pair.preset, messages=[{"role": "user", "content": record["prompt"]}], max_tokens=MAX_TOKENS, user=pair.preset
                    )
                except OpenAIError as failed:
                    return Served(record, "", str(failed))
                return Served(record, str(((reply.model_extra or {}).get("cascadeflow") or {}).get("model_used", "")))

        return [list(await asyncio.gather(*(send(pair, record) for record in pair.measured))) for pair in pairs]


def lines(pair: Pair, calls: Sequence[Served]) -> list[str]:
    """Return what the pair keeps and saves, at the costs that were recorded with its answers, as `name: figure` lines."""
    served = [call for call in calls if call.model]
    answers = [(call.record["drafts"][pair.draft], call.record["strong"][pair.strong], call.model == pair.strong) for call in served]
    quality, cost = (sum(strong[what] for _, strong, _ in answers) for what in ("quality", "cost"))
    if not quality:
        return [f"{pair.name}: nothing was served"]
    kept = sum((strong if escalated else draft)["quality"] for draft, strong, escalated in answers) / quality
    saved = 1 - sum(draft["cost"] + (strong["cost"] if escalated else 0) for draft, strong, escalated in answers) / cost
    up = sum(escalated for *_, escalated in answers) / len(answers)
    chosen = f"threshold {pair.threshold} from {pair.found.rows} rows"
    return [f"{pair.name}: kept {kept:.4f}, saved {saved:.3f}, escalated {up:.3f} of {len(served)} ({chosen})"]
