"""How a step gets its answer: candidates, tries again, pauses, deadlines, breakers. Providers here answer from a list."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cascade.engine import tries
from cascade.engine.breaker import BreakerRules, ConnectionBreaker
from cascade.engine.errors import (
    CircuitOpen,
    DeadlinePassed,
    ProviderBroken,
    ProviderError,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from cascade.engine.plans import PlannedStep
from cascade.engine.providers.base import BaseProvider, Chunk
from cascade.engine.tries import Asked, Tries
from cascade.engine.values import Completion, CompletionRequest, ModelConfig, Usage

pytestmark = pytest.mark.asyncio
HELLO = Completion(message={"role": "assistant", "content": "Hello."}, finish_reason="stop", usage=Usage(input_tokens=1, output_tokens=1))


class Scripted(BaseProvider):
    """Answers with the next of its list, and with the last of it for ever."""

    def __init__(self, name: str, *answers: Any, takes_s: float = 0.0) -> None:
        self.name, self.answers, self.takes_s = name, list(answers), takes_s
        self.asked: list[float] = []

    async def complete(self, request: CompletionRequest) -> Completion:
        self.asked.append(time.perf_counter())
        await asyncio.sleep(self.takes_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        completion: Completion = answer
        return completion

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        answer = await self.complete(request)
        yield {"choices": [{"index": 0, "delta": dict(answer.message), "finish_reason": None}]}
        if answer.finish_reason == "broken":
            raise ProviderBroken("broke off", provider=self.name)
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Between which numbers each jitter was drawn; it is a hundredth of the greatest."""
    drawn: list[tuple[float, float]] = []

    def uniform(least: float, most: float) -> float:
        drawn.append((least, most))
        return most / 100

    monkeypatch.setattr(tries.random, "uniform", uniform)
    return drawn


def failure(kind: type[ProviderError], **fields: Any) -> ProviderError:
    return kind("made to fail", provider="p", **fields)


def model(provider: str) -> ModelConfig:
    return ModelConfig(name=f"model-of-{provider}", provider=provider, upstream_name="m")


async def ask(
    *providers: Scripted, breakers: dict[str, ConnectionBreaker] | None = None, deadline_s: float = 60.0, timeout_s: float = 30.0, sink: Any = None
) -> Asked:
    candidates = tuple(model(provider.name) for provider in providers)
    step = PlannedStep(
        name="draft", kind="answer", candidates=candidates, validator=None, threshold=None, max_tokens=9, timeout_s=timeout_s, instruction="",
        input_bound_tokens=9, bound_nusd=0,
    )  # fmt: skip
    request = CompletionRequest(model=candidates[0], messages=[], max_tokens=9, timeout_s=timeout_s)
    now = time.perf_counter()
    asking = Tries(
        providers={provider.name: provider for provider in providers}, breakers=breakers or {}, sink=sink, started=now, deadline=now + deadline_s
    )
    return await asking.ask(step, request, live=sink is not None)


def told(asked: Asked) -> list[tuple[str, str, str | None]]:
    return [(attempt.model.provider, attempt.charge, attempt.error_code) for attempt in asked.attempts]


class TestTryingAgain:
    @pytest.mark.parametrize("kind", [ProviderRateLimited, ProviderFailed, ProviderUnreachable])
    async def test_what_cannot_have_been_billed_is_tried_again_after_growing_pauses_with_full_jitter(
        self, kind: type[ProviderError], pauses: list[tuple[float, float]]
    ) -> None:
        asked = await ask(Scripted("a", failure(kind), failure(kind), HELLO))
        assert asked.completion is HELLO
        assert asked.error is None
        assert told(asked) == [("a", "voided", kind.code), ("a", "voided", kind.code), ("a", "settled", None)]
        assert pauses == [(0, 0.5), (0, 1.0)]

    async def test_three_tries_are_enough(self) -> None:
        provider = Scripted("a", failure(ProviderFailed))
        asked = await ask(provider)
        assert len(provider.asked) == len(asked.attempts) == 3
        assert isinstance(asked.error, ProviderFailed)
        assert all(attempt.unverified for attempt in asked.attempts)

    @pytest.mark.parametrize("kind", [ProviderTimeout, ProviderBroken])
    async def test_what_may_have_been_billed_is_not_tried_again_anywhere(self, kind: type[ProviderError]) -> None:
        other = Scripted("b", HELLO)
        asked = await ask(Scripted("a", failure(kind)), other)
        assert told(asked) == [("a", "assumed", kind.code)]
        assert other.asked == []

    async def test_a_refusal_is_not_repeated_but_the_next_candidate_is_asked(self) -> None:
        asked = await ask(Scripted("a", failure(ProviderRefused, upstream_status=401)), Scripted("b", HELLO))
        assert told(asked) == [("a", "voided", "provider_refused"), ("b", "settled", None)]
        asked = await ask(Scripted("a", failure(ProviderRefused, upstream_status=400)))
        assert told(asked) == [("a", "voided", "provider_refused")]

    async def test_the_next_candidate_is_asked_at_once_and_only_when_all_failed_is_there_a_pause(self, pauses: list[tuple[float, float]]) -> None:
        a, b = Scripted("a", failure(ProviderFailed), HELLO), Scripted("b", failure(ProviderFailed))
        asked = await ask(a, b)
        assert [attempt.model.provider for attempt in asked.attempts] == ["a", "b", "a"]
        assert b.asked[0] - a.asked[0] < 0.1
        assert len(pauses) == 1

    async def test_each_try_says_how_long_it_took(self) -> None:
        asked = await ask(Scripted("a", failure(ProviderFailed), HELLO, takes_s=0.03))
        assert all(25 < attempt.latency_ms < 1000 for attempt in asked.attempts)


class TestRetryAfter:
    async def test_it_is_kept_to(self) -> None:
        provider = Scripted("a", failure(ProviderRateLimited, retry_after_s=0.3), HELLO)
        assert (await ask(provider)).completion is HELLO
        assert provider.asked[1] - provider.asked[0] >= 0.3

    async def test_one_candidate_does_not_make_the_other_wait(self) -> None:
        slow, quick = Scripted("a", failure(ProviderRateLimited, retry_after_s=5.0)), Scripted("b", failure(ProviderFailed), HELLO)
        asked = await ask(slow, quick)
        assert [attempt.model.provider for attempt in asked.attempts] == ["a", "b", "b"]
        assert len(slow.asked) == 1, "it wants to be left alone"

    async def test_where_it_is_long_the_caller_is_told_instead(self) -> None:
        provider = Scripted("a", failure(ProviderRateLimited, retry_after_s=60.0))
        asked = await ask(provider)
        assert len(provider.asked) == 1
        assert asked.error is not None
        assert asked.error.retry_after_s == 60.0


class TestDeadlines:
    async def test_no_pause_ends_after_the_runs_deadline_or_the_steps_own_time(self) -> None:
        for limits in ({"deadline_s": 0.2}, {"timeout_s": 0.2}):
            began = time.perf_counter()
            asked = await ask(Scripted("a", failure(ProviderRateLimited, retry_after_s=1.0)), **limits)
            assert len(asked.attempts) == 1
            assert time.perf_counter() - began < 0.15

    async def test_after_the_deadline_nobody_is_asked(self) -> None:
        provider = Scripted("a", HELLO)
        asked = await ask(provider, deadline_s=-1.0)
        assert isinstance(asked.error, DeadlinePassed)
        assert told(asked) == [("a", "voided", "deadline_passed")]
        assert provider.asked == []

    async def test_a_call_gets_no_more_time_than_the_run_has_left(self) -> None:
        seen: list[float] = []

        class Timed(Scripted):
            async def complete(self, request: CompletionRequest) -> Completion:
                seen.append(request.timeout_s)
                return await super().complete(request)

        await ask(Timed("a", HELLO), deadline_s=2.0)
        assert 1.5 < seen[0] <= 2.0


class TestBreakers:
    async def fail(self, *failures: Any, breaker: ConnectionBreaker, times: int = 10, timeout_s: float = 30.0) -> None:
        for _ in range(times):
            await ask(Scripted("a", *failures), breakers={"a": breaker}, deadline_s=timeout_s, timeout_s=timeout_s)

    def is_closed(self, breaker: ConnectionBreaker) -> bool:
        return breaker.wait_s("m", time.perf_counter()) == 0.0

    @pytest.fixture(autouse=True)
    def one_round(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that each failure is one."""
        monkeypatch.setattr(tries, "MOST_ROUNDS", 1)

    @pytest.mark.parametrize("kind", [ProviderFailed, ProviderTimeout, ProviderBroken, ProviderUnreachable])
    async def test_while_it_is_open_the_next_candidate_is_asked_at_once_and_nothing_is_sent(self, kind: type[ProviderError]) -> None:
        breaker = ConnectionBreaker()
        await self.fail(failure(kind), breaker=breaker)
        broken = Scripted("a", HELLO)
        asked = await ask(broken, Scripted("b", HELLO), breakers={"a": breaker})
        assert told(asked) == [("a", "voided", "circuit_open"), ("b", "settled", None)]
        assert broken.asked == []

    async def test_alone_it_says_for_how_long_and_is_not_tried_again(self) -> None:
        breaker = ConnectionBreaker()
        await self.fail(failure(ProviderFailed), breaker=breaker)
        asked = await ask(Scripted("a", HELLO), breakers={"a": breaker})
        assert isinstance(asked.error, CircuitOpen)
        assert isinstance(asked.error, ProviderUnreachable)
        assert not asked.error.sent
        assert asked.error.status == 503
        assert 4 < (asked.error.retry_after_s or 0) <= 5
        assert len(asked.attempts) == 1

    @pytest.mark.parametrize(("kind", "status"), [(ProviderRefused, 400), (ProviderRefused, 401), (ProviderRateLimited, 429)])
    async def test_a_provider_that_says_no_works_so_it_stays_closed(self, kind: type[ProviderError], status: int) -> None:
        breaker = ConnectionBreaker()
        await self.fail(failure(kind, upstream_status=status), breaker=breaker, times=40)
        assert self.is_closed(breaker)

    async def test_a_step_that_was_in_a_hurry_says_nothing_of_the_provider(self) -> None:
        breaker = ConnectionBreaker()
        await self.fail(failure(ProviderTimeout), breaker=breaker, times=20, timeout_s=1.0)
        assert self.is_closed(breaker)

    async def test_another_model_of_the_connection_is_served_meanwhile_unless_nobody_is_there(self) -> None:
        for kind, served in ((ProviderFailed, True), (ProviderUnreachable, False)):
            breaker = ConnectionBreaker()
            await self.fail(failure(kind), breaker=breaker)
            assert (breaker.admit("another", time.perf_counter()) is not None) is served

    async def test_what_was_never_sent_for_our_own_reasons_says_nothing(self) -> None:
        breaker, unsent = ConnectionBreaker(), failure(ProviderRefused)
        unsent.sent = False
        for odd in (unsent, RuntimeError("a bug of ours")):
            await self.fail(odd, breaker=breaker, times=40)
        assert self.is_closed(breaker)

    async def test_a_probe_that_is_answered_closes_it_and_one_whose_caller_goes_away_gives_its_place_back(self) -> None:
        breaker = ConnectionBreaker(BreakerRules(first_rest_s=0.05))
        await self.fail(failure(ProviderFailed), breaker=breaker)
        await asyncio.sleep(0.06)
        probe = asyncio.create_task(ask(Scripted("a", HELLO, takes_s=5.0), breakers={"a": breaker}))
        await asyncio.sleep(0.01)
        assert told(await ask(Scripted("a", HELLO), breakers={"a": breaker})) == [("a", "voided", "circuit_open")], "one probe is out"
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert (await ask(Scripted("a", HELLO), breakers={"a": breaker})).completion is HELLO
        assert self.is_closed(breaker)

    async def test_a_closed_one_costs_about_nothing(self) -> None:
        breaker = ConnectionBreaker()
        began = time.process_time()
        for number in range(20_000):
            tickets = breaker.admit("m", float(number))
            assert tickets is not None
            breaker.answered("m", tickets, float(number))
        assert (time.process_time() - began) / 20_000 < 20e-6, "seconds a call, on a machine that others use, too"


class TestStreams:
    async def test_once_a_word_was_passed_on_nothing_is_tried_again(self) -> None:
        passed: list[Any] = []

        async def sink(chunk: Chunk) -> None:
            passed.append(chunk)

        other = Scripted("b", HELLO)
        broken = Completion(message={"role": "assistant", "content": "Hel"}, finish_reason="broken", usage=None)
        asked = await ask(Scripted("a", broken), other, sink=sink)
        assert told(asked) == [("a", "assumed", "provider_bad_answer")]
        assert (len(passed), other.asked) == (1, [])

    async def test_before_the_first_word_a_stream_is_tried_again_like_any_call(self) -> None:
        passed: list[Any] = []

        async def sink(chunk: Chunk) -> None:
            passed.append(chunk)

        asked = await ask(Scripted("a", failure(ProviderFailed), HELLO), sink=sink)
        assert [attempt.charge for attempt in asked.attempts] == ["voided", "estimated"]
        assert asked.first_token_ms is not None
        assert len(passed) == 2

    async def test_what_our_own_code_cannot_handle_is_booked_and_not_tried_again(self) -> None:
        asked = await ask(Scripted("a", RuntimeError("secret words of an answer")))
        assert told(asked) == [("a", "assumed", "provider_bad_answer")]
        assert "secret" not in str(asked.error)


