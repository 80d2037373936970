"""Providers that speak OpenAI's protocol: what is sent, what is believed, what is refused."""

from typing import Any

import pytest
from aiohttp import ClientSession

from cascade.engine.errors import (
    InvalidRequest,
    ProviderBroken,
    ProviderError,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from cascade.engine.providers.vllm import VLLMProvider
from cascade.engine.values import Usage
from tests.cascade.engine.providers.conftest import (
    KEY,
    USAGE,
    Serve,
    answer,
    chunk,
    drain,
    free_port,
    make_provider,
    make_request,
    replying,
    streaming,
)


@pytest.mark.asyncio
async def test_the_upstream_answers_and_its_usage_is_read(session: ClientSession, upstream_url: str) -> None:
    completion = await make_provider(session, upstream_url).complete(make_request())
    assert completion.text.startswith("Thank you")
    assert completion.finish_reason == "stop"
    assert completion.usage == Usage(input_tokens=6, output_tokens=300)
    assert completion.model == "some-model"


@pytest.mark.asyncio
async def test_the_output_cap_cuts_the_answer(session: ClientSession, upstream_url: str) -> None:
    completion = await make_provider(session, upstream_url).complete(make_request(max_tokens=20))
    assert completion.finish_reason == "length"
    assert completion.usage is not None
    assert completion.usage.output_tokens == 20


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error", "retryable"),
    [
        ("fault-429", ProviderRateLimited, True),
        ("fault-500", ProviderFailed, True),
        ("fault-503", ProviderFailed, True),
        ("fault-reset", ProviderBroken, False),
        ("fault-huge", ProviderBroken, False),
        ("fault-timeout", ProviderTimeout, False),
        ("fault-drip", ProviderTimeout, False),
    ],
)
async def test_faults_of_the_upstream_raise_what_they_are(
    session: ClientSession, upstream_url: str, model: str, error: type[ProviderError], retryable: bool, stream: bool
) -> None:
    provider = make_provider(session, upstream_url)
    request = make_request(model, timeout_s=0.6 if error is ProviderTimeout else 5.0)
    with pytest.raises(ProviderError) as caught:
        await (drain(provider, request) if stream else provider.complete(request))
    assert type(caught.value) is error
    assert caught.value.retryable is retryable
    assert caught.value.provider == "acme-openai"
    assert "acme-openai" in caught.value.message


@pytest.mark.asyncio
@pytest.mark.parametrize("model", ["fault-garbage", "fault-empty"])
async def test_answers_that_are_none_are_broken(session: ClientSession, upstream_url: str, model: str) -> None:
    with pytest.raises(ProviderBroken, match="acme-openai answered"):
        await make_provider(session, upstream_url).complete(make_request(model))


@pytest.mark.asyncio
async def test_an_answer_without_usage_has_none(session: ClientSession, upstream_url: str) -> None:
    completion = await make_provider(session, upstream_url).complete(make_request("fault-no-usage"))
    assert completion.usage is None
    assert completion.text


@pytest.mark.asyncio
async def test_retry_after_is_read_in_seconds(session: ClientSession, upstream_url: str) -> None:
    with pytest.raises(ProviderRateLimited) as caught:
        await make_provider(session, upstream_url).complete(make_request("fault-429"))
    assert caught.value.retry_after_s == 1.0
    assert caught.value.upstream_status == 429


@pytest.mark.asyncio
@pytest.mark.parametrize("given", ["-1", "soon", "", "1e9", "nan", "Wed, 99 Oct 2026"])
async def test_retry_after_in_any_other_form_is_passed_over(session: ClientSession, serve: Serve, given: str) -> None:
    url = await serve(replying({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": given}))
    with pytest.raises(ProviderRateLimited) as caught:
        await make_provider(session, url).complete(make_request())
    assert caught.value.retry_after_s is None


@pytest.mark.asyncio
async def test_the_request_carries_the_parameters_and_our_own_fields_win(session: ClientSession, serve: Serve) -> None:
    seen: list[Any] = []
    parameters = {
        "temperature": 0.2, "tools": [{"type": "function", "function": {"name": "f"}}], "n": 4, "stream": True, "model": "dear-model",
        "max_tokens": 99_999, "max_completion_tokens": 99_999, "messages": [], "user": "someone else", "stream_options": {"x": 1},
    }  # fmt: skip
    provider = make_provider(session, await serve(replying(answer(), seen=seen)), extra_headers={"X-Team": "red"})
    await provider.complete(make_request(parameters=parameters, user="ann", cap_parameter="max_completion_tokens"))
    path, headers, body = seen[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["X-Team"] == "red"
    assert body == {
        "temperature": 0.2, "tools": parameters["tools"], "model": "some-model", "user": "ann", "max_completion_tokens": 400,
        "messages": [{"role": "user", "content": "Say hello"}],
    }  # fmt: skip


@pytest.mark.asyncio
async def test_no_key_sends_no_authorization(session: ClientSession, serve: Serve) -> None:
    seen: list[Any] = []
    url = await serve(replying(answer(), seen=seen))
    await VLLMProvider(name="acme-vllm", base_url=url + "/", session=session).complete(make_request())
    assert seen[0][0] == "/v1/chat/completions"
    assert "Authorization" not in seen[0][1]


@pytest.mark.asyncio
async def test_every_part_of_a_full_answer_is_kept(session: ClientSession, serve: Serve) -> None:
    calls = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"message": message, "finish_reason": "tool_calls", "logprobs": {"content": []}}
    usage = {
        **USAGE, "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 2},
    }  # fmt: skip
    url = await serve(replying(answer(choices=[choice], usage=usage, system_fingerprint="fp_1", extra="ignored")))
    completion = await make_provider(session, url).complete(make_request())
    assert completion.tool_calls == calls
    assert completion.usage == Usage(input_tokens=12, output_tokens=3, cached_input_tokens=10, reasoning_tokens=2)
    assert (completion.logprobs, completion.system_fingerprint, completion.request_id) == ({"content": []}, "fp_1", "chatcmpl-1")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ({**USAGE, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 4}, 8),
        ({**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None}, 0),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": None}}, 0),
    ],
)
async def test_cached_input_is_read_under_its_names(session: ClientSession, serve: Serve, usage: Any, cached: int) -> None:
    completion = await make_provider(session, await serve(replying(answer(usage=usage)))).complete(make_request())
    assert completion.usage == Usage(input_tokens=12, output_tokens=3, cached_input_tokens=cached)


INSANE_USAGES = [
    {**USAGE, "prompt_tokens": -1}, {**USAGE, "completion_tokens": 1.5}, {**USAGE, "completion_tokens": "3"}, [], "none",
    {**USAGE, "completion_tokens": None}, {**USAGE, "prompt_tokens": 10**30}, {**USAGE, "prompt_tokens": 10**10},
    {**USAGE, "prompt_tokens": True}, {"total_tokens": 3},
    {**USAGE, "prompt_tokens_details": {"cached_tokens": 13}}, {**USAGE, "completion_tokens_details": {"reasoning_tokens": 4}},
    {**USAGE, "prompt_tokens_details": {"cached_tokens": -1}},
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("usage", INSANE_USAGES)
async def test_usage_that_cannot_be_true_is_broken(session: ClientSession, serve: Serve, usage: Any) -> None:
    with pytest.raises(ProviderBroken, match="acme-openai"):
        await make_provider(session, await serve(replying(answer(usage=usage)))).complete(make_request())
    url = await serve(streaming(chunk("x", finish="stop"), chunk(usage=usage or "none")))
    with pytest.raises(ProviderBroken, match="acme-openai"):
        [one async for one in make_provider(session, url).stream(make_request())]


def with_message(message: Any, finish: str | None = "stop") -> dict[str, Any]:
    return answer(choices=[{"index": 0, "message": message, "finish_reason": finish}])


GARBAGE = [
    b"", b"null", b"[]", b"{}", b"{", b"\xff\xfe", b'{"choices": null}', b'{"choices": {}}', b'{"choices": [null]}', b'{"choices": [{}]}',
    b'{"choices": [{"message": {"role": "assistant", "content": "\xff"}}]}', b"[" * 100_000, b'{"error": {"message": "no"}}',
    with_message(None), with_message({}), with_message({"role": "assistant"}), with_message({"role": "assistant", "content": None}),
    with_message({"role": "assistant", "content": ""}), with_message({"role": "assistant", "content": "", "tool_calls": []}),
    with_message("text"),
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("body", GARBAGE)
async def test_a_good_status_with_garbage_is_broken(session: ClientSession, serve: Serve, body: Any) -> None:
    with pytest.raises(ProviderBroken, match=r"^acme-openai answered"):
        await make_provider(session, await serve(replying(body))).complete(make_request())


@pytest.mark.asyncio
async def test_an_answer_cut_short_while_thinking_keeps_its_usage(session: ClientSession, serve: Serve) -> None:
    url = await serve(replying(with_message({"role": "assistant", "content": ""}, "length")))
    completion = await make_provider(session, url).complete(make_request())
    assert completion.usage == Usage(input_tokens=12, output_tokens=3)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ProviderRefused), (401, ProviderRefused), (402, ProviderRefused), (403, ProviderRefused), (404, ProviderRefused),
        (413, ProviderRefused), (422, ProviderRefused), (429, ProviderRateLimited), (500, ProviderFailed), (502, ProviderFailed),
        (529, ProviderFailed), (408, ProviderTimeout), (504, ProviderTimeout), (307, ProviderBroken), (204, ProviderBroken),
    ],
)  # fmt: skip
async def test_statuses_become_their_errors(session: ClientSession, serve: Serve, status: int, error: type[ProviderError]) -> None:
    url = await serve(replying({"error": {"message": "because", "type": "t"}} if status != 204 else b"", status=status))
    for attempt in ("complete", "stream"):
        provider = make_provider(session, url)
        with pytest.raises(ProviderError) as caught:
            await (drain(provider, make_request()) if attempt == "stream" else provider.complete(make_request()))
        assert type(caught.value) is error
        assert caught.value.upstream_status == status


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"error": {"message": "model not found"}}, ": model not found"),
        ({"error": "plain text"}, ": plain text"),
        ({"message": "cohere says"}, ": cohere says"),
        ({"detail": "fastapi says"}, ": fastapi says"),
        ({"detail": [{"loc": "x"}]}, ""),
        ({"error": {"message": "two\nlines\x1b[31m\u202e and\tmore"}}, ": two lines [31m and more"),
        (b"<html>nginx on db-internal-7</html>", ""),
        (b"+OK redis", ""),
        ({"error": {"message": f"Incorrect API key provided: {KEY}."}}, ": Incorrect API key provided: [key]."),
        ({"error": {"message": "Incorrect API key provided: sk-proj-ab******wxyz. See"}}, ": Incorrect API key provided: [key] See"),
        ({"error": {"message": "bad header Bearer abc.def"}}, ": bad header [key]"),
    ],
)  # fmt: skip
async def test_the_upstream_speaks_in_one_clean_line_without_credentials(
    session: ClientSession, serve: Serve, body: Any, shown: str
) -> None:
    url = await serve(replying(body, status=401, headers={"X-Internal": "secret-host"}))
    with pytest.raises(ProviderRefused) as caught:
        await make_provider(session, url).complete(make_request())
    assert caught.value.message == f"acme-openai answered with status 401{shown}"


@pytest.mark.asyncio
async def test_the_upstream_is_cut_short(session: ClientSession, serve: Serve) -> None:
    url = await serve(replying({"error": {"message": "word " * 10_000}}, status=400))
    with pytest.raises(ProviderRefused) as caught:
        await make_provider(session, url).complete(make_request())
    assert len(caught.value.message) <= 300 + len("acme-openai answered with status 400: ")


@pytest.mark.asyncio
async def test_an_upstream_that_is_not_there_is_unreachable(session: ClientSession) -> None:
    provider = make_provider(session, f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(ProviderUnreachable):
        await provider.complete(make_request())
    with pytest.raises(ProviderUnreachable):
        [one async for one in provider.stream(make_request())]


BAD_URLS = [
    "", "api.example.com", "ftp://api.example.com/v1", "file:///etc/passwd", "http://", "https://user:word@api.example.com/v1",
    "https://@api.example.com", "https://api.example.com/v1?key=1", "https://api.example.com/v1#x", "https://api.example.com:99999/v1",
    "https://api.example.com:x/v1", "https://api.example.com\\@evil.example/v1", "https://api.exämple.com/v1", "https://api.example.com/v1\n",
    "https://api.example .com/v1", "gopher://127.0.0.1:6379/_x", "http://[::1/v1",
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("url", BAD_URLS)
async def test_a_base_url_that_is_more_or_less_than_one_is_refused(session: ClientSession, url: str) -> None:
    with pytest.raises(InvalidRequest):
        make_provider(session, url)


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["sk-one\r\nX-Evil: 1", "sk-ü", "sk-\x00"])
async def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(session: ClientSession, key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make_provider(session, "https://api.example.com/v1", api_key=key)
    assert key not in str(caught.value)


@pytest.mark.asyncio
async def test_no_repr_shows_the_key(session: ClientSession) -> None:
    assert repr(make_provider(session, "https://api.example.com/v1")) == "<OpenAICompatibleProvider acme-openai>"


@pytest.mark.asyncio
async def test_a_request_that_is_no_json_is_refused_before_anything_is_sent(session: ClientSession, upstream_url: str) -> None:
    with pytest.raises(InvalidRequest):
        await make_provider(session, upstream_url).complete(make_request(parameters={"metadata": object()}))
