"""The operator's own word on a draft: it may lower or veto, and can neither raise a score nor hold up a call."""

import threading
from collections.abc import Iterator, Mapping
from time import monotonic, sleep
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from cascade.engine.quality import callbacks
from cascade.engine.quality.callbacks import Opinion, QualityCallback, register_callbacks
from cascade.engine.quality.validator import QualityValidator
from cascade.engine.values import Check, Completion, ValidationResult

TEXT = "Your order left the warehouse on Tuesday and should arrive within two working days."


@pytest.fixture(autouse=True)
def _none_afterwards() -> Iterator[None]:
    yield
    register_callbacks({})


def judge(given: Mapping[str, QualityCallback], *, limit_s: float = 1.0, text: str = TEXT) -> ValidationResult:
    register_callbacks(given, limit_s=limit_s)
    completion = Completion(message={"content": text}, finish_reason="stop", usage=None)
    return QualityValidator().validate(prompt="Where is my order?", completion=completion, parameters={}, domain="general", complexity="simple")


def check_of(result: ValidationResult, name: str) -> Check:
    return next(check for check in result.checks if check.name == f"callback {name}")


def test_without_callbacks_nothing_is_asked_and_nothing_changes() -> None:
    result = judge({})
    assert result.accepted
    assert not any(check.name.startswith("callback") for check in result.checks)


def test_a_callback_sees_prompt_and_completion() -> None:
    seen: list[Any] = []
    judge({"spy": lambda prompt, completion: seen.append((prompt, completion.text))})  # type: ignore[dict-item,func-returns-value]
    assert seen == [("Where is my order?", TEXT)]


def test_an_opinion_lowers_the_score_with_its_reason() -> None:
    result = judge({"tone": lambda prompt, completion: Opinion(score=0.1, reason="Too curt for our customers")})
    assert result.score == 0.1
    assert not result.accepted
    assert "Too curt for our customers" in result.reason


def test_an_opinion_never_raises_the_score() -> None:
    assert judge({"fan": lambda prompt, completion: Opinion(score=1.0)}).score == judge({}).score


def test_a_veto_rejects_whatever_the_score() -> None:
    result = judge({"law": lambda prompt, completion: Opinion(score=1.0, veto=True)})
    assert not result.accepted
    assert result.reason == "Vetoed by law"


def fails(prompt: str, completion: Completion) -> Opinion | None:
    raise ValueError(completion.text)


@pytest.mark.parametrize(
    ("callback", "why"),
    [
        (fails, "it failed with ValueError"),
        (lambda prompt, completion: Opinion(score=7), "no Opinion with a score from 0 to 1"),
        (lambda prompt, completion: Opinion(score=float("nan")), "no Opinion"),
        (lambda prompt, completion: "fine", "no Opinion"),
        (lambda prompt: None, "it failed with TypeError"),
    ],
)
def test_a_callback_that_fails_or_answers_nonsense_has_no_opinion_and_says_so(callback: Any, why: str) -> None:
    result = judge({"broken": callback})
    assert result.accepted
    assert result.score == judge({}).score
    told = check_of(judge({"broken": callback}), "broken").reason
    assert why in told
    assert TEXT not in told


def test_a_callback_that_hangs_costs_no_more_than_the_limit() -> None:
    released = threading.Event()
    began = monotonic()
    result = judge({"slow": lambda prompt, completion: released.wait(20) and None}, limit_s=0.02)  # type: ignore[dict-item]
    took = monotonic() - began
    released.set()
    assert took < 1
    assert result.accepted
    assert check_of(result, "slow").reason == "No opinion of slow: it took longer than 20 ms"


def test_callbacks_that_hang_for_ever_do_not_pile_up_threads() -> None:
    released = threading.Event()
    register_callbacks({"slow": lambda prompt, completion: released.wait(20) and None}, limit_s=0.001)  # type: ignore[dict-item]
    completion = Completion(message={"content": TEXT}, finish_reason="stop", usage=None)
    told = [check.reason for _ in range(20) for check in callbacks.ask_callbacks("p", completion)]
    released.set()
    assert "too many earlier calls have not ended" in told[-1]
    assert sum(thread.name.startswith("quality-callback") for thread in threading.enumerate()) <= 2 * callbacks.MOST_WAITING


def test_the_limit_is_for_all_callbacks_together() -> None:
    began = monotonic()
    judge({str(number): lambda prompt, completion: sleep(0.3) for number in range(5)}, limit_s=0.05)  # type: ignore[misc,dict-item,func-returns-value]
    assert monotonic() - began < 0.25


def test_settings_register_callables_by_their_dotted_path(settings: Any) -> None:
    settings.QUALITY_CALLBACKS, settings.QUALITY_CALLBACK_MS = ["tests.cascade.engine.quality.test_callbacks.fails"], 500.0
    apps.get_app_config("cascade").ready()
    completion = Completion(message={"content": TEXT}, finish_reason="stop", usage=None)
    assert [check.name for check in callbacks.ask_callbacks("p", completion)] == ["callback fails"]


@pytest.mark.parametrize("path", ["no.such.module", f"{__name__}.nothing", f"{__name__}.TEXT"])
def test_a_path_that_leads_nowhere_stops_the_start(settings: Any, path: str) -> None:
    settings.QUALITY_CALLBACKS = [path]
    with pytest.raises(ImproperlyConfigured, match="QUALITY_CALLBACKS"):
        apps.get_app_config("cascade").ready()
