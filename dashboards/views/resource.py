"""The pages of a Resource: list with a panel, form, bulk change with a preview, import with a difference."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils import timezone

from dashboards.access import action, may, page, refuse
from dashboards.resources import (
    MOST_AT_ONCE,
    BulkAction,
    Planned,
    Resource,
    carry_out,
    columns_shown,
    count_of,
    differences_of,
    differences_since,
    do_planned,
    narrowed,
    page_of,
    planned,
    sign_seen,
    told,
)
from dashboards.shell import membership_of, show
from dashboards.trail import last_changes
from dashboards.undo import KEPT_FOR, Changed, Undo, changed_by, changed_row, forget, remember, remembered, state_of, take_back
from dashboards.views.imports import SHOWN_PLANS, bring
from tenants.errors import Conflict
from tenants.roles import Permission


class ResourcePages:
    """Views of one resource. Each is an ordinary view: pages() puts them under their permissions."""

    def __init__(self, resource: Resource[Any]) -> None:
        self.resource = resource

    def pages(self, *, route: str, see: Permission, change: Permission) -> list[URLPattern]:
        """Return the routes under `route`. `change` opens the form of a row; new rows and imports need what the resource says."""
        name, create = self.resource.name, self.resource.creates
        self.needs = change
        found = [page(f"{route}/", self.listing, name=name, see=see)]
        if create:
            found.append(page(f"{route}/new/", self.new, name=f"{name}_new", see=create, change=create))
        if create and self.resource.import_columns:
            found.append(page(f"{route}/import/", self.bring, name=f"{name}_import", see=create, change=create))
        if self.resource.bulk_actions:
            found.append(page(f"{route}/bulk/", self.bulk, name=f"{name}_bulk", see=see, change=change))
            found.append(action(f"{route}/undo/", self.undo, name=f"{name}_undo", needs=change))
        return [*found, page(f"{route}/<uuid:pk>/edit/", self.edit, name=f"{name}_edit", see=change, change=change)]

    def listing(self, request: HttpRequest) -> HttpResponse:
        now, resource, membership = timezone.now(), self.resource, membership_of(request)
        rows = narrowed(resource, request.GET, membership=membership, now=now)
        found = page_of(rows, ordering=resource.ordering, after=request.GET.get("after", ""))
        columns = columns_shown(resource.columns, request.GET.getlist("cols"))
        context = {
            "columns": columns, "keys": [column.key for column in columns], "choosable": [column for column in resource.columns if column.key],
            "resource": resource, "shown": resource.present(found.rows, now=now), "after": found.after,
            "filters": (filters := self._filters(request)), "has_rare_filters": any(one["is_rare"] for one in filters),
            "is_narrowed": any(request.GET.get(name) for name in ("q", *(one.name for one in resource.filters))),
            "bulk_actions": [action for action in resource.bulk_actions if may(membership, action.needs)],
            "may_create": resource.creates is not None and may(membership, resource.creates), "most": MOST_AT_ONCE,
            "matching": count_of(rows, found, is_first="after" not in request.GET) if resource.bulk_actions else 0,
            "undo": remembered(request.session, tenant=str(membership.tenant_id), resource=resource.name, now=now),
            **self._panel(request, found.rows, now),
            **resource.beside(membership=membership, now=now),
        }  # fmt: skip
        return show(request, resource.list_template, context, title=resource.title, now=now)

    def new(self, request: HttpRequest) -> HttpResponseBase:
        return self._form(request, row=None)

    def edit(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        return self._form(request, row=self._row(request, pk, locked=request.method == "POST"))

    def after(self, request: HttpRequest, saved: Any) -> HttpResponseBase:
        """Where a form leads when it is saved: to the list, with the row beside it."""
        return redirect(f"{self._url(request, '')}?sel={saved.pk}" if self.resource.panel_template else self._url(request, ""))

    def bulk(self, request: HttpRequest) -> HttpResponseBase:
        """First what would change, then, when that is confirmed, the change itself. What changed in between is shown again."""
        now, resource, membership = timezone.now(), self.resource, membership_of(request)
        action = next((one for one in resource.bulk_actions if one.name == request.POST.get("action")), None)
        if action is None:
            return redirect(self._url(request, ""))
        if not may(membership, action.needs):
            return refuse(request, action.needs)
        rows = self._chosen(request, now=now, locked="seen" in request.POST)
        if not rows:
            messages.warning(request, f"No {resource.one} was chosen: tick some first.")
            return redirect(self._url(request, ""))
        return self._bulk(request, action, rows, now=now)

    def undo(self, request: HttpRequest) -> HttpResponseBase:
        """Take the last change back: a bulk change, or that of one row in its form."""
        now, resource, membership = timezone.now(), self.resource, membership_of(request)
        last = remembered(request.session, tenant=str(membership.tenant_id), resource=resource.name, now=now)
        if last is None:
            messages.warning(request, f"There is nothing to take back: {KEPT_FOR.seconds // 60} minutes after a change it stays.")
        elif not may(membership, Permission(last.needs)):
            return refuse(request, Permission(last.needs))
        else:
            try:
                with transaction.atomic():
                    done = take_back(resource, last, membership=membership, now=now)
            except (ValidationError, Conflict) as wrong:
                messages.error(request, f"Nothing was taken back: {told(wrong)}")
            else:
                forget(request.session)
                left = len(last.rows) - done
                messages.success(request, f"Taken back: {done}." + (f" {left} were changed meanwhile, so they stay." if left else ""))
        return redirect(self._url(request, ""))

    def bring(self, request: HttpRequest) -> HttpResponseBase:
        return bring(request, resource=self.resource)

    # ---- The form
    def _form(self, request: HttpRequest, *, row: Any) -> HttpResponseBase:
        now, resource, membership = timezone.now(), self.resource, membership_of(request)
        described = resource.describe(row) if row is not None else {}
        data, suggested = (request.POST, None) if request.method == "POST" else (None, request.GET.dict())
        form = resource.form(data, row=row, membership=membership, suggested=suggested)
        conflict: list[tuple[str, str, str]] = []
        previewed: Mapping[str, Any] | None = None
        if request.method == "POST":
            conflict = differences_since(request.POST.get("seen", ""), described) if row is not None else []
            if form.is_valid() and "preview" in request.POST:
                previewed = resource.preview(form, row=row, membership=membership, now=now)
            elif form.is_valid() and not conflict:
                saved = self._save(request, form, row=row, now=now, described=described)
                if saved is not None:
                    return self.after(request, saved)
        title = f"Edit {resource.label(row)}" if row is not None else f"New {resource.one}"
        context = {
            "resource": resource, "form": form, "row": row, "seen": sign_seen(described), "conflict": conflict, "cancel": self._url(request, ""),
            "preview": previewed, "may_alert": may(membership, Permission.MANAGE_ALERTS),
            "last_changes": last_changes(row, membership=membership) if row is not None else (),
        }  # fmt: skip
        status = 409 if conflict else 422 if form.errors else 200
        return show(request, resource.form_template, context, title=title, now=now, status=status)

    def _save(self, request: HttpRequest, form: Any, *, row: Any, now: Any, described: Any) -> Any:
        resource, membership = self.resource, membership_of(request)
        verb, was = "create" if row is None else "change", state_of(row) if row is not None and resource.bulk_actions else {}
        try:
            with transaction.atomic():
                do = partial(resource.save, form, row=row, membership=membership, now=now)
                saved = carry_out(resource, verb=verb, before=described, do=do, membership=membership)
        except (ValidationError, Conflict) as wrong:
            form.add_error(None, told(wrong))
            return None
        changed = differences_of(described, resource.describe(saved))
        if was and (rows := changed_row(saved, was=was)):
            self._remember_edit(request, rows, now=now)
        said = "; ".join(f"{name} {before} → {after}" for name, before, after in changed) if row is not None else resource.label(saved)
        messages.success(request, f"Saved: {said}." if said else "Nothing was changed.")
        return saved

    def _remember_edit(self, request: HttpRequest, rows: Sequence[Changed], *, now: Any) -> None:
        """With what whoever may make such rows may; who may only open the form changed no more than its own permission lets them."""
        membership, resource = membership_of(request), self.resource
        needs = resource.creates if resource.creates and may(membership, resource.creates) else self.needs
        kept = {"tenant": str(membership.tenant_id), "resource": resource.name, "needs": needs.value, "label": "Edit"}
        remember(request.session, Undo(**kept, until=now + KEPT_FOR, rows=rows))

    # ---- Many at once
    def _bulk(self, request: HttpRequest, action: BulkAction, rows: Sequence[Any], *, now: Any) -> HttpResponseBase:
        resource = self.resource
        is_asked = "preview" in request.POST or "seen" in request.POST or not action.form.base_fields
        form = action.form(request.POST if is_asked else None)
        plans: list[Planned] = []
        if is_asked and form.is_valid():
            plans = planned(resource, action, rows, form.cleaned_data)
        described = {str(plan.existing.pk): str(plan.differences) for plan in plans}
        is_known = "seen" in request.POST and not differences_since(request.POST["seen"], described)
        if plans and is_known:
            membership, changed = membership_of(request), changed_by(plans)
            with transaction.atomic():
                done = do_planned(resource, plans, membership=membership)
            label = action.label.rstrip("…")
            if changed:
                kept = {"tenant": str(membership.tenant_id), "resource": resource.name, "needs": action.needs.value, "label": label}
                remember(request.session, Undo(**kept, until=now + KEPT_FOR, rows=changed))
            messages.success(request, f"{label}: {done} changed.")
            return redirect(self._url(request, ""))
        context = {
            "resource": resource, "action": action, "form": form, "plans": plans[:SHOWN_PLANS], "hidden": max(0, len(plans) - SHOWN_PLANS),
            "count": len(rows), "ids": [str(row.pk) for row in rows], "seen": sign_seen(described), "changed_meanwhile": "seen" in request.POST,
            "changes": sum(plan.state == "change" for plan in plans), "cancel": self._url(request, ""),
        }  # fmt: skip
        return show(request, "console/bulk.html", context, title=action.label.rstrip("…"), now=now, status=422 if form.errors else 200)

    def _chosen(self, request: HttpRequest, *, now: Any, locked: bool) -> list[Any]:
        """The rows that are ticked, or all that the list's address matches."""
        rows = self.resource.rows(membership=membership_of(request), now=now)
        if request.POST.get("all") == "on":
            rows = narrowed(self.resource, request.POST, membership=membership_of(request), now=now)
        else:
            ids = [found for text in request.POST.getlist("id")[:MOST_AT_ONCE] if (found := _uuid(text))]
            rows = rows.filter(pk__in=ids)
        if locked:
            rows = rows.model._default_manager.select_for_update().filter(pk__in=[row.pk for row in rows[:MOST_AT_ONCE]])
        return list(rows.order_by("pk")[:MOST_AT_ONCE])

    # ---- Pieces
    def _row(self, request: HttpRequest, pk: UUID, *, locked: bool) -> Any:
        rows = self.resource.rows(membership=membership_of(request), now=timezone.now())
        if not rows.filter(pk=pk).exists():
            raise Http404
        model = rows.model._default_manager
        return (model.select_for_update() if locked else model.all()).get(pk=pk)

    def _panel(self, request: HttpRequest, rows: Sequence[Any], now: Any) -> dict[str, Any]:
        selected = _uuid(request.GET.get("sel", "")) if self.resource.panel_template else None
        membership = membership_of(request)
        row = next((row for row in rows if row.pk == selected), None)
        if row is None and selected:
            row = self.resource.rows(membership=membership, now=now).filter(pk=selected).first()
        if row is None:
            return {"selected": None}
        panel = self.resource.panel(row, membership=membership, now=now)
        return {"selected": row, "panel": panel, "last_changes": last_changes(row, membership=membership)}

    def _filters(self, request: HttpRequest) -> list[dict[str, Any]]:
        chosen = {one.name: request.GET.get(one.name, "") for one in self.resource.filters}
        return [
            {
                "name": one.name, "label": one.label, "choices": one.choices() if one.choices else None, "chosen": chosen[one.name],
                "is_rare": one.is_rare and not chosen[one.name],
            }
            for one in self.resource.filters
        ]  # fmt: skip

    def _url(self, request: HttpRequest, part: str) -> str:
        return reverse(f"{self.resource.name}{part}", args=[membership_of(request).tenant.slug])


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
