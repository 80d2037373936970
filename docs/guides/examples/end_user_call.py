"""What the Auth0 and the Firebase example share: a token is verified, and the person it names asks through CascadeFlow."""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import jwt
import openai
from jwt.exceptions import InvalidTokenError, PyJWKClientConnectionError, PyJWTError
from openai.types.chat import ChatCompletion

log = logging.getLogger("end_user_call")
TIER_CLAIM = os.environ.get("TIER_CLAIM", "")
"""The claim that says the tier. Empty: tokens say none, and CascadeFlow knows it, from Stripe's webhook for instance."""
DEFAULT_TIER = os.environ.get("CASCADEFLOW_DEFAULT_TIER", "free")
A_TIER = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
LEEWAY_S = 30
"""How far the issuer's clock and ours may be apart."""
LARGEST_BODY = 100_000
REFUSALS = {
    HTTPStatus.PAYMENT_REQUIRED: "You have used up what your plan includes.",
    HTTPStatus.FORBIDDEN: "Your plan does not include this.",
    HTTPStatus.TOO_MANY_REQUESTS: "That was too much at once. Try again in a minute.",
}
client = openai.OpenAI(base_url=f"{os.environ['CASCADEFLOW_URL']}/v1", api_key=os.environ["CASCADEFLOW_KEY"], timeout=60)


@dataclass(frozen=True)
class Person:
    id: str
    tier: str | None
    """None: the one that CascadeFlow knows."""


class Keys(jwt.PyJWKClient):
    """The issuer's public keys. They are kept for an hour, and asked for again when a token names one that is not among them.

    Anybody can make up tokens. So the issuer is asked at most once in `pause_s`, whatever tokens name and also while it does not answer.
    """

    def __init__(self, url: str, *, pause_s: float = 10) -> None:
        super().__init__(url, lifespan=3600, timeout=3, cooldown_duration=pause_s)
        self._not_before = 0.0

    def fetch_data(self) -> Any:
        if time.monotonic() < self._not_before:
            raise PyJWKClientConnectionError("the issuer was asked for its keys a moment ago")
        self._not_before = time.monotonic() + self.cooldown_duration
        try:
            return super().fetch_data()
        except (PyJWTError, OSError, ValueError) as failed:
            raise PyJWKClientConnectionError(f"the issuer's keys cannot be read: {failed}") from failed


def verified(token: str, *, keys: Keys, issuer: str, audience: str) -> dict[str, Any]:
    """Return what the token claims. Raises PyJWTError for one that the issuer did not sign, that is for others, or that has ended."""
    claims: dict[str, Any] = jwt.decode(
        token, keys.get_signing_key_from_jwt(token), algorithms=["RS256"], issuer=issuer, audience=audience, leeway=LEEWAY_S,
        options={"require": ["exp", "iat", "iss", "aud", "sub"]},
    )  # fmt: skip
    if not claims["sub"].strip():
        raise InvalidTokenError("the token names nobody")  # a call without a user would be nobody's, and meet nobody's budget
    return claims


def tier_of(claims: dict[str, Any]) -> str | None:
    """Return the tier that the token says. One that says none, or what is no name of a tier, is served in the default tier."""
    if not TIER_CLAIM:
        return None
    said = claims.get(TIER_CLAIM)
    return said if isinstance(said, str) and A_TIER.fullmatch(said) else DEFAULT_TIER


def ask(person: Person, message: str) -> ChatCompletion:
    """Ask as the person. A tier that CascadeFlow does not know is refused before it costs anything: the default tier serves then."""
    try:
        return _ask(person.id, message, tier=person.tier)
    except openai.BadRequestError as refused:
        if refused.param != "user_tier" or person.tier == DEFAULT_TIER:
            raise
        log.warning("the token of %s says the tier %r, which CascadeFlow does not know", person.id, person.tier)
        return _ask(person.id, message, tier=DEFAULT_TIER)


def _ask(user: str, message: str, *, tier: str | None) -> ChatCompletion:
    return client.chat.completions.create(
        model=os.environ.get("CASCADEFLOW_MODEL", "auto"), user=user, messages=[{"role": "user", "content": message}],
        extra_body={"cascadeflow": {"tier": tier}} if tier else None,
    )  # fmt: skip


def app_for(person_of: Callable[[str], Person]) -> WSGIApplication:
    """Return an application that answers POST {"message": "…"} with `Authorization: Bearer <token>`."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, told = _answer_to(environ, person_of)
        headers = [("content-type", "application/json")] + [("www-authenticate", "Bearer")] * (status == HTTPStatus.UNAUTHORIZED)
        start_response(f"{status.value} {status.phrase}", headers)
        return [json.dumps(told).encode()]

    return app


def _answer_to(environ: WSGIEnvironment, person_of: Callable[[str], Person]) -> tuple[HTTPStatus, dict[str, Any]]:
    """What goes wrong is told to the log; the person is told what they can do about it, and nothing else."""
    try:
        person = person_of(environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer "))
        reply = ask(person, _message_in(environ))
        return HTTPStatus.OK, {"answer": reply.choices[0].message.content, "tier": (reply.model_extra or {})["cascadeflow"]["user_tier"]}
    except PyJWKClientConnectionError as away:
        log.error("a token cannot be checked: %s", away)
    except (PyJWTError, RecursionError) as wrong:  # the latter where JSON is nested without end
        log.info("a token was refused: %s", wrong)
        return HTTPStatus.UNAUTHORIZED, {"error": "Please sign in again."}
    except UnreadableBody:
        return HTTPStatus.BAD_REQUEST, {"error": 'Send {"message": "…"} as JSON.'}
    except openai.APIStatusError as refused:
        log.warning("CascadeFlow answered %s: %s", refused.status_code, refused.message)
        if refused.status_code in REFUSALS:
            return HTTPStatus(refused.status_code), {"error": REFUSALS[HTTPStatus(refused.status_code)]}
    except Exception:
        log.exception("a call failed")
    return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "This does not work right now. Try again in a minute."}


class UnreadableBody(ValueError):
    pass


def _message_in(environ: WSGIEnvironment) -> str:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = json.loads(environ["wsgi.input"].read(length)) if 0 < length <= LARGEST_BODY else None
    except (ValueError, RecursionError) as wrong:
        raise UnreadableBody from wrong
    message = body.get("message") if isinstance(body, dict) else None
    if not isinstance(message, str):
        raise UnreadableBody
    return message


def serve(app: WSGIApplication) -> None:
    logging.basicConfig(level=logging.INFO)
    make_server("127.0.0.1", int(os.environ.get("PORT", "8002")), app).serve_forever()
