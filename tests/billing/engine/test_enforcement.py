"""The strictest word of all callbacks counts, and one without an answer is named."""

import asyncio
import threading
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from billing.engine.enforcement import (
    CallbackFailed,
    Enforcement,
    EnforcementAction,
    EnforcementCallbacks,
    EnforcementContext,
    EnforcementDecision,
)
from billing.engine.tracking import WindowSum

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def window(*, limit: int, spent: int, held: int) -> WindowSum:
    return WindowSum(
        name="", scope="tenant", subject="", period="daily", action="block", limit_nusd=limit, spent_nusd=spent, held_nusd=held,
        start_at=NOW, end_at=NOW,
    )


def context(**fields: Any) -> EnforcementContext:
    given: dict[str, Any] = {
        "run_id": UUID(int=1), "asked_at": NOW, "tenant": "acme", "user_id": "ann", "user_tier": "free", "api_key_id": UUID(int=2),
        "domain": "code", "complexity": "simple", "preset": "production_ready", "models": ["small", "large"],
        "available_models": ["large", "small"], "estimated_nusd": 1_250_000,
    }  # fmt: skip
    return EnforcementContext(**{**given, **fields})


def decide(*callbacks: Any, timeout_s: float = 1.0, about: EnforcementContext | None = None, tiers: Any = ()) -> Enforcement:
    asked = EnforcementCallbacks()
    for number, callback in enumerate(callbacks):
        asked.register(callback, name=f"rule-{number}", timeout_s=timeout_s, tiers=tiers)
    return asyncio.run(asked.decide(about or context()))


async def async_block(_: EnforcementContext) -> EnforcementDecision:
    return EnforcementDecision(EnforcementAction.BLOCK, "no more today")


class Callable:
    async def __call__(self, asked: EnforcementContext) -> str:
        return "warn" if asked.user_id == "ann" else "allow"


def test_the_strictest_word_counts_and_says_who_said_it() -> None:
    said = decide(lambda _: "warn", async_block, lambda _: EnforcementAction.DEGRADE, lambda _: None, Callable())
    assert said.action == "block"
    assert [(decision.callback, decision.reason) for decision in said.saying(EnforcementAction.BLOCK)] == [("rule-1", "no more today")]
    assert [decision.callback for decision in said.saying(EnforcementAction.WARN)] == ["rule-0", "rule-4"]
    assert not said.failures


def test_without_callbacks_all_is_allowed() -> None:
    assert decide().action == "allow"
    assert not EnforcementCallbacks()


def test_models_are_those_that_every_callback_leaves() -> None:
    said = decide(lambda _: EnforcementDecision(models=["b", "c"]), lambda _: EnforcementDecision(models={"a", "b"}), lambda _: "allow")
    assert said.filters_models
    assert said.filter_models(["a", "b", "c"]) == ("b",)
    assert not decide(lambda _: "allow").filters_models
    assert decide(lambda _: "allow").filter_models(["a"]) == ("a",)


def test_a_tier_that_is_not_meant_is_not_asked_about() -> None:
    assert decide(async_block, tiers=["pro"]).action == "allow"
    assert decide(async_block, tiers=["pro"], about=context(user_tier="pro")).action == "block"


def test_all_are_asked_at_the_same_time_and_none_longer_than_it_may() -> None:
    began = time.perf_counter()
    released = threading.Event()

    async def hangs(_: EnforcementContext) -> str:
        await asyncio.sleep(60)
        return "allow"

    async def scenario() -> Enforcement:
        asked = EnforcementCallbacks()
        for number, callback in enumerate([hangs, lambda _: released.wait(30), async_block]):
            asked.register(callback, name=f"rule-{number}", timeout_s=0.2)
        said = await asked.decide(context())
        released.set()
        return said

    said = asyncio.run(scenario())
    assert time.perf_counter() - began < 10
    assert [(failure.callback, failure.reason) for failure in said.failures] == [
        ("rule-0", "no answer within 0.2 s"), ("rule-1", "no answer within 0.2 s"),
    ]  # fmt: skip
    assert said.action == "block"


def raises(_: EnforcementContext) -> str:
    raise ZeroDivisionError("sk-secret")


def knows(_: EnforcementContext) -> str:
    raise CallbackFailed("the policy service is down")


@pytest.mark.parametrize(
    ("callback", "reason"),
    [(raises, "it raised ZeroDivisionError"), (knows, "the policy service is down"), (lambda _: "deny", "it answered 'deny', which is none of"),
     (lambda _: 7, "it answered '7'"), (lambda _: [], "it answered '[]'"), (lambda _: EnforcementDecision("deny"), "it raised ValueError")],
)  # fmt: skip
def test_what_fails_or_answers_nonsense_is_named_and_never_raises(callback: Any, reason: str) -> None:
    said = decide(callback)
    assert said.action == "allow"
    assert said.failures[0].reason.startswith(reason)


def test_a_context_tells_money_in_usd_and_how_full_the_fullest_window_is() -> None:
    asked = context(windows=[window(limit=500_000_000, spent=300_000_000, held=150_000_000), window(limit=0, spent=0, held=0)])
    assert asked.estimated_cost == "0.00125"
    assert asked.used_percent == 90
    assert context().used_percent == 0
