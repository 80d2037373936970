"""The table at the end of the engine's design: a row a promise, with what we have, what is trivial, what others have, and the target."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.decisions.forecast import forecast_table
from bench.decisions.metrics import Outcome, apgr, auroc, outcome
from bench.decisions.nab import anomaly_table
from bench.decisions.row import Row
from bench.decisions.unread import unread_rows
from bench.difficulty import strong_model_gain
from bench.difficulty_weights import WEIGHTS
from bench.fit_difficulty import fit, prompts_of
from bench.fit_quality import fit_all
from bench.labelled import FOLDS, Labelled, labelled_drafts, records
from cascade.engine.domains import DomainDetector
from cascade.engine.quality.thresholds import default_threshold

CORE = ("code", "medical", "legal", "general")
GOOD_FROM = 0.5
AUROC_TARGETS = {"cascade_alpaca": 0.65}
AUROC_TARGET = 0.72
PAIRS = {
    "gpt-4o-mini-2024-07-18": ("cascade 4o-mini -> 4o, GSM8K", 0.99, 0.85, "random: 47 % saved at 99 % kept", "perfect judge saves 93 %"),
    "claude-3-haiku-20240307": ("cascade haiku -> sonnet, GSM8K", 0.95, 0.70, "random: 54 % saved at 95 % kept", "perfect judge saves 86 %"),
}
ROUTERS = {"routellm_gsm8k": ("GSM8K", 0.62, ".622", "quantities"), "routellm_mmlu": ("MMLU", 0.60, ".603", "options")}


def domain_table(data: Path) -> Iterator[Row]:
    detector = DomainDetector()
    read = [(detector.detect(record["text"]).domain, record["domain"]) for record in records(data / "domain.jsonl") if record["domain"] in CORE]
    unread = [(detector.detect(text).domain, domain) for text, domain in unread_rows(data)]
    accuracy, worst = _accuracy(read)
    told, (other, other_worst) = f"{accuracy:.3f}, worst recall {worst:.3f}", _accuracy(unread)
    unread_told = f"{other:.3f}, worst {other_worst:.3f} (n {len(unread):,})"
    met = accuracy >= 0.85 and worst >= 0.80
    beside, holds = ("0.70 ten keywords", "0.92 bag-of-words"), other >= 0.85 and other_worst >= 0.80
    yield Row("domain, core four", told, unread_told, *beside, "0.85, recalls 0.80", met, holds)
    yield Row("domain, core four, later", told, unread_told, *beside, "0.90", accuracy >= 0.90, other >= 0.90)


def _accuracy(found: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Return the share that is right, and the lowest recall. The unread rows are nine tenths general, so their share is the mean of recalls."""
    right: dict[str, list[bool]] = defaultdict(list)
    for predicted, domain in found:
        right[domain].append(predicted == domain)
    recalls = [sum(own) / len(own) for own in right.values()]
    return sum(recalls) / len(recalls), min(recalls)


def cascade_table(data: Path) -> Iterator[Row]:
    drafts = labelled_drafts(data)
    held_out = held_out_scores(drafts)
    pairs: dict[str, list[int]] = defaultdict(list)
    for place, draft in enumerate(drafts):
        pairs[draft.group].append(place)
    for group, places in pairs.items():
        yield _auroc_row(group, [drafts[place] for place in places], [held_out[place] for place in places])
    for group, places in pairs.items():
        if group.rpartition("/")[2] in PAIRS:
            yield _pair_row([drafts[place] for place in places], [held_out[place] for place in places])


def held_out_scores(drafts: Sequence[Labelled]) -> list[float]:
    """Return the score of each draft by constants that were fitted without its question."""
    by_fold = [fit_all(draft for draft in drafts if draft.fold != fold) for fold in range(FOLDS)]
    return [draft.score(by_fold[draft.fold]) for draft in drafts]


def _auroc_row(group: str, drafts: Sequence[Labelled], held_out: Sequence[float]) -> Row:
    file, _, model = group.partition("/")
    good = [draft.quality >= GOOD_FROM for draft in drafts]
    ours, target = auroc(good, [draft.score() for draft in drafts]), AUROC_TARGETS.get(file, AUROC_TARGET)
    by_length = auroc(good, [-float(draft.words) for draft in drafts])
    trivial = f"{max(by_length, 1 - by_length):.3f} length"
    name = f"AUROC {file.removeprefix('cascade_')} {model}"
    other = auroc(good, held_out)
    return Row(name, f"{ours:.3f}", f"{other:.3f}", trivial, "0.64 to 0.68 logistic", f"{target:.2f}", ours >= target, other >= target)


def _pair_row(drafts: Sequence[Labelled], held_out: Sequence[float]) -> Row:
    name, keep, save, trivial, reference = PAIRS[drafts[0].model]
    ours, other = decide(drafts, [draft.score() for draft in drafts]), decide(drafts, held_out)
    met, holds = (found.kept >= keep and found.saved >= save for found in (ours, other))
    return Row(name, _told(ours), _told(other), trivial, reference, f"kept {keep}, saved {save}", met, holds)


def decide(drafts: Sequence[Labelled], scores: Sequence[float], *, threshold: float | None = None) -> Outcome:
    """Return what the default thresholds (or this one) keep and save on the drafts of one pair."""
    limits = [
        default_threshold(preset="balanced", domain=draft.domain, complexity=draft.complexity, kind=draft.kind) if threshold is None else threshold
        for draft in drafts
    ]
    accepted = [
        score >= limit and not any(check.fatal for check in draft.checks) for draft, score, limit in zip(drafts, scores, limits, strict=True)
    ]
    return outcome(
        accepted, draft=[draft.quality for draft in drafts], strong=[draft.strong_quality for draft in drafts],
        cost=[draft.cost for draft in drafts], strong_cost=[draft.strong_cost for draft in drafts],
    )  # fmt: skip


def _told(found: Outcome) -> str:
    return f"kept {found.kept:.4f}, saved {found.saved:.3f}"


def router_table(data: Path) -> Iterator[Row]:
    for name, prompts in prompts_of(data).items():
        title, target, reference, form = ROUTERS[name]
        weak, strong = [prompt.weak for prompt in prompts], [prompt.strong for prompt in prompts]
        ours = apgr([strong_model_gain(prompt.text, domain=prompt.domain) for prompt in prompts], weak=weak, strong=strong)
        length = apgr([float(len(prompt.text)) for prompt in prompts], weak=weak, strong=strong)
        fitted = {fold: {**WEIGHTS, form: fit([p for p in prompts if p.fold != fold], form=form)} for fold in {prompt.fold for prompt in prompts}}
        left_out = [strong_model_gain(prompt.text, domain=prompt.domain, weights=fitted[prompt.fold]) for prompt in prompts]
        held_out = apgr(left_out, weak=weak, strong=strong)
        told, by_length = (f"{ours:.3f}", f"{held_out:.3f}"), f"{length:.3f} length"
        yield Row(f"router APGR {title}", *told, by_length, reference, f"{target:.2f}", ours >= target, held_out >= target)


TABLES: dict[str, Callable[[Path], Iterator[Row]]] = {
    "domain": domain_table, "cascade": cascade_table, "router": router_table, "forecast": forecast_table,
    "anomaly": anomaly_table,
}  # fmt: skip
