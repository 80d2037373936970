"""The spans of a call: one of the call, and one of each try at a provider beneath it.

They are made whole, when all is over: a tracer's spans, made to grow while work goes on, cost four times as much.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.status import Status, StatusCode

from cascade.telemetry.facts import Facts, RefusalFacts, RunFacts, TryFacts
from cascade.telemetry.metrics import CHAT, NUSD_PER_USD, PROVIDER_NAMES
from cascade.telemetry.scrubbing import OUR_SCOPE

__all__ = ["RunSpans"]

NS_PER_MS = 1_000_000
RUN = "invoke_workflow"
PROPAGATOR = TraceContextTextMapPropagator()
FAILED, FINE = Status(StatusCode.ERROR), Status()


class RunSpans:
    """Makes spans with the resource, the sampler and the ids of a provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._scope = InstrumentationScope(OUR_SCOPE)

    def of(self, facts: Facts) -> Iterator[ReadableSpan]:
        """Yield the spans of a call; none where the sampler leaves it out. Its trace is the caller's own, where it came with one."""
        before = PROPAGATOR.extract(facts.trace, context=Context()) if facts.trace else Context()
        parent = get_current_span(before).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else self._provider.id_generator.generate_trace_id()
        name = f"{RUN} {facts.preset}" if isinstance(facts, RunFacts) and facts.preset else RUN
        sampled = self._provider.sampler.should_sample(before, trace_id, name, SpanKind.SERVER)
        if not sampled.decision.is_sampled():
            return
        own = SpanContext(
            trace_id, self._provider.id_generator.generate_span_id(), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED),
            trace_state=sampled.trace_state,
        )
        attributes = _of_call(facts)
        yield self._span(
            name, own, parent if parent.is_valid else None, kind=SpanKind.SERVER, attributes=attributes, start_ns=facts.started_ns,
            ms=facts.latency_ms, is_failure=bool(attributes["error.type"]),
        )
        if isinstance(facts, RunFacts):
            yield from self._of_tries(facts, own)

    def _of_tries(self, facts: RunFacts, own: SpanContext) -> Iterator[ReadableSpan]:
        for one in facts.tries:
            beneath = SpanContext(
                own.trace_id, self._provider.id_generator.generate_span_id(), is_remote=False, trace_flags=own.trace_flags,
                trace_state=own.trace_state,
            )
            yield self._span(
                f"{CHAT} {one.request_model}", beneath, own, kind=SpanKind.CLIENT, attributes=_of_try(one, facts),
                start_ns=facts.started_ns + int(one.started_ms * NS_PER_MS), ms=one.latency_ms, is_failure=one.outcome != "answered",
            )

    def _span(
        self, name: str, own: SpanContext, parent: SpanContext | None, *, kind: SpanKind, attributes: Mapping[str, Any], start_ns: int, ms: float,
        is_failure: bool,
    ) -> ReadableSpan:
        said = {name: value for name, value in attributes.items() if value not in (None, "")}
        return ReadableSpan(
            name=name, context=own, parent=parent, resource=self._provider.resource, attributes=said, kind=kind,
            status=FAILED if is_failure else FINE, start_time=start_ns, end_time=start_ns + int(ms * NS_PER_MS), instrumentation_scope=self._scope,
        )


def _of_call(facts: Facts) -> Mapping[str, Any]:
    common = {
        "gen_ai.operation.name": RUN, "cascadeflow.tenant": facts.tenant, "cascadeflow.tier": facts.tier,
        "enduser.pseudo.id": str(facts.end_user) if facts.end_user else None,
    }  # fmt: skip
    if isinstance(facts, RefusalFacts):
        return {**common, "error.type": facts.reason, "http.response.status_code": facts.status}
    assert isinstance(facts, RunFacts)
    return {
        **common, "error.type": facts.error, "cascadeflow.run.id": str(facts.run_id),
        "cascadeflow.shadow_of": str(facts.shadow_of) if facts.shadow_of else None, "cascadeflow.domain": facts.domain,
        "cascadeflow.complexity": facts.complexity, "cascadeflow.preset": facts.preset, "cascadeflow.policy_version": facts.policy_version,
        "cascadeflow.arm": facts.arm, "cascadeflow.outcome": facts.outcome, "cascadeflow.model": facts.model_used,
        "cascadeflow.draft.accepted": facts.draft_accepted, "cascadeflow.escalated": facts.escalated,
        "cascadeflow.cost_usd": facts.cost_nusd / NUSD_PER_USD, "cascadeflow.hold_ms": facts.hold_ms, "cascadeflow.settle_ms": facts.settle_ms,
        "cascadeflow.time_to_first_token_ms": facts.first_token_ms,
    }  # fmt: skip


def _of_try(one: TryFacts, run: RunFacts) -> Mapping[str, Any]:
    return {
        "gen_ai.operation.name": CHAT, "gen_ai.provider.name": PROVIDER_NAMES.get(one.provider_kind, one.provider_kind),
        "gen_ai.request.model": one.request_model, "gen_ai.response.model": one.response_model,
        "gen_ai.usage.input_tokens": one.input_tokens or None, "gen_ai.usage.output_tokens": one.output_tokens or None,
        "gen_ai.usage.cache_read.input_tokens": one.cached_input_tokens or None,
        "gen_ai.usage.reasoning.output_tokens": one.reasoning_tokens or None,
        "error.type": None if one.outcome == "answered" else one.outcome,
        "cascadeflow.tenant": run.tenant, "cascadeflow.tier": run.tier, "cascadeflow.domain": run.domain, "cascadeflow.preset": run.preset,
        "cascadeflow.provider": one.provider, "cascadeflow.model": one.model, "cascadeflow.step": one.step, "cascadeflow.step.kind": one.kind,
        "cascadeflow.step.status": one.status, "cascadeflow.quality.score": one.score, "cascadeflow.quality.threshold": one.threshold,
        "cascadeflow.booked": one.booked, "cascadeflow.cost_usd": one.cost_nusd / NUSD_PER_USD,
    }  # fmt: skip
