"""Ollama: no key, no price, counts of the whole in a last chunk."""

from aiohttp import ClientSession

from cascade.engine.errors import ProviderRefused
from cascade.engine.providers.registry import build_provider
from tests.cascade.engine.providers.conftest import Serve
from tests.cascade.engine.providers.contract import Refusal, Seen, answering
from tests.cascade.engine.providers.openai_wire import (
    CALL,
    DONE,
    EVERYWHERE,
    PLAIN,
    PLAIN_USAGE,
    WORDS,
    OpenAIContract,
    error,
    part,
    reply,
    usage_part,
)


class TestOllama(OpenAIContract):
    slug = "ollama"
    path = "/v1/chat/completions"
    answer = reply({"content": "Hello there.", "reasoning": "A greeting."}, usage=PLAIN, system_fingerprint="fp_ollama")
    usage = stream_usage = PLAIN_USAGE
    events = (*WORDS, part({"role": "assistant", "content": ""}, finish="stop", system_fingerprint="fp_ollama"), usage_part(PLAIN), DONE)
    tool_events = (  # a call comes whole, with content beside it
        part({"role": "assistant", "content": "", "tool_calls": [{**CALL, "index": 0}]}),
        part({"role": "assistant", "content": ""}, finish="tool_calls"), usage_part(PLAIN), DONE,
    )  # fmt: skip
    refusals = (
        *EVERYWHERE,
        Refusal(
            "a model that was not pulled", 404, error('model "llama3.1" not found, try pulling it first', kind="not_found_error"),
            ProviderRefused, "model", said="try pulling it first",
        ),
        Refusal("tools with a model that has none", 400, error("llama3.1 does not support tools"), ProviderRefused, "request"),
        Refusal("wrong key of its cloud", 401, error("unauthorized", kind="api_error"), ProviderRefused, "key"),
    )

    async def test_it_needs_no_key(self, serve: Serve, session: ClientSession) -> None:
        seen: list[Seen] = []
        url = await serve(answering(self.answer, seen=seen))
        await build_provider(spec="ollama", name="acme", session=session, base_url=url).complete(self.request())
        assert "Authorization" not in seen[0].headers
