"""The strictest word of all callbacks counts, and one without an answer is named."""

import asyncio
import contextlib
import threading
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from billing.engine.callbacks import MOST_AT_ONCE, EnforcementCallbacks
from billing.engine.enforcement import CallbackFailed, Enforcement, EnforcementAction, EnforcementContext, EnforcementDecision
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


async def hangs(_: EnforcementContext) -> str:
    await asyncio.sleep(60)
    return "allow"


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
    assert not EnforcementCallbacks().concern("free")


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


def ends(_: EnforcementContext) -> str:
    raise SystemExit(3)


async def ends_async(_: EnforcementContext) -> str:
    raise SystemExit(3)


async def cancelled(_: EnforcementContext) -> str:
    raise asyncio.CancelledError


async def times_out(_: EnforcementContext) -> str:
    raise TimeoutError


def exhausted(_: EnforcementContext) -> str:
    raise StopIteration


@pytest.mark.parametrize(
    ("callback", "reason"),
    [
        (raises, "it raised an error"), (times_out, "it raised an error"), (cancelled, "it raised an error"), (knows, "the policy service is down"),
        (ends, "it raised SystemExit"), (ends_async, "it raised SystemExit"), (exhausted, "it raised StopIteration"),
        (lambda _: "deny", "its action is none of"), (lambda _: EnforcementDecision("deny"), "its action is none of"),  # type: ignore[arg-type]
        (lambda _: 7, "it answered with a int"), (lambda _: {"k": "sk-secret"}, "it answered with a dict"),
        (lambda _: EnforcementDecision(reason=object()), "it answered with a EnforcementDecision, or a reason"),  # type: ignore[arg-type]
        (lambda _: EnforcementDecision(models="gpt-4o-mini"), "its models are no list of names"),
        (lambda _: EnforcementDecision(models=[7]), "its models are no list of names"),  # type: ignore[list-item]
        (lambda _: EnforcementDecision(models=5), "its models are no list of names"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_fails_or_answers_nonsense_is_named_and_never_raises(callback: Any, reason: str) -> None:
    said = decide(callback, lambda _: "warn")
    assert said.action == "warn"
    assert [failure.callback for failure in said.failures] == ["rule-0"]
    assert said.failures[0].reason.startswith(reason)
    assert "sk-secret" not in said.failures[0].reason


def test_one_that_is_not_answered_is_asked_no_more_and_holds_up_no_other() -> None:
    released = threading.Event()
    asked = EnforcementCallbacks()
    asked.register(lambda _: released.wait(30), name="hangs", timeout_s=0.02)
    asked.register(lambda _: "warn", name="healthy", timeout_s=5)

    async def scenario() -> list[Enforcement]:
        said = [await asked.decide(context()) for _ in range(MOST_AT_ONCE + 1)]
        released.set()
        await asyncio.sleep(0.2)
        return [*said, await asked.decide(context())]

    *said, afterwards = asyncio.run(scenario())
    assert {each.action for each in said} == {"warn"}
    assert said[-1].failures[0].reason == f"{MOST_AT_ONCE} questions to it are without an answer"
    assert said[-2].failures[0].reason == "no answer within 0.02 s"
    assert afterwards.failures[0].reason.startswith("it answered with a bool")


def test_an_async_one_that_clings_to_life_is_left_behind() -> None:
    async def clings(_: EnforcementContext) -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        await asyncio.sleep(0.5)
        return "block"

    async def scenario() -> tuple[Enforcement, float]:
        asked = EnforcementCallbacks()
        asked.register(clings, name="clings", timeout_s=0.1)
        began = time.perf_counter()
        return await asked.decide(context()), time.perf_counter() - began

    said, took = asyncio.run(scenario())
    assert said.action == "allow"
    assert took < 0.4


def test_whoever_stops_waiting_leaves_no_question_behind() -> None:
    async def scenario() -> int:
        asked = EnforcementCallbacks()
        asked.register(hangs, name="hangs", timeout_s=60)
        waiting = asyncio.ensure_future(asked.decide(context()))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait({waiting})
        await asyncio.sleep(0.05)
        return len(asyncio.all_tasks()) - 1

    assert asyncio.run(scenario()) == 0


def test_a_callback_that_is_down_is_noted_once_and_not_with_each_call(caplog: pytest.LogCaptureFixture) -> None:
    asked = EnforcementCallbacks()
    asked.register(raises, name="down")

    async def scenario() -> None:
        for _ in range(5):
            await asked.decide(context())

    asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == ["the enforcement callback down has no answer: it raised an error"]


def test_a_context_tells_money_in_usd_and_how_full_the_fullest_window_is() -> None:
    asked = context(windows=[window(limit=500_000_000, spent=300_000_000, held=150_000_000), window(limit=0, spent=0, held=0)])
    assert asked.estimated_cost == "0.00125"
    assert asked.used_percent == 90
    assert context().used_percent == 0
