"""Errors of the REST API as RFC 9457 problems: what happened, why, and what to do, one shape for all."""

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.apps import apps
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError, RestrictedError, UniqueConstraint
from django.http import Http404
from msgspec import Struct
from rest_framework import exceptions
from rest_framework.response import Response

from cascade.engine.errors import CascadeError
from cascade.refusals import SPENT, reply_to
from tenants.authentication import Caller
from tenants.errors import Conflict
from tenants.request_ids import request_id_of

log = logging.getLogger(__name__)
NOT_FOUND = "There is nothing with this id or name. Check the address; the list shows what you have."
DATABASE_AWAY = "The database cannot be reached right now. Try again in a few seconds."
UNEXPECTED = "internal_error"
GENERAL = ("non_field_errors", "__all__", "detail")


class Problem(Struct, kw_only=True):
    status: int
    code: str
    detail: str
    errors: dict[str, list[str]] = {}
    headers: dict[str, str] = {}
    facts: dict[str, Any] = {}
    """Members beside the standard ones: the arithmetic of a refusal, the run that failed."""


def problem_response(exc: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER. Answers for every exception: one that nobody expected is logged and answered with 500."""
    request_id = request_id_of(context.get("request"))
    problem = _problem_of(exc, budget_status=_budget_status(context.get("request")))
    if problem.code == UNEXPECTED:
        log.error("request %s failed", request_id, exc_info=exc)
    body: dict[str, Any] = {
        **problem.facts, "type": f"urn:cascadeflow:problem:{problem.code}", "title": HTTPStatus(problem.status).phrase, "status": problem.status,
        "detail": problem.detail, "code": problem.code, "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = problem.errors
    headers = {**problem.headers, "x-request-id": request_id}
    return Response(body, status=problem.status, headers=headers, content_type="application/problem+json")


def _budget_status(request: Any) -> int:
    """What the caller's tenant wants for a budget that is spent."""
    caller = getattr(request, "_auth", None)  # not .auth: it would try again what may have failed
    return caller.budget_refusal_status if isinstance(caller, Caller) else SPENT


def _problem_of(exc: Exception, *, budget_status: int = SPENT) -> Problem:
    if isinstance(exc, exceptions.ValidationError):
        return _invalid(dict(_flat(exc.detail)))
    if isinstance(exc, ValidationError):
        return _invalid(exc.message_dict if hasattr(exc, "error_dict") else {"": exc.messages})
    if isinstance(exc, Http404 | exceptions.NotFound):
        return Problem(status=404, code="not_found", detail=NOT_FOUND)
    if isinstance(exc, PermissionDenied):
        return Problem(status=403, code="permission_denied", detail="This API key may not do this.")
    if isinstance(exc, exceptions.APIException):
        return _of_framework(exc)
    if isinstance(exc, Conflict):
        return Problem(status=409, code=exc.code, detail=exc.message)
    if isinstance(exc, CascadeError):
        return _of_engine(exc, budget_status=budget_status)
    if isinstance(exc, IntegrityError | ProtectedError | RestrictedError | DataError):
        return _of_database(exc)
    if isinstance(exc, OperationalError | InterfaceError):
        return Problem(status=503, code="database_unavailable", detail=DATABASE_AWAY, headers={"retry-after": "2"})
    return Problem(status=500, code=UNEXPECTED, detail="This failed on our side. Try again; if it stays so, report the request_id.")


def _of_framework(exc: exceptions.APIException) -> Problem:
    asked_for = getattr(exc, "auth_header", None)
    headers = {"WWW-Authenticate": str(asked_for)} if asked_for else {}
    if getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(exc.wait) + 1)  # type: ignore[attr-defined]
    code, detail = exc.get_codes(), exc.detail
    return Problem(
        status=exc.status_code, code=code if isinstance(code, str) else exc.default_code, detail=str(detail), headers=headers
    )


def _of_engine(exc: CascadeError, *, budget_status: int) -> Problem:
    reply = reply_to(exc, budget_status=budget_status)
    return Problem(
        status=reply.status, code=exc.code, detail=exc.message, errors={exc.param: [exc.message]} if exc.param else {}, headers=reply.headers,
        facts={**reply.facts, **({"run_id": str(exc.run_id)} if exc.run_id else {})},
    )


def _invalid(errors: Mapping[str, list[str]]) -> Problem:
    by_field = {name: messages for name, messages in errors.items() if name}
    said = [*errors.get("", ()), *(f"{name}: {' '.join(messages)}" for name, messages in by_field.items())]
    return Problem(status=400, code="invalid_request", detail=" ".join(said)[:2000], errors=by_field)


def _flat(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """From DRF's nested details to `("soft_marks.0", [message])`; what is about no field has the path ""."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, path if name in GENERAL else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        for index, inner in enumerate(detail):
            yield from _flat(inner, f"{path}.{index}".lstrip("."))
    else:
        yield path, [str(item) for item in (detail if isinstance(detail, list) else [detail])]


def _of_database(exc: Exception) -> Problem:
    if isinstance(exc, ProtectedError | RestrictedError):
        return Problem(status=409, code="in_use", detail="Other things refer to this. Delete or change those first.")
    facts = getattr(exc.__cause__, "diag", None)
    state, name = getattr(facts, "sqlstate", "") or "", getattr(facts, "constraint_name", "") or ""
    if state == "23505":
        return _taken(name)
    if state == "23503":
        return Problem(status=409, code="refers_to_nothing", detail="This refers to something that is gone, or is referred to itself.")
    if state == "23514":
        return Problem(status=400, code="invalid_request", detail=f"The values do not fit together: {name.replace('_', ' ')}.")
    if isinstance(exc, DataError):
        return Problem(status=400, code="invalid_request", detail="A value cannot be stored: check numbers, times and texts.")
    return Problem(status=409, code="conflict", detail="This does not fit what is stored. Look it up again, then try again.")


def _taken(constraint: str) -> Problem:
    for model in apps.get_models():
        for known in model._meta.constraints:
            if known.name == constraint and isinstance(known, UniqueConstraint):
                fields = [field for field in known.fields if field != "tenant"]
                message = f"There is one with this {', '.join(fields)} already: change that one, or choose another {fields[-1]}."
                return Problem(status=409, code="exists_already", detail=message, errors={fields[-1]: [message]})
    return Problem(status=409, code="exists_already", detail="There is one like this already: change that one, or choose other values.")
