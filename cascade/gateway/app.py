"""The OpenAI-compatible /v1 as plain ASGI: no Django request handler, no ORM."""

import logging
from datetime import UTC, datetime

import msgspec
from django.conf import settings

from billing.ledger import CallKey, LedgerUnavailable
from cascade.engine.errors import CascadeError
from cascade.gateway.chat import answer_chat
from cascade.gateway.chat_reply import event
from cascade.gateway.chat_request import ChatCall, parse_chat
from cascade.gateway.errors import HttpError, http_error
from cascade.gateway.http import Exchange, Kept, Receive, Scope, Send
from cascade.gateway.models import list_models, show_model
from cascade.idempotency import HEADER, REPLAYED, Reply, call_key, keep_reply, known_reply, may_repeat
from cascade.limits import policy_header
from cascade.refusals import SPENT, ledger_away
from cascade.runtime import Runtime, current
from tenants.authentication import Caller, KeyRefused
from tenants.models import Scope as KeyScope

log = logging.getLogger(__name__)
AWAY = ledger_away()


async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one HTTP request below /v1/."""
    exchange = Exchange(scope, receive, send)
    caller: Caller | None = None
    runtime = current()
    assert runtime is not None, "the server must speak ASGI's lifespan protocol"
    now = datetime.now(UTC)
    try:
        caller = await runtime.keys.identify(exchange.headers.get("authorization"), now=now)
        exchange.policy = policy_header(caller)
        if KeyScope.INVOKE not in caller.scopes:
            raise HttpError(403, "This API key may not make calls: it lacks the scope 'invoke'. Use a key that has it.", code="missing_scope")
        await _route(exchange, runtime=runtime, caller=caller, now=now)
    except ConnectionResetError:
        return
    except Exception as failure:
        await _answer_failure(exchange, failure, caller)


async def _route(exchange: Exchange, *, runtime: Runtime, caller: Caller, now: datetime) -> None:
    path = exchange.path.rstrip("/")
    if path == "/v1/chat/completions":
        _require(exchange, "POST")
        body = await exchange.body(limit=settings.MAX_BODY_BYTES)
        key = call_key(exchange.headers.get(HEADER), endpoint="chat.completions", body=body, headers=exchange.headers)
        call = parse_chat(body, headers=exchange.headers, caller=caller)
        if key is None:
            await answer_chat(exchange, runtime=runtime, caller=caller, call=call, now=now)
        else:
            await _answer_once(exchange, runtime=runtime, caller=caller, call=call, key=key, now=now)
    elif path == "/v1/models":
        _require(exchange, "GET")
        await exchange.json(200, list_models(await runtime.tenant(caller, now=now)))
    elif path.startswith("/v1/models/"):
        _require(exchange, "GET")
        await exchange.json(200, show_model(path.removeprefix("/v1/models/"), await runtime.tenant(caller, now=now)))
    else:
        raise HttpError(
            404, f"There is nothing at {path[:100]}. This gateway answers POST /v1/chat/completions and GET /v1/models; the rest of the API is "
            "described at /api/docs/.", code="unknown_path",
        )  # fmt: skip


async def _answer_once(exchange: Exchange, *, runtime: Runtime, caller: Caller, call: ChatCall, key: CallKey, now: datetime) -> None:
    """Answer a call that has an idempotency key: as it was answered before, or anew, and keep what is answered."""
    known = await known_reply(runtime, caller, key)
    if known is not None:
        await exchange.reply(known.status, known.body, {**known.headers, REPLAYED: "true"})
        return
    exchange.kept, repeat = Kept(), False
    call = msgspec.structs.replace(call, run=msgspec.structs.replace(call.run, key=key))
    try:
        await answer_chat(exchange, runtime=runtime, caller=caller, call=call, now=now)
    except ConnectionResetError:
        raise
    except Exception as failure:
        repeat = may_repeat(failure)
        await _answer_failure(exchange, failure, caller)
    reply = Reply(status=exchange.kept.status, headers=exchange.kept.headers, body=b"".join(exchange.kept.parts))
    await keep_reply(runtime, caller, key, reply, may_repeat=repeat)


def _require(exchange: Exchange, method: str) -> None:
    if exchange.method != method:
        message = f"{exchange.path[:100]} takes {method}, not {exchange.method[:16]}."
        raise HttpError(405, message, code="method_not_allowed", headers={"allow": method})


async def _answer_failure(exchange: Exchange, failure: Exception, caller: Caller | None) -> None:
    """Say what went wrong. What nobody foresaw is logged with the request's id, and told to nobody."""
    if isinstance(failure, LedgerUnavailable):
        failure = AWAY
    if isinstance(failure, CascadeError | KeyRefused):
        failure = http_error(failure, budget_status=caller.budget_refusal_status if caller else SPENT)
    if not isinstance(failure, HttpError):
        log.error("request %s failed", exchange.request_id, exc_info=failure)
        failure = HttpError(500, f"Something went wrong on our side. Tell your operator the request id {exchange.request_id}.", code="internal_error")
    if exchange.started:  # a stream: its status is long gone
        await exchange.write(event({"error": failure.error}), more=False)
    else:
        await exchange.reply(failure.status, failure.body, failure.headers)
