"""What runs of the past would have cost under another policy: from their stored scores, tokens and steps, without any prompt.

A draft that another threshold accepts saves exactly what came after it. One that it rejects would have been answered by steps that never ran:
their cost is estimated by what they cost in other runs, and such runs are counted as estimated.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from billing.engine.pricing import Price, Usage, cost_nusd

EVERY_DOMAIN = ""


class PastCall(Struct, frozen=True):
    """One call to a provider as it was booked."""

    model: str
    usage: Usage
    amount_nusd: int
    is_measured: bool
    """Was it booked by its tokens? Then another price changes what it cost; bounds and voids stay."""


class PastStep(Struct, frozen=True):
    """One step of a run. Checks follow the answer that they are about."""

    kind: str
    is_rejected: bool
    score: float | None
    """Of the judge; None where nobody judged."""
    threshold: float | None
    calls: Sequence[PastCall]


class PastRun(Struct, frozen=True):
    tier: str
    preset: str
    domain: str
    steps: Sequence[PastStep]
    baseline_nusd: int | None = None
    """What the baseline model would have cost for the answer that was served."""
    score: float | None = None
    """How good that answer is held to be; None where nobody judged it."""


class WhatIf(Struct, frozen=True, kw_only=True):
    """What is changed. Nothing said is nothing changed."""

    thresholds: Mapping[str, float] = {}
    """By domain, "" for every other: at which score a draft is accepted."""
    least_quality: Mapping[str, float] = {}
    """By tier: no threshold is below it."""
    prices: Mapping[str, Price] = {}
    """By model."""
    substitutes: Mapping[str, str] = {}
    """By model, the one that is asked in its place: at its price, for the same tokens and with the same scores."""

    def threshold_for(self, run: PastRun, step: PastStep) -> float:
        wanted = self.thresholds.get(run.domain, self.thresholds.get(EVERY_DOMAIN, step.threshold or 0.0))
        return max(wanted, self.least_quality.get(run.tier, 0.0))


class Replayed(Struct, frozen=True):
    """What a run would have come to, in nano-USD."""

    cost_nusd: int
    draft_nusd: int
    """Its first answer alone: what is left where a budget allows no more."""
    is_judged: bool = False
    is_escalated: bool = False
    is_estimated: bool = False
    score: float | None = None
    """Of the answer that would have been served, as stored: None where it was not judged, or never given."""
    draft_score: float | None = None
    """Of the first answer alone."""


class Usual(Struct, frozen=True):
    """What follows a rejected draft, on average over the runs where it did: calls per run, their tokens and what was booked."""

    runs: int
    calls: Sequence[PastCall]
    """Summed over the runs, a model each."""


def replay(run: PastRun, what_if: WhatIf, *, prices: Mapping[str, Price], usual: Usual | None) -> Replayed:
    """Return what the run would have come to. `prices` are those in force, for substitutes; `usual` what follows a rejected draft like it;
    where none like it was ever rejected, that is what the baseline would have cost.

    With nothing changed it is what was booked, to the nano-USD. Worked number: a draft of 0.2 cents with the score 0.75, and an answer of 3
    cents, because 0.8 was wanted: under 0.7 the run costs 0.2 cents. An accepted draft of 0.2 cents with the score 0.75 under 0.8: 0.2 cents
    and what usually follows, an estimate.
    """
    spent, is_judged, is_escalated = 0, False, False
    first: int | None = None
    draft_score: float | None = None
    for number, step in enumerate(run.steps):
        spent += cost_of(step, what_if, prices=prices)
        if step.kind != "answer":
            continue
        if first is None:
            first, draft_score = spent, step.score
        if step.score is None:
            continue
        is_judged = True
        is_accepted = step.score >= what_if.threshold_for(run, step) and not _is_refused_whatever(step)
        is_escalated = is_escalated or not is_accepted
        if is_accepted and step.is_rejected:  # what came after does not, but for the checks that every answer gets
            checks = [later for later in run.steps[number + 1 :] if later.kind == "check"]
            spent += sum(cost_of(check, what_if, prices=prices) for check in checks)
            return Replayed(
                spent, first, is_judged=True, is_escalated=is_escalated, is_estimated=bool(checks), score=step.score, draft_score=draft_score
            )
        if not is_accepted and not step.is_rejected:
            more = usual_cost(usual, what_if, prices=prices) if usual is not None else run.baseline_nusd or 0
            return Replayed(spent + more, first, is_judged=True, is_escalated=True, is_estimated=True, draft_score=draft_score)
    return Replayed(spent, first or 0, is_judged=is_judged, is_escalated=is_escalated, score=run.score, draft_score=draft_score)


def cost_of(step: PastStep, what_if: WhatIf, *, prices: Mapping[str, Price]) -> int:
    return sum(_cost(call, what_if, prices) for call in step.calls)


def usual_cost(usual: Usual, what_if: WhatIf, *, prices: Mapping[str, Price]) -> int:
    """Return what usually follows a rejected draft, in nano-USD."""
    return sum(_cost(call, what_if, prices) for call in usual.calls) // usual.runs


def _cost(call: PastCall, what_if: WhatIf, prices: Mapping[str, Price]) -> int:
    model = what_if.substitutes.get(call.model, call.model)
    price = what_if.prices.get(model) or (prices.get(model) if model != call.model else None)
    return cost_nusd(usage=call.usage, price=price) if price is not None and call.is_measured else call.amount_nusd


def _is_refused_whatever(step: PastStep) -> bool:
    """A fatal check rejects whatever the score: such a draft was rejected above its threshold."""
    return step.is_rejected and step.score is not None and step.threshold is not None and step.score >= step.threshold

