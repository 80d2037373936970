"""vLLM: one's own machines; errors without an envelope in older releases, cached tokens where the server was told to count them."""

from aiohttp import ClientSession

from cascade.engine.errors import ProviderBroken, ProviderRefused
from cascade.engine.providers.registry import build_provider
from cascade.engine.providers.vllm import VLLMProvider
from cascade.engine.values import Usage
from tests.cascade.engine.providers.conftest import Serve
from tests.cascade.engine.providers.contract import Refusal, Seen, answering
from tests.cascade.engine.providers.openai_wire import DONE, EVERYWHERE, TOO_LONG, WORDS, OpenAIContract, error, part, reply, usage_part

COUNTS = {"prompt_tokens": 19, "total_tokens": 23, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 16}}


class TestVLLM(OpenAIContract):
    slug = "vllm"
    path = "/v1/chat/completions"
    answer = reply(
        {"content": "Hello there.", "refusal": None, "annotations": None, "tool_calls": [], "reasoning_content": None}, usage=COUNTS,
        prompt_logprobs=None, kv_transfer_params=None,
    )  # fmt: skip
    usage = stream_usage = Usage(input_tokens=19, output_tokens=4, cached_input_tokens=16)
    events = (*WORDS, part({"content": ""}, finish="stop", stop_reason=None), usage_part(COUNTS), DONE)
    refusals = (
        *EVERYWHERE,
        Refusal("wrong key", 401, {"error": "Unauthorized"}, ProviderRefused, "key", said="Unauthorized"),
        Refusal("no such model", 404, error("The model `x` does not exist.", kind="NotFoundError", code=404), ProviderRefused, "model"),
        Refusal("context too long", 400, error(TOO_LONG, kind="BadRequestError", code=400), ProviderRefused, "request", said="maximum context"),
        Refusal(
            "an older release's shape", 400, {"object": "error", "message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400},
            ProviderRefused, "request", said="maximum context",
        ),
        Refusal("not the API but its door", 307, b"", ProviderBroken, said="check the base URL"),
    )

    async def test_its_key_is_optional(self, serve: Serve, session: ClientSession) -> None:
        seen: list[Seen] = []
        provider = build_provider(spec="vllm", name="acme", session=session, base_url=await serve(answering(self.answer, seen=seen)))
        assert type(provider) is VLLMProvider
        await provider.complete(self.request())
        assert "Authorization" not in seen[0].headers
