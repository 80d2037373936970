"""DeepSeek: it thinks in `reasoning_content`, counts cached input its own way, and sends empty lines while it is busy."""

import json

from aiohttp import ClientSession

from cascade.engine.errors import ProviderRefused
from cascade.engine.values import Usage
from tests.cascade.engine.providers.conftest import Serve
from tests.cascade.engine.providers.contract import Refusal, answering, assembled, streaming
from tests.cascade.engine.providers.openai_wire import DONE, EVERYWHERE, TOO_LONG, OpenAIContract, error, part, reply

COUNTS = {
    "prompt_tokens": 19, "completion_tokens": 40, "total_tokens": 59, "prompt_cache_hit_tokens": 16, "prompt_cache_miss_tokens": 3,
    "completion_tokens_details": {"reasoning_tokens": 30},
}  # fmt: skip
BUSY = b": keep-alive\n\n"


class TestDeepSeek(OpenAIContract):
    slug = "deepseek"
    path = "/v1/chat/completions"
    answer = reply({"content": "Hello there.", "reasoning_content": "A greeting is wanted."}, usage=COUNTS, system_fingerprint="fp_ds")
    usage = stream_usage = Usage(input_tokens=19, output_tokens=40, cached_input_tokens=16, reasoning_tokens=30)
    events = (
        BUSY, part({"role": "assistant", "content": None, "reasoning_content": "A greeting"}), part({"content": "Hello"}), BUSY,
        part({"content": " there."}), part({"content": "", "reasoning_content": None}, finish="stop", usage=COUNTS), DONE,
    )  # fmt: skip
    refusals = (
        *EVERYWHERE,
        Refusal("wrong key", 401, error("Authentication Fails (no such user)", kind="authentication_error"), ProviderRefused, "key"),
        Refusal("no money left", 402, error("Insufficient Balance", kind="unknown_error"), ProviderRefused, "account", said="Insufficient Balance"),
        Refusal("no such model", 400, error("Model Not Exist"), ProviderRefused, "model"),
        Refusal("context too long", 400, error(TOO_LONG), ProviderRefused, "request"),
        Refusal("wrong values", 422, error("Failed to deserialize the JSON body"), ProviderRefused, "request"),
    )

    async def test_empty_lines_before_an_answer_do_no_harm(self, serve: Serve, session: ClientSession) -> None:
        provider = await self.provider(serve, session, answering(b"\n\n\n\n" + json.dumps(self.answer).encode()))
        completion = await provider.complete(self.request())
        assert completion.text == "Hello there."
        assert completion.message["reasoning_content"] == "A greeting is wanted."

    async def test_an_answer_cut_off_for_want_of_machines_is_cut_off(self, serve: Serve, session: ClientSession) -> None:
        cut = "insufficient_system_resource"
        provider = await self.provider(serve, session, answering(reply({"content": "Hel"}, usage=COUNTS, finish=cut)))
        assert (await provider.complete(self.request())).finish_reason == "length"
        provider = await self.provider(serve, session, streaming(part({"content": "Hel"}), part({}, finish=cut), DONE))
        assert assembled([chunk async for chunk in provider.stream(self.request())]).finish_reason == "length"
