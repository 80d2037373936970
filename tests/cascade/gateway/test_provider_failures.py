"""A provider that fails costs what it may have billed, is told as what it is, and a rejected draft never takes its place."""

from typing import Any

import openai
import pytest

from tests.live import answer
from tests.stage import ACCEPT, REJECT, Stage, step


def failure(stage: Stage, model: str, **fields: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as failed:
        stage.ask(model, **fields)
    assert failed.value.response.headers["x-request-id"]
    assert failed.value.type in ("api_error", "rate_limit_error", "invalid_request_error")
    return failed.value


def run_of(failed: openai.APIStatusError) -> str:
    return failed.response.headers["x-cascadeflow-run-id"]


@pytest.mark.parametrize(
    ("model", "status", "code", "booked", "tries"),
    [
        ("fault-500", 502, "provider_failed", "voided", 3),
        ("fault-429", 429, "provider_rate_limited", "voided", 3),
        ("unplugged", 502, "provider_unreachable", "voided", 3),
        ("fault-garbage", 502, "provider_bad_answer", "assumed", 1),
        ("fault-empty", 502, "provider_bad_answer", "assumed", 1),
        ("fault-reset", 502, "provider_bad_answer", "assumed", 1),
    ],
)
def test_each_way_to_fail_has_its_status_its_booking_and_a_trace(
    live_cast: Stage, model: str, status: int, code: str, booked: str, tries: int
) -> None:
    live_cast.add_budget("1")
    failed = failure(live_cast, model)
    assert (failed.status_code, failed.code) == (status, code)
    entries = live_cast.entries(run_of(failed))
    assert [entry.kind for entry in entries] == [booked] * tries
    hold = live_cast.hold(run_of(failed))
    assert sum(entry.amount_nusd for entry in entries) == (hold.amount_nusd if booked == "assumed" else 0)
    assert all(entry.is_unverified for entry in entries) is (model == "fault-500")
    (window,) = live_cast.windows()
    assert (window.held_nusd, window.spent_nusd) == (0, hold.actual_nusd)
    run = live_cast.run(run_of(failed))
    assert (run.status, run.error_code, run.steps[0]["status"], run.steps[0]["attempts"]) == ("failed", code, "failed", tries)
    assert run.steps[0]["reason"]
    told = [(one["model"], one["outcome"], one["error_code"], one["booked"], one["latency_ms"] > 0) for one in run.steps[0]["tries"]]
    assert told == [(model, "failed", code, booked, True)] * tries


def test_a_provider_that_is_busy_says_when_to_come_back(live_cast: Stage) -> None:
    assert failure(live_cast, "fault-429").response.headers["retry-after"] == "1"


def test_a_provider_that_does_not_answer_in_the_steps_time_is_504_and_assumed_at_the_bound(live_cast: Stage) -> None:
    live_cast.add_preset("hasty", step("only", "fault-timeout", timeout_s=0.3))
    failed = failure(live_cast, "hasty")
    assert (failed.status_code, failed.code) == (504, "provider_timeout")
    assert "within 0.3 seconds" in failed.message
    (entry,) = live_cast.entries(run_of(failed))
    assert (entry.kind, entry.amount_nusd) == ("assumed", live_cast.hold(run_of(failed)).amount_nusd)


@pytest.mark.parametrize("strong", ["fault-500", "scripted-strong", "unplugged"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_rejected_draft_is_never_served_when_the_escalation_fails(live_cast: Stage, strong: str, streamed: bool) -> None:
    live_cast.script(body=answer("The rejected draft."))
    live_cast.script("scripted-strong", body=b"garbage", parts=[b"data: garbage\n\n"])
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", strong))
    failed = failure(live_cast, "house", stream=streamed)
    assert failed.status_code == 502
    assert "The rejected draft." not in failed.response.text
    kinds = {entry.step: entry.kind for entry in live_cast.entries(run_of(failed))}
    assert kinds == {"draft": "settled", "escalate": "assumed" if strong == "scripted-strong" else "voided"}
    assert live_cast.run(run_of(failed)).steps[0]["status"] == "rejected"


def test_a_draft_whose_provider_fails_is_made_up_for_by_the_next_step(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "unplugged", "fault-500", **ACCEPT), step("escalate", "scripted-strong"))
    ours = live_cast.ask("house").cascadeflow
    assert ours["model_used"] == "scripted-strong"
    assert [(one["name"], one["status"]) for one in ours["steps_executed"]] == [("draft", "failed"), ("escalate", "accepted")]
    assert ours["draft_accepted"] is False


def test_a_second_candidate_takes_the_place_of_the_first_within_a_step(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "unplugged", "scripted", **ACCEPT), step("escalate", "scripted-strong"))
    ours = live_cast.ask("house").cascadeflow
    assert (ours["model_used"], ours["draft_accepted"], ours["steps_executed"][0]["attempts"]) == ("scripted", True, 2)
    assert [(entry.model, entry.kind) for entry in live_cast.entries(ours["run_id"])] == [("unplugged", "voided"), ("scripted", "settled")]
    tries = [(one["provider"], one["outcome"], one["error_code"]) for one in ours["steps_executed"][0]["tries"]]
    assert tries == [("nowhere", "failed", "provider_unreachable"), ("script", "answered", None)]


def test_what_may_have_been_billed_is_not_tried_again(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("only", "fault-garbage", "scripted"))
    failure(live_cast, "house")
    assert live_cast.asked() == []


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_refusal_by_the_provider_is_the_callers_fault_only_where_it_is_about_the_request(live_cast: Stage, status: int) -> None:
    error = {"message": "This model's maximum context length is 8192 tokens.", "type": "invalid_request_error"}
    live_cast.script(body={"error": error}, status=status)
    failed = failure(live_cast, "scripted")
    assert failed.status_code == (400 if status in (400, 422) else 502)
    assert "maximum context length" in failed.message
    assert [entry.kind for entry in live_cast.entries(run_of(failed))] == ["voided"]


@pytest.mark.parametrize(
    "body",
    [
        answer(usage={"prompt_tokens": -1, "completion_tokens": 5}),
        answer(usage={"prompt_tokens": 10**12, "completion_tokens": 5}),
        answer(usage={"prompt_tokens": "many"}),
        answer(None),
        {"choices": [{"message": "words"}]},
        {"error": {"message": "overloaded"}},
        b"[]",
    ],
)
def test_absurd_answers_are_not_served_and_are_booked_at_the_bound(live_cast: Stage, body: Any) -> None:
    live_cast.script(body=body)
    failed = failure(live_cast, "scripted")
    assert (failed.status_code, failed.code) == (502, "provider_bad_answer")
    assert [entry.kind for entry in live_cast.entries(run_of(failed))] == ["assumed"]


def test_what_a_provider_bills_beyond_the_bound_is_booked_as_an_overrun_and_the_budget_still_holds(live_cast: Stage) -> None:
    live_cast.add_budget("0.001")
    live_cast.script(body=answer(usage=(11, 1_000_000)))
    ours = live_cast.ask("scripted").cascadeflow
    settled, overrun = live_cast.entries(ours["run_id"])
    hold = live_cast.hold(ours["run_id"])
    assert (settled.kind, settled.amount_nusd) == ("settled", hold.amount_nusd)
    assert (overrun.kind, settled.amount_nusd + overrun.amount_nusd) == ("overrun", 11 * 150 + 1_000_000 * 600)
    (window,) = live_cast.windows()
    assert window.spent_nusd == hold.amount_nusd <= window.limit_nusd
    assert window.overrun_nusd == overrun.amount_nusd


def test_an_answer_whose_tool_calls_are_no_tool_calls_does_no_harm(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "scripted-strong"))
    live_cast.script(body=answer("Hello.", tool_calls=["call"]))
    reply = live_cast.post(model="house", stream=True)
    assert reply.status_code == 200
    assert reply.text.endswith("data: [DONE]\n\n")


def test_a_connection_that_is_set_up_wrongly_fails_alone(live_cast: Stage) -> None:
    live_cast.add_connection("claude", provider="anthropic")
    live_cast.add_models("claude", {"haiku": "claude-haiku"})
    assert live_cast.ask("steady")
    failed = failure(live_cast, "haiku")
    assert (failed.status_code, failed.code) == (502, "provider_unreachable")
    assert "claude cannot be used as it is set up" in failed.message


class TestChecks:
    """Check steps: a second model's word on an answer."""

    def preset(self, stage: Stage) -> None:
        stage.add_models("script", {"checker": stage.upstream_name("checker")})
        check = step("fact_check", "checker", kind="check", instruction="Is it true?", max_tokens=50)
        stage.add_preset("checked", step("draft", "scripted", **ACCEPT), check, step("escalate", "scripted-strong"))

    @pytest.mark.parametrize(
        ("verdict", "served"),
        [
            ('{"verdict": "pass"}', "scripted"),
            ('Here: {"verdict": "Pass", "reason": "fine"}', "scripted"),
            ('{"verdict": "fail", "reason": "wrong\\u0000 dose"}', "scripted-strong"),
            ("I think it is fine.", "scripted-strong"),
            ('{"verdict": 5}', "scripted-strong"),
        ],
    )
    def test_only_a_clear_pass_lets_the_draft_through(self, live_cast: Stage, verdict: str, served: str) -> None:
        self.preset(live_cast)
        live_cast.script("checker", body=answer(verdict))
        ours = live_cast.ask("checked").cascadeflow
        assert ours["model_used"] == served
        assert ours["cost_breakdown"]["validation_cost"] != "0"
        assert [one["kind"] for one in live_cast.run(ours["run_id"]).steps][:2] == ["answer", "check"]

    def test_a_check_that_cannot_be_made_does_not_pass_and_all_of_it_is_booked(self, live_cast: Stage) -> None:
        self.preset(live_cast)
        live_cast.script("checker", body=b"garbage")
        ours = live_cast.ask("checked").cascadeflow
        assert ours["model_used"] == "scripted-strong"
        kinds = [(entry.step, entry.kind) for entry in live_cast.entries(ours["run_id"])]
        assert kinds == [("draft", "settled"), ("fact_check", "assumed"), ("escalate", "settled")]

    def test_an_answer_that_its_last_check_fails_is_an_honest_502(self, live_cast: Stage) -> None:
        live_cast.add_models("script", {"checker": live_cast.upstream_name("checker")})
        live_cast.add_preset("checked", step("only", "scripted"), step("safety", "checker", kind="check", instruction="Is it safe?"))
        live_cast.script("checker", body=answer('{"verdict": "fail", "reason": "It could harm."}'))
        for streamed in (False, True):
            failed = failure(live_cast, "checked", stream=streamed)
            assert (failed.status_code, failed.code) == (502, "no_acceptable_answer")
            assert "It could harm." in failed.message
            assert "left the warehouse" not in failed.response.text
