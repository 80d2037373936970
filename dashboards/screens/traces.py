"""The trace of a run as it is shown: what was decided before any call, the calls on a line of time, and those that were not needed."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.reports import HeldPath
from cascade.models import CascadeRun, PresetVersion
from cascade.outcomes import LONGEST_STEP

WIDTH = 600
KINDS = {"accepted": ("ok", "v", "g"), "rejected": ("no", "r", "d"), "failed": ("no", "r", "d")}
DECIDED = 2
"""Lines before the first call: its domain, and the policy that planned it."""
DIRECT = "direct:"
ARMS = {"baseline": "the baseline's side of a rollout", "shadow": "drafted beside a served run"}


def steps_of(run: CascadeRun) -> Sequence[Mapping[str, Any]]:
    """Return the steps with their place on the line of time, in pixels of WIDTH. Steps of older releases may lack facts."""
    steps: Sequence[Mapping[str, Any]] = run.steps if isinstance(run.steps, list) else []
    whole = max(sum(float(step.get("latency_ms") or 0) for step in steps), 1.0)
    found, begun = [], 0.0
    for number, step in enumerate(steps, DECIDED + 1):
        taken = float(step.get("latency_ms") or 0)
        edge, bar, tag = KINDS.get(str(step.get("status")), ("skip2", "g", ""))
        found.append(
            {**step, "latency_ms": taken, "number": number, "edge": edge, "bar": bar, "tag": tag, "begun_ms": begun, "ended_ms": begun + taken,
             "x": round(WIDTH * begun / whole, 1), "width": max(2.0, round(WIDTH * taken / whole, 1))}
        )  # fmt: skip
        begun += taken
    return found


def unreached(run: CascadeRun, held: HeldPath | None, *, after: int) -> Sequence[Mapping[str, Any]]:
    """Return the calls that money was held for and that were never made. Who was answered did not need them.

    What a hold does not say was never planned, whatever the preset has: a tier, or a budget, may have left it out. Worked number: a draft
    that was accepted, held with its escalation, leaves one line, the fourth.
    """
    steps = run.steps if isinstance(run.steps, list) else []
    made = {str(step.get("name", ""))[:LONGEST_STEP] for step in steps}
    left = [(name, model) for name, model in (held.calls if held else ()) if name not in made]
    told = "not reached" if run.status == "failed" else "not needed"
    return [
        {"number": DECIDED + after + place, "name": name, "model": model, "told": told} for place, (name, model) in enumerate(left, 1)
    ]  # fmt: skip


def policy_of(run: CascadeRun) -> Mapping[str, Any]:
    """Return which version of which preset planned a run, as far as it is still known when that was published."""
    version = run.policy_version.rpartition("@")[2]
    number = int(version) if run.preset and version.isascii() and version.isdigit() and len(version) < 10 else None
    row = PresetVersion.objects.filter(preset__name=run.preset, number=number).first() if number is not None else None
    told = f"version {number}" if number is not None else version.replace("builtin-", "built in, ")
    return {"preset": run.preset, "model": asked_for(run), "version": told, "row": row, "arm": ARMS.get(run.arm, "")}


def asked_for(run: CascadeRun) -> str:
    """Return what a call names to be planned by the same policy: the preset, or the one model."""
    return run.preset or run.policy_version.removeprefix(DIRECT)
