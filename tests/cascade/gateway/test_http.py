"""The little of HTTP that the gateway has on its own: bodies with an end, headers without surprises."""

import asyncio
from typing import Any

import pytest

from cascade.gateway import http
from cascade.gateway.errors import HttpError
from cascade.gateway.http import Exchange


def exchange(*messages: dict[str, Any], headers: dict[str, str] | None = None) -> tuple[Exchange, list[Any]]:
    """An exchange whose caller sends these messages and then nothing; and what it gets back."""
    waiting, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    given = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return Exchange({"method": "POST", "path": "/v1/x", "headers": given}, receive, send), sent


def part(size: int, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


@pytest.mark.asyncio
async def test_a_body_that_does_not_arrive_in_time_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.05)
    with pytest.raises(HttpError) as slow:
        await exchange(part(1))[0].body(limit=100)
    assert (slow.value.status, slow.value.error["code"], slow.value.error["type"]) == (408, "body_too_slow", "timeout_error")


@pytest.mark.asyncio
async def test_a_body_without_end_is_given_up_at_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_DISCARDED", 1000)
    with pytest.raises(HttpError) as large:
        await exchange(*[part(100)] * 11)[0].body(limit=200)
    assert large.value.status == 413


@pytest.mark.asyncio
@pytest.mark.parametrize("headers", [{"content-length": "99999999999"}, {"content-length": "300", "expect": "100-continue"}])
async def test_a_body_that_is_announced_as_too_large_and_need_not_be_read_is_refused_unread(headers: dict[str, str]) -> None:
    with pytest.raises(HttpError) as large:
        await exchange(headers=headers)[0].body(limit=200)
    assert large.value.status == 413


@pytest.mark.asyncio
async def test_a_caller_who_hangs_up_in_mid_body_is_gone() -> None:
    with pytest.raises(ConnectionResetError):
        await exchange(part(1), {"type": "http.disconnect"})[0].body(limit=100)


@pytest.mark.asyncio
async def test_no_value_breaks_out_of_its_header() -> None:
    reply, sent = exchange()
    await reply.reply(200, b"", {"x-cascadeflow-model": "a\r\nset-cookie: b=c\x00 ünï 模"})
    assert dict(sent[0]["headers"])[b"x-cascadeflow-model"] == "a  set-cookie: b=c  ünï ?".encode("latin-1")
