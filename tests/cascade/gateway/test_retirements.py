"""A call that uses a model which retires soon says so: in the reply, in a header, in the trace."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cascade.models import CatalogModel
from tenants.scoping import tenant_scope
from tests.live import answer
from tests.stage import ACCEPT, REJECT, Stage, step


@pytest.fixture
def retiring(live_cast: Stage) -> Stage:
    """The model "scripted" retires in ten days."""
    with tenant_scope(live_cast.cast.acme.id):
        row = CatalogModel.objects.get(name="scripted")
        row.retired_on = (timezone.now() + timedelta(days=10)).date()
        row.save()
    live_cast.script(body=answer("Your order left on Monday and arrives tomorrow."))
    return live_cast


def notice() -> str:
    return f"'scripted' retires on {(timezone.now() + timedelta(days=10)).date()} and is left out from then on: name another model."


def test_the_reply_its_header_and_its_trace_tell_it(retiring: Stage) -> None:
    raw = retiring.openai.chat.completions.with_raw_response.create(model="scripted", messages=[{"role": "user", "content": "Where is it?"}])
    ours = raw.parse().cascadeflow
    assert ours["warnings"] == [notice()]
    assert raw.headers["x-cascadeflow-warning"] == notice()
    assert ours["steps_executed"][0]["warning"] == notice()
    assert retiring.run(ours["run_id"]).steps[0]["warning"] == notice()


def test_a_model_that_was_only_planned_is_told_too_and_its_step_is_not_marked(retiring: Stage) -> None:
    retiring.script("scripted-strong", body=answer("Your order left on Monday and arrives tomorrow."))
    retiring.add_preset("house", step("draft", "scripted-strong", **ACCEPT), step("escalate", "scripted"))
    ours = retiring.ask("house").cascadeflow
    assert (ours["model_used"], ours["warnings"]) == ("scripted-strong", [notice()])
    assert [one["warning"] for one in ours["steps_executed"]] == [None]


def test_a_stream_says_it_in_its_headers_and_in_its_last_chunk(retiring: Stage) -> None:
    retiring.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "steady"))
    with retiring.openai.chat.completions.with_streaming_response.create(
        model="house", stream=True, messages=[{"role": "user", "content": "Where is it?"}]
    ) as reply:
        assert reply.headers["x-cascadeflow-warning"] == notice()
        assert notice() in reply.read().decode()


def test_the_native_api_says_the_same(retiring: Stage) -> None:
    with retiring.http(retiring.cast.acme_admin_key) as client:
        reply = client.post("/api/v1/runs/", json={"query": "Where is it?", "preset": "scripted"})
    assert (reply.status_code, reply.json()["warnings"]) == (200, [notice()])
    assert reply.headers["x-cascadeflow-warning"] == notice()


def test_a_call_without_such_a_model_says_nothing(retiring: Stage) -> None:
    raw = retiring.openai.chat.completions.with_raw_response.create(model="steady", messages=[{"role": "user", "content": "Where is it?"}])
    assert raw.parse().cascadeflow["warnings"] == []
    assert "x-cascadeflow-warning" not in raw.headers


def test_on_its_day_it_is_left_out_and_that_is_said_instead(live_cast: Stage) -> None:
    live_cast.add_preset("house", step("draft", "scripted", **ACCEPT), step("escalate", "steady"))
    with tenant_scope(live_cast.cast.acme.id):
        row = CatalogModel.objects.get(name="scripted")
        row.retired_on = timezone.now().date()
        row.save()
    ours = live_cast.ask("house").cascadeflow
    assert (ours["model_used"], ours["warnings"]) == ("steady", [])
    assert any("was retired on" in skipped for skipped in ours["steps_skipped"])
