"""OpenAI."""

from aiohttp import ClientSession

from cascade.engine.errors import ProviderRateLimited, ProviderRefused
from cascade.engine.values import Usage
from tests.cascade.engine.providers.conftest import KEY, Serve
from tests.cascade.engine.providers.contract import Refusal, answering
from tests.cascade.engine.providers.openai_wire import DONE, EVERYWHERE, TOO_LONG, WORDS, OpenAIContract, error, part, reply, usage_part

COUNTS = {
    "prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
}  # fmt: skip


class TestOpenAI(OpenAIContract):
    slug = "openai"
    path = "/v1/chat/completions"
    cap = ("max_completion_tokens",)
    answer = reply({"content": "Hello there.", "refusal": None, "annotations": []}, usage=COUNTS, service_tier="default", system_fingerprint=None)
    usage = stream_usage = Usage(
        input_tokens=2006, output_tokens=300, cached_input_tokens=1920, cache_write_tokens=64, reasoning_tokens=256
    )
    events = (*WORDS, part({}, finish="stop", usage=None), usage_part(COUNTS), DONE)
    refusals = (
        *EVERYWHERE,
        Refusal(
            "wrong key", 401, error(f"Incorrect API key provided: {KEY}.", code="invalid_api_key"), ProviderRefused, "key", said="[key]",
        ),
        Refusal(
            "no such model", 404, error("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found"),
            ProviderRefused, "model",
        ),
        Refusal("a model that the project may not use", 403, error("Not for this project", code="model_not_found"), ProviderRefused, "model"),
        Refusal("context too long", 400, error(TOO_LONG, code="context_length_exceeded"), ProviderRefused, "request", said="maximum context"),
        Refusal(
            "too many requests", 429, error("Rate limit reached for requests", kind="requests", code="rate_limit_exceeded"), ProviderRateLimited,
            headers={
                "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s",
            },
            retry_after_s=1.0,
        ),
        Refusal(
            "too many tokens, in milliseconds", 429, error("Rate limit reached", kind="tokens"), ProviderRateLimited,
            headers={"retry-after-ms": "1250", "Retry-After": "2"}, retry_after_s=1.25,
        ),
        Refusal(
            "no money left", 429, error("You exceeded your current quota", kind="insufficient_quota", code="insufficient_quota"),
            ProviderRefused, "account", headers={"Retry-After": "1"},
        ),
    )  # fmt: skip

    async def test_an_answer_that_is_refused_by_the_model_is_an_answer(self, serve: Serve, session: ClientSession) -> None:
        refused = reply({"content": None, "refusal": "I cannot help with that."}, usage=COUNTS)
        completion = await (await self.provider(serve, session, answering(refused))).complete(self.request())
        assert completion.message["refusal"] == "I cannot help with that."
        assert completion.usage == self.usage
