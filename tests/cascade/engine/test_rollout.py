"""A preset's rollout: who is on which side, what is drafted in the shadow, and what may be said of the saving."""

import itertools
import random

import msgspec
import pytest

from cascade.engine.rollout import Rollout, Sample, bucket_of, caution, difference, saving
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


def sample(*values: float, runs: int = 1) -> Sample:
    """So many lots, each with `runs` runs that are all alike."""
    sums = [value * runs for value in values]
    return Sample(len(sums), len(sums) * runs, sum(sums), sum(y * y for y in sums), sum(y * runs for y in sums), float(len(sums) * runs * runs))


class TestSaving:
    def test_the_worked_number(self) -> None:
        """Means known to 50 and to 100: what 100 lots that vary by 497 and 995 give."""
        found = saving(cascade=sample(*[503, 1497] * 50), baseline=sample(*[3005, 4995] * 50))
        assert found is not None
        assert (round(found.value), round(found.low, 1), round(found.high, 1)) == (75, 72.3, 77.7)

    def test_a_cascade_that_costs_more_is_a_negative_saving(self) -> None:
        found = saving(cascade=sample(*[5000] * 10), baseline=sample(*[4000] * 10))
        assert found is not None
        assert (found.value, found.low, found.high) == (-25.0, -25.0, -25.0)

    @pytest.mark.parametrize("few", [sample(), sample(100), sample(*[0] * 10)])
    def test_too_little_to_say_is_none(self, few: Sample) -> None:
        assert saving(cascade=sample(*[100] * 10), baseline=few) is None

    def test_many_runs_of_the_same_users_say_no_more_than_few(self) -> None:
        one, many = sample(*[503, 1497] * 50), sample(*[503, 1497] * 50, runs=40)
        assert (one.mean, one.variance) == (many.mean, pytest.approx(many.variance))

    def test_the_intervals_hold_what_they_promise(self) -> None:
        """Users who differ, and who call once or twenty times: in 95 of 100 trials the true saving lies within the interval."""
        draw, inside = random.Random(7), 0
        for _ in range(400):
            arms = []
            for mean in (1000, 4000):
                sizes = [draw.choice((1, 3, 20)) for _ in range(200)]
                users = [(n, sum(mean * draw.lognormvariate(0, 0.5) for _ in range(n)) * draw.choice((0.7, 1.3))) for n in sizes]
                sums = [(y, n) for n, y in users]
                arms.append(
                    Sample(len(sums), sum(n for _, n in sums), sum(y for y, _ in sums), sum(y * y for y, _ in sums),
                           sum(y * n for y, n in sums), float(sum(n * n for _, n in sums)))
                )  # fmt: skip
            found = saving(cascade=arms[0], baseline=arms[1])
            assert found is not None
            inside += found.low <= 75 <= found.high
        assert 0.92 <= inside / 400 <= 0.98

    def test_a_difference_of_quality_has_its_interval(self) -> None:
        worse = difference(cascade=sample(*[0.8, 1.0] * 50), baseline=sample(*[0.82, 1.02] * 50))
        assert worse is not None
        assert (round(worse.value, 2), round(worse.low, 3), round(worse.high, 3), worse.is_clear) == (-0.02, -0.048, 0.008, False)
        assert difference(cascade=sample(0.9), baseline=sample(0.9, 0.8)) is None

    def test_what_cannot_be_relied_on_says_why(self) -> None:
        few, many, dear = sample(*[100] * 29), sample(*[100] * 30), sample(*[50, 151] * 30)
        assert caution(cascade=many, baseline=sample(), saved=None).startswith("Nothing is measured: the baseline has served nobody. Lower")
        assert caution(cascade=sample(), baseline=many, saved=None).startswith("Nothing is measured: the cascade has served nobody. Raise")
        assert caution(cascade=many, baseline=few, saved=None).startswith("Too early: the baseline has served 29 end users, and 30")
        assert caution(cascade=dear, baseline=many, saved=saving(cascade=dear, baseline=many)).startswith("Not clear yet")
        assert caution(cascade=sample(*[10] * 30), baseline=many, saved=saving(cascade=sample(*[10] * 30), baseline=many)) == ""
