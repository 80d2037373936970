"""The one table of metrics, for OpenTelemetry and for Prometheus, and what each run adds to them.

Where the semantic conventions for generative AI have a metric (https://opentelemetry.io/docs/specs/semconv/gen-ai/), it bears their name.
They are not stable yet, and Python's constants for them are deprecated: so the names that we use stand here.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from msgspec import Struct

from cascade.telemetry.facts import Facts, RefusalFacts, RunFacts, TryFacts

__all__ = ["ATTRIBUTES", "METRICS", "PROVIDER_NAMES", "Measure", "Metric", "measures_of"]

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
LEDGER_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
NUSD_PER_USD = 1_000_000_000

ATTRIBUTES = {
    "tenant": "cascadeflow.tenant", "tier": "cascadeflow.tier", "domain": "cascadeflow.domain", "preset": "cascadeflow.preset",
    "model": "cascadeflow.model", "provider": "cascadeflow.provider", "outcome": "cascadeflow.outcome", "accepted": "cascadeflow.draft.accepted",
    "ledger_call": "cascadeflow.ledger.call", "lost": "cascadeflow.telemetry.lost", "status": "http.response.status_code", "error": "error.type",
    "token_type": "gen_ai.token.type", "operation": "gen_ai.operation.name", "provider_name": "gen_ai.provider.name",
    "request_model": "gen_ai.request.model",
}  # fmt: skip
"""How the labels are called in OpenTelemetry."""

PROVIDER_NAMES = {"vertex": "gcp.vertex_ai"}
"""Of our slugs, those that the conventions call otherwise."""
CHAT = "chat"


class Metric(Struct, frozen=True, kw_only=True, eq=False):
    """One metric. It has a name for each of the two that it is told to."""

    kind: Literal["counter", "histogram"]
    help: str
    labels: tuple[str, ...]
    otlp: str = ""
    prometheus: str = ""
    unit: str = "1"
    buckets: tuple[float, ...] = ()
    more_labels: tuple[str, ...] = ()
    """For OpenTelemetry alone: they follow from the others."""


class Measure(NamedTuple):
    """What is added to a metric: labels in the order of `labels` and `more_labels`."""

    metric: Metric
    value: float
    labels: tuple[str, ...]


WHO, PATH, MODEL = ("tenant", "tier"), ("domain", "preset"), ("provider", "model")
SEMANTIC = ("operation", "provider_name", "request_model")

RUNS = Metric(
    kind="counter", otlp="cascadeflow.runs", prometheus="cascadeflow_runs_total", unit="{run}", labels=(*WHO, *PATH, "outcome", "error"),
    help="Runs that were booked, by what came of them: served, degraded, failed or shadow.",
)
RUN_SECONDS = Metric(
    kind="histogram", otlp="cascadeflow.run.duration", prometheus="cascadeflow_run_duration_seconds", unit="s", buckets=SECONDS,
    labels=("tenant", "preset", "outcome"), help="From the call to its booked answer.",
)
FIRST_TOKEN_SECONDS = Metric(
    kind="histogram", otlp="cascadeflow.run.time_to_first_token", prometheus="cascadeflow_time_to_first_token_seconds", unit="s",
    buckets=SECONDS, labels=("tenant", "preset"), help="Of streams: from the call until its reader could have the first token.",
)
REFUSALS = Metric(
    kind="counter", otlp="cascadeflow.refusals", prometheus="cascadeflow_refusals_total", unit="{call}", labels=(*WHO, "error", "status"),
    help="Calls for which no money was held, by the code of the error and the HTTP status: budgets, limits, callbacks, mistakes of the caller.",
)
ESCALATIONS = Metric(
    kind="counter", otlp="cascadeflow.escalations", prometheus="cascadeflow_escalations_total", unit="{run}", labels=(*WHO, *PATH),
    help="Runs that asked a model beyond the draft.",
)
DRAFTS = Metric(
    kind="counter", otlp="cascadeflow.drafts", prometheus="cascadeflow_drafts_total", unit="{draft}", labels=(*WHO, *PATH, "accepted"),
    help="Drafts that were judged, by whether they were served.",
)
COST = Metric(
    kind="counter", otlp="cascadeflow.cost", prometheus="cascadeflow_cost_usd_total", unit="{USD}", labels=(*WHO, *PATH, *MODEL),
    more_labels=("provider_name", "request_model"), help="What was booked for calls to providers, in USD. The ledger has the exact sums.",
)
CALLS = Metric(
    kind="counter", otlp="cascadeflow.provider.calls", prometheus="cascadeflow_provider_calls_total", unit="{call}",
    labels=("tenant", *MODEL, "outcome"), help="Tries at providers, by outcome: answered, or the code of the error.",
)
CALL_SECONDS = Metric(
    kind="histogram", otlp="gen_ai.client.operation.duration", prometheus="cascadeflow_provider_call_duration_seconds", unit="s",
    buckets=SECONDS, labels=("tenant", *MODEL), more_labels=(*SEMANTIC, "error"), help="How long each try at a provider took.",
)
TOKEN_COUNTS = Metric(
    kind="counter", prometheus="cascadeflow_tokens_total", labels=(*WHO, *PATH, *MODEL, "token_type"), help="Tokens that were booked.",
)
TOKEN_USAGE = Metric(
    kind="histogram", otlp="gen_ai.client.token.usage", unit="{token}", buckets=TOKENS, labels=(*WHO, *PATH, *MODEL, "token_type"),
    more_labels=SEMANTIC, help="Number of input and output tokens used.",
)
LEDGER = Metric(
    kind="histogram", otlp="cascadeflow.ledger.duration", prometheus="cascadeflow_ledger_duration_seconds", unit="s", buckets=LEDGER_SECONDS,
    labels=("ledger_call",), help="How long calls waited for the ledger: for their hold (with any wait for room in a budget), and until booked.",
)
LOST = Metric(
    kind="counter", otlp="cascadeflow.telemetry.dropped", prometheus="cascadeflow_telemetry_dropped_total", unit="{item}", labels=("lost",),
    help="Telemetry that was thrown away: calls that found the queue full, spans that no collector took.",
)
METRICS = (
    RUNS, RUN_SECONDS, FIRST_TOKEN_SECONDS, REFUSALS, ESCALATIONS, DRAFTS, COST, CALLS, CALL_SECONDS, TOKEN_COUNTS, TOKEN_USAGE, LEDGER, LOST,
)  # fmt: skip


def measures_of(facts: Facts) -> Iterator[Measure]:
    """Yield what a call adds to the metrics. Worked number: a run of 1,500,000 nano-USD by one try adds 0.0015 to `cascadeflow.cost`."""
    if isinstance(facts, RefusalFacts):
        yield Measure(REFUSALS, 1, (facts.tenant, facts.tier, facts.reason, str(facts.status)))
    elif isinstance(facts, RunFacts):
        yield from _of_run(facts)


def _of_run(run: RunFacts) -> Iterator[Measure]:
    whose = (run.tenant, run.tier, run.domain, run.preset)
    yield Measure(RUNS, 1, (*whose, run.outcome, run.error))
    yield Measure(RUN_SECONDS, run.latency_ms / 1000, (run.tenant, run.preset, run.outcome))
    yield Measure(LEDGER, run.hold_ms / 1000, ("hold",))
    yield Measure(LEDGER, run.settle_ms / 1000, ("settle",))
    if run.first_token_ms is not None:
        yield Measure(FIRST_TOKEN_SECONDS, run.first_token_ms / 1000, (run.tenant, run.preset))
    if run.draft_accepted is not None:
        yield Measure(DRAFTS, 1, (*whose, "true" if run.draft_accepted else "false"))
    if run.escalated:
        yield Measure(ESCALATIONS, 1, whose)
    for one in run.tries:
        yield from _of_try(one, whose)


def _of_try(one: TryFacts, whose: tuple[str, ...]) -> Iterator[Measure]:
    tenant, model = whose[:1], (one.provider, one.model)
    provider_name = PROVIDER_NAMES.get(one.provider_kind, one.provider_kind)
    semantic = (CHAT, provider_name, one.request_model)
    error = "" if one.outcome == "answered" else one.outcome
    yield Measure(CALLS, 1, (*tenant, *model, one.outcome))
    yield Measure(CALL_SECONDS, one.latency_ms / 1000, (*tenant, *model, *semantic, error))
    if one.cost_nusd:
        yield Measure(COST, one.cost_nusd / NUSD_PER_USD, (*whose, *model, provider_name, one.request_model))
    for token_type, count in (("input", one.input_tokens), ("output", one.output_tokens)):
        if count:
            yield Measure(TOKEN_COUNTS, count, (*whose, *model, token_type))
            yield Measure(TOKEN_USAGE, count, (*whose, *model, token_type, *semantic))
