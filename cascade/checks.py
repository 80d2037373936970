"""System checks of answers: what must hold before a call is let in."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

MOST_SECONDS = 10


@register()
def enforcement_callbacks_can_be_called(**_: Any) -> list[CheckMessage]:
    found = [(path, _problem(path)) for path in settings.ENFORCEMENT_CALLBACKS]
    errors: list[CheckMessage] = [
        Error(
            f"ENFORCEMENT_CALLBACKS names {path!r}: {problem}.",
            hint="Name a function, or an object that can be called, by its dotted path: company.rules.check_call", id="cascade.E001",
        )
        for path, problem in found
        if problem
    ]
    if not 0 < settings.ENFORCEMENT_CALLBACK_SECONDS <= MOST_SECONDS:
        errors.append(Error(f"ENFORCEMENT_CALLBACK_SECONDS must be more than 0 and at most {MOST_SECONDS}.", id="cascade.E002"))
    return errors


def _problem(path: str) -> str | None:
    try:
        found = import_string(path)
    except Exception as wrong:  # an import runs the operator's code, which may raise anything
        return f"it cannot be imported ({type(wrong).__name__}: {wrong})"
    return None if callable(found) and not isinstance(found, type) else "it is nothing that can be called with a context"
