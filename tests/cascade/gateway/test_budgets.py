"""Spent out is 402 with the arithmetic, held by calls in flight is 429 with Retry-After; degrade and warn answer and say so."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import openai
import pytest

from billing.models import Budget
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.live import answer
from tests.stage import REJECT, Stage, step


def test_a_budget_that_is_spent_is_402_with_the_arithmetic_in_words_and_in_numbers(live_cast: Stage) -> None:
    budget = live_cast.add_budget("0.0009", name="Acme's day")
    live_cast.ask("steady")  # may cost 0.00063, costs 0.0001812
    live_cast.ask("steady")
    with pytest.raises(openai.APIStatusError) as refused:
        live_cast.ask("steady")
    failure, headers = refused.value, refused.value.response.headers
    assert (failure.status_code, failure.code, failure.type) == (402, "budget_exhausted", "insufficient_quota")
    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers
    facts = failure.response.json()["cascadeflow"]
    window = facts["budget"]
    assert (window["id"], window["name"], window["period"], window["action"]) == (str(budget.id), "Acme's day", "daily", "block")
    assert (window["limit"], window["spent"], window["held"]) == ("0.0009", "0.0003624", "0")
    assert Decimal(window["spent"]) + Decimal(facts["asked"]) > Decimal(window["limit"])
    assert window["resets_at"] > "2026"
    assert facts["windows"] == [window]
    for part in ("Acme's day", "limit 0.0009 USD", "spent 0.0003624", "held 0", f"may cost up to {facts['asked']}", "It resets at"):
        assert part in failure.message
    assert len(live_cast.holds()) == 2


def test_a_tenant_may_choose_429_that_is_not_to_be_retried(live_cast: Stage) -> None:
    with platform_scope():
        Tenant.objects.filter(id=live_cast.cast.acme.id).update(budget_refusal_status=429)
    live_cast.add_budget("0.000001")
    with pytest.raises(openai.RateLimitError) as refused:
        live_cast.ask("steady")
    assert refused.value.code == "budget_exhausted"
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_a_stream_is_refused_with_its_status_too(live_cast: Stage) -> None:
    live_cast.add_budget("0.000001")
    with pytest.raises(openai.APIStatusError) as refused:
        live_cast.ask("steady", stream=True)
    assert refused.value.status_code == 402


def test_money_held_by_a_call_in_flight_is_429_with_retry_after_and_free_again_afterwards(live_cast: Stage) -> None:
    live_cast.add_budget("0.0009")
    gate = threading.Event()
    live_cast.script(body=answer(), gate=gate)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(live_cast.ask, "scripted")
        live_cast.wait_until_held()
        with pytest.raises(openai.RateLimitError) as refused:
            live_cast.ask("steady")
        gate.set()
        assert first.result().cascadeflow["total_cost"] == "0.00000585"
    assert refused.value.code == "budget_reserved"
    assert refused.value.response.headers["retry-after"] == "1"
    assert Decimal(refused.value.response.json()["cascadeflow"]["budget"]["held"]) > 0
    assert live_cast.ask("steady")


def test_a_call_waits_a_moment_for_money_that_is_only_held(live_cast: Stage) -> None:
    live_cast.add_budget("0.0009")
    gate = threading.Event()
    live_cast.script(body=answer(), gate=gate)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(live_cast.ask, "scripted")
        live_cast.wait_until_held()
        second = pool.submit(live_cast.ask, "steady")
        gate.set()
        assert first.result()
        assert second.result(), "the second call was let in when the first one's rest was free"


def test_a_degrading_budget_takes_the_cheaper_path_and_says_so(live_cast: Stage) -> None:
    live_cast.add_budget("0.001", action="degrade")
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
    raw = live_cast.openai.chat.completions.with_raw_response.create(model="house", messages=[{"role": "user", "content": "Where is my order?"}])
    ours = raw.parse().cascadeflow
    assert ours["model_used"] == "scripted"
    assert ours["degraded"] == raw.headers["x-cascadeflow-degraded"]
    assert ours["degraded"].startswith("draft only")
    assert ours["draft_accepted"] is None, "it was not judged, since nothing could have come after it"
    assert live_cast.asked("scripted-strong") == []
    assert live_cast.run(ours["run_id"]).status == "degraded"


def test_a_warning_budget_lets_the_call_pass_and_warns(live_cast: Stage) -> None:
    live_cast.add_budget("0.000001", action="warn", name="Pocket money")
    (warning,) = live_cast.ask("steady").cascadeflow["budget_warnings"]
    assert warning.startswith("Pocket money: ")
    assert "of 0.000001 USD" in warning


def test_what_remains_of_the_tightest_budget_is_told_exactly(live_cast: Stage) -> None:
    live_cast.add_budget("1")
    live_cast.add_budget("5", period="monthly")
    ours = live_cast.ask("steady").cascadeflow
    assert Decimal(ours["budget_remaining"]) == 1 - Decimal(ours["total_cost"])
    again = live_cast.ask("steady").cascadeflow
    assert Decimal(again["budget_remaining"]) == 1 - 2 * Decimal(ours["total_cost"])


@pytest.mark.parametrize(("scope", "subject"), [("end_user", ""), ("end_user", "ann"), ("tier", "free"), ("api_key", "key"), ("tag", "eu")])
def test_budgets_of_every_scope_bind(live_cast: Stage, scope: str, subject: str) -> None:
    key_id = str(live_cast.key_id()) if subject == "key" else subject
    live_cast.add_budget("0.000001", scope=scope, subject=key_id)
    with pytest.raises(openai.APIStatusError) as refused:
        live_cast.ask("steady", user="ann", extra_headers={"X-CascadeFlow-Tags": "eu"})
    assert (refused.value.status_code, refused.value.response.json()["cascadeflow"]["budget"]["scope"]) == (402, scope)
    if scope in ("end_user", "tier") and subject != "":
        assert live_cast.ask("steady", user="ben"), "ben is another person, and pro"


@pytest.mark.parametrize("field", ["service_tier", "prediction", "undocumented"])
def test_what_has_no_bound_is_refused_by_name_where_a_budget_stops_calls(live_cast: Stage, field: str) -> None:
    with platform_scope():
        Tenant.objects.filter(id=live_cast.cast.acme.id).update(allow_undocumented_fields=True)
    live_cast.add_budget("100")
    value = {"service_tier": "priority", "prediction": {"type": "content", "content": "x"}, "undocumented": 1}[field]
    error = live_cast.post(**{field: value}).json()["error"]
    assert error["code"] == "unpriced"
    assert f"the field '{field}'" in error["message"]


def test_a_model_without_a_price_is_refused_where_a_budget_stops_calls_and_booked_as_unpriced_elsewhere(live_cast: Stage) -> None:
    live_cast.add_models("up", {"free-of-price": live_cast.upstream_name("steady")}, price=None)
    (entry,) = live_cast.entries(live_cast.ask("free-of-price").cascadeflow["run_id"])
    assert (entry.amount_nusd, entry.price_version, entry.output_tokens) == (0, "", 300)
    live_cast.add_budget("100")
    with pytest.raises(openai.APIStatusError) as refused:
        live_cast.ask("free-of-price")
    assert (refused.value.status_code, refused.value.code) == (402, "unpriced")
    assert "free-of-price" in refused.value.message


def test_sixteen_calls_at_once_never_pass_the_limit(live_cast: Stage) -> None:
    live_cast.add_budget("0.002")
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: live_cast.post().status_code, range(16)))
    assert set(replies) <= {200, 402, 429}
    (window,) = live_cast.windows()
    assert window.spent_nusd == replies.count(200) * 181_200 <= 2_000_000
    assert window.held_nusd == 0
    assert replies.count(200) >= 7, "waiting for money that is only held uses the budget up"
    with tenant_scope(live_cast.cast.acme.id):
        assert Budget.objects.get().limit_nusd == 2_000_000
