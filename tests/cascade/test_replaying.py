"""Replaying the past: under the same policy it is the past, to the nano-dollar; under another it is what the stored facts say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from billing.engine.budget_replay import Limit
from billing.engine.pricing import Price
from cascade import replaying
from cascade.engine.replay import WhatIf
from cascade.models import CascadeRun, CatalogModel, ProviderConnection
from cascade.replaying import PolicyReplay, TooManyRuns, replay_policy
from tenants.errors import Conflict
from tenants.scoping import tenant_scope
from tests import database
from tests.cast import Cast
from tests.rest import book_run
from tests.stage import ACCEPT, REJECT, Stage, step

NOW = datetime.now(UTC)
DRAFT, STRONG = 5_850, 97_500
"""11 input and 7 output tokens at 0.15 and 0.60 USD per million, and at 2.50 and 10."""


def replayed(cast: Cast, what_if: WhatIf | None = None, *, limits: Any = ()) -> PolicyReplay:
    with tenant_scope(cast.acme.id):
        return replay_policy(what_if or WhatIf(), limits=limits, zone="Europe/Berlin", since=NOW - timedelta(days=1), until=NOW + timedelta(days=1))


class TestOfRealRuns:
    def test_the_present_policy_gives_the_past_to_the_nano_dollar(self, live_cast: Stage) -> None:
        live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"), baseline="scripted-strong")
        live_cast.add_preset("strict", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"), baseline="scripted-strong")
        runs = [live_cast.ask(preset, user=user).cascadeflow["run_id"] for preset in ("house", "strict") for user in ("ann", "ben")]
        runs.append(live_cast.ask("scripted").cascadeflow["run_id"])
        live_cast.refused("fault-500")
        live_cast.wait_until_closed(holds=6)
        booked = sum(live_cast.run(run).cost_nusd for run in runs)
        same = replayed(live_cast.cast)
        assert (same.before.cost_nusd, same.after.cost_nusd, same.before.runs) == (booked, booked, 6)
        assert (same.changed, same.estimated, same.before.judged, same.before.escalated) == (0, 0, 4, 2)
        assert booked == sum(entry.amount_nusd for entry in live_cast.entries())
        lower = replayed(live_cast.cast, WhatIf(thresholds={"": 0.01}))
        assert lower.difference_nusd == -2 * STRONG, "the drafts that were rejected are served, and nothing is estimated"
        assert (lower.after.escalated, lower.estimated, lower.changed) == (0, 0, 2)
        higher = replayed(live_cast.cast, WhatIf(least_quality={"free": 1.0}))
        assert higher.difference_nusd == STRONG, "ann is free, and her accepted draft would be followed by what followed the others"
        assert (higher.after.escalated, higher.estimated) == (3, 1)


def a_run(
    cast: Cast, *, at: datetime = NOW, score: float = 0.75, threshold: float = 0.7, user: Any = None, strong: bool = False,
    held: float | None = None, **fields: Any,
) -> None:  # fmt: skip
    """A draft of 2 cents, and an answer of 30 where the draft was rejected. `held` is how good the served answer is held to be."""
    legs = [("draft", "mini", 20_000_000, 1_000)] + ([("strong", "large", 300_000_000, 3_000)] if strong else [])
    run = book_run(cast.acme, legs=legs, end_user=(user or cast.ann).id)
    steps = [
        {"name": name, "kind": "answer", "model": model, "status": "rejected" if strong and name == "draft" else "accepted",
         "score": score if name == "draft" else None, "threshold": threshold if name == "draft" else None}
        for name, model, _, _ in legs
    ]  # fmt: skip
    facts: dict[str, Any] = {
        "id": run, "status": "served", "end_user_id": (user or cast.ann).id, "tier": "free", "preset": "p", "policy_version": "p@1",
        "domain": "code", "domain_confidence": 0.9, "complexity": "simple", "draft_accepted": not strong, "latency_ms": 1, "steps": steps,
        "score": held, "cost_nusd": sum(amount for _, _, amount, _ in legs), "started_at": at,
    }  # fmt: skip
    CascadeRun.objects.create(**{**facts, **fields})


@pytest.fixture
def past(cast: Cast) -> Cast:
    """Ann: two drafts that were accepted, at 0.75 and 0.9; ben: one that was rejected, at 0.6."""
    with tenant_scope(cast.acme.id):
        a_run(cast, at=NOW - timedelta(minutes=3))
        a_run(cast, at=NOW - timedelta(minutes=2), score=0.9)
        a_run(cast, at=NOW - timedelta(minutes=1), score=0.6, strong=True, user=cast.ben, tier="pro")
        row = ProviderConnection.objects.create(name="up", provider="simulated")
        CatalogModel.objects.bulk_create(CatalogModel(name=name, connection=row) for name in ("mini", "large"))
    return cast


@pytest.mark.parametrize(
    ("what_if", "cost", "escalated", "estimated"),
    [
        (WhatIf(), 360, 1, 0),
        (WhatIf(thresholds={"": 0.5}), 60, 0, 0),
        (WhatIf(thresholds={"code": 0.8}), 660, 2, 1),
        (WhatIf(thresholds={"law": 0.5, "": 0.95}), 960, 3, 2),
        (WhatIf(least_quality={"pro": 0.9}), 360, 1, 0),
        (WhatIf(prices={"large": Price(version="x", input_nusd=10**10, output_nusd=0)}), 90, 1, 0),
        (WhatIf(substitutes={"large": "mini"}), 360, 1, 0),
    ],
)
def test_a_changed_policy_costs_what_the_stored_facts_say(past: Cast, what_if: WhatIf, cost: int, escalated: int, estimated: int) -> None:
    found = replayed(past, what_if)
    assert (found.after.cost_nusd // 10**6, found.after.escalated, found.estimated) == (cost, escalated, estimated)
    assert (found.before.cost_nusd // 10**6, found.before.escalated) == (360, 1)


def test_the_quality_of_what_would_have_been_served_is_told_as_far_as_it_is_known(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        a_run(cast, score=0.75, held=0.75)
        a_run(cast, score=0.6, strong=True, held=0.95)
        a_run(cast, score=0.6, strong=True)
    told = {name: replayed(cast, what_if) for name, what_if in (("same", WhatIf()), ("lower", WhatIf(thresholds={"": 0.5})),
                                                               ("higher", WhatIf(thresholds={"": 0.8})))}  # fmt: skip
    kept = {name: (found.after.scored, found.after.mean_score) for name, found in told.items()}
    assert kept == {"same": (2, pytest.approx(0.85)), "lower": (3, pytest.approx(0.65)), "higher": (1, 0.95)}
    degraded = replayed(cast, limits=[limit(30, action="degrade")])
    assert (degraded.after.scored, degraded.after.mean_score) == (3, pytest.approx(0.65)), "the drafts alone"


def limit(usd_cents: int, *, scope: str = "tenant", subject: str = "", period: str = "daily", action: str = "block") -> Limit:
    return Limit(scope, subject, period, usd_cents * 10**7, action)


@pytest.mark.parametrize(
    ("one", "cost", "hits"),
    [
        (limit(100), 360, []),
        (limit(3), 20, [("", 2)]),
        (limit(30), 40, [("", 1)]),
        (limit(30, action="degrade"), 60, [("", 1)]),
        (limit(30, action="warn"), 360, [("", 1)]),
        (limit(3, scope="end_user"), 20, [("ann", 1), ("ben", 1)]),
        (limit(3, scope="tier", subject="pro"), 40, [("ben", 1)]),
        (limit(3, scope="tag", subject="batch"), 360, []),
    ],
)
def test_budgets_say_whom_they_would_have_stopped_and_when(past: Cast, one: Limit, cost: int, hits: list[Any]) -> None:
    found = replayed(past, limits=[one])
    names: Mapping[str, str] = {str(past.ann.id): "ann", str(past.ben.id): "ben", "": ""}
    assert found.after.cost_nusd // 10**6 == cost
    assert [(names[hit.subject], hit.runs) for hit in found.hits] == hits
    assert all(hit.start_at <= hit.first_at <= NOW for hit in found.hits)
    assert found.before.cost_nusd - found.after.cost_nusd == sum(hit.avoided_nusd for hit in found.hits)


def test_a_draft_that_costs_nothing_is_an_answer_still(past: Cast) -> None:
    free = WhatIf(prices={"mini": Price(version="x", input_nusd=0, output_nusd=0)})
    degraded, blocked = (replayed(past, free, limits=[limit(1, action=action)]) for action in ("degrade", "block"))
    assert (degraded.after.runs, degraded.after.cost_nusd) == (3, 0)
    assert (blocked.after.runs, blocked.after.cost_nusd) == (2, 0)


def test_one_replay_is_made_at_a_time(past: Cast) -> None:
    with psycopg.connect(database.app_dsn()) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('cascade_replay', 0))")
        with pytest.raises(Conflict, match="under way"):
            replayed(past)
    assert replayed(past).before.runs == 3


@pytest.mark.parametrize("steps", [[], [{}], {"odd": 1}, [{"name": "draft"}]])
def test_runs_whose_trace_says_little_keep_what_was_booked(cast: Cast, steps: Any) -> None:
    with tenant_scope(cast.acme.id):
        a_run(cast, steps=steps)
    assert replayed(cast, WhatIf(thresholds={"": 0.99})).after.cost_nusd == 20_000_000


def test_nobody_replays_the_runs_of_others(past: Cast) -> None:
    with tenant_scope(past.globex.id):
        found = replay_policy(WhatIf(), zone="UTC", since=NOW - timedelta(days=1), until=NOW + timedelta(days=1))
    assert (found.before.runs, found.before.cost_nusd) == (0, 0)


def test_what_is_too_much_is_refused(past: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "MOST_RUNS", 2)
    with pytest.raises(TooManyRuns, match="about 3 runs, and a replay reads 2: ask for fewer days"):
        replayed(past)
    with tenant_scope(past.acme.id), pytest.raises(ValueError, match="28 days"):
        replay_policy(WhatIf(), zone="UTC", since=NOW - timedelta(days=29), until=NOW)


def test_a_tenant_without_runs_has_an_empty_past(cast: Cast) -> None:
    found = replayed(cast, WhatIf(thresholds={"": 0.1}), limits=[limit(0)])
    assert (found.after.runs, found.hits, found.after.escalation_rate) == (0, [], None)
