"""The pages of an import: upload, say which column is which where the headings do not, look at what would be done, apply.

The text itself comes back from the page that shows it: nothing is kept in between.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from dashboards.imports import Table, do_lines, left_out, places_by_name, places_guessed, places_said, planned_lines, table_of, text_of
from dashboards.resources import Planned, Resource, told
from dashboards.shell import membership_of, show
from dashboards.spreadsheets import csv_file

SHOWN_PLANS = 200
STATES = ("error", "change", "new", "same")
"""In the order in which they are shown."""


def bring(request: HttpRequest, *, resource: Resource[Any]) -> HttpResponseBase:
    if request.method != "POST":
        return _page(request, resource)
    columns = resource.import_columns
    try:
        given = request.FILES.get("file")
        text = text_of(given.read() if given else request.POST.get("text", "").encode())
        table = table_of(text)
    except ValidationError as wrong:
        return _page(request, resource, problem=told(wrong))
    try:
        places = places_said(request.POST.dict(), table, columns=columns) or places_by_name(table, columns=columns)
    except ValidationError as wrong:
        return _page(request, resource, problem=told(wrong), text=text, asked=_asked(table, columns, request.POST.dict()))
    if places is None or "map" in request.POST:
        chosen = places or places_guessed(table, columns=columns)
        said = {f"column-{column}": str(at) for column, at in chosen.items()}
        return _page(request, resource, text=text, asked=_asked(table, columns, said))
    plans = planned_lines(resource, table, places)
    if "apply" in request.POST:
        with transaction.atomic():
            done = do_lines(resource, plans, membership=membership_of(request))
        messages.success(request, f"{done} of {len(plans)} lines are applied.")
        return redirect(reverse(resource.name, args=[membership_of(request).tenant.slug]))
    if "errors" in request.POST:
        return csv_file(f"{resource.name}-left-out.csv", headings=[*table.heading, "why it is left out"], rows=left_out(table, plans))
    return _page(request, resource, text=text, places=places, **_shown(plans))


def _page(request: HttpRequest, resource: Resource[Any], *, problem: str = "", **context: Any) -> HttpResponse:
    about = {"resource": resource, "columns": ", ".join(resource.import_columns), "problem": problem, **context}
    title = f"Import {resource.title.lower()}"
    return show(request, "console/import.html", about, title=title, now=timezone.now(), status=422 if problem else 200)


def _shown(plans: Sequence[Planned]) -> Mapping[str, Any]:
    ordered = sorted(plans, key=lambda plan: STATES.index(plan.state))
    states = {state: sum(plan.state == state for plan in plans) for state in STATES}
    return {"plans": ordered[:SHOWN_PLANS], "states": states, "hidden": max(0, len(plans) - SHOWN_PLANS)}


def _asked(table: Table, columns: Sequence[str], said: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return a choice for each of our columns: the columns of the file, each with what stands in its first row."""
    first = table.rows[0]
    choices = [
        (str(at), f"{name[:60] or f'Column {at + 1}'}{f', such as {first[at][:40]}' if at < len(first) and first[at] else ''}")
        for at, name in enumerate(table.heading)
    ]
    return [
        {"name": f"column-{column}", "label": column.capitalize(), "choices": choices, "chosen": said.get(f"column-{column}", "")}
        for column in columns
    ]  # fmt: skip
