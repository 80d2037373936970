"""Tokens that the Auth0 and the Firebase example must refuse, and how often they ask for the issuer's keys."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import jwt
import pytest

from tests.guides.conftest import EXAMPLES, running_end_user, serving_issuer
from tests.guides.issuer import Issuer, claims_of, signed, signed_with_the_public_key, tampered, unsigned
from tests.live import Server, free_port, wait_until

HTTP = httpx.Client(timeout=20)
Claims = Callable[..., dict[str, Any]]
LATER = 1_000
BAD_TOKENS: dict[str, Callable[[Claims], str]] = {
    "of another issuer": lambda claims: signed(claims(iss="https://evil.example/")),
    "of an issuer whose name begins so": lambda claims: signed(claims(iss=claims()["iss"] + ".evil.example")),
    "without issuer": lambda claims: signed(claims(iss=None)),
    "for another audience": lambda claims: signed(claims(aud="client")),
    "for nobody": lambda claims: signed(claims(aud=None)),
    "expired": lambda claims: signed(claims(exp=int(time.time()) - 60)),
    "without end": lambda claims: signed(claims(exp=None)),
    "of tomorrow": lambda claims: signed(claims(iat=int(time.time()) + LATER)),
    "without subject": lambda claims: signed(claims(sub=None)),
    "with an empty subject": lambda claims: signed(claims(sub="")),
    "with a blank subject": lambda claims: signed(claims(sub="  ")),
    "with a number for a subject": lambda claims: signed(claims(sub=7)),
    "unsigned": lambda claims: unsigned(claims()),
    "signed with the public key": lambda claims: signed_with_the_public_key(claims()),
    "signed with another key of the same name": lambda claims: signed(claims(), key="second"),
    "signed with an unknown key": lambda claims: signed(claims(), key="second", kid="second"),
    "that names no key": lambda claims: signed(claims(), kid=None),
    "tampered": lambda claims: tampered(signed(claims()), sub="ann"),
    "without its signature": lambda claims: signed(claims()).rpartition(".")[0] + ".",
    "of two parts": lambda claims: signed(claims()).rpartition(".")[0],
    "garbage": lambda claims: "garbage",
    "of blanks": lambda claims: "a b",
    "that is nested without end": lambda claims: ".".join([base64.urlsafe_b64encode(b"[" * 5_000).decode()] * 3),
}
BAD_FOR_FIREBASE: dict[str, Callable[[Claims], str]] = {
    "signed in tomorrow": lambda claims: signed(claims(auth_time=int(time.time()) + LATER)),
    "never signed in": lambda claims: signed(claims(auth_time=None)),
    "signed in at no time": lambda claims: signed(claims(auth_time="yesterday")),
    "of a session cookie": lambda claims: signed(claims(iss="https://session.firebase.google.com/acme-1")),
}


class Example(NamedTuple):
    kind: str
    issuer: Issuer
    server: Server

    def claims(self, **changes: Any) -> dict[str, Any]:
        return claims_of(self.kind, self.issuer, **changes)

    def answer_to(self, token: str) -> httpx.Response:
        return HTTP.post(self.server.url, headers={"authorization": f"Bearer {token}"}, json={"message": "Hi"})


@pytest.fixture(scope="module", params=["auth0", "firebase"])
def example(request: pytest.FixtureRequest) -> Iterator[Example]:
    """An example with no CascadeFlow behind it: a token that is let through meets 503, after the example tried to call."""
    with serving_issuer() as issuer, running_end_user(request.param, issuer, url=f"http://127.0.0.1:{free_port()}", key="cfk_live_nobodys") as server:
        yield Example(request.param, issuer, server)


def test_a_token_that_is_not_the_issuers_for_us_and_now_is_refused(example: Example) -> None:
    bad = BAD_TOKENS if example.kind == "auth0" else BAD_TOKENS | BAD_FOR_FIREBASE
    answers = {name: example.answer_to(make(example.claims)) for name, make in bad.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(bad, 401)
    assert {answer.content for answer in answers.values()} == {b'{"error": "Please sign in again."}'}
    assert HTTP.post(example.server.url, json={"message": "Hi"}).status_code == 401, "no token at all"
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {"Bearer"}
    assert "Connection error" not in example.server.log()
    assert example.answer_to(signed(example.claims())).status_code == 503, "a good token is let through"
    assert "Connection error" in example.server.log()


def test_clocks_may_be_half_a_minute_apart(example: Example) -> None:
    now = int(time.time())
    assert example.answer_to(signed(example.claims(exp=now - 5))).status_code == 503
    at_once = {"iat": now + 20, **({"auth_time": now + 20} if example.kind == "firebase" else {})}
    assert example.answer_to(signed(example.claims(**at_once))).status_code == 503


def test_made_up_keys_do_not_make_the_example_ask_the_issuer_each_time(example: Example) -> None:
    example.answer_to(signed(example.claims()))
    before, began = example.issuer.fetches, time.monotonic()
    for number in range(30):
        assert example.answer_to(signed(example.claims(), key="second", kid=f"made-up-{number}")).status_code == 401
    assert example.issuer.fetches - before <= (time.monotonic() - began) / 10 + 1
    assert example.issuer.fetches >= 1


class TestKeys:
    @pytest.fixture
    def keys(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., jwt.PyJWKClient]:
        monkeypatch.syspath_prepend(str(Path(EXAMPLES)))
        monkeypatch.setenv("CASCADEFLOW_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("CASCADEFLOW_KEY", "cfk_live_nobodys")
        from end_user_call import Keys

        made: Callable[..., jwt.PyJWKClient] = Keys
        return made

    def test_many_at_once_read_the_keys_once(self, keys: Callable[..., jwt.PyJWKClient], issuer: Issuer) -> None:
        mine = keys(issuer.url)
        refused: list[str] = []

        def one(number: int) -> None:
            assert mine.get_signing_key("first").key_id == "first"
            with pytest.raises(jwt.PyJWKClientError):
                mine.get_signing_key(f"made-up-{number}")
            refused.append(f"made-up-{number}")

        threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert (len(refused), issuer.fetches) == (16, 1)

    def test_a_key_that_the_issuer_changed_to_is_known_after_the_pause(self, keys: Callable[..., jwt.PyJWKClient], issuer: Issuer) -> None:
        mine = keys(issuer.url, pause_s=0.3)
        assert mine.get_signing_key("first")
        issuer.published = ["second"]
        with pytest.raises(jwt.PyJWKClientError):
            mine.get_signing_key("second")
        wait_until(lambda: _has(mine, "second"), seconds=3)
        with pytest.raises(jwt.PyJWKClientError):
            mine.get_signing_key("first")

    def test_an_issuer_that_is_away_is_not_asked_each_time_and_known_keys_go_on(
        self, keys: Callable[..., jwt.PyJWKClient], issuer: Issuer
    ) -> None:
        cold, warm = keys(issuer.url), keys(issuer.url, pause_s=0)
        assert warm.get_signing_key("first")
        issuer.is_down, issuer.fetches = True, 0
        for _ in range(20):
            with pytest.raises(jwt.PyJWKClientConnectionError):
                cold.get_signing_key("first")
        assert issuer.fetches == 1
        with pytest.raises(jwt.PyJWKClientConnectionError):
            warm.get_signing_key("made-up")
        assert warm.get_signing_key("first")

    def test_an_issuer_that_answers_nonsense_is_away(self, keys: Callable[..., jwt.PyJWKClient], issuer: Issuer) -> None:
        issuer.published = []
        with pytest.raises(jwt.PyJWKClientConnectionError):
            keys(issuer.url).get_signing_key("first")


def _has(keys: jwt.PyJWKClient, name: str) -> bool:
    try:
        return keys.get_signing_key(name).key_id == name
    except jwt.PyJWKClientError:
        return False
