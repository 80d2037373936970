"""Faults that are known of a library of this kind, on routing, tenants and shared state: tests that show ours does not have them.

Numbers are those of the list of faults. `COVERED` names the tests that show it elsewhere.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import pytest

from cascade.engine.ladder import ladder
from cascade.engine.plans import CascadeRequest
from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.engine.providers.aliases import OLD_NAMES
from cascade.engine.providers.registry import SUPPORTED_PROVIDERS
from cascade.engine.rollout import Rollout
from cascade.engine.tiers import BUILT_IN_POLICIES, TierAwareRouter
from tests.cascade.engine.plans import CHECK, DRAFT, ESCALATE, config, plan, preset
from tests.stage import ACCEPT, Stage, step, text_of

ROOT = Path(__file__).parents[2]
COVERED = {
    "14: the domain's own models are ignored": ("cascade/gateway/test_strategies.py", "test_a_tenants_own_domain_has_its_own_rules_strategy"),
    "14: a denied model is called all the same": ("cascade/gateway/test_tiers.py", "class TestADeniedModel"),
    "14: a rule decides only where it is forced": ("cascade/gateway/test_tiers.py", "test_is_left_out_of_the_escalation"),
    "15: thresholds are looked up and missed": ("cascade/engine/quality/test_thresholds.py", "def test_"),
    "23: degrading leads to models that nobody has": ("cascade/engine/test_ladder.py", "def test_no_model_is_put_in_that_could_not_serve"),
    "36: fields of the documents are missing": ("cascade/api/test_live_runs.py", "test_a_run_has_every_field_of_the_plan"),
}


@pytest.mark.parametrize("fault", COVERED)
def test_the_test_that_shows_it_elsewhere_is_there(fault: str) -> None:
    path, name = COVERED[fault]
    assert name in (ROOT / "tests" / path).read_text()


class TestFault15:
    """A free tier whose cascade is switched off, so that every free call goes straight to the dearest model."""

    def test_the_free_tier_drafts_with_the_cheap_model_streamed_or_not(self, live_cast: Stage) -> None:
        live_cast.mark(draft="scripted", strong="scripted-strong")
        live_cast.script(body={**live_cast.scripted.scripts[live_cast.upstream_name("scripted")].body})
        for streamed in (False, True):
            reply = live_cast.ask("auto", user="ann", stream=streamed)
            told = next(part.cascadeflow for part in reply if getattr(part, "cascadeflow", None)) if streamed else reply.cascadeflow
            assert (told["user_tier"], told["preset"], told["arm"]) == ("free", "cost_optimized_saas", "cascade")
            assert told["steps_executed"][0]["name"] == "draft"
            assert told["steps_executed"][0]["model"] == "scripted"

    def test_no_built_in_tier_goes_straight_to_the_strong_model(self) -> None:
        for tier in BUILT_IN_POLICIES:
            planned = plan(config(), asked="auto", tier=tier)
            assert planned.steps[0].model.name == "mini", tier
            assert planned.steps[0].validator is not None, tier


class TestFault16:
    """Tiers that are one object for everybody: who changes one user's changes all."""

    def test_policies_and_presets_cannot_be_changed_in_place(self) -> None:
        for frozen in (*BUILT_IN_POLICIES.values(), *BUILT_IN_PRESETS.values(), DRAFT, Rollout()):
            with pytest.raises(AttributeError, match="immutable"):
                frozen.tier = "other"  # type: ignore[union-attr]

    def test_one_tenants_policy_is_nobody_elses(self) -> None:
        before = msgspec.json.encode(dict(BUILT_IN_POLICIES), enc_hook=sorted)
        ours = TierAwareRouter(policies={"free": msgspec.structs.replace(BUILT_IN_POLICIES["free"], max_steps=1)})
        assert ours.policy_for("free").max_steps == 1
        assert TierAwareRouter(policies={}).policy_for("free").max_steps is None
        assert msgspec.json.encode(dict(BUILT_IN_POLICIES), enc_hook=sorted) == before

    def test_a_policy_of_acme_binds_nobody_of_globex(self, live_cast: Stage) -> None:
        live_cast.add_policy("free", denied_models=["demo-mini", "demo-large"])
        theirs = live_cast.post(key=live_cast.cast.globex_key, model="auto", user="gus").json()["error"]
        ours = live_cast.post(model="auto", user="ann").json()["error"]
        assert (ours["code"], theirs["code"]) == ("model_not_allowed", "cannot_serve"), "globex has no models yet, and no policy"


class TestFault17:
    """A tenant's rules that requests change: one risky call, and all later ones go direct."""

    def test_a_thousand_calls_change_nothing_for_the_next(self) -> None:
        steps = (msgspec.structs.replace(DRAFT, retries_on_quality=1), CHECK, ESCALATE)
        configured = config(preset(*steps), rollouts={"house": Rollout(share=50, shadow=True)}, policy={"min_quality": 0.5})
        before = repr((configured.models, configured.presets, configured.rollouts, configured.router.policy_for("free")))
        first = {lot: plan(configured, lot=lot) for lot in ("walt", "ann")}
        for number in range(1000):
            odd = plan(configured, lot=str(number), parameters={"temperature": 0, "risk": "high"}, domain="medical", max_tokens=number + 1)
            ladder(odd, config=configured)
        assert {lot: plan(configured, lot=lot) for lot in first} == first
        assert repr((configured.models, configured.presets, configured.rollouts, configured.router.policy_for("free"))) == before

    def test_callers_own_objects_are_left_alone(self) -> None:
        messages, parameters = [{"role": "user", "content": "Hello"}], {"temperature": 0.5}
        kept = msgspec.json.encode([messages, parameters])
        plan(config(preset(DRAFT, ESCALATE)), messages=messages, parameters=parameters)
        assert msgspec.json.encode([messages, parameters]) == kept
        assert isinstance(CascadeRequest(messages=messages).messages, list)


class TestFault23:
    """Tables that name the models of three years ago."""

    def test_nothing_built_in_names_a_model_that_has_been_replaced(self) -> None:
        named = {name for each in BUILT_IN_PRESETS.values() for strategy in each.strategies for one in strategy.steps for name in one.models}
        assert named <= {"@draft", "@strong", "@checker"}, "presets name parts, and the tenant says who plays them"
        offered = {model.name for spec in SUPPORTED_PROVIDERS.values() for model in (spec.default_draft_model, spec.default_strong_model)}
        assert not offered & set(OLD_NAMES)

    def test_an_old_name_still_leads_somewhere(self, live_cast: Stage) -> None:
        live_cast.add_models("script", {"terra": "gpt-5.6-terra"})
        live_cast.scripted.scripts["gpt-5.6-terra"] = live_cast.scripted.scripts[live_cast.upstream_name("scripted")]
        reply = live_cast.ask("gpt-4o", user="ben")
        assert (reply.model, reply.cascadeflow["policy_version"]) == ("terra", "direct:terra")

    def test_what_is_denied_under_an_old_name_is_denied(self, live_cast: Stage) -> None:
        live_cast.add_models("script", {"terra": "gpt-5.6-terra"})
        live_cast.add_policy("free", denied_models=["gpt-4o"])
        for asked in ("gpt-4o", "terra"):
            assert live_cast.post(model=asked, user="ann").json()["error"]["code"] == "model_not_allowed"


class TestFault30:
    """Keep-alive connections that stall 44 ms a request, and resets at 32 of them."""

    def test_requests_on_one_connection_do_not_stall(self, live_cast: Stage) -> None:
        with live_cast.http() as client:
            client.get("/v1/models")
            times = []
            for _ in range(25):
                began = time.perf_counter()
                assert client.get("/v1/models").status_code == 200
                times.append(time.perf_counter() - began)
        assert min(times) < 0.03, "a delayed acknowledgement would cost every one of them 40 ms"

    def test_many_connections_at_once_are_all_answered(self, live_cast: Stage) -> None:
        together = threading.Barrier(96)

        def call(number: int) -> int:
            with httpx.Client(base_url=live_cast.site.url, timeout=60) as client:
                together.wait(60)
                return client.get("/v1/models", headers={"authorization": f"Bearer {live_cast.cast.acme_key}"}).status_code

        with ThreadPoolExecutor(96) as callers:
            assert list(callers.map(call, range(96))) == [200] * 96


def test_the_answer_of_a_stream_and_of_a_whole_reply_is_decided_alike(live_cast: Stage) -> None:
    """14 and 28 together: a stream takes the same steps, with the same models and the same judge."""
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"))
    whole = live_cast.ask("house")
    parts = list(live_cast.ask("house", stream=True))
    same = ("model_used", "policy_version", "draft_accepted", "complexity", "domain_detected", "rung", "steps_skipped")
    assert {name: parts[-1].cascadeflow[name] for name in same} == {name: whole.cascadeflow[name] for name in same}
    assert text_of(parts) == whole.choices[0].message.content
