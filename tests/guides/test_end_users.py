"""The examples of docs/guides/auth0.md and firebase.md on a live site: whoever signed in calls as themselves, in their own tier."""

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tenants.end_users import end_user_id
from tests.guides.conftest import running_end_user, serving_issuer
from tests.guides.issuer import Issuer, claims_of, signed
from tests.live import Server
from tests.stage import Stage

CLAIM = {"auth0": "https://acme.example/tier", "firebase": "tier"}
HTTP = httpx.Client(timeout=20)


class Example(NamedTuple):
    kind: str
    stage: Stage
    issuer: Issuer
    server: Server

    def token(self, sub: str, tier: Any = None) -> str:
        return signed(claims_of(self.kind, self.issuer, sub=sub, **{CLAIM[self.kind]: tier}))


@pytest.fixture(scope="module", params=["auth0", "firebase"])
def example(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Example]:
    """The example before the live site, with an application's own key."""
    with serving_issuer() as issuer, running_end_user(request.param, issuer, url=stage.site.url, key=stage.cast.acme_key) as server:
        yield Example(request.param, stage, issuer, server)


@pytest.fixture
def person() -> str:
    return f"auth0|{os.urandom(4).hex()}"


def ask(server: Server, token: str, body: Any = None) -> httpx.Response:
    body = {"message": "Where is my order?"} if body is None else body
    content = body if isinstance(body, bytes) else json.dumps(body)
    return HTTP.post(server.url, headers={"authorization": f"Bearer {token}"}, content=content)


def test_a_call_is_made_as_the_person_and_under_the_tier_that_the_token_says(example: Example, person: str) -> None:
    told = ask(example.server, example.token(person, "pro"))
    assert (told.status_code, told.json()["tier"]) == (200, "pro")
    assert told.json()["answer"]
    identity = end_user_id(salt=bytes(example.stage.cast.acme.end_user_salt), external_id=person)
    (hold,) = example.stage.holds(end_user_id=identity)
    assert example.stage.run(hold.id).tier == "pro"


def test_a_claim_that_names_no_tier_is_served_in_the_default_tier_also_for_who_had_a_better_one(example: Example, person: str) -> None:
    for claim in (None, "platinum", "", "Pro", " pro", "x" * 65, ["pro"], {"name": "pro"}, 7, True, "pro\n", "\ud800"):
        assert ask(example.server, example.token(person, "pro")).json()["tier"] == "pro"
        told = ask(example.server, example.token(person, claim))
        assert (told.status_code, told.json()["tier"]) == (200, "free"), claim
    assert f"the token of {person} says the tier 'platinum', which CascadeFlow does not know" in example.server.log()


def test_where_tokens_say_no_tier_cascadeflow_knows_it(stage: Stage) -> None:
    with serving_issuer() as issuer, running_end_user("auth0", issuer, url=stage.site.url, key=stage.cast.acme_key, TIER_CLAIM="") as server:
        assert ask(server, Example("auth0", stage, issuer, server).token("ben", "enterprise")).json()["tier"] == "pro"


def test_a_person_is_told_what_they_can_do_and_nothing_of_what_went_wrong_inside(example: Example, person: str) -> None:
    stage, server = example.stage, example.server
    stage.add_budget("0", scope="end_user", subject=person)
    used_up = ask(server, example.token(person))
    assert (used_up.status_code, used_up.json()) == (402, {"error": "You have used up what your plan includes."})
    with stage.http(stage.cast.acme_admin_key) as rest:
        rest.put("/api/v1/end-users/lookup/", params={"external_id": f"{person}x"}, json={"is_blocked": True}).raise_for_status()
    blocked = ask(server, example.token(f"{person}x"))
    assert (blocked.status_code, blocked.json()) == (403, {"error": "Your plan does not include this."})
    broken = ask(server, example.token(f"{person}\x01"))
    assert (broken.status_code, broken.json()) == (503, {"error": "This does not work right now. Try again in a minute."})
    assert "control character" in server.log()
    for body in (b"", b"{", b"[]", {"message": 7}, {"text": "hi"}, b"\xff", b'{"message": "' + b"x" * 100_000 + b'"}', b"[" * 50_000):
        assert ask(server, example.token(person), body).status_code == 400
