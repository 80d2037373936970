"""Carries a plan out: draft, judge, escalate. What each call may have cost is told for every one of them, also on failure."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from time import perf_counter

import msgspec

from cascade.engine.checking import check_request, read_verdict
from cascade.engine.errors import (
    CascadeError,
    DeadlinePassed,
    InvalidRequest,
    NoAcceptableAnswer,
    ProviderBroken,
    ProviderError,
    ProviderFailed,
    ProviderRefused,
)
from cascade.engine.plans import Attempt, CascadePlan, CascadeResult, PlannedStep, StepOutcome
from cascade.engine.providers.base import BaseProvider, Chunk
from cascade.engine.quality.validator import QualityValidator
from cascade.engine.streaming import StreamAssembler
from cascade.engine.values import Completion, CompletionRequest, ModelConfig, Usage, ValidationResult

log = logging.getLogger(__name__)
Sink = Callable[[Chunk], Awaitable[None]]
"""Takes the chunks of an answer that is streamed live, each with our name of the model that speaks."""
BeforeLeg = Callable[[int], Awaitable[None]]
"""Called before the first byte of a leg leaves; raising stops the run."""
VALIDATORS = {name: QualityValidator(preset=name) for name in ("fast", "balanced", "strict")}
RETRY_PAUSE_S = 0.25
LONGEST_RETRY_PAUSE_S = 2.0


class Execution:
    """One run of one plan. `run()` never raises a CascadeError: it returns a result that holds it, with the steps to be booked."""

    def __init__(
        self, *, plan: CascadePlan, providers: Mapping[str, BaseProvider], before_leg: BeforeLeg, sink: Sink | None, deadline_s: float
    ) -> None:
        self._plan, self._providers, self._before_leg, self._sink = plan, providers, before_leg, sink
        self._started, self._deadline_s = perf_counter(), deadline_s
        self._outcomes: list[StepOutcome] = []
        self._answer: Completion | None = None
        self._answer_leg: int | None = None
        self._rejected: Completion | None = None
        self._error: CascadeError | None = None
        self._live = False

    async def run(self) -> CascadeResult:
        for leg, step in enumerate(self._plan.steps):
            if (step.kind == "answer") == (self._answer is not None):
                continue  # an answer is there already, or none is there to be checked
            if step.is_retry and self._outcomes[-1].status != "rejected":
                continue  # a provider that fails is not asked once more for its quality
            try:
                await self._before_leg(leg)
                await (self._ask(leg, step) if step.kind == "answer" else self._check(leg, step))
            except CascadeError as stopped:
                self._error = stopped
                break
            if self._live:
                break
        return self._result()

    async def _ask(self, leg: int, step: PlannedStep) -> None:
        began = perf_counter()
        request = CompletionRequest(
            model=step.model, messages=self._plan.request.messages, max_tokens=step.max_tokens, parameters=self._plan.request.parameters,
            user=self._plan.request.user, timeout_s=step.timeout_s,
        )
        live = self._sink is not None and leg == len(self._plan.steps) - 1 and step.validator is None
        attempts, completion, first_token_ms = await self._attempts(step, request, live=live)
        if completion is None:
            self._record(leg, step, "failed", attempts, began, reason=attempts[-1].error or "")
            return
        validation = self._judge(step, completion) if step.validator else None
        accepted = validation is None or validation.accepted
        if accepted:
            self._answer, self._answer_leg = completion, leg
        else:
            self._rejected = completion
        self._record(
            leg, step, "accepted" if accepted else "rejected", attempts, began, validation=validation, first_token_ms=first_token_ms,
            reason=validation.reason if validation else "",
        )

    async def _check(self, leg: int, step: PlannedStep) -> None:
        assert self._answer is not None
        assert self._answer_leg is not None
        began = perf_counter()
        request = check_request(
            step=step, plan=self._plan, answer=self._answer, answer_cap_tokens=self._plan.steps[self._answer_leg].max_tokens
        )
        attempts, completion, _ = await self._attempts(step, request, live=False)
        passed, reason = read_verdict(completion) if completion else (False, attempts[-1].error or "the check could not be made")
        if not passed:
            self._rejected, self._answer, self._answer_leg = self._answer, None, None
        status = "failed" if completion is None else "accepted" if passed else "rejected"
        self._record(leg, step, status, attempts, began, reason=reason)

    async def _attempts(
        self, step: PlannedStep, request: CompletionRequest, *, live: bool
    ) -> tuple[list[Attempt], Completion | None, float | None]:
        """Ask the candidates in turn, the last one twice where a second try is sensible. Only what cannot have been billed is tried again."""
        attempts: list[Attempt] = []
        tries = [*step.candidates, step.candidates[-1]]
        for number, model in enumerate(tries):
            try:
                completion, first_token_ms = await self._call(request, model=model, live=live)
            except ProviderError as failure:
                attempts.append(_failed_attempt(model, failure))
                self._error = failure
                again = number + 1 < len(tries) and attempts[-1].charge == "voided" and not self._live
                another = again and tries[number + 1] is not model
                if not (another or (again and failure.retryable)):
                    return attempts, None, None
                if not another:
                    await asyncio.sleep(self._pause(failure))
            else:
                self._error = None
                attempts.append(_paid_attempt(model, completion, step))
                return attempts, completion, first_token_ms
        return attempts, None, None

    async def _call(self, request: CompletionRequest, *, model: ModelConfig, live: bool) -> tuple[Completion, float | None]:
        left = self._deadline_s - (perf_counter() - self._started)
        if left <= 0:
            raise DeadlinePassed("the time for this run is over", provider=model.provider)
        if model is not request.model or left < request.timeout_s:
            request = msgspec.structs.replace(request, model=model, timeout_s=min(request.timeout_s, left))
        provider = self._providers[model.provider]
        try:
            if not live:
                return await provider.complete(request), None
            return await self._stream(provider, request)
        except CascadeError:
            raise
        except Exception as unforeseen:  # what was sent must be booked, whatever a provider's answer does to our code
            log.error("the answer of %s could not be handled: %s", provider.name, type(unforeseen).__name__)  # its words may be the answer's
            raise ProviderBroken(f"{provider.name} answered with something that cannot be handled", provider=provider.name) from unforeseen

    async def _stream(self, provider: BaseProvider, request: CompletionRequest) -> tuple[Completion, float | None]:
        assert self._sink is not None
        assembler, first_token_ms = StreamAssembler(provider=provider.name), None
        async with aclosing(provider.stream(request)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                assembler.add(chunk)
                if first_token_ms is None and assembler.has_content:
                    first_token_ms = (perf_counter() - self._started) * 1000
                self._live = True
                await self._sink({**chunk, "model": request.model.name})
        if not assembler.has_content and not assembler.completion().finish_reason:
            raise ProviderBroken(f"{provider.name} streamed no answer", provider=provider.name)
        return assembler.completion(), first_token_ms

    def _judge(self, step: PlannedStep, completion: Completion) -> ValidationResult:
        plan = self._plan
        parameters = plan.request.parameters
        if plan.request.max_tokens is not None:
            parameters = {**parameters, "max_tokens": plan.request.max_tokens}
        try:
            return VALIDATORS[step.validator or "balanced"].validate(
                prompt=plan.prompt, completion=completion, parameters=parameters, domain=plan.domain.domain, complexity=plan.complexity,
                threshold=step.threshold,
            )
        except Exception as wrong:  # a bug of ours: the draft is not served, and what it cost is booked all the same
            log.error("a draft could not be judged: %s", type(wrong).__name__)
            return ValidationResult(score=0.0, threshold=step.threshold or 1.0, accepted=False, checks=(), reason="The draft could not be judged")

    def _record(
        self, leg: int, step: PlannedStep, status: str, attempts: list[Attempt], began: float, *, reason: str = "",
        validation: ValidationResult | None = None, first_token_ms: float | None = None,
    ) -> None:
        self._outcomes.append(
            StepOutcome(
                leg=leg, name=step.name, kind=step.kind, status=status, attempts=tuple(attempts), validation=validation,  # type: ignore[arg-type]
                latency_ms=(perf_counter() - began) * 1000, first_token_ms=first_token_ms, reason=reason,
            )
        )

    def _pause(self, failure: ProviderError) -> float:
        return min(failure.retry_after_s or RETRY_PAUSE_S, LONGEST_RETRY_PAUSE_S) * (0.5 + random.random())  # noqa: S311 - jitter, no secret

    def _result(self) -> CascadeResult:
        plan, steps = self._plan, tuple(self._outcomes)
        if self._answer is None or self._answer_leg is None:
            return CascadeResult(plan=plan, steps=steps, streamed_live=self._live, error=self._honest_error(), degraded=plan.degraded)
        served = next(step for step in reversed(steps) if step.leg == self._answer_leg)
        return CascadeResult(
            plan=plan, steps=steps, completion=self._answer, served_by=served.model, served_leg=self._answer_leg, streamed_live=self._live,
            degraded=plan.degraded,
        )

    def _honest_error(self) -> CascadeError:
        """A rejected draft is never dressed as an answer, and a provider's refusal of the caller's own request is said as such."""
        if isinstance(self._error, ProviderRefused) and self._error.upstream_status in (400, 413, 422) and self._rejected is None:
            return InvalidRequest(f"The provider refused the request: {self._error.message}")
        if self._error is not None:
            return self._error
        reasons = "; ".join(f"{step.name}: {step.reason}" for step in self._outcomes if step.reason)
        return NoAcceptableAnswer(f"No step gave an answer that holds ({reasons or 'none was tried'}). Try another preset or a stronger model.")


def _failed_attempt(model: ModelConfig, failure: ProviderError) -> Attempt:
    refused = isinstance(failure, ProviderRefused | ProviderFailed)
    return Attempt(
        model=model, charge="voided" if refused or not failure.sent else "assumed", unverified=isinstance(failure, ProviderFailed),
        error=failure.message, error_code=failure.code,
    )


def _paid_attempt(model: ModelConfig, completion: Completion, step: PlannedStep) -> Attempt:
    usage = completion.usage
    if usage is None:
        usage = Usage(input_tokens=step.input_bound_tokens, output_tokens=step.max_tokens)
    return Attempt(
        model=model, charge="settled" if completion.usage else "estimated", usage=usage, provider_request_id=completion.request_id,
    )
