"""The check button and the health of provider connections, on the running site."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from billing.models import ModelPrice
from cascade.models import CatalogModel, ProviderConnection
from tenants.scoping import tenant_scope
from tests.live import answer
from tests.stage import Stage

SECRET = "sk-of-acme"


def connection_id(stage: Stage, name: str) -> str:
    with tenant_scope(stage.cast.acme.id):
        return str(ProviderConnection.objects.get(name=name).pk)


def check(stage: Stage, name: str) -> dict[str, Any]:
    with stage.http(stage.cast.acme_admin_key) as client:
        reply = client.post(f"/api/v1/providers/{connection_id(stage, name)}/check/", timeout=60)
    assert reply.status_code == 200, reply.text
    assert SECRET not in reply.text
    told: dict[str, Any] = reply.json()
    return told


def make_cheapest(stage: Stage, connection: str, upstream_name: str) -> None:
    """The model that a check of the connection asks."""
    stage.add_models(connection, {f"cheapest-{connection}": stage.upstream_name(upstream_name)}, price=("0.01", "0.02"))


def health(stage: Stage, name: str, **query: Any) -> dict[str, Any]:
    with stage.http(stage.cast.acme_admin_key) as client:
        reply = client.get(f"/api/v1/providers/{connection_id(stage, name)}/health/", params=query)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


class TestChecks:
    def test_a_connection_that_works_says_so_and_what_it_cost_and_the_call_is_booked_under_its_tag(self, live_cast: Stage) -> None:
        live_cast.add_budget("1")
        make_cheapest(live_cast, "up", "steady")
        told = check(live_cast, "up")
        assert (told["ok"], told["reachable"], told["key_accepted"], told["model_known"], told["reports_usage"]) == (True,) * 5
        assert (told["connection"], told["provider"], told["problem"], told["advice"]) == ("up", "openai", None, None)
        assert told["latency_ms"] > 0
        (entry,) = live_cast.entries(told["run_id"])
        assert (entry.kind, entry.tags, entry.model) == ("settled", ["provider-check"], told["model"])
        assert entry.output_tokens <= 16
        assert told["cost"] != "0"
        (window,) = live_cast.windows()
        assert window.spent_nusd == entry.amount_nusd
        assert live_cast.run(told["run_id"]).tags == ["provider-check"]

    def test_the_draft_model_is_asked_where_the_connection_has_it_else_the_cheapest(self, live_cast: Stage) -> None:
        assert check(live_cast, "simulated")["model"] == "demo-mini"
        make_cheapest(live_cast, "script", "scripted")
        assert check(live_cast, "script")["model"] == "cheapest-script"
        (asked,) = live_cast.asked()
        assert asked["max_completion_tokens"] == 16

    @pytest.mark.parametrize(
        ("status", "error", "facts", "advice"),
        [
            (401, {"message": f"Incorrect API key provided: {SECRET}", "code": "invalid_api_key"}, (True, False, None), "new key"),
            (404, {"message": "no such model", "code": "model_not_found"}, (True, True, False), "upstream_name"),
            (429, {"message": "quota", "code": "insufficient_quota"}, (True, True, None), "top it up"),
            (429, {"message": "slow down"}, (True, True, None), "not so often"),
            (400, {"message": "Unsupported parameter: max_tokens"}, (True, True, None), "cap_parameter"),
            (500, {"message": "our fault"}, (True, None, None), "status page"),
        ],
    )
    def test_each_way_to_fail_says_what_is_known_and_what_to_do(
        self, live_cast: Stage, status: int, error: Any, facts: tuple[Any, ...], advice: str
    ) -> None:
        live_cast.script(body={"error": error}, status=status)
        told = check(live_cast, "script")
        assert told["ok"] is False
        assert (told["reachable"], told["key_accepted"], told["model_known"]) == facts
        assert advice in told["advice"]
        assert told["problem"]
        assert {entry.kind for entry in live_cast.entries(told["run_id"])} == {"voided"}

    def test_an_address_where_nobody_is_and_one_where_something_else_answers(self, live_cast: Stage) -> None:
        told = check(live_cast, "nowhere")
        assert (told["reachable"], told["code"]) == (False, "provider_unreachable")
        assert "ALLOW_PRIVATE_ENDPOINTS" in told["advice"]
        live_cast.script(body=b"<html>")
        assert "not this API" in check(live_cast, "script")["advice"]

    def test_a_provider_that_counts_nothing_works_and_is_told_apart(self, live_cast: Stage) -> None:
        live_cast.script(body=answer(usage=None))
        told = check(live_cast, "script")
        assert (told["ok"], told["reports_usage"]) == (True, False)
        assert "upper count" in told["advice"]

    def test_one_without_a_key_a_model_or_a_price_says_what_to_set_up_and_asks_nobody(self, live_cast: Stage) -> None:
        live_cast.add_connection("claude", provider="anthropic")
        assert "POST /api/v1/models/" in check(live_cast, "claude")["advice"]
        live_cast.add_models("claude", {"haiku": "claude-haiku"}, price=None)
        told = check(live_cast, "claude")
        assert (told["code"], told["model"]) == ("not_set_up", None)
        assert "'haiku' a price" in told["advice"]
        assert live_cast.holds() == []
        with tenant_scope(live_cast.cast.acme.id):
            ModelPrice.objects.create(model="haiku", input_nusd=1, output_nusd=1, source="test")
        told = check(live_cast, "claude")
        assert "needs an API key" in told["problem"]
        assert "PATCH" in told["advice"]
        with tenant_scope(live_cast.cast.acme.id):
            CatalogModel.objects.filter(name="haiku").update(retired_on="2025-01-01")
            ProviderConnection.objects.filter(name="nowhere").update(is_active=False)
        assert "retired" in check(live_cast, "claude")["advice"]
        assert "switched off" in check(live_cast, "nowhere")["advice"]

    def test_a_budget_that_is_spent_binds_a_check_too_and_a_tiers_policy_does_not(self, live_cast: Stage) -> None:
        live_cast.add_policy("free", denied_models=["scripted"])
        assert check(live_cast, "script")["ok"]
        live_cast.add_budget("0")
        told = check(live_cast, "script")
        assert (told["ok"], told["code"], told["reachable"]) == (False, "budget_exhausted", None)
        assert "Nothing was asked" in told["advice"]

    def test_other_requests_of_the_tenant_are_answered_while_a_check_waits(self, live_cast: Stage) -> None:
        gate = threading.Event()
        live_cast.script(body=answer(), gate=gate)
        make_cheapest(live_cast, "up", "steady")
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(check, live_cast, "script")
            live_cast.wait_until_held()
            assert check(live_cast, "up")["ok"]
            gate.set()
            assert waiting.result()["ok"]


class TestHealth:
    def test_it_counts_what_was_booked_and_says_why_calls_failed(self, live_cast: Stage) -> None:
        idle = health(live_cast, "script")
        assert (idle["state"], idle["failure_share"], idle["calls"], idle["last_answered_at"]) == ("idle", None, 0, None)
        for _ in range(3):
            live_cast.ask("scripted")
        well = health(live_cast, "script")
        assert (well["state"], well["failure_share"], well["calls"], well["answered"]) == ("healthy", 0.0, 3, 3)
        live_cast.script(body=b"garbage")
        with pytest.raises(openai.InternalServerError):
            live_cast.ask("scripted")
        worse = health(live_cast, "script", minutes=1)
        assert (worse["state"], worse["failure_share"], worse["uncertain"], worse["error_codes"]) == ("degraded", 0.25, 1, {"provider_bad_answer": 1})
        assert worse["last_failed_at"] >= worse["last_answered_at"]
        with pytest.raises(openai.InternalServerError):
            live_cast.ask("unplugged")
        gone = health(live_cast, "nowhere")
        assert (gone["state"], gone["failure_share"], gone["calls"], gone["unbilled"]) == ("failing", 1.0, 3, 3)
        assert gone["error_codes"] == {"provider_unreachable": 3}

    def test_requests_that_the_provider_refused_do_not_make_it_ill(self, live_cast: Stage) -> None:
        live_cast.ask("scripted")
        live_cast.script(body={"error": {"message": "maximum context length"}}, status=400)
        for _ in range(3):
            with pytest.raises(openai.BadRequestError):
                live_cast.ask("scripted")
        told = health(live_cast, "script")
        assert (told["state"], told["failure_share"], told["calls"], told["unbilled"]) == ("healthy", 0.0, 4, 3)
        assert told["error_codes"] == {"provider_refused": 3}

    @pytest.mark.parametrize("minutes", ["0", "1441", "many", "-5", "1.5"])
    def test_how_far_to_look_back_has_bounds(self, live_cast: Stage, minutes: str) -> None:
        with live_cast.http(live_cast.cast.acme_admin_key) as client:
            reply = client.get(f"/api/v1/providers/{connection_id(live_cast, 'up')}/health/", params={"minutes": minutes})
        assert (reply.status_code, list(reply.json()["errors"])) == (400, ["minutes"])
