"""Google Vertex AI, by API key and LiteLLM's translation."""

from typing import Any

import pytest
from aiohttp import ClientSession

from cascade.engine.errors import ProviderFailed, ProviderRateLimited, ProviderRefused, ProviderTimeout
from cascade.engine.values import Usage
from tests.cascade.engine.providers.conftest import KEY, Serve
from tests.cascade.engine.providers.contract import SCHEMA, ProviderContract, Refusal, answering, streaming
from tests.cascade.engine.providers.gemini_wire import COUNTS, because, error, event, reply, retry_in

CALL = {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}}
MODELS = "/v1/publishers/google/models/gemini-3.5-flash-lite"
SO_FAR = {"promptTokenCount": 11, "totalTokenCount": 11}


@pytest.mark.filterwarnings("ignore:Item:UserWarning")  # of LiteLLM's own types
class TestVertexAI(ProviderContract):
    slug = "vertex_ai"
    path = f"{MODELS}:generateContent"
    stream_path = f"{MODELS}:streamGenerateContent?alt=sse"
    auth = ("x-goog-api-key", KEY)
    cap = ("generationConfig", "max_output_tokens")
    gives_ids = False
    answer = reply({"text": "Hello there."})
    usage = stream_usage = Usage(input_tokens=11, output_tokens=9, cached_input_tokens=4, reasoning_tokens=6)
    tool_answer = reply(CALL)
    events = (
        event(reply({"text": "Hello"}, finish=None, usage=SO_FAR)), event(reply({"text": " there"}, finish=None, usage=SO_FAR)),
        event(reply({"text": "."}, finish="STOP", usage=COUNTS)),
    )  # fmt: skip
    tool_events = (event(reply(CALL, finish="STOP")),)
    error_event = event(error(503, "UNAVAILABLE", "The model is overloaded."))
    refusals = (
        Refusal(
            "wrong key", 400, error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", because("API_KEY_INVALID")),
            ProviderRefused, "key", said="API key not valid",
        ),
        Refusal("no key", 401, error(401, "UNAUTHENTICATED", "Request had invalid credentials"), ProviderRefused, "key"),
        Refusal("no rights", 403, error(403, "PERMISSION_DENIED", "Not enabled in project"), ProviderRefused, "key"),
        Refusal("no such model", 404, error(404, "NOT_FOUND", "Publisher model gemini-9 was not found"), ProviderRefused, "model", said="gemini-9"),
        Refusal("too long", 400, error(400, "INVALID_ARGUMENT", "The input token count (1100000) exceeds"), ProviderRefused, "request"),
        Refusal("in a list, as its streams have it", 400, [error(400, "INVALID_ARGUMENT", "Bad")], ProviderRefused, "request", said="Bad"),
        Refusal("too many", 429, error(429, "RESOURCE_EXHAUSTED", "Quota", retry_in("34.5s")), ProviderRateLimited, retry_after_s=34.5),
        Refusal("too many, without a word when", 429, error(429, "RESOURCE_EXHAUSTED", "Quota"), ProviderRateLimited),
        Refusal("broken", 500, error(500, "INTERNAL", "Internal error"), ProviderFailed),
        Refusal("overloaded", 503, error(503, "UNAVAILABLE", "The model is overloaded."), ProviderFailed, said="overloaded"),
        Refusal("too slow", 504, error(504, "DEADLINE_EXCEEDED", "Deadline"), ProviderTimeout),
    )  # fmt: skip

    def check_sent(self, body: Any) -> None:
        assert body["contents"] == [{"role": "user", "parts": [{"text": "Say hello"}]}]
        assert body["system_instruction"]["parts"] == [{"text": "Be brief."}]
        assert body["generationConfig"]["temperature"] == 0.5

    def check_stream_sent(self, body: Any) -> None:
        assert "stream" not in body, "the address alone says so"

    def check_tools_sent(self, body: Any) -> None:
        (declared,) = body["tools"][0]["function_declarations"]
        assert (declared["name"], declared["parameters"]["required"]) == ("get_weather", SCHEMA["required"])

    async def test_a_stream_without_counts_brings_none_whatever_litellm_counts(self, serve: Serve, session: ClientSession) -> None:
        told = event(reply({"text": 'Hello "usage" "usageMetadata"'}, usage=None))
        provider = await self.provider(serve, session, streaming(told))
        chunks = [chunk async for chunk in provider.stream(self.request())]
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
        assert not any("usage" in chunk for chunk in chunks)

    async def test_an_answer_that_the_cap_cut_is_cut(self, serve: Serve, session: ClientSession) -> None:
        provider = await self.provider(serve, session, answering(reply({"text": "Hel"}, finish="MAX_TOKENS")))
        assert (await provider.complete(self.request())).finish_reason == "length"
