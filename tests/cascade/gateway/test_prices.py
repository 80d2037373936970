"""Prices on the road: the platform's reach running tenants, and the price faults of gateways that users complain about are not ours."""

from billing.engine.money import to_nusd
from billing.models import ModelPrice, PlatformPrice, QuarantinedModel
from tenants.scoping import tenant_scope
from tests.live import answer, wait_until
from tests.stage import REJECT, Stage, step

BODY = answer(usage={"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100, "prompt_tokens_details": {"cached_tokens": 400}})


def platform_price(stage: Stage, model: str, *, input_usd: str, output_usd: str, **fields: object) -> PlatformPrice:
    rates = {"input_nusd": to_nusd(input_usd), "output_nusd": to_nusd(output_usd)}
    return PlatformPrice.objects.create(provider="openai", model=stage.upstream_name(model), source="test", **{**rates, **fields})


def cost(stage: Stage, model: str) -> tuple[int, str, str]:
    """Ask the model; what was booked last: amount, price version, kind."""
    reply = stage.ask(model, "x" * 1_500)
    (entry,) = stage.entries(reply.cascadeflow["run_id"])
    return entry.amount_nusd, entry.price_version, entry.kind


def test_a_platform_price_reaches_a_running_tenant_and_its_own_price_goes_before_it(live_cast: Stage) -> None:
    live_cast.add_models("script", {"bare": live_cast.upstream_name("scripted")}, price=None)
    live_cast.script(body=BODY)
    assert cost(live_cast, "bare") == (0, "", "settled")
    listed = platform_price(live_cast, "scripted", input_usd="1", output_usd="2")
    wait_until(lambda: cost(live_cast, "bare")[1] != "")
    assert cost(live_cast, "bare") == (1_000_000 + 200_000, str(listed.id), "settled")
    with tenant_scope(live_cast.cast.acme.id):
        own = ModelPrice.objects.create(model="bare", input_nusd=to_nusd("3"), output_nusd=0, source="test")
    wait_until(lambda: cost(live_cast, "bare")[1] == str(own.id))
    assert cost(live_cast, "bare") == (3_000_000, str(own.id), "settled")


def test_a_dated_variant_has_no_price_by_the_name_that_it_begins_with(live_cast: Stage) -> None:
    """By a first match of prefixes gpt-4o-mini-2024-07-18 costs what gpt-4o costs, and unknown names cost 1 and 2 USD."""
    platform_price(live_cast, "scr", input_usd="2.50", output_usd="10")
    live_cast.add_models("script", {"variant": live_cast.upstream_name("scripted")}, price=None)
    live_cast.script(body=BODY)
    reply = live_cast.ask("variant")
    assert reply.cascadeflow["unpriced_models"] == ["variant"]
    assert [(entry.amount_nusd, entry.price_version) for entry in live_cast.entries()] == [(0, "")]
    live_cast.add_budget("5")
    assert live_cast.post({"model": "variant", "messages": [{"role": "user", "content": "hi"}]}).status_code == 402


def test_a_price_of_0_for_ones_own_machine_is_honoured_also_under_a_budget_without_money(live_cast: Stage) -> None:
    """Elsewhere a model of one's own with a cost of 0 is billed at 1 and 2 USD, and blocked once a budget is gone."""
    live_cast.add_models("script", {"rack": live_cast.upstream_name("scripted")}, price=("0", "0"))
    platform_price(live_cast, "scripted", input_usd="1", output_usd="2")
    live_cast.add_budget("0")
    live_cast.script(body=BODY)
    amount, version, kind = cost(live_cast, "rack")
    assert (amount, kind) == (0, "settled")
    assert version, "priced at 0, which is not unpriced"


def test_cached_tokens_cost_their_own_price_once_and_not_on_top(live_cast: Stage) -> None:
    live_cast.add_models("script", {"cached": live_cast.upstream_name("scripted")}, price=None)
    platform_price(live_cast, "scripted", input_usd="1", output_usd="2", cached_input_nusd=to_nusd("0.1"))
    live_cast.script(body=BODY)
    assert cost(live_cast, "cached")[0] == 600_000 + 40_000 + 200_000


def test_a_run_keeps_what_caching_and_a_price_of_ones_own_saved_beside_its_baseline(live_cast: Stage) -> None:
    live_cast.add_models("script", {"cached": live_cast.upstream_name("scripted")}, price=None)
    platform_price(live_cast, "scripted", input_usd="1", output_usd="2", cached_input_nusd=to_nusd("0.1"))
    with tenant_scope(live_cast.cast.acme.id):
        rates = {"input_nusd": to_nusd("0.5"), "output_nusd": to_nusd("2"), "cached_input_nusd": to_nusd("0.1")}
        ModelPrice.objects.create(model="cached", source="test", **rates)
    live_cast.add_preset("house", step("draft", "cached"), baseline="scripted-strong")
    live_cast.script(body=BODY)
    run = live_cast.run(live_cast.ask("house", "x" * 1_500).cascadeflow["run_id"])
    assert run.baseline_nusd == 1_000 * 2500 + 100 * 10_000
    assert run.cost_nusd == 600 * 500 + 400 * 100 + 100 * 2000
    assert (run.saved_by_cache_nusd, run.saved_by_price_nusd) == (400 * 400, 1_000 * 500)


def test_calls_that_failed_cost_nothing(live_cast: Stage) -> None:
    """Elsewhere a drafter or verifier that raised is billed all the same."""
    live_cast.script(status=500, body={"error": {"message": "made to fail"}})
    live_cast.script("scripted-strong", status=400, body={"error": {"message": "made to fail"}})
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
    assert live_cast.post({"model": "house", "messages": [{"role": "user", "content": "hi"}]}).status_code >= 400
    assert {(entry.kind, entry.amount_nusd) for entry in live_cast.entries()} == {("voided", 0)}


def test_each_step_costs_the_model_that_was_asked_and_not_the_first_or_last_of_a_list(live_cast: Stage) -> None:
    live_cast.add_models("script", {"middle": live_cast.upstream_name("middle")}, price=("1", "1"))
    live_cast.script(body=BODY)
    live_cast.script("middle", body=BODY)
    live_cast.script("scripted-strong", body=BODY)
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("second", "middle", **REJECT), step("escalate", "scripted-strong"))
    reply = live_cast.ask("house")
    booked = [(entry.model, entry.amount_nusd) for entry in live_cast.entries(reply.cascadeflow["run_id"])]
    assert booked == [("scripted", 150_000 + 60_000), ("middle", 1_100_000), ("scripted-strong", 2_500_000 + 1_000_000)]
    baseline = reply.cascadeflow["cost_breakdown"]
    assert baseline["cost_saved"] == "-0.00131", "what the drafts cost is not hidden: nothing was saved here"


def test_a_long_prompt_is_booked_at_the_long_rates(live_cast: Stage) -> None:
    live_cast.add_models("script", {"long": live_cast.upstream_name("scripted")}, price=None)
    long = {"long_after_tokens": 999, "long_input_nusd": to_nusd("2"), "long_output_nusd": to_nusd("4")}
    platform_price(live_cast, "scripted", input_usd="1", output_usd="2", **long)
    live_cast.script(body=BODY)
    live_cast.add_budget("1")
    reply = live_cast.ask("long", "x" * 2_000)
    (entry,) = live_cast.entries(reply.cascadeflow["run_id"])
    assert entry.amount_nusd == 2_000_000 + 400_000
    hold = live_cast.hold(reply.cascadeflow["run_id"])
    assert hold.amount_nusd > 2 * 2_000 * 1_000
    with tenant_scope(live_cast.cast.acme.id):
        assert not QuarantinedModel.objects.exists()
