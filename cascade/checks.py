"""System checks of answers: what must hold before a call is let in."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from cascade.hooks import callback_problems
from cascade.telemetry.settings_checks import problems


@register()
def enforcement_callbacks_can_be_asked(**_: Any) -> list[CheckMessage]:
    hint = "Name functions, or objects that can be called, by their dotted paths: company.rules.check_call"
    return [Error(problem, hint=hint, id="cascade.E001") for problem in callback_problems()]


@register()
def telemetry_can_be_told(**_: Any) -> list[CheckMessage]:
    return [Error(problem, hint=hint, id="cascade.E002") for problem, hint in problems()]
