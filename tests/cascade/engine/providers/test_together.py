"""Together: a natural end may be called "eos", the counts come on the last chunk, cached tokens stand at their top."""

from cascade.engine.errors import ProviderRateLimited, ProviderRefused
from cascade.engine.values import Usage
from tests.cascade.engine.providers.contract import Refusal
from tests.cascade.engine.providers.openai_wire import DONE, EVERYWHERE, WORDS, OpenAIContract, error, part, reply

COUNTS = {"prompt_tokens": 19, "completion_tokens": 4, "total_tokens": 23, "cached_tokens": 16}


class TestTogether(OpenAIContract):
    slug = "together"
    path = "/v1/chat/completions"
    answer = reply({"content": "Hello there.", "tool_calls": []}, usage=COUNTS, finish="eos", prompt=[])
    usage = stream_usage = Usage(input_tokens=19, output_tokens=4, cached_input_tokens=16)
    events = (*WORDS, part({"content": "", "token_id": 128009}, finish="eos", usage=COUNTS), DONE)
    refusals = (
        *EVERYWHERE,
        Refusal("wrong key", 401, error("Invalid API key provided", code="invalid_api_key"), ProviderRefused, "key"),
        Refusal("no such model", 404, error("Unable to access model x", code="model_not_available"), ProviderRefused, "model"),
        Refusal("no money left", 402, error("Credit limit exceeded", code="credit_limit"), ProviderRefused, "account"),
        Refusal("prompt too long", 422, error("`inputs` tokens + `max_new_tokens` must be <= 8193"), ProviderRefused, "request"),
        Refusal("too many", 429, error("Rate limit"), ProviderRateLimited, headers={"x-ratelimit-reset": "3"}, retry_after_s=3.0),
        Refusal("overloaded", 429, error("Model overloaded", kind="model_overloaded"), ProviderRateLimited),
    )
