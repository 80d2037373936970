"""Callables of the whole installation, named in ENFORCEMENT_CALLBACKS."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from cascade.hooks import callback_problems, callbacks_of_installation
from tests import live
from tests.live import ScriptedProvider, Server
from tests.stage import Stage, staged


@pytest.mark.parametrize(
    ("paths", "seconds", "problem"),
    [
        (["nowhere.at_all"], 1.0, "cannot be imported"), (["tests.cascade.rules.nobody"], 1.0, "cannot be imported"),
        (["tests.live.START_SECONDS"], 1.0, "nothing that can be called"), (["tests.live.Server"], 1.0, "nothing that can be called"),
        (["tests.cascade.rules.by_name"], 0.0, "must be more than 0"), (["tests.cascade.rules.by_name"], 11.0, "at most 10"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_asked_ends_the_start(settings: Any, paths: list[str], seconds: float, problem: str) -> None:
    settings.ENFORCEMENT_CALLBACKS, settings.ENFORCEMENT_CALLBACK_SECONDS = paths, seconds
    assert problem in callback_problems()[0]
    with pytest.raises(ImproperlyConfigured, match=problem):
        callbacks_of_installation()


@pytest.fixture(scope="module")
def site_with_rules(django_db_setup: None) -> Iterator[Server]:
    rules = "tests.cascade.rules.by_name,tests.cascade.rules.careful"
    with live.site(ENFORCEMENT_CALLBACKS=rules, ENFORCEMENT_CALLBACK_SECONDS="0.5") as server:
        yield server


@pytest.fixture
def ruled(site_with_rules: Server, upstream: Server, scripted: ScriptedProvider, django_db_blocker: pytest.FixtureRequest) -> Iterator[Stage]:
    with django_db_blocker.unblock(), staged(site=site_with_rules, upstream=upstream, scripted=scripted) as stage:
        yield stage


class TestCallablesOfTheInstallation:
    def test_they_decide_for_every_tenant(self, ruled: Stage) -> None:
        assert ruled.refused(user="refused").code == "blocked_by_callback"
        assert ruled.ask(user="watched").cascadeflow["budget_warnings"] == ["The callback careful says warn"]
        assert ruled.ask(user="ann").cascadeflow["budget_warnings"] == []

    @pytest.mark.parametrize(("user", "reason"), [("slow", "no answer within 0.5 s"), ("broken", "it raised an error")])
    def test_one_that_fails_or_hangs_is_open_without_and_closed_with_a_budget_that_blocks(self, ruled: Stage, user: str, reason: str) -> None:
        assert reason in ruled.ask(user=user).cascadeflow["budget_warnings"][0]
        ruled.add_budget("5")
        failure = ruled.refused(user=user)
        assert (failure.status_code, failure.code) == (503, "enforcement_unavailable")
        assert reason in failure.message
        assert "sk-secret" not in failure.message
