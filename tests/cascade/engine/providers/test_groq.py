"""Groq: counts and errors of a stream stand in `x_groq`, times stand among the counts."""

from typing import Any

import pytest
from aiohttp import ClientSession

from cascade.engine.errors import ProviderBroken, ProviderRateLimited, ProviderRefused
from cascade.engine.values import Usage
from tests.cascade.engine.providers.conftest import Serve
from tests.cascade.engine.providers.contract import Refusal, assembled, streaming
from tests.cascade.engine.providers.openai_wire import DONE, EVERYWHERE, TOO_LONG, WORDS, OpenAIContract, error, part, reply, usage_part

COUNTS = {
    "queue_time": 0.0376, "prompt_tokens": 19, "prompt_time": 0.00068, "completion_tokens": 40, "completion_time": 0.46,
    "total_tokens": 59, "total_time": 0.46, "prompt_tokens_details": {"cached_tokens": 16}, "completion_tokens_details": {"reasoning_tokens": 30},
}  # fmt: skip


class TestGroq(OpenAIContract):
    slug = "groq"
    path = "/openai/v1/chat/completions"
    answer = reply({"content": "Hello there.", "reasoning": "A greeting."}, usage=COUNTS, usage_breakdown=None, x_groq={"id": "req_1", "seed": 3})
    usage = stream_usage = Usage(input_tokens=19, output_tokens=40, cached_input_tokens=16, reasoning_tokens=30)
    events = (*WORDS, part({}, finish="stop", x_groq={"id": "req_1", "usage": COUNTS}), usage_part(COUNTS), DONE)
    refusals = (
        *EVERYWHERE,
        Refusal("wrong key", 401, error("Invalid API Key", code="invalid_api_key"), ProviderRefused, "key", said="Invalid API Key"),
        Refusal("no such model", 404, error("The model `x` does not exist", code="model_not_found"), ProviderRefused, "model"),
        Refusal("a model that is gone", 400, error("The model has been decommissioned", code="model_decommissioned"), ProviderRefused, "model"),
        Refusal("context too long", 400, error(TOO_LONG, code="context_length_exceeded"), ProviderRefused, "request"),
        Refusal("more than a minute's tokens", 413, error("Request too large", code="rate_limit_exceeded"), ProviderRefused, "request"),
        Refusal(
            "too many tokens", 429, error("Rate limit reached on tokens per minute (TPM)", kind="tokens", code="rate_limit_exceeded"),
            ProviderRateLimited, retry_after_s=7.66,
            headers={"x-ratelimit-remaining-requests": "14370", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-requests": "2m59.56s",
                     "x-ratelimit-reset-tokens": "7.66s"},
        ),
        Refusal("too many requests", 429, error("Rate limit reached"), ProviderRateLimited, headers={"retry-after": "2"}, retry_after_s=2.0),
    )  # fmt: skip

    async def test_counts_that_stand_in_x_groq_alone_are_read(self, serve: Serve, session: ClientSession) -> None:
        pieces = (*WORDS, part({}, finish="stop", x_groq={"id": "req_1", "usage": COUNTS}), DONE)
        provider = await self.provider(serve, session, streaming(*pieces))
        assert assembled([chunk async for chunk in provider.stream(self.request())]).usage == self.usage

    @pytest.mark.parametrize("x_groq", [{"error": "over capacity"}, {"usage": {"prompt_tokens": -1}}, {"usage": []}])
    async def test_an_error_or_nonsense_in_x_groq_is_broken(self, serve: Serve, session: ClientSession, x_groq: Any) -> None:
        provider = await self.provider(serve, session, streaming(*WORDS, part({}, finish="stop", x_groq=x_groq), DONE))
        if x_groq == {"usage": []}:
            assert [chunk async for chunk in provider.stream(self.request())]  # nothing is nothing
            return
        with pytest.raises(ProviderBroken):
            [chunk async for chunk in provider.stream(self.request())]
