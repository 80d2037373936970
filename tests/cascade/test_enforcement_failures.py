"""Callbacks without an answer, on a live site: open where no budget blocks, closed where one does, and said in both."""

import threading
from typing import Any

import pytest

from cascade.models import EnforcementHook
from tenants.scoping import tenant_scope
from tests.cascade.conftest import add_hook
from tests.live import free_port, wait_until
from tests.stage import Stage
from tests.webhooks import Receiver

NO_ANSWERS = [
    ({"status": 500}, "it answered with the status 500 instead of 200"),
    ({"status": 302}, "it answered with the status 302 instead of 200"),
    ({"reply": b"yes"}, "its answer is not"),
    ({"reply": {"action": "deny"}}, "its answer is not"),
    ({"reply": b"[" * 60_000}, "its answer is not"),
    ({"reply": b" " * 70_000}, "it broke off before its answer was complete"),
]  # fmt: skip


class TestWithoutAnAnswer:
    @pytest.mark.parametrize(("way", "reason"), NO_ANSWERS, ids=[str(number) for number in range(len(NO_ANSWERS))])
    def test_it_is_open_where_no_budget_blocks_and_closed_where_one_does(
        self, hooked: Stage, receiver: Receiver, way: dict[str, Any], reason: str
    ) -> None:
        for name, value in way.items():
            setattr(receiver, name, value)
        hooked.add_budget("5", action="degrade")
        warned = hooked.ask().cascadeflow["budget_warnings"]
        assert len(warned) == 1
        assert warned[0].startswith(f"The callback policy has no answer ({reason}")
        hooked.add_budget("5", period="monthly")
        failure = hooked.refused()
        assert (failure.status_code, failure.code) == (503, "enforcement_unavailable")
        assert failure.response.headers["retry-after"] == "2"
        assert reason in failure.message
        assert failure.response.json()["cascadeflow"]["callbacks"][0]["callback"] == "policy"
        assert len(hooked.holds()) == 1

    def test_one_that_hangs_is_given_up_on(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.gate = threading.Event()
        assert "no answer within 0.5 s" in hooked.ask().cascadeflow["budget_warnings"][0]

    def test_one_that_is_gone_cannot_be_reached(self, live_cast: Stage) -> None:
        add_hook(live_cast, f"http://127.0.0.1:{free_port()}/")
        assert "it cannot be reached" in live_cast.ask().cascadeflow["budget_warnings"][0]

    def test_an_address_that_is_not_allowed_is_never_asked(self, live_cast: Stage) -> None:
        with tenant_scope(live_cast.cast.acme.id):
            EnforcementHook.objects.create(name="inside", url="http://169.254.169.254/latest", secret="whsec_" + "QUFB" * 11)
        assert "it cannot be reached" in live_cast.ask().cascadeflow["budget_warnings"][0]

    def test_switched_off_it_is_asked_no_more(self, hooked: Stage, receiver: Receiver) -> None:
        receiver.reply = {"action": "block"}
        assert hooked.refused().status_code == 402
        with tenant_scope(hooked.cast.acme.id):
            EnforcementHook.objects.update(is_active=False)
        wait_until(lambda: "error" not in hooked.post().json())
