"""Callables that an operator names in a setting, by dotted path."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string


def callables_of(setting: str) -> Mapping[str, Any]:
    """Return the callables of a setting by the last part of their paths. Raises ImproperlyConfigured: a rule must not vanish unnoticed."""
    problems = problems_of(setting)
    if problems:
        raise ImproperlyConfigured(" ".join(problems))
    return {path.rpartition(".")[2]: import_string(path) for path in getattr(settings, setting)}


def problems_of(setting: str) -> list[str]:
    """Return what keeps the callables of a setting from being called, in words."""
    found = [(path, _problem(path)) for path in getattr(settings, setting)]
    return [f"{setting} names {path!r}: {problem}." for path, problem in found if problem]


def _problem(path: str) -> str | None:
    try:
        found = import_string(path)
    except Exception as wrong:  # an import runs the operator's code, which may raise anything
        return f"it cannot be imported ({type(wrong).__name__}: {wrong})"
    return None if callable(found) and not isinstance(found, type) else "it is nothing that can be called"
