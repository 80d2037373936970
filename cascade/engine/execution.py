"""Carries a plan out: draft, judge, escalate. What each call may have cost is told for every one of them, also on failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from cascade.engine.breaker import ConnectionBreaker
from cascade.engine.checking import check_request, read_verdict
from cascade.engine.errors import CascadeError, InvalidRequest, NoAcceptableAnswer, ProviderRefused
from cascade.engine.plans import CascadePlan, CascadeResult, PlannedStep, StepOutcome
from cascade.engine.providers.base import BaseProvider
from cascade.engine.quality.callbacks import has_callbacks
from cascade.engine.quality.validator import QualityValidator
from cascade.engine.tries import Asked, Sink, Tries
from cascade.engine.values import Completion, CompletionRequest, ValidationResult

__all__ = ["VALIDATORS", "BeforeLeg", "Execution", "OnStep", "Sink"]

log = logging.getLogger(__name__)
BeforeLeg = Callable[[int], Awaitable[None]]
"""Called before the first byte of a leg leaves; raising stops the run."""
OnStep = Callable[[StepOutcome], None]
"""Told each step as it ends: for those who watch. It must neither block nor raise."""
VALIDATORS = {name: QualityValidator(preset=name) for name in ("fast", "balanced", "strict")}


class Execution:
    """One run of one plan. `run()` never raises a CascadeError: it returns a result that holds it, with the steps to be booked."""

    def __init__(
        self, *, plan: CascadePlan, providers: Mapping[str, BaseProvider], before_leg: BeforeLeg, sink: Sink | None, deadline_s: float,
        breakers: Mapping[str, ConnectionBreaker], on_step: OnStep | None = None,
    ) -> None:
        self._plan, self._before_leg, self._streams, self._on_step = plan, before_leg, sink is not None, on_step
        started = perf_counter()
        self._tries = Tries(providers=providers, breakers=breakers, sink=sink, started=started, deadline=started + deadline_s)
        self._outcomes: list[StepOutcome] = []
        self._answer: Completion | None = None
        self._answer_leg: int | None = None
        self._rejected: Completion | None = None
        self._error: CascadeError | None = None

    async def run(self) -> CascadeResult:
        for leg, step in enumerate(self._plan.steps):
            if (step.kind == "answer") == (self._answer is not None):
                continue  # an answer is there already, or none is there to be checked
            if step.is_retry and self._outcomes[-1].status != "rejected":
                continue  # a provider that fails is not asked once more for its quality
            try:
                await self._before_leg(leg)
                await (self._ask(leg, step) if step.kind == "answer" else self._check(leg, step))
            except CascadeError as stopped:  # what was still due is not done: an answer that waits for its check is none
                self._error = stopped
                self._rejected, self._answer, self._answer_leg = self._answer or self._rejected, None, None
                break
            if self._tries.is_live:
                break
        return self._result(score=await self._score())

    async def _ask(self, leg: int, step: PlannedStep) -> None:
        began = perf_counter()
        request = CompletionRequest(
            model=step.model, messages=self._plan.request.messages, max_tokens=step.max_tokens, parameters=self._plan.request.parameters,
            user=self._plan.request.user, timeout_s=step.timeout_s,
        )
        live = self._streams and leg == len(self._plan.steps) - 1 and step.validator is None
        asked = await self._tries.ask(step, request, live=live)
        completion, self._error = asked.completion, asked.error
        if completion is None:
            self._record(leg, step, "failed", asked, began, reason=asked.attempts[-1].error or "")
            return
        validation = await self._judged(step, completion) if step.validator else None
        accepted = validation is None or validation.accepted
        if accepted:
            self._answer, self._answer_leg = completion, leg
        else:
            self._rejected = completion
        self._record(
            leg, step, "accepted" if accepted else "rejected", asked, began, validation=validation,
            reason=validation.reason if validation else "",
        )

    async def _check(self, leg: int, step: PlannedStep) -> None:
        assert self._answer is not None
        assert self._answer_leg is not None
        began = perf_counter()
        request = check_request(
            step=step, plan=self._plan, answer=self._answer, answer_cap_tokens=self._plan.steps[self._answer_leg].max_tokens
        )
        asked = await self._tries.ask(step, request, live=False)
        completion, self._error = asked.completion, asked.error
        passed, reason = read_verdict(completion) if completion else (False, asked.attempts[-1].error or "the check could not be made")
        if not passed:
            self._rejected, self._answer, self._answer_leg = self._answer, None, None
        status = "failed" if completion is None else "accepted" if passed else "rejected"
        self._record(leg, step, status, asked, began, reason=reason)

    async def _judged(self, step: PlannedStep, completion: Completion) -> ValidationResult:
        """Beside the event loop where callbacks of the operator's are waited for."""
        return await asyncio.to_thread(self._judge, step, completion) if has_callbacks() else self._judge(step, completion)

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
        self, leg: int, step: PlannedStep, status: str, asked: Asked, began: float, *, reason: str = "",
        validation: ValidationResult | None = None,
    ) -> None:
        self._outcomes.append(
            StepOutcome(
                leg=leg, name=step.name, kind=step.kind, status=status, attempts=asked.attempts, validation=validation,  # type: ignore[arg-type]
                latency_ms=(perf_counter() - began) * 1000, first_token_ms=asked.first_token_ms, reason=reason,
            )
        )
        if self._on_step is not None:
            self._on_step(self._outcomes[-1])

    async def _score(self) -> float | None:
        """How good the served answer is held to be: by its judge, or, where the plan is measured, by one that decides nothing."""
        if self._answer is None or self._answer_leg is None:
            return None
        served = next(step for step in reversed(self._outcomes) if step.leg == self._answer_leg)
        if served.validation is not None or not self._plan.is_measured:
            return served.validation.score if served.validation is not None else None
        return (await self._judged(self._plan.steps[self._answer_leg], self._answer)).score

    def _result(self, *, score: float | None) -> CascadeResult:
        plan, steps = self._plan, tuple(self._outcomes)
        if self._answer is None or self._answer_leg is None:
            return CascadeResult(plan=plan, steps=steps, streamed_live=self._tries.is_live, error=self._honest_error(), degraded=plan.degraded)
        served = next(step for step in reversed(steps) if step.leg == self._answer_leg)
        return CascadeResult(
            plan=plan, steps=steps, completion=self._answer, served_by=served.model, served_leg=self._answer_leg, streamed_live=self._tries.is_live,
            degraded=plan.degraded, score=score,
        )

    @staticmethod
    def _is_the_callers(refused: ProviderRefused) -> bool:
        return refused.upstream_status in (400, 413, 422) and refused.about == "request"

    def _honest_error(self) -> CascadeError:
        """A rejected draft is never dressed as an answer, and a provider's refusal of the caller's own request is said as such."""
        if isinstance(self._error, ProviderRefused) and self._is_the_callers(self._error) and self._rejected is None:
            return InvalidRequest(f"The provider refused the request: {self._error.message}")
        if self._error is not None:
            return self._error
        reasons = "; ".join(f"{step.name}: {step.reason}" for step in self._outcomes if step.reason)
        return NoAcceptableAnswer(f"No step gave an answer that holds ({reasons or 'none was tried'}). Try another preset or a stronger model.")
