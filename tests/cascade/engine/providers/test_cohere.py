"""Cohere, in its own v2 format."""

from typing import Any

import pytest
from aiohttp import ClientSession

from cascade.engine.errors import InvalidRequest, ProviderBroken, ProviderFailed, ProviderRateLimited, ProviderRefused
from cascade.engine.providers.registry import build_provider
from cascade.engine.values import Usage
from tests.cascade.engine.providers.cohere_wire import COUNTS, end, event, reply, start, text, words
from tests.cascade.engine.providers.conftest import KEY, Serve
from tests.cascade.engine.providers.contract import MESSAGES, SCHEMA, TOOLS, ProviderContract, Refusal, Seen, answering, assembled, streaming

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
STARTED = {**CALL, "function": {"name": "get_weather", "arguments": ""}}
CITATION = {"start": 0, "end": 5, "text": "Hello", "sources": []}


class TestCohere(ProviderContract):
    slug = "cohere"
    path = "/v2/chat"
    answer = reply(text("Hello there."))
    usage = stream_usage = Usage(input_tokens=5, output_tokens=7)
    tool_answer = reply(finish="TOOL_CALL", tool_plan="I look it up.", tool_calls=[CALL])
    events = (
        start(), event("content-start", index=0, content=text("")), event("content-delta", index=0, content={"text": "Hello"}),
        event("citation-start", index=0, citations=CITATION), event("citation-end", index=0),
        event("content-delta", index=0, content={"text": " there."}), event("content-end", index=0), end(),
    )  # fmt: skip
    tool_events = (
        start(), event("tool-plan-delta", tool_plan="I look "), event("tool-plan-delta", tool_plan="it up."),
        event("tool-call-start", index=0, tool_calls=STARTED),
        *(event("tool-call-delta", index=0, tool_calls={"function": {"arguments": piece}}) for piece in ('{"city"', ': "Paris"}')),
        event("tool-call-end", index=0), end("TOOL_CALL"),
    )  # fmt: skip
    error_event = end("ERROR", error="the model gave up")
    refusals = (
        Refusal("wrong key", 401, {"id": "e1", "message": "invalid api token"}, ProviderRefused, "key", said="invalid api token"),
        Refusal("no money left", 402, {"message": "billing limit reached"}, ProviderRefused, "account"),
        Refusal("no such model", 404, {"message": "model 'command-x' not found"}, ProviderRefused, "model", said="command-x"),
        Refusal("too long", 400, {"message": "too many tokens: size limit exceeded by 9 tokens"}, ProviderRefused, "request", said="size limit"),
        Refusal("unknown field", 422, {"message": "unknown field: parameter 'x'"}, ProviderRefused, "request"),
        Refusal("cancelled by a filter", 498, {"message": "invalid token"}, ProviderRefused, "request"),
        Refusal("too many", 429, {"message": "You are using a Trial key"}, ProviderRateLimited, said="Trial key"),
        Refusal("too many, with a word when", 429, {"message": "Slow"}, ProviderRateLimited, headers={"Retry-After": "2"}, retry_after_s=2.0),
        Refusal("broken", 500, {"message": "internal server error"}, ProviderFailed),
        Refusal("overloaded", 503, {"message": "unavailable"}, ProviderFailed),
    )

    def check_sent(self, body: Any) -> None:
        assert body == {"model": self.model, "messages": MESSAGES, "temperature": 0.5, "max_tokens": 400, "stream": False}

    def check_stream_sent(self, body: Any) -> None:
        assert body["stream"] is True
        assert "stream_options" not in body, "it always counts, and knows no such field"

    def check_tools_sent(self, body: Any) -> None:
        assert body["tools"] == TOOLS

    async def sent(self, serve: Serve, session: ClientSession, **changes: Any) -> Any:
        seen: list[Seen] = []
        await (await self.provider(serve, session, answering(self.answer, seen=seen))).complete(self.request(**changes))
        return seen[0].body

    async def test_fields_go_out_under_its_own_names(self, serve: Serve, session: ClientSession) -> None:
        wanted = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": SCHEMA}}
        parameters = {"top_p": 0.9, "stop": "END", "seed": 3, "tools": TOOLS, "tool_choice": "required", "response_format": wanted, "n": 4}
        body = await self.sent(serve, session, parameters=parameters, user="ann")
        assert (body["p"], body["stop_sequences"], body["seed"], body["tool_choice"]) == (0.9, ["END"], 3, "REQUIRED")
        assert body["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
        assert not {"top_p", "stop", "n", "user"} & set(body)
        assert "tool_choice" not in await self.sent(serve, session, parameters={"tools": TOOLS, "tool_choice": "auto"})

    async def test_a_conversation_with_tools_goes_back_to_it(self, serve: Serve, session: ClientSession) -> None:
        told = [
            {"role": "developer", "content": "Be brief."}, {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None},
            {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
        ]
        assert (await self.sent(serve, session, messages=told))["messages"] == [
            {"role": "system", "content": "Be brief."}, {"role": "assistant", "tool_calls": [CALL]}, told[2],
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "value"),
        [("logprobs", True), ("parallel_tool_calls", False), ("tool_choice", {"type": "function", "function": {"name": "f"}}),
         ("response_format", {"type": "grammar"}), ("response_format", {"type": "json_schema"}), ("logit_bias", {"1": 2})],
    )  # fmt: skip
    async def test_what_it_does_not_know_is_refused_and_nothing_is_sent(self, serve: Serve, session: ClientSession, name: str, value: Any) -> None:
        seen: list[Seen] = []
        provider = await self.provider(serve, session, answering(self.answer, seen=seen))
        with pytest.raises(ProviderRefused, match="certain tool" if name == "tool_choice" else name) as caught:
            await provider.complete(self.request(parameters={name: value}))
        assert not caught.value.sent
        assert not seen

    @pytest.mark.parametrize(("given", "meant"), [("MAX_TOKENS", "length"), ("STOP_SEQUENCE", "stop")])
    async def test_how_an_answer_ended_is_told_in_openais_words(self, serve: Serve, session: ClientSession, given: str, meant: str) -> None:
        provider = await self.provider(serve, session, answering(reply(text("Hel"), finish=given)))
        assert (await provider.complete(self.request())).finish_reason == meant
        provider = await self.provider(serve, session, streaming(start(), *words("Hel"), end(given)))
        assert assembled([chunk async for chunk in provider.stream(self.request())]).finish_reason == meant

    async def test_its_thoughts_are_kept_apart_from_its_answer(self, serve: Serve, session: ClientSession) -> None:
        provider = await self.provider(serve, session, answering(reply({"type": "thinking", "thinking": "Hm."}, text("Hello there."))))
        message = (await provider.complete(self.request())).message
        assert (message["content"], message["reasoning_content"]) == ("Hello there.", "Hm.")
        provider = await self.provider(serve, session, streaming(start(), *words("Hm.", name="thinking"), *words("Hi.", index=1), end()))
        chunks = [chunk async for chunk in provider.stream(self.request())]
        assert "".join(chunk["choices"][0]["delta"].get("reasoning_content", "") for chunk in chunks[:-1]) == "Hm."
        assert assembled(chunks).text == "Hi."

    async def test_counts_may_come_as_whole_floats_or_not_at_all(self, serve: Serve, session: ClientSession) -> None:
        floats = {"billed_units": {"input_tokens": 5.0, "output_tokens": 7.0}}
        provider = await self.provider(serve, session, answering(reply(text("Hi."), usage=floats)))
        assert (await provider.complete(self.request())).usage == self.usage
        provider = await self.provider(serve, session, answering(reply(text("Hi."), usage={"tokens": COUNTS["tokens"]})))
        assert (await provider.complete(self.request())).usage == Usage(input_tokens=71, output_tokens=8)
        provider = await self.provider(serve, session, answering(reply(text("Hi."), usage=None)))
        assert (await provider.complete(self.request())).usage is None
        provider = await self.provider(serve, session, streaming(start(), *words("Hi."), end(usage=None)))
        assert not any(chunk.get("usage") for chunk in [chunk async for chunk in provider.stream(self.request())])

    @pytest.mark.parametrize(
        "body",
        [{}, [], "text", b"", b"{", {"message": None}, {"message": {"content": "text"}}, reply(), reply(text("")), reply(text("Hi."), finish="ERROR"),
         reply(text("Hi."), finish="TIMEOUT"), reply(text("Hi."), usage={"billed_units": {"input_tokens": -1, "output_tokens": 1}}),
         reply(text("Hi."), usage={"billed_units": {"input_tokens": 1.5, "output_tokens": 1}}), reply(tool_calls=["call"])],
    )  # fmt: skip
    async def test_a_good_status_with_garbage_is_broken(self, serve: Serve, session: ClientSession, body: Any) -> None:
        with pytest.raises(ProviderBroken):
            await (await self.provider(serve, session, answering(body))).complete(self.request())

    @pytest.mark.parametrize(
        "garbage",
        [b"data: {\n\n", b"data: []\n\n", b'data: {"type": "content-delta", "delta": 5}\n\n', b'data: {"type": "tool-call-start"}\n\n',
         end(usage={"billed_units": {"input_tokens": "many"}}), end("NO_SUCH_REASON")],
    )  # fmt: skip
    async def test_garbage_in_mid_stream_is_broken(self, serve: Serve, session: ClientSession, garbage: bytes) -> None:
        provider = await self.provider(serve, session, streaming(start(), *words("Hello"), garbage))
        with pytest.raises(ProviderBroken):
            [chunk async for chunk in provider.stream(self.request())]

    async def test_an_address_that_names_the_chat_and_a_missing_key_are_met(self, serve: Serve, session: ClientSession) -> None:
        seen: list[Seen] = []
        root = (await serve(answering(self.answer, seen=seen))).removesuffix("/v1")
        await build_provider(spec="cohere", name="acme", session=session, base_url=f"{root}/v2/chat/", api_key=KEY).complete(self.request())
        assert seen[0].path == "/v2/chat"
        with pytest.raises(InvalidRequest, match="needs an API key"):
            build_provider(spec="cohere", name="acme", session=session)
