"""The price book over REST: versions are appended, never edited."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from billing.models import ModelPrice, PlatformPrice
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest

MINI = {"model": "gpt-mini", "input": "0.15", "output": "0.60", "source": "price list of 2026-11-01"}
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def acme(cast: Cast) -> Rest:
    return Rest(cast.acme_admin_key)


def test_a_price_is_usd_per_million_tokens_from_now_on(cast: Cast, acme: Rest) -> None:
    with time_machine.travel(NOON, tick=False):
        made = acme.make("prices/", **MINI, cached_input="0.075", request="0.000001")
    assert datetime.fromisoformat(made["valid_from"]) == NOON
    assert {name: made[name] for name in ("input", "output", "cached_input", "cache_write", "reasoning", "request", "valid_to")} == {
        "input": "0.15", "output": "0.6", "cached_input": "0.075", "cache_write": None, "reasoning": None, "request": "0.000001",
        "valid_to": None,
    }
    with tenant_scope(cast.acme.id):
        assert ModelPrice.objects.get().input_nusd == 150_000_000


def test_the_next_version_closes_the_one_before_it(acme: Rest) -> None:
    first = acme.make("prices/", **MINI, valid_from="2026-11-01T00:00:00Z")
    second = acme.make("prices/", **MINI | {"input": "0.10"}, valid_from="2026-12-01T00:00:00+01:00")
    other = acme.make("prices/", **MINI | {"model": "gpt-max"}, valid_from="2026-11-15T00:00:00Z")
    assert datetime.fromisoformat(acme.get(f"prices/{first['id']}/").json()["valid_to"]) == datetime(2026, 11, 30, 23, tzinfo=UTC)
    is_open = acme.get("prices/", {"is_open": "true"}).json()["results"]
    assert {price["id"] for price in is_open} == {second["id"], other["id"]}
    assert [price["id"] for price in acme.get("prices/", {"model": "gpt-max"}).json()["results"]] == [other["id"]]


def test_a_version_may_begin_in_the_past_and_then_lasts_until_the_next(acme: Rest) -> None:
    first = acme.make("prices/", **MINI, valid_from="2026-09-01T00:00:00Z")
    newest = acme.make("prices/", **MINI, valid_from="2026-11-01T00:00:00Z")
    between = acme.make("prices/", **MINI | {"input": "0.20"}, valid_from="2026-10-01T00:00:00Z")
    assert between["valid_to"] == newest["valid_from"]
    assert acme.get(f"prices/{first['id']}/").json()["valid_to"] == between["valid_from"]
    instead = acme.make("prices/", **MINI | {"input": "0.30"}, valid_from="2026-10-01T00:00:00Z")
    replaced = acme.get(f"prices/{between['id']}/").json()
    assert replaced["valid_to"] == replaced["valid_from"], "it was never in force, and is kept"
    assert instead["valid_to"] == newest["valid_from"]


def test_long_prompts_may_have_prices_of_their_own(acme: Rest) -> None:
    long = {"long_after_tokens": 200_000, "long_input": "0.30", "long_output": "0.90", "long_cached_input": "0.15"}
    made = acme.make("prices/", **MINI, **long)
    assert {name: made[name] for name in (*long, "long_cache_write")} == {
        **long, "long_input": "0.3", "long_output": "0.9", "long_cache_write": None,
    }  # fmt: skip
    for wrong, words in (
        ({"long_input": "0.30"}, "need long_after_tokens"), ({**long, "long_output": "0.50"}, "long_output is lower than output".capitalize()),
        ({**long, "long_after_tokens": 0}, "more than 0"), ({**long, "long_input": None}, "long_input and long_output"),
    ):  # fmt: skip
        answer = acme.send("post", "prices/", {**MINI, **wrong})
        assert answer.status_code == 400
        assert words in answer.json()["errors"]["long_after_tokens"][0]


def test_the_platforms_prices_are_listed_and_only_read(cast: Cast, acme: Rest) -> None:
    for model, rate in (("gpt-mini", 150_000_000), ("gpt-max", 2_500_000_000)):
        rates = {"input_nusd": rate, "output_nusd": rate * 4}
        PlatformPrice.objects.create(provider="openai", model=model, source="litellm 1", note="retired on 2026-01-01", **rates)
    found = acme.get("platform-prices/", {"provider": "openai", "model": "gpt-max", "is_open": "true"}).json()["results"]
    assert [(row["model"], row["input"], row["output"], row["source"], row["note"]) for row in found] == [
        ("gpt-max", "2.5", "10", "litellm 1", "retired on 2026-01-01")
    ]
    assert len(Rest(cast.globex_admin_key).get("platform-prices/").json()["results"]) == 2
    assert acme.send("post", "platform-prices/", MINI).status_code == 405
    assert acme.get("platform-prices/", {"provder": "openai"}).status_code == 400


def test_another_tenants_prices_close_nothing_of_mine(cast: Cast, acme: Rest) -> None:
    mine = acme.make("prices/", **MINI, valid_from="2026-11-01T00:00:00Z")
    Rest(cast.globex_admin_key).make("prices/", **MINI, valid_from="2026-11-02T00:00:00Z")
    assert acme.get(f"prices/{mine['id']}/").json()["valid_to"] is None


@pytest.mark.parametrize("method", ["patch", "put", "delete"])
def test_a_version_is_never_edited(acme: Rest, method: str) -> None:
    made = acme.make("prices/", **MINI)
    assert acme.send(method, f"prices/{made['id']}/", {"input": "0"}).status_code == 405


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"input": "-0.1"}, "input"), ({"input": 0.15}, "input"), ({"output": "free"}, "output"), ({"reasoning": "1e999"}, "reasoning"),
        ({"request": None}, "request"), ({"model": ""}, "model"), ({"model": "x" * 201}, "model"), ({"valid_from": "soon"}, "valid_from"),
        ({"valid_from": 0}, "valid_from"), ({"valid_to": "2027-01-01T00:00:00Z"}, "valid_to"), ({"input_nusd": 1}, "input_nusd"),
        ({"source": ""}, "source"),
    ],
)
def test_what_cannot_be_is_told_by_field(acme: Rest, change: Any, field: str) -> None:
    answer = acme.send("post", "prices/", {**MINI, **change})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "-4713-01-01T00:00:00Z", "275760-09-13T00:00:00Z"])
def test_times_beyond_the_calendar_are_refused(acme: Rest, start: str) -> None:
    assert acme.send("post", "prices/", {**MINI, "valid_from": start}).status_code == 400
