"""What if? The runs of the last four weeks under another policy, for the tenant of the scope: read from traces and entries, nothing is called."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db import connection
from msgspec import Struct

from billing.engine.budget_replay import BudgetReplay, Call, Hit, Limit
from billing.engine.pricing import Price, Usage
from billing.pricebook import read_book
from cascade.engine.replay import PastCall, PastRun, PastStep, Replayed, Usual, WhatIf, replay
from cascade.models import CatalogModel
from tenants.errors import Conflict
from tenants.scoping import current_tenant_id

MOST_DAYS, MOST_RUNS = 28, 300_000
FETCHED_AT_ONCE = 2_000
SETTLED_WITHIN = timedelta(days=1)
"""A run's entries are booked at most so long after it began: so the months that hold them are known."""
MEASURED = ("settled", "estimated")

RUNS = """
SELECT r.started_at, coalesce(r.end_user_id::text, ''), coalesce(r.api_key_id::text, ''), r.tier, r.preset, r.domain, r.tags, r.cost_nusd,
       r.baseline_nusd, r.score, r.steps, e.entries
  FROM cascade_cascaderun r
  LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(b.step, b.model, b.kind, b.amount_nusd, b.input_tokens, b.cached_input_tokens, b.cache_write_tokens,
                                       b.output_tokens, b.reasoning_tokens) ORDER BY b.leg, b.attempt, b.kind DESC) AS entries
      FROM billing_costentry b
     WHERE b.reservation_id = r.id AND b.booked_at >= r.started_at AND b.booked_at < r.started_at + %(within)s AND b.reference = ''
       AND b.kind <> 'adjustment') e ON true
 WHERE r.tenant_id = %(tenant)s AND r.started_at >= %(since)s AND r.started_at < %(until)s AND r.status <> 'shadow'
 ORDER BY r.started_at, r.id
"""
TURN = """
SELECT coalesce(sum(d.runs), 0)::bigint, pg_try_advisory_xact_lock(hashtextextended('cascade_replay', 0))
  FROM cascade_runday d WHERE d.tenant_id = %(tenant)s AND d.dimension = 'all' AND d.day BETWEEN %(first)s AND %(last)s
"""
USUAL = """
SELECT r.preset, r.domain, b.model, count(DISTINCT r.id), sum(b.amount_nusd)::bigint, bool_and(b.kind IN ('settled', 'estimated')),
       sum(b.input_tokens), sum(b.cached_input_tokens), sum(b.cache_write_tokens), sum(b.output_tokens), sum(b.reasoning_tokens)
  FROM cascade_cascaderun r
  JOIN billing_costentry b ON b.reservation_id = r.id AND b.booked_at >= r.started_at AND b.booked_at < r.started_at + %(within)s
       AND b.leg > 0 AND b.reference = '' AND b.kind <> 'adjustment'
 WHERE r.tenant_id = %(tenant)s AND r.started_at >= %(since)s AND r.started_at < %(until)s AND r.draft_accepted = false
 GROUP BY 1, 2, 3
"""


class TooManyRuns(ValueError):
    """More runs than one replay reads: ask for fewer days."""


class Side(Struct, kw_only=True):
    """Runs under one policy: amounts in nano-USD."""

    runs: int = 0
    """That were not refused."""
    cost_nusd: int = 0
    judged: int = 0
    escalated: int = 0
    scored: int = 0
    """Runs whose served answer has a stored score. One that never was given has none."""
    scores: float = 0.0
    """Their sum."""

    @property
    def escalation_rate(self) -> float | None:
        """Of the runs whose draft was judged. Worked number: 22 of 110 are 0.2."""
        return self.escalated / self.judged if self.judged else None

    @property
    def mean_score(self) -> float | None:
        """How good the served answers are held to be, 0 to 1. Worked number: scores of 0.9 and 0.7 are 0.8."""
        return self.scores / self.scored if self.scored else None

    @property
    def cost_per_run_nusd(self) -> int | None:
        return self.cost_nusd // self.runs if self.runs else None


class PolicyReplay(Struct, kw_only=True):
    """The past as it was, and as it would have been."""

    since: datetime
    until: datetime
    before: Side
    after: Side
    changed: int = 0
    """Runs that would have cost something else."""
    estimated: int = 0
    """Of those, how many needed steps that never ran: their cost is what such steps usually cost."""
    fixed: int = 0
    """Runs with a charge that no tokens explain, a bound or an unknown: another price or model leaves it as it was booked."""
    hits: Sequence[Hit] = ()
    """Windows of the changed budgets that would have been used up, the first first."""

    @property
    def difference_nusd(self) -> int:
        """What would have been spent more; negative for less."""
        return self.after.cost_nusd - self.before.cost_nusd


def replay_policy(what_if: WhatIf, *, limits: Sequence[Limit] = (), zone: str, since: datetime, until: datetime) -> PolicyReplay:
    """Return what the runs that began in `[since, until)` would have come to under a changed policy and beside changed or further budgets.

    With nothing changed, both sides are the same to the nano-USD: what was booked when the runs ended, without later corrections. Refused
    calls left no run, so a policy that is more generous than the one that refused them shows less than it would cost. Raises TooManyRuns
    beyond MOST_RUNS, ValueError for more than MOST_DAYS days, ValidationError by field for models that the tenant does not have, and Conflict
    while another one is under way: a replay of many runs computes for half a minute in a process that answers calls, too.
    """
    if until - since > timedelta(days=MOST_DAYS):
        raise ValueError(f"a replay goes over {MOST_DAYS} days at the most")
    _take_turn(since=since, until=until)
    prices = _prices(what_if, now=until) if what_if.prices or what_if.substitutes else {}
    usual = _usual(since=since, until=until) if what_if.thresholds or what_if.least_quality else {}
    nothing, budgets = WhatIf(), BudgetReplay(limits, zone=zone)
    found = PolicyReplay(since=since, until=until, before=Side(), after=Side())
    for run, call in _past(since=since, until=until):
        was = replay(run, nothing, prices=prices, usual=None)
        would = replay(run, what_if, prices=prices, usual=usual.get((run.preset, run.domain)) or usual.get((run.preset, "")))
        left = budgets.take(_with(call, cost_nusd=would.cost_nusd, draft_nusd=would.draft_nusd))
        _count(found.before, was, cost_nusd=was.cost_nusd)
        if not left.is_refused:
            _count(found.after, would, cost_nusd=left.cost_nusd)
        found.changed += left.cost_nusd != was.cost_nusd
        found.estimated += would.is_estimated
        found.fixed += any(call.amount_nusd and not call.is_measured for step in run.steps for call in step.calls)
    found.hits = sorted(budgets.hits.values(), key=lambda hit: hit.first_at)
    return found


def _count(side: Side, one: Replayed, *, cost_nusd: int) -> None:
    """Add a run that came to `cost_nusd`: to less than its own where a budget left its draft alone."""
    is_whole = cost_nusd == one.cost_nusd
    score = one.score if is_whole else one.draft_score
    side.runs += 1
    side.cost_nusd += cost_nusd
    side.judged += one.is_judged
    side.escalated += one.is_escalated and is_whole
    if score is not None:
        side.scored += 1
        side.scores += score


def _with(call: Call, *, cost_nusd: int, draft_nusd: int) -> Call:
    return Call(call.at, call.end_user, call.api_key, call.tier, call.tags, cost_nusd, draft_nusd)


def _take_turn(*, since: datetime, until: datetime) -> None:
    """Let one replay at a time be made in the installation, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(TURN, {"tenant": current_tenant_id(), "first": since.date(), "last": until.date()})
        runs, is_our_turn = cursor.fetchone()
    if runs > MOST_RUNS:
        raise TooManyRuns(f"These days have about {runs:,} runs, and a replay reads {MOST_RUNS:,}: ask for fewer days.")
    if not is_our_turn:
        raise Conflict("Another replay is under way. Try again in a minute.", code="replay_under_way")


def _prices(what_if: WhatIf, *, now: datetime) -> Mapping[str, Price]:
    """Return the prices in force, by model."""
    catalog = list(CatalogModel.objects.select_related("connection"))
    _refuse_unknown(what_if, known={row.name for row in catalog})
    book = read_book(row.place for row in catalog)
    priced = {row.name: book.at(now, model=row.name, place=row.place) for row in catalog}
    return {name: price for name, price in priced.items() if price is not None}


def _refuse_unknown(what_if: WhatIf, *, known: set[str]) -> None:
    named = {"prices": {*what_if.prices}, "substitutes": {*what_if.substitutes, *what_if.substitutes.values()}}
    for field, names in named.items():
        if unknown := sorted(names - known):
            raise ValidationError({field: f"There is no model {unknown[0][:100]!r}. Models: {', '.join(sorted(known)[:20])}."})


def _usual(*, since: datetime, until: datetime) -> Mapping[tuple[str, str], Usual]:
    """Return what follows a rejected draft, by preset and domain, and by preset alone under the domain ""."""
    by_domain: dict[tuple[str, str], list[tuple[int, PastCall]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(USUAL, _given(since, until))
        for preset, domain, model, runs, amount, is_measured, *tokens in cursor.fetchall():
            by_domain[preset, domain].append((runs, PastCall(model, _usage(tokens), amount, is_measured)))
    found = {key: Usual(max(runs for runs, _ in calls), [call for _, call in calls]) for key, calls in by_domain.items()}
    for preset in {preset for preset, _ in found}:
        of_preset = [usual for (name, _), usual in found.items() if name == preset]
        found[preset, ""] = Usual(sum(one.runs for one in of_preset), [call for one in of_preset for call in one.calls])
    return found


def _past(*, since: datetime, until: datetime) -> Iterator[tuple[PastRun, Call]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(RUNS, _given(since, until))
        while rows := cursor.fetchmany(FETCHED_AT_ONCE):
            for at, end_user, api_key, tier, preset, domain, tags, cost, baseline, score, steps, entries in rows:
                done = _steps(_read(steps), _read(entries), cost)
                run = PastRun(tier, preset, domain, done, baseline, _judged(done) if score is None else score)
                yield run, Call(at, end_user, api_key, tier, tags, cost, 0)


def _steps(told: Any, entries: Any, cost_nusd: int) -> Sequence[PastStep]:
    """Return a run's steps with the calls that were booked for each. What the trace does not explain is a step of its own."""
    calls: dict[str, list[PastCall]] = defaultdict(list)
    for step, model, kind, amount, *tokens in entries:
        calls[step].append(PastCall(model, _usage(tokens), amount, kind in MEASURED))
    found = []
    for step in told:
        name = str(step.get("name", ""))[:64]
        is_rejected = step.get("status") != "accepted"
        found.append(PastStep(str(step.get("kind", "answer")), is_rejected, step.get("score"), step.get("threshold"), calls.pop(name, ())))
    left = [call for some in calls.values() for call in some]
    missing = cost_nusd - sum(call.amount_nusd for step in found for call in step.calls) - sum(call.amount_nusd for call in left)
    if missing:  # entries that are booked elsewhere in time
        left.append(PastCall("", Usage(input_tokens=0, output_tokens=0), missing, False))  # noqa: FBT003
    return [*found, PastStep("rest", False, None, None, left)] if left else found  # noqa: FBT003


def _judged(steps: Sequence[PastStep]) -> float | None:
    """Return the score that the judge gave to the answer that was served: traces of before scores were kept have it there alone."""
    return next((step.score for step in reversed(steps) if step.kind == "answer" and not step.is_rejected), None)


def _usage(tokens: Sequence[int]) -> Usage:
    asked, cached, written, said, reasoned = tokens
    return Usage(
        input_tokens=int(asked), cached_input_tokens=int(cached), cache_write_tokens=int(written), output_tokens=int(said),
        reasoning_tokens=int(reasoned),
    )  # fmt: skip


def _read(stored: str | None) -> list[Any]:
    found = msgspec.json.decode(stored) if stored else []
    return found if isinstance(found, list) else []


def _given(since: datetime, until: datetime) -> Mapping[str, Any]:
    return {"tenant": current_tenant_id(), "since": since, "until": until, "within": SETTLED_WITHIN}
