"""A preset's rollout: who is on which side, what is drafted in the shadow, and what may be said of the saving."""

import itertools

import msgspec
import pytest

from cascade.engine.rollout import Rollout, Sample, bucket_of, saving
from tests.cascade.engine.plans import CHECK, DRAFT, ESCALATE, config, names, plan, preset

LOTS = [f"user-{number}" for number in range(4_000)]
HALF = {"house": Rollout(share=50)}
SHADOWED = {"house": Rollout(share=0, shadow=True)}


def taken(share: int, name: str = "house") -> set[str]:
    return {lot for lot in LOTS if Rollout(share=share).takes(preset=name, lot=lot)}


class TestShare:
    @pytest.mark.parametrize("share", [0, 1, 10, 50, 90, 100])
    def test_as_many_are_taken_as_it_says(self, share: int) -> None:
        assert len(taken(share)) / len(LOTS) == pytest.approx(share / 100, abs=0.03)

    def test_nobody_at_0_and_everybody_at_100(self) -> None:
        assert taken(0) == set()
        assert taken(100) == set(LOTS)

    def test_whoever_is_on_the_cascade_stays_there_while_the_share_grows(self) -> None:
        shares = [taken(share) for share in range(0, 101, 10)]
        assert all(smaller <= larger for smaller, larger in itertools.pairwise(shares))

    def test_another_preset_draws_anew(self) -> None:
        both = taken(50) & taken(50, "other")
        assert len(both) / len(LOTS) == pytest.approx(0.25, abs=0.03)

    def test_the_bucket_of_a_lot_never_changes(self) -> None:
        assert [bucket_of(preset="house", lot=lot) for lot in ("ann", "walt", "")] == [5368, 2517, 9812]


class TestArms:
    def test_a_call_is_on_the_side_of_its_lot(self) -> None:
        configured = config(preset(DRAFT, ESCALATE), rollouts=HALF)
        walt, ann = plan(configured, lot="walt"), plan(configured, lot="ann")
        assert (walt.arm, names(walt)) == ("cascade", ["draft", "escalate"])
        assert (ann.arm, names(ann), ann.steps[0].model.name) == ("baseline", ["baseline"], "large")
        assert ann.policy_version == walt.policy_version == "house@builtin-1"
        assert ann.shadow is walt.shadow is None

    def test_without_a_rollout_a_preset_is_the_cascade_and_one_model_is_no_arm(self) -> None:
        assert plan(config(preset(DRAFT, ESCALATE))).arm == "cascade"
        assert plan(config(), asked="large").arm == ""

    @pytest.mark.parametrize("why", [{"policy": {"denied_models": frozenset({"large"})}}, {"models": None}])
    def test_a_baseline_that_may_not_or_cannot_answer_leaves_the_cascade(self, why: dict[str, object]) -> None:
        steps = (DRAFT, msgspec.structs.replace(ESCALATE, models=("middle",)))
        configured = config(preset(*steps), rollouts=SHADOWED, **{name: value for name, value in why.items() if value})
        if "models" in why:
            configured = msgspec.structs.replace(configured, models={name: each for name, each in configured.models.items() if name != "large"})
        planned = plan(configured)
        assert (planned.arm, names(planned)) == ("cascade", ["draft", "escalate"])
        assert any(text.startswith("baseline: ") and "'large'" in text for text in planned.skipped)

    def test_the_policys_fallback_is_no_baseline(self) -> None:
        policy = {"denied_models": frozenset({"large"}), "fallback": "middle"}
        assert plan(config(preset(DRAFT, ESCALATE), rollouts=SHADOWED, policy=policy)).arm == "cascade"


class TestShadow:
    def test_it_is_the_draft_with_its_judge_and_checks_and_nothing_to_escalate_to(self) -> None:
        draft = msgspec.structs.replace(DRAFT, retries_on_quality=2)
        planned = plan(config(preset(draft, CHECK, ESCALATE), rollouts=SHADOWED))
        assert (planned.arm, names(planned)) == ("baseline", ["baseline"])
        assert planned.shadow is not None
        assert (planned.shadow.arm, names(planned.shadow)) == ("shadow", ["shadow_draft", "shadow_safety"])
        assert planned.shadow.steps[0].validator == "balanced"
        assert planned.max_cost_nusd == planned.steps[0].bound_nusd, "it is held apart"

    def test_there_is_none_where_nothing_would_be_judged_or_nothing_can_be_planned(self) -> None:
        assert plan(config(preset(ESCALATE), rollouts=SHADOWED)).shadow is None
        check = msgspec.structs.replace(CHECK, models=("nobody",))
        refused = plan(config(preset(DRAFT, check, ESCALATE), rollouts=SHADOWED))
        assert (refused.arm, refused.shadow) == ("baseline", None)


class TestSaving:
    def test_the_worked_number(self) -> None:
        found = saving(cascade=Sample(runs=100, mean_nusd=1000, variance=500**2), baseline=Sample(runs=100, mean_nusd=4000, variance=1000**2))
        assert found is not None
        assert (found.percent, round(found.low, 1), round(found.high, 1)) == (75.0, 72.3, 77.7)

    def test_a_cascade_that_costs_more_is_a_negative_saving(self) -> None:
        found = saving(cascade=Sample(runs=10, mean_nusd=5000, variance=0), baseline=Sample(runs=10, mean_nusd=4000, variance=0))
        assert found is not None
        assert (found.percent, found.low, found.high) == (-25.0, -25.0, -25.0)

    @pytest.mark.parametrize(("runs", "mean"), [(0, 0.0), (1, 100.0), (10, 0.0)])
    def test_too_little_to_say_is_none(self, runs: int, mean: float) -> None:
        enough = Sample(runs=10, mean_nusd=100, variance=1)
        assert saving(cascade=enough, baseline=Sample(runs=runs, mean_nusd=mean, variance=0)) is None
