"""What a plan's path keeps, tries again and may not lose."""

import msgspec
import pytest

from cascade.engine.errors import CannotServe, ModelNotAllowed
from cascade.engine.ladder import ladder
from tests.cascade.engine.plans import CHECK, DRAFT, ESCALATE, config, names, plan, preset


def again(times: int) -> msgspec.Struct:
    return msgspec.structs.replace(DRAFT, retries_on_quality=times)


class TestRetries:
    def test_each_try_is_a_step_with_its_own_bound_and_judge_before_the_checks(self) -> None:
        planned = plan(config(preset(again(2), CHECK, ESCALATE)))
        assert names(planned) == ["draft", "draft_try_2", "draft_try_3", "safety", "escalate"]
        tries = planned.steps[:3]
        assert len({(step.bound_nusd, step.validator, step.model.name) for step in tries}) == 1
        assert [step.is_retry for step in planned.steps] == [False, True, True, False, False]
        assert planned.max_cost_nusd == sum(step.bound_nusd for step in planned.steps)
        assert list(planned.draft_legs) == [0, 1, 2]

    def test_there_is_none_where_nothing_is_judged(self) -> None:
        assert names(plan(config(preset(again(2))))) == ["draft"]

    @pytest.mark.parametrize(("most", "path"), [(2, ["draft", "escalate"]), (3, ["draft", "draft_try_2", "escalate"])])
    def test_the_tiers_most_steps_leaves_out_retries_first_and_says_so(self, most: int, path: list[str]) -> None:
        planned = plan(config(preset(again(2), ESCALATE), policy={"max_steps": most}))
        assert names(planned) == path
        assert f"retries on quality: the tier may take {most} steps" in planned.skipped

    @pytest.mark.parametrize("pinned", [{"temperature": 0}, {"temperature": 0.0}, {"seed": 7}])
    def test_a_model_that_would_say_the_same_again_is_not_asked_again(self, pinned: dict[str, float]) -> None:
        planned = plan(config(preset(again(2), ESCALATE)), parameters=pinned)
        assert names(planned) == ["draft", "escalate"]
        assert any("would say the same again" in text for text in planned.skipped)

    def test_no_cheaper_rung_asks_again(self) -> None:
        configured = config(preset(again(2), ESCALATE))
        best, *cheaper = ladder(plan(configured), config=configured)
        assert len(best.steps) == 4
        assert cheaper
        assert not any(step.is_retry for rung in cheaper for step in rung.steps)
        assert cheaper[0].steps[-1].model.name == "middle", "what is saved first is the dear model, not the judge"


class TestWhatMayNotBeLost:
    def test_a_check_whose_draft_cannot_be_made_is_not_held_for(self) -> None:
        nobody = msgspec.structs.replace(DRAFT, models=("nobody",))
        assert names(plan(config(preset(nobody, CHECK, ESCALATE)))) == ["escalate"]

    def test_a_check_after_an_answer_is_part_of_it(self) -> None:
        nobody = msgspec.structs.replace(CHECK, models=("@checker", "nobody"))
        with pytest.raises(CannotServe, match="no model is marked as 'checker'; safety: no model is called 'nobody'"):
            plan(config(preset(DRAFT, nobody, ESCALATE), parts={}))

    @pytest.mark.parametrize("policy", [{"max_steps": 2}, {"denied_models": frozenset({"middle"})}])
    def test_a_tier_that_leaves_no_room_for_a_check_is_refused(self, policy: dict[str, object]) -> None:
        check = msgspec.structs.replace(CHECK, models=("middle",))
        with pytest.raises(ModelNotAllowed, match="the step 'safety' checks its answers and cannot be made"):
            plan(config(preset(DRAFT, ESCALATE, check), policy=policy))

    @pytest.mark.parametrize(
        ("policy", "refused"),
        [
            ({"max_steps": 1}, None), ({"denied_models": frozenset({"large"})}, None), ({"max_steps": 1, "min_quality": 0.0}, None),
            ({"max_steps": 1, "min_quality": 0.5}, ModelNotAllowed), ({"denied_models": frozenset({"large"}), "min_quality": 0.5}, ModelNotAllowed),
        ],
    )  # fmt: skip
    def test_a_draft_that_lost_its_escalation_is_refused_where_the_tier_sets_a_least_quality(
        self, policy: dict[str, object], refused: type[Exception] | None
    ) -> None:
        configured = config(preset(DRAFT, ESCALATE), policy=policy)
        if refused is None:
            assert names(plan(configured)) == ["draft"]
        else:
            with pytest.raises(refused, match="nothing is left to escalate to"):
                plan(configured)

    def test_a_strong_model_that_is_missing_is_the_tenants_to_mend(self) -> None:
        nobody = msgspec.structs.replace(ESCALATE, models=("nobody",))
        with pytest.raises(CannotServe, match="no model is called 'nobody'"):
            plan(config(preset(DRAFT, nobody), policy={"min_quality": 0.5}))

    def test_a_strong_model_needs_no_judge_and_one_step_alone_is_judged_only_where_the_preset_judges_it(self) -> None:
        policy = {"min_quality": 0.5}
        assert [step.validator for step in plan(config(preset(DRAFT, ESCALATE), policy=policy)).steps] == ["balanced", None]
        assert [step.validator for step in plan(config(preset(DRAFT), policy=policy)).steps] == ["balanced"]
        assert [step.validator for step in plan(config(preset(DRAFT))).steps] == [None]

    def test_every_rung_of_a_tier_with_a_least_quality_judges_its_draft(self) -> None:
        configured = config(preset(DRAFT, ESCALATE), policy={"min_quality": 0.5})
        rungs = ladder(plan(configured), config=configured)
        assert [rung.steps[0].threshold for rung in rungs] == [0.5] * len(rungs)
        assert "draft_only" in [rung.rung for rung in rungs]


class TestFallback:
    def test_the_policys_fallback_answers_where_all_that_were_wanted_are_denied(self) -> None:
        policy = {"denied_models": frozenset({"large"}), "fallback": "middle"}
        planned = plan(config(policy=policy), asked="large")
        assert [step.model.name for step in planned.steps] == ["middle"]
        assert planned.skipped == ("direct: the tier 'free' may not use 'large'",)
        assert planned.baseline is None, "nothing is saved by what was forbidden"

    def test_it_takes_the_place_of_an_escalation_and_of_no_check(self) -> None:
        policy = {"denied_models": frozenset({"large"}), "fallback": "middle"}
        planned = plan(config(preset(DRAFT, ESCALATE), policy=policy))
        assert [step.model.name for step in planned.steps] == ["mini", "middle"]
        check = msgspec.structs.replace(CHECK, models=("large",))
        with pytest.raises(ModelNotAllowed):
            plan(config(preset(DRAFT, check, ESCALATE), policy=policy))

    @pytest.mark.parametrize("fallback", ["large", "nobody"])
    def test_one_that_is_denied_itself_or_missing_is_none(self, fallback: str) -> None:
        with pytest.raises(ModelNotAllowed):
            plan(config(policy={"denied_models": frozenset({"large"}), "fallback": fallback}), asked="large")

    def test_what_is_merely_unable_is_not_replaced(self) -> None:
        picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]
        with pytest.raises(CannotServe):
            plan(config(policy={"fallback": "middle"}), asked="large", messages=picture)


class TestOldNames:
    ALIASES = {"gpt-4o": "large"}

    def test_an_old_name_leads_to_the_present_model_and_the_plan_says_which(self) -> None:
        planned = plan(config(aliases=self.ALIASES), asked="gpt-4o")
        assert (planned.steps[0].model.name, planned.policy_version, planned.preset) == ("large", "direct:large", "")

    def test_a_preset_or_model_of_the_very_name_wins(self) -> None:
        assert plan(config(preset(DRAFT, ESCALATE, name="gpt-4o"), aliases=self.ALIASES), asked="gpt-4o").preset == "gpt-4o"

    def test_steps_and_baselines_may_name_them(self) -> None:
        escalate = msgspec.structs.replace(ESCALATE, models=("gpt-4o",))
        planned = plan(config(preset(DRAFT, escalate, baseline="gpt-4o"), aliases=self.ALIASES))
        assert [step.model.name for step in planned.steps] == ["mini", "large"]
        assert planned.baseline is not None
        assert planned.baseline.name == "large"


def test_a_fallback_of_the_policy_stands_in_for_draft_and_escalation_also_where_drafts_must_be_judged() -> None:
    policy = {"allowed_models": frozenset({"middle"}), "fallback": "middle", "min_quality": 0.6}
    found = plan(config(preset(DRAFT, ESCALATE), policy=policy))
    assert {step.model.name for step in found.steps} == {"middle"}
