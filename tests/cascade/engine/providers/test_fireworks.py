"""Fireworks: the counts come on the last chunk that has a choice, beside its finish reason."""

from cascade.engine.errors import ProviderRateLimited, ProviderRefused
from cascade.engine.values import Usage
from tests.cascade.engine.providers.contract import Refusal
from tests.cascade.engine.providers.openai_wire import CALL, DONE, EVERYWHERE, WORDS, OpenAIContract, error, part, reply

COUNTS = {"prompt_tokens": 19, "total_tokens": 23, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 16}}


class TestFireworks(OpenAIContract):
    slug = "fireworks"
    path = "/inference/v1/chat/completions"
    answer = reply({"content": "Hello there."}, usage=COUNTS)
    usage = stream_usage = Usage(input_tokens=19, output_tokens=4, cached_input_tokens=16)
    events = (*WORDS, part({}, finish="stop", usage=COUNTS), DONE)
    tool_events = (
        part({"role": "assistant", "tool_calls": [{**CALL, "index": 0}]}), part({}, finish="tool_calls", usage=COUNTS), DONE,
    )  # fmt: skip
    refusals = (
        *EVERYWHERE,
        Refusal("wrong key", 401, error("The API key you provided is invalid.", code="UNAUTHORIZED"), ProviderRefused, "key"),
        Refusal("no such model", 404, error("Model not found, inaccessible, and/or not deployed", code="NOT_FOUND"), ProviderRefused, "model"),
        Refusal("no money left", 412, error("Account is suspended", code="insufficient_quota"), ProviderRefused, "account"),
        Refusal("prompt too long", 400, error("The prompt is too long: 140000, model maximum context length: 131072"), ProviderRefused, "request"),
        Refusal(
            "too many", 429, error("rate limit exceeded"), ProviderRateLimited,
            headers={"x-ratelimit-over-limit": "yes", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "4"}, retry_after_s=4.0,
        ),
    )
