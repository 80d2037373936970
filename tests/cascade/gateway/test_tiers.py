"""A tier's policy binds on every path: a denied model is never called, whoever asks and however."""

from typing import Any

import openai
import pytest

from tests.live import answer, wait_until
from tests.stage import ACCEPT, REJECT, SPOKEN, Stage, step


def served_by(stage: Stage, model: str, user: str, *, streamed: bool) -> str:
    reply = stage.ask(model, user=user, stream=streamed)
    last = next(part for part in reply if getattr(part, "cascadeflow", None)) if streamed else reply
    used: str = last.cascadeflow["model_used"]
    return used


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("policy", [{"denied_models": ["scripted-strong"]}, {"allowed_models": ["scripted", "steady", "unplugged"]}])
class TestADeniedModel:
    """Ann is free, and free may not use "scripted-strong"; ben is pro and may."""

    @pytest.fixture(autouse=True)
    def _deny(self, live_cast: Stage, policy: dict[str, Any]) -> None:
        live_cast.add_policy("free", **policy)

    def test_is_refused_when_it_is_asked_by_name(self, live_cast: Stage, streamed: bool) -> None:
        with pytest.raises(openai.PermissionDeniedError) as refused:
            live_cast.ask("scripted-strong", user="ann", stream=streamed)
        assert (refused.value.code, refused.value.param) == ("model_not_allowed", "model")
        assert "'free'" in refused.value.message
        assert live_cast.asked("scripted-strong") == live_cast.holds() == []
        assert served_by(live_cast, "scripted-strong", "ben", streamed=streamed) == "scripted-strong"

    def test_is_left_out_of_the_escalation(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
        assert served_by(live_cast, "house", "ann", streamed=streamed) == "scripted"
        assert live_cast.asked("scripted-strong") == []
        assert served_by(live_cast, "house", "ben", streamed=streamed) == "scripted-strong"

    def test_does_not_answer_in_the_rollouts_baseline_arm(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "steady"), baseline="scripted-strong")
        live_cast.roll_out("house", share=0)
        assert served_by(live_cast, "house", "ann", streamed=streamed) == "scripted"
        assert live_cast.asked("scripted-strong") == []
        assert served_by(live_cast, "house", "ben", streamed=streamed) == "scripted-strong"

    def test_is_not_drafted_with_in_a_shadow(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.add_preset("house", step("draft", "scripted-strong", "steady", **ACCEPT), step("escalate", "unplugged"), baseline="scripted")
        live_cast.roll_out("house", share=0, shadow=True)
        assert served_by(live_cast, "house", "ann", streamed=streamed) == "scripted"
        live_cast.wait_until_closed(holds=2)
        assert live_cast.asked("scripted-strong") == []
        assert {entry.model for entry in live_cast.entries()} == {"scripted", "steady"}

    def test_is_not_what_a_tight_budget_degrades_to(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.add_models("script", {"dearest": live_cast.upstream_name("dearest")}, price=("25", "100"))
        live_cast.script("dearest", body=answer(), parts=SPOKEN)
        live_cast.add_preset("house", step("draft", "steady", **REJECT), step("escalate", "dearest", "scripted-strong", "scripted"))
        live_cast.add_budget("0.03", action="degrade")
        served_by(live_cast, "house", "ann", streamed=streamed)
        assert live_cast.asked("scripted-strong") == []

    def test_gives_way_to_the_policys_fallback_where_it_has_one(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.change_policy("free", fallback="scripted")
        live_cast.add_preset("house", step("draft", "steady", **REJECT), step("escalate", "scripted-strong"))
        assert served_by(live_cast, "scripted-strong", "ann", streamed=streamed) == "scripted"
        assert served_by(live_cast, "house", "ann", streamed=streamed) == "scripted"
        assert live_cast.asked("scripted-strong") == []
        assert served_by(live_cast, "house", "ben", streamed=streamed) == "scripted-strong"

    def test_is_no_fallback_of_its_own_policy(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.change_policy("free", fallback="scripted-strong")
        with pytest.raises(openai.PermissionDeniedError):
            live_cast.ask("scripted-strong", user="ann", stream=streamed)
        assert live_cast.asked("scripted-strong") == []

    def test_does_not_take_the_place_of_a_candidate_that_fails(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.add_preset("house", step("only", "unplugged", "scripted-strong"))
        with pytest.raises(openai.InternalServerError):
            live_cast.ask("house", user="ann", stream=streamed)
        assert live_cast.asked("scripted-strong") == []
        assert served_by(live_cast, "house", "ben", streamed=streamed) == "scripted-strong"

    def test_is_not_asked_for_a_check_and_nothing_is_served_without_it(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.script("scripted-strong", body=answer('{"verdict": "pass"}'))
        check = step("check", "scripted-strong", kind="check", instruction="Is it true?")
        live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), check, step("escalate", "steady"))
        with pytest.raises(openai.PermissionDeniedError) as refused:
            live_cast.ask("house", user="ann", stream=streamed)
        assert "the step 'check' checks its answers and cannot be made" in refused.value.message
        assert live_cast.asked("scripted-strong") == live_cast.asked() == []
        served_by(live_cast, "house", "ben", streamed=streamed)
        assert len(live_cast.asked("scripted-strong")) == 1


def test_a_tier_said_with_the_call_binds_and_is_remembered(live_cast: Stage) -> None:
    live_cast.add_policy("enterprise", denied_models=["steady"])
    header = {"X-CascadeFlow-Tier": "enterprise"}
    with pytest.raises(openai.PermissionDeniedError):
        live_cast.ask("steady", user="walt", extra_headers=header)
    with pytest.raises(openai.PermissionDeniedError):
        live_cast.ask("steady", user="walt")
    assert live_cast.ask("steady", user="ben")


def test_a_tier_set_by_name_serves_the_first_call_and_a_change_is_met_within_a_second(live_cast: Stage) -> None:
    with live_cast.http(live_cast.cast.acme_admin_key) as rest:
        address, query = "/api/v1/end-users/lookup/", {"external_id": "walt"}
        assert rest.put(address, params=query, json={"tier": "enterprise"}).status_code == 201
        assert live_cast.ask("steady", user="walt").cascadeflow["user_tier"] == "enterprise"
        assert rest.put(address, params=query, json={"tier": "pro"}).status_code == 200
        wait_until(lambda: live_cast.ask("steady", user="walt").cascadeflow["user_tier"] == "pro", seconds=2)
        assert rest.put(address, params=query, json={"is_blocked": True}).status_code == 200
        wait_until(lambda: live_cast.post(user="walt").status_code == 403, seconds=2)


def test_a_model_called_frontier_is_not_taken_for_a_word_about_tiers(live_cast: Stage) -> None:
    live_cast.add_models("script", {"frontier": live_cast.upstream_name("scripted")}, capabilities=["streaming"])
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        live_cast.ask("frontier", response_format={"type": "json_object"})
    assert refused.value.code == "cannot_serve"


def test_a_policys_caps_bind(live_cast: Stage) -> None:
    live_cast.add_policy("free", max_tokens=20, max_steps=1, preset="house")
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"))
    ours = live_cast.ask("auto", user="ann", max_tokens=500).cascadeflow
    assert (ours["policy_version"], ours["model_used"]) == ("house@1", "scripted")
    (asked,) = live_cast.asked()
    assert 20 in (asked.get("max_tokens"), asked.get("max_completion_tokens"))


def test_a_policys_most_for_one_run_binds_and_says_what_to_do(live_cast: Stage) -> None:
    live_cast.add_policy("free", max_cost_nusd=1000)
    error = live_cast.post(user="ann").json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "max_cost")
    assert "smaller max_tokens" in error["message"]
    assert live_cast.holds() == []
    assert live_cast.ask("steady", user="ben")


def test_a_policys_least_quality_judges_drafts_whatever_a_preset_says(live_cast: Stage) -> None:
    live_cast.add_policy("free", min_quality=1.0)
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"))
    assert live_cast.ask("house", user="ann").cascadeflow["draft_accepted"] is False
    assert live_cast.ask("house", user="ben").cascadeflow["draft_accepted"] is True


@pytest.mark.parametrize("streamed", [False, True])
class TestWhatATierMustNotLose:
    """Most steps and denied models shorten a path. They never make it serve what should have been judged or checked."""

    def test_a_check_that_does_not_fit_the_most_steps_is_a_clear_refusal(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.add_policy("free", max_steps=1)
        check = step("safety", "steady", kind="check", instruction="Is it safe?")
        live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), check, step("escalate", "scripted-strong"))
        with pytest.raises(openai.PermissionDeniedError) as refused:
            live_cast.ask("house", user="ann", stream=streamed)
        assert "safety: the tier 'free' may take 1 steps" in refused.value.message
        assert live_cast.asked() == live_cast.holds() == []

    def test_a_draft_is_not_served_unjudged_where_the_tier_sets_a_least_quality(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.add_policy("free", max_steps=1, min_quality=0.5)
        live_cast.add_policy("pro", max_steps=1)
        live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"))
        with pytest.raises(openai.PermissionDeniedError) as refused:
            live_cast.ask("house", user="ann", stream=streamed)
        assert "wants drafts judged" in refused.value.message
        assert live_cast.asked() == []
        assert served_by(live_cast, "house", "ben", streamed=streamed) == "scripted"

    def test_a_check_that_nobody_can_make_is_the_tenants_to_mend(self, live_cast: Stage, streamed: bool) -> None:
        check = step("safety", "@checker", kind="check", instruction="Is it safe?")
        live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), check, step("escalate", "scripted-strong"))
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            live_cast.ask("house", user="ann", stream=streamed)
        assert "no model is marked as 'checker'" in refused.value.message
        assert live_cast.asked() == []

    def test_the_draft_that_a_tight_budget_leaves_is_still_judged_by_the_tiers_least_quality(self, live_cast: Stage, streamed: bool) -> None:
        live_cast.add_policy("free", min_quality=1.0)
        live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "demo-large"))
        live_cast.add_budget("0.003", action="degrade")
        with pytest.raises(openai.InternalServerError) as failed:
            live_cast.ask("house", user="ann", stream=streamed)
        assert failed.value.code == "no_acceptable_answer"
        assert "left the warehouse" not in failed.value.response.text
        run = live_cast.run(failed.value.response.headers["x-cascadeflow-run-id"])
        assert [(one["name"], one["status"]) for one in run.steps] == [("draft", "rejected")]
