"""Rate limits of keys and tiers, open calls and new end users: how they refuse, and how each reply tells where they stand."""

import threading
from typing import Any

import openai
import pytest

from tenants.models import ApiKey, EndUser, Scope, Tenant, Tier
from tenants.scoping import platform_scope, tenant_scope
from tests.cast import make_key
from tests.stage import SPOKEN, Stage

QUESTION: Any = [{"role": "user", "content": "Where is my order?"}]


def limited_key(stage: Stage, **limits: int) -> str:
    """A key of acme's with rate limits of its own."""
    with tenant_scope(stage.cast.acme.id):
        key = make_key(Scope.INVOKE, Scope.READ)
        ApiKey.objects.filter(prefix=key[:17]).update(**limits)
    return key


def settle_tenant(stage: Stage, **fields: Any) -> None:
    with platform_scope():
        Tenant.objects.filter(pk=stage.cast.acme.id).update(**fields)


def test_a_key_makes_as_many_requests_a_minute_as_it_may(live_cast: Stage) -> None:
    key = limited_key(live_cast, requests_per_minute=2)
    first, second, third = (live_cast.post(key=key) for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
    assert first.headers["ratelimit-policy"] == '"key-requests";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"key-requests";r=1;t=')
    assert (first.headers["x-ratelimit-limit-requests"], first.headers["x-ratelimit-remaining-requests"]) == ("2", "1")
    error = third.json()["error"]
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert "this API key may make 2 requests a minute" in error["message"]
    assert 1 <= int(third.headers["retry-after"]) <= 30
    assert len(live_cast.holds()) == 2


def test_the_official_client_waits_a_short_limit_out(live_cast: Stage) -> None:
    key = limited_key(live_cast, requests_per_minute=20)  # one more each three seconds
    while live_cast.post(key=key).status_code == 200:
        pass
    client = live_cast.client(key).with_options(max_retries=3)
    assert client.chat.completions.create(model="steady", messages=QUESTION).choices


def test_a_call_that_can_never_fit_is_told_so_and_not_tried_again(live_cast: Stage) -> None:
    client = live_cast.client(limited_key(live_cast, tokens_per_minute=100))
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="steady", messages=QUESTION, max_tokens=500)
    assert "can never fit" in refused.value.message
    assert refused.value.type == "tokens"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert client.chat.completions.create(model="steady", messages=QUESTION, max_tokens=10).choices


def test_a_tiers_limit_is_for_each_end_user_of_it(live_cast: Stage) -> None:
    with tenant_scope(live_cast.cast.acme.id):
        tier = Tier.objects.get(name="free")
        tier.requests_per_minute = 1
        tier.save()
    statuses = [live_cast.post(user=user, headers={"X-CascadeFlow-Tier": "free"}).status_code for user in ("ann", "ann", "walt")]
    assert statuses == [200, 429, 200]
    assert live_cast.post(user="ben", headers={"X-CascadeFlow-Tier": "pro"}).status_code == 200


def test_streams_and_native_runs_tell_their_limits_too(live_cast: Stage) -> None:
    key = limited_key(live_cast, requests_per_minute=10)
    live_cast.script(parts=SPOKEN)
    stream = live_cast.post(key=key, stream=True)
    assert stream.headers["x-ratelimit-limit-requests"] == "10"
    with live_cast.http(key) as client:
        native = client.post("/api/v1/runs/", json={"query": "Where is my order?", "preset": "steady"})
    assert native.headers["x-ratelimit-remaining-requests"] == "8"


def test_without_limits_no_reply_speaks_of_them(live_cast: Stage) -> None:
    assert not [name for name in live_cast.post(user="ann").headers if name.startswith(("ratelimit", "x-ratelimit"))]


def test_a_refused_call_lets_go_of_its_idempotency_key(live_cast: Stage) -> None:
    key = limited_key(live_cast, requests_per_minute=1)
    assert live_cast.post(key=key).status_code == 200
    assert live_cast.post(key=key, headers={"Idempotency-Key": "once"}).status_code == 429
    assert live_cast.post(headers={"Idempotency-Key": "once"}).status_code == 200


def test_an_end_user_has_only_so_many_calls_in_flight(live_cast: Stage) -> None:
    settle_tenant(live_cast, open_calls_per_end_user=1)
    slow = threading.Thread(target=lambda: live_cast.post(model="slow", user="ann"))
    slow.start()
    live_cast.wait_until_held()
    refused = live_cast.post(user="ann")
    assert refused.status_code == 429
    assert "as many calls in flight as one may have at once: 1." in refused.json()["error"]["message"]
    assert "retry-after" in refused.headers
    assert live_cast.post(user="ben").status_code == 200
    slow.join()
    assert live_cast.post(user="ann").status_code == 200


def test_names_that_are_made_up_are_not_served_without_end(live_cast: Stage) -> None:
    settle_tenant(live_cast, new_end_users_per_hour=2)
    statuses = [live_cast.post(user=f"made-up-{number}").status_code for number in range(4)]
    assert statuses == [200, 200, 429, 429]
    refused = live_cast.post(user="made-up-9")
    assert "is new" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) > 60
    assert live_cast.post(user="made-up-0").status_code == 200, "who is known is served"
    with tenant_scope(live_cast.cast.acme.id):
        assert EndUser.objects.filter(external_id__startswith="made-up").count() == 2
