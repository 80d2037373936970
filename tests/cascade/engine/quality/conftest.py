"""Drafts for the checks."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cascade.engine.quality.draft import Draft
from cascade.engine.values import Completion


def make_completion(text: str | None = "", *, finish_reason: str = "stop", **message: Any) -> Completion:
    logprobs = message.pop("logprobs", None)
    return Completion(message={"role": "assistant", "content": text, **message}, finish_reason=finish_reason, usage=None, logprobs=logprobs)


def make_draft(
    text: str | None = "", *, prompt: str = "", parameters: Mapping[str, Any] | None = None, domain: str = "general", **completion: Any
) -> Draft:
    return Draft(
        prompt=prompt, completion=make_completion(text, **completion), parameters=parameters or {}, domain=domain, complexity="simple"
    )


@pytest.fixture
def draft() -> Callable[..., Draft]:
    return make_draft


@pytest.fixture
def completion() -> Callable[..., Completion]:
    return make_completion
