"""Anomalies: what is out of the ordinary, why, and what somebody makes of it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from billing import reports, services
from billing.alerting.channels import deliveries_of
from billing.curves import Curve, curve_of, sparks_of
from billing.models import Alert, Anomaly
from billing.reports.pulse import ANOMALIES_SINCE
from dashboards.access import may
from dashboards.charts import curve_chart
from dashboards.forms.anomalies import RESOLUTIONS, SNOOZES, NoteForm, ResolveForm, SnoozeForm
from dashboards.resources import carry_out, narrowed, page_of
from dashboards.screens.anomalies import DIMENSIONS, DRIVERS, KINDS, STATES, TAGS, Anomalies, contributors_of, labels_of, runs_url
from dashboards.screens.changes import WATCHED, changes_in, entries_between
from dashboards.shell import membership_of, show
from dashboards.trail import comment_entries, comments_in
from tenants.models import AuditEntry, Membership
from tenants.roles import Permission

RESOURCE = Anomalies()
DELIVERIES_SHOWN = 10
CHANGED_BEFORE = timedelta(days=1)
"""What was changed so long before an anomaly, or in it, may be why."""


def listing(request: HttpRequest) -> HttpResponse:
    now, membership = timezone.now(), membership_of(request)
    state = request.GET.get("state", "")
    state = state if state in STATES else "open"
    rows: Any = narrowed(RESOURCE, request.GET, membership=membership, now=now)
    rows = rows.filter(stands=state, started_at__gte=now - ANOMALIES_SINCE)
    if not request.GET.get("size"):
        rows = rows.filter(reports.WORTH_TELLING)
    found = page_of(rows, ordering=RESOURCE.ordering, after=request.GET.get("after", ""))
    sparks = sparks_of(found.rows, now=now)
    labels, counts = labels_of(found.rows), reports.anomalies_by_state(now=now, since=now - ANOMALIES_SINCE)
    context = {
        "resource": RESOURCE, "after": found.after, "state": state, "tabs": [(name, label, counts[name]) for name, label in STATES.items()],
        "filters": [
            {"name": one.name, "label": one.label, "choices": one.choices() if one.choices else (), "chosen": request.GET.get(one.name, "")}
            for one in RESOURCE.filters
        ],
        "shown": [{**_told(row, labels), "spark": sparks.get(row.pk)} for row in found.rows], "resolutions": RESOLUTIONS, "snoozes": SNOOZES,
        "may_resolve": state != "resolved" and may(membership, Permission.RESOLVE_ANOMALIES), "has_sparks": bool(sparks),
        "is_narrowed": any(request.GET.get(one.name) for one in RESOURCE.filters), "days": ANOMALIES_SINCE.days,
    }  # fmt: skip
    return show(request, "console/anomalies/list.html", context, title="Anomalies", now=now)


def anomaly(request: HttpRequest, pk: UUID) -> HttpResponse:
    now, membership = timezone.now(), membership_of(request)
    row: Any = get_object_or_404(reports.anomalies_by_impact(now=now), pk=pk)
    labels, curve = labels_of([row]), curve_of(row, zone=membership.tenant.time_zone, now=now)
    written, done = _audited(row)
    comments = comments_in(written, field="note")
    drivers = sorted(((DRIVERS.get(name, name), amount) for name, amount in row.drivers.items()), key=lambda pair: -abs(pair[1]))
    context = {
        **_told(row, labels), "row": row, "state": STATES[row.stands], "drivers": drivers, "curve": curve, **_charted(curve),
        "contributors": contributors_of(row, labels, membership=membership), "timeline": _timeline(row, comments=comments, now=now),
        "older_note": "" if row.note in [words for *_, words in comments] else row.note,
        "changes": changes_in(done),
        "runs_url": runs_url(row, row.dimension, row.value, membership=membership), **_forms(membership),
    }  # fmt: skip
    return show(request, "console/anomalies/one.html", context, title="Anomaly", now=now)


def _audited(row: Anomaly) -> tuple[Sequence[AuditEntry], Sequence[AuditEntry]]:
    """The entries of the audit log with its comments, and those with what was changed before it, in one look."""
    entries = comment_entries(row, field="note").union(entries_between(row.started_at - CHANGED_BEFORE, row.ended_at), all=True)
    found: tuple[list[AuditEntry], list[AuditEntry]] = [], []
    for entry in entries:
        found[entry.object_type in WATCHED].append(entry)
    return found


def resolve(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Say what it was. The answer has an effect on what is found from now on."""
    who = membership_of(request).user
    do = partial(services.resolve_anomaly, actor=who.name or who.email, now=timezone.now())
    return _do(request, pk, form=ResolveForm(request.POST), do=do, done="Resolved.")


def snooze(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Be told nothing of the series for a while."""
    now = timezone.now()

    def do(*, anomaly: Anomaly, hours: int, note: str) -> Anomaly:
        return services.snooze_anomaly(anomaly=anomaly, until=now + timedelta(hours=hours), note=note)

    return _do(request, pk, form=SnoozeForm(request.POST), do=do, done="Snoozed: it goes on being looked at, and is not told.")


def reopen(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Take back that it was snoozed or resolved."""
    return _do(request, pk, form=forms.Form(request.POST), do=services.reopen_anomaly, done="Open again.")


def note(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Say what is known, and decide nothing."""
    form, said = NoteForm(request.POST), request.POST.get("note", "").strip()
    is_last = bool(said) and said == get_object_or_404(Anomaly, pk=pk).note
    done = "The last comment says this already." if is_last else "Your comment is there."
    return _do(request, pk, form=form, do=services.note_anomaly, done=done)


def _do(request: HttpRequest, pk: UUID, *, form: forms.Form, do: Callable[..., Anomaly], done: str) -> HttpResponseBase:
    row, membership = get_object_or_404(Anomaly, pk=pk), membership_of(request)
    if form.is_valid():
        change = partial(do, anomaly=row, **form.cleaned_data)
        carry_out(RESOURCE, verb="change", before=RESOURCE.describe(row), do=change, membership=membership)
        messages.success(request, done)
    else:
        messages.error(request, f"Nothing was changed: {' '.join(str(error) for errors in form.errors.values() for error in errors)}")
    slug = membership.tenant.slug
    return redirect(reverse("anomalies", args=[slug]) if "in_list" in request.POST else reverse("anomalies_one", args=[slug, pk]))


def _told(row: Any, labels: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    times = None if row.expected_nusd <= 0 else row.actual_nusd / row.expected_nusd
    return {
        "row": row, "label": labels[row.dimension, row.value], "dimension": DIMENSIONS.get(row.dimension, row.dimension), "times": times,
        "kind": KINDS.get(row.kind, row.kind), "largest": _largest(row, labels), "tag": TAGS.get(row.severity, ""),
        "shares": {"usual": row.facts.get("usual_share"), "now": row.facts.get("share")} if row.kind == "quality_collapse" else None,
    }  # fmt: skip


def _largest(row: Anomaly, labels: Mapping[tuple[str, str], str]) -> tuple[str, int] | None:
    """Who makes up most of it, of all dimensions, and how much."""
    parts = [(labels[some["dimension"], part["value"]], part["amount_nusd"]) for some in row.contributors for part in some["largest"][:1]]
    return max(parts, key=lambda part: abs(part[1]), default=None)


def _charted(curve: Curve | None) -> dict[str, Any]:
    if curve is None:
        return {}
    names = {"actual": "Spent", "expected": "Expected", "low": "From", "high": "To"}
    amounts = {"actual": curve.actual_nusd, "expected": curve.expected_nusd, "low": curve.low_nusd, "high": curve.high_nusd}
    lines = [
        reports.Line(value=name, label=names[name], amounts=[amount or 0 for amount in values])
        for name, values in amounts.items()
        if name == "actual" or None not in values
    ]
    return {"figure": curve_chart(curve), "series": reports.Series(points=curve.points, lines=lines, names=len(lines))}


def _forms(membership: Membership) -> dict[str, Any]:
    resolving = may(membership, Permission.RESOLVE_ANOMALIES)
    return {
        "resolve_form": ResolveForm(auto_id="resolve-%s") if resolving else None,
        "snooze_form": SnoozeForm(auto_id="snooze-%s") if resolving else None,
        "note_form": NoteForm(auto_id="note-%s") if may(membership, Permission.COMMENT_ANOMALIES) else None,
    }


def _timeline(row: Anomaly, *, comments: Sequence[tuple[datetime, str, str]], now: datetime) -> Sequence[tuple[datetime, str, bool]]:
    """What happened, in its order: when, what, and whether it went wrong."""
    way = "falls below what was expected" if row.kind == "drop" else "rises above what was expected"
    found = [(row.started_at, f"It {way}.", False), (row.found_at, "It is found.", False)]
    if row.ended_at <= now:
        found.append((row.ended_at, "The last time that it is out of the ordinary ends.", False))
    alert = Alert.objects.filter(kind="anomaly", raised_at__gte=row.found_at, facts__anomaly=str(row.pk)).order_by("raised_at").first()
    if alert is not None:
        found.append((alert.raised_at, "An alert is raised.", False))
        for one in deliveries_of(alert).filter(channel__isnull=False).select_related("channel")[:DELIVERIES_SHOWN]:
            answer = f"{one.status_code or 'sent'}, {one.milliseconds:,} ms" if one.is_ok else one.problem
            found.append((one.at, f"Alert to {one.channel}: {answer}.", not one.is_ok))
    found += [(at, f"{who}: {words}", False) for at, who, words in comments]
    if row.resolved_at is not None:
        answer = row.get_resolution_display().partition(":")[0].lower()
        found.append((row.resolved_at, f"{row.resolved_by or 'Somebody'} resolves it: {answer}.", False))
    return sorted(found, key=lambda each: each[0])
