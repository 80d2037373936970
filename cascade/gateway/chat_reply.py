"""Replies in OpenAI's form: the whole completion, and the chunks of a stream."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from billing.engine.money import to_usd
from billing.ledger import RateStanding
from cascade.engine.plans import CascadePlan
from cascade.engine.values import Completion, Usage
from cascade.limits import limit_headers
from cascade.outcomes import RunOutcome, extension_of, warning_headers

PIECE = 64
"""Characters a chunk of an answer that was judged before it is streamed."""
IN_PIECES = ("role", "content", "refusal", "tool_calls")
"""Of a message: the rest of it (a function call of the old form, reasoning, annotations) goes in one chunk."""
LIVE, BUFFERED, UNDECIDED = "live", "buffered", "undecided"
"""How an answer is streamed: as the provider speaks, or after it was judged. Undecided are headers that left while it was judged."""
DONE = b"data: [DONE]\n\n"


def completion_of(outcome: RunOutcome, *, created: int) -> dict[str, Any]:
    """Return the `chat.completion` object with our `cascadeflow` object beside OpenAI's fields."""
    answer = outcome.completion
    reply: dict[str, Any] = {
        "id": f"chatcmpl-{outcome.run_id}", "object": "chat.completion", "created": created, "model": outcome.model_used,
        "choices": [
            {
                "index": 0, "message": {"role": "assistant", "content": None, **answer.message}, "logprobs": answer.logprobs,
                "finish_reason": answer.finish_reason,
            }
        ],
        "usage": usage_of(answer.usage),
        "system_fingerprint": answer.system_fingerprint,
        "cascadeflow": extension_of(outcome),
    }
    return reply


def headers_of(outcome: RunOutcome) -> dict[str, str]:
    result = outcome.result
    return {
        **plan_headers(str(outcome.run_id), result.plan, limits=outcome.limits),
        "x-cascadeflow-model": outcome.model_used,
        "x-cascadeflow-cost": to_usd(outcome.cost_nusd),
        "x-cascadeflow-draft-accepted": {True: "true", False: "false", None: "unjudged"}[result.draft_accepted],
    }


def plan_headers(run_id: str, plan: CascadePlan, *, limits: Sequence[RateStanding]) -> dict[str, str]:
    """What is known before the answer: a stream's headers leave first."""
    headers = {
        "x-cascadeflow-run-id": run_id, "x-cascadeflow-policy": plan.policy_version, "x-cascadeflow-domain": plan.domain.domain,
        "x-cascadeflow-tier": plan.tier or "", **warning_headers(plan),
    }
    if plan.degraded:
        headers["x-cascadeflow-degraded"] = plan.degraded
    if limits:
        headers.update(limit_headers(limits))
    return headers


def usage_of(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens, "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


class ChunkWriter:
    """Writes the chunks of one stream, all under our own id. The chunk with the finish reason comes last, with the `cascadeflow` object."""

    def __init__(self, *, run_id: str, created: int, include_usage: bool = False) -> None:
        self._frame: dict[str, Any] = {"id": f"chatcmpl-{run_id}", "object": "chat.completion.chunk", "created": created}
        if include_usage:
            self._frame["usage"] = None  # as OpenAI does: only the last chunk has it
        self._include_usage = include_usage
        self.finish: dict[str, Any] | None = None

    def live(self, chunk: Mapping[str, Any]) -> bytes | None:
        """Return a provider's chunk as ours; None for its usage, and for its finish, which is kept until the money is booked."""
        choices = [dict(choice) for choice in chunk.get("choices") or ()]
        if not choices:
            return None
        if choices[0].get("finish_reason"):
            self.finish = {**choices[0], "delta": {}}
            if not choices[0].get("delta"):
                return None
            choices[0]["finish_reason"] = None
        return event({**self._frame, "model": chunk["model"], "choices": choices})

    def whole(self, answer: Completion, *, model: str) -> Iterator[bytes]:
        """Yield an answer that was judged as chunks, as if it came live."""
        yield self._delta({"role": "assistant", "content": ""}, model=model)
        text = answer.text
        piece = PIECE if answer.logprobs is None else max(len(text), 1)  # what is said of each token stands beside its text
        for at in range(0, len(text), piece):
            yield self._delta({"content": text[at : at + piece]}, model=model, logprobs=answer.logprobs)
        if answer.message.get("refusal"):
            yield self._delta({"refusal": answer.message["refusal"]}, model=model)
        for index, call in enumerate(call for call in answer.tool_calls if isinstance(call, Mapping)):
            yield self._delta({"tool_calls": [{"index": index, **call}]}, model=model)
        rest = {name: value for name, value in answer.message.items() if name not in IN_PIECES and value is not None}
        if rest:
            yield self._delta(rest, model=model)
        self.finish = {"index": 0, "delta": {}, "finish_reason": answer.finish_reason}

    def end(self, outcome: RunOutcome) -> Iterator[bytes]:
        model = outcome.model_used
        how = LIVE if outcome.result.streamed_live else BUFFERED
        finish = self.finish or {"index": 0, "delta": {}, "finish_reason": outcome.completion.finish_reason}
        yield event({**self._frame, "model": model, "choices": [finish], "cascadeflow": {**extension_of(outcome), "streamed": how}})
        if self._include_usage:
            yield event({**self._frame, "model": model, "choices": [], "usage": usage_of(outcome.completion.usage)})
        yield DONE

    def _delta(self, delta: Mapping[str, Any], *, model: str, logprobs: Mapping[str, Any] | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return event({**self._frame, "model": model, "choices": [choice if logprobs is None else {**choice, "logprobs": logprobs}]})


def event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
