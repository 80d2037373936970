"""A preset that is rolled out to some, and tried out in the shadow of the others, on the running site."""

import threading
import time
from typing import Any

import pytest

from cascade.engine.rollout import bucket_of
from cascade.models import CascadeRun
from tenants.end_users import end_user_id
from tenants.scoping import tenant_scope
from tests.live import answer, wait_until
from tests.rest import Rest
from tests.stage import ACCEPT, REJECT, Stage, step


@pytest.fixture
def house(live_cast: Stage) -> Stage:
    """The preset "house": "scripted" drafts and is accepted, "scripted-strong" is strong and the baseline."""
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"), baseline="scripted-strong")
    return live_cast


def shadows(stage: Stage, *, runs: int = 1) -> list[CascadeRun]:
    def found() -> list[CascadeRun]:
        with tenant_scope(stage.cast.acme.id):
            return list(CascadeRun.objects.filter(arm="shadow").order_by("started_at"))

    wait_until(lambda: len(found()) >= runs, what=stage.site.log)
    return found()


def ours(stage: Stage, **fields: Any) -> dict[str, Any]:
    told: dict[str, Any] = stage.ask("house", **fields).cascadeflow
    return told


def test_shadows_behind_a_slow_provider_are_no_more_than_eight_of_a_tenant(house: Stage) -> None:
    gate = threading.Event()
    house.script(body=answer(), gate=gate)
    house.roll_out("house", share=0, shadow=True)
    for _ in range(10):
        ours(house)
    house.wait_until_held(holds=8)
    assert len(house.holds(state="open")) == 8
    gate.set()
    assert len(shadows(house, runs=8)) == 8
    house.script(body=answer())
    ours(house)
    assert len(shadows(house, runs=9)) == 9


class TestShare:
    @pytest.mark.parametrize("streamed", [False, True])
    def test_end_users_are_on_the_side_of_their_derived_id_and_stay_there(self, live_cast: Stage, streamed: bool) -> None:
        steps = step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong")
        wanted = {"none": "baseline", "just-not": "baseline", "just": "cascade", "all": "cascade"}
        for name in wanted:
            live_cast.add_preset(name, *steps, baseline="scripted-strong")
            bucket = bucket_of(preset=name, lot=str(live_cast.cast.ann.id))
            live_cast.roll_out(name, share={"none": 0, "just-not": bucket // 100, "just": bucket // 100 + 1, "all": 100}[name])
        for name, arm in [*wanted.items()] * 2:
            reply = live_cast.ask(name, user="ann", stream=streamed)
            told = next(part.cascadeflow for part in reply if getattr(part, "cascadeflow", None)) if streamed else reply.cascadeflow
            assert (told["arm"], told["policy_version"]) == (arm, f"{name}@1")
            assert told["model_used"] == ("scripted" if arm == "cascade" else "scripted-strong")
            assert live_cast.run(told["run_id"]).arm == arm

    def test_calls_without_an_end_user_are_drawn_one_by_one(self, house: Stage) -> None:
        house.roll_out("house", share=50)
        assert {ours(house)["arm"] for _ in range(24)} == {"cascade", "baseline"}

    def test_the_baselines_arm_saves_nothing_and_is_not_judged(self, house: Stage) -> None:
        house.roll_out("house", share=0)
        told = ours(house)
        assert (told["draft_accepted"], told["savings_percentage"], told["quality_metrics"]) == (None, 0.0, None)
        assert [one["name"] for one in told["steps_executed"]] == ["baseline"]
        assert house.asked() == []

    def test_a_built_in_preset_is_rolled_out_like_any_other(self, live_cast: Stage) -> None:
        live_cast.mark(draft="scripted", strong="scripted-strong")
        live_cast.roll_out("cost_optimized_saas", share=0)
        told = live_cast.ask("auto", user="ann").cascadeflow
        assert (told["arm"], told["model_used"], told["policy_version"]) == ("baseline", "scripted-strong", "cost_optimized_saas@builtin-1")

    def test_one_model_by_name_is_on_no_side(self, house: Stage) -> None:
        told = house.ask("scripted").cascadeflow
        assert (told["arm"], house.run(told["run_id"]).arm) == (None, "")


class TestShadow:
    def test_the_baseline_serves_and_the_draft_is_booked_and_judged_as_a_run_of_its_own(self, house: Stage) -> None:
        house.roll_out("house", share=0, shadow=True)
        told = ours(house, user="ann", extra_body={"cascadeflow": {"tags": ["search"]}})
        (shadow,) = shadows(house)
        served = house.run(told["run_id"])
        assert told["model_used"] == "scripted-strong"
        assert served.cost_nusd == sum(entry.amount_nusd for entry in house.entries(served.id)), "the shadow's cost is not the served run's"
        assert (str(shadow.shadow_of), shadow.status, shadow.draft_accepted) == (told["run_id"], "shadow", True)
        (entry,) = house.entries(shadow.id)
        assert (entry.step, entry.kind, entry.amount_nusd) == ("shadow_draft", "settled", 5850)
        assert (entry.preset, entry.tags, entry.end_user_id, entry.tier) == ("house@1", ["search", "shadow"], None, "")
        assert house.hold(shadow.id).state == "settled"
        assert shadow.cost_nusd == 5850
        assert [(one["name"], one["status"]) for one in shadow.steps] == [("shadow_draft", "accepted")]

    def test_a_rejected_draft_escalates_to_nobody(self, live_cast: Stage) -> None:
        live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "steady"), baseline="scripted-strong")
        live_cast.roll_out("house", share=0, shadow=True)
        ours(live_cast)
        (shadow,) = shadows(live_cast)
        assert (shadow.draft_accepted, shadow.status, shadow.error_code) == (False, "shadow", "no_acceptable_answer")
        assert {entry.model for entry in live_cast.entries()} == {"scripted", "scripted-strong"}

    def test_its_checks_are_made_too(self, live_cast: Stage) -> None:
        check = step("safety", "steady", kind="check", instruction="Is it safe?")
        live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), check, step("escalate", "scripted-strong"), baseline="scripted-strong")
        live_cast.roll_out("house", share=0, shadow=True)
        ours(live_cast)
        (shadow,) = shadows(live_cast)
        assert shadow.draft_accepted is False, "what the check does not pass would not have been served"
        assert [entry.step for entry in live_cast.entries(shadow.id)] == ["shadow_draft", "shadow_safety"]

    @pytest.mark.parametrize("streamed", [False, True])
    def test_the_served_answer_does_not_wait_for_it(self, house: Stage, streamed: bool) -> None:
        gate = threading.Event()
        house.script(body=answer(), gate=gate)
        house.roll_out("house", share=0, shadow=True)
        reply = house.ask("house", stream=streamed)
        if streamed:
            assert list(reply)[-1].cascadeflow["arm"] == "baseline"
        house.wait_until_held()
        assert [hold.state for hold in house.holds()] == ["settled", "open"], "the served call is booked, the shadow's money is held"
        gate.set()
        shadows(house)

    @pytest.mark.parametrize("broken", [b"garbage", answer(None)])
    def test_its_failure_fails_nothing_and_is_booked(self, house: Stage, broken: Any) -> None:
        house.script(body=broken)
        house.roll_out("house", share=0, shadow=True)
        assert ours(house)["model_used"] == "scripted-strong"
        (shadow,) = shadows(house)
        assert (shadow.draft_accepted, shadow.error_code) == (False, "provider_bad_answer")
        assert [entry.kind for entry in house.entries(shadow.id)] == ["assumed"]

    def test_what_a_budget_does_not_bear_is_not_tried_out(self, house: Stage) -> None:
        house.roll_out("house", share=0, shadow=True)
        house.add_budget("0", scope="tag", subject="shadow")
        assert ours(house)["model_used"] == "scripted-strong"
        time.sleep(0.3)  # nothing tells of what is not made
        assert len(house.holds()) == 1
        assert house.asked() == []

    def test_end_users_do_not_pay_for_it(self, house: Stage) -> None:
        budget = house.add_budget("1", scope="end_user")
        house.roll_out("house", share=0, shadow=True)
        told = ours(house, user="ann")
        shadows(house)
        (window,) = house.windows()
        assert (window.budget_id, window.spent_nusd) == (budget.id, house.run(told["run_id"]).cost_nusd)

    def test_a_failed_call_has_no_shadow(self, live_cast: Stage) -> None:
        live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "steady"), baseline="fault-500")
        live_cast.roll_out("house", share=0, shadow=True)
        assert live_cast.post(model="house").status_code == 502
        assert live_cast.asked() == []
        assert len(live_cast.holds()) == 1


def users(stage: Stage, *, bucket_below: int) -> list[str]:
    """Names whose bucket of "house" is below, as the tenant's own end users."""
    salt = bytes(stage.cast.acme.end_user_salt)
    lots = {name: str(end_user_id(salt=salt, external_id=name)) for name in (f"user-{number}" for number in range(40))}
    return [name for name, lot in lots.items() if bucket_of(preset="house", lot=lot) < bucket_below]


def test_the_report_of_the_running_site_has_both_sides_and_the_shadow(house: Stage) -> None:
    house.roll_out("house", share=50, shadow=True)
    taken = users(house, bucket_below=5000)
    others = [name for name in users(house, bucket_below=10_000) if name not in taken]
    for name in [*taken[:2], *others[:3]]:
        house.run(ours(house, user=name)["run_id"])
    shadows(house, runs=3)
    told = Rest(house.cast.acme_admin_key).get("presets/house/rollout/").json()
    by_arm = {arm["arm"]: arm for arm in told["arms"]}
    assert {name: arm["runs"] for name, arm in by_arm.items()} == {"cascade": 2, "baseline": 3, "shadow": 3}
    assert by_arm["cascade"]["cost"] == "0.0000117"
    assert (by_arm["shadow"]["accepted_share"], by_arm["shadow"]["escalation_rate"]) == (1.0, 0.0)
    assert by_arm["baseline"]["cost"] == by_arm["baseline"]["baseline_cost"]
    assert told["measured_saving"]["percent"] == told["measured_saving"]["low"] == pytest.approx(94.0, abs=0.1)
    scores = [house.run(hold.id).score for hold in house.holds()]
    assert len([score for score in scores if score is not None]) == 5 + 3, "both sides and the shadows are judged alike"
    assert told["measured_quality"]["difference"] == pytest.approx(0, abs=0.05)
    assert told["caution"].startswith("Too early: the cascade has served 2 end users")
    assert [arm["end_users"] for arm in told["arms"][:2]] == [2, 3]
    assert told["projected_saving"]["saving_percentage"] == pytest.approx(94.0, abs=0.1)
