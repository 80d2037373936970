"""When budgets run out: pieces that come after the list and its panel, for they look at the sums of all days."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from billing import reports
from billing.engine.budgets import Action
from billing.engine.forecasting.exhaustion import Exhaustion
from billing.engine.forecasting.prediction import Estimate
from billing.engine.money import to_usd
from billing.models import Budget, BudgetWindow
from billing.outlook import BudgetOutlook, outlooks_of
from dashboards.access import may
from dashboards.charts import burn_chart
from dashboards.resources import narrowed, page_of
from dashboards.screens.budgets import Budgets
from dashboards.shell import membership_of, show_part, show_piece
from dashboards.templatetags.console import in_zone_short
from tenants.models import Tenant
from tenants.roles import Permission

RESOURCE = Budgets()
STOPS = {Action.BLOCK: "", Action.DEGRADE: "where no cheaper path fits"}
"""Of budgets that refuse calls: which ones."""


def ahead(request: HttpRequest) -> HttpResponse:
    """Fill in when the budgets of the list run out."""
    now, membership = timezone.now(), membership_of(request)
    rows = narrowed(RESOURCE, request.GET, membership=membership, now=now)
    found = page_of(rows, ordering=RESOURCE.ordering, after=request.GET.get("after", "")).rows
    outlooks = _outlooks([row for row in found if not row.is_paused], zone=membership.tenant.time_zone, now=now)
    shown = [_told(each, zone=membership.tenant.time_zone) for each in outlooks]
    return show_part(request, "console/budgets/ahead.html", {"outlooks": shown})


def outlook(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say when one budget runs out: a piece of its panel, and a page where no script runs."""
    now, membership = timezone.now(), membership_of(request)
    tenant = membership.tenant
    row: Any = get_object_or_404(RESOURCE.rows(membership=membership, now=now), pk=pk)
    found = _outlooks([row], zone=tenant.time_zone, now=now)
    told = _told(found[0], zone=tenant.time_zone) if found else None
    raised = room_for(found[0].at_end, found[0].limit_nusd) if found and may(membership, Permission.EDIT_BUDGET_LIMITS) else None
    is_at_risk = row.used_permille >= 1000 or row.will_not_last or raised is not None
    context = {
        "outlook": told, "budget": row, "raised_nusd": raised, "raised": to_usd(raised or 0), **_burnt(row, found, tenant=tenant, now=now),
        "may_degrade": is_at_risk and row.action != Action.DEGRADE and may(membership, Permission.EDIT_BUDGETS),
    }  # fmt: skip
    return _part(request, "console/budgets/outlook.html", context, now=now)


def spenders(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say who spends one budget: a piece of its panel, for it looks at every end user."""
    now, membership = timezone.now(), membership_of(request)
    row = get_object_or_404(Budget, pk=pk, ended_at=None)
    context = {"budget": row, "spenders": reports.spenders_of(budget=row, tenant=membership.tenant, now=now)}
    return _part(request, "console/budgets/spenders.html", context, now=now)


def one(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Where alerts lead: the list with the budget beside it."""
    get_object_or_404(Budget, pk=pk, ended_at=None)
    return redirect(f"{reverse('budgets', args=[membership_of(request).tenant.slug])}?sel={pk}")


def room_for(at_end: Estimate | None, limit_nusd: int) -> int | None:
    """Return a limit that most likely lasts, where the present one is not expected to: the forecast's upper end, rounded up to three digits.

    Worked number: 12,980 USD are expected, 13,660 at the most in four of five cases, under a limit of 12,500: 13,700.
    """
    if at_end is None or at_end.expected_nusd <= limit_nusd:
        return None
    step = int("1" + "0" * max(0, len(str(at_end.high_nusd)) - 3))
    return -(-at_end.high_nusd // step) * step


def _part(request: HttpRequest, part: str, context: dict[str, Any], *, now: datetime) -> HttpResponse:
    """The piece for the panel, or a page of its own where no script runs."""
    return show_piece(request, part, "console/budgets/part_page.html", {**context, "part": part}, title="Budget", now=now)


def _outlooks(rows: Sequence[Any], *, zone: str, now: datetime) -> Sequence[BudgetOutlook]:
    """Of each budget the fullest window that runs; those without one are left out."""
    windows = BudgetWindow.objects.select_related("budget").in_bulk([row.fullest_window_id for row in rows if row.fullest_window_id])
    return outlooks_of(list(windows.values()), zone=zone, now=now)


def _burnt(row: Any, found: Sequence[BudgetOutlook], *, tenant: Tenant, now: datetime) -> dict[str, Any]:
    """The curve of the window, and how it will go on."""
    burn = reports.burn_of(budget=row, tenant=tenant, limit_nusd=row.limit_now_nusd, now=now)
    if burn is None:
        return {}
    line = reports.Line(value="spent", label="Spent up to then", amounts=burn.spent_nusd)
    ahead = [(_local(step.begins, tenant.time_zone), spent) for each in found for step, spent in zip(each.prediction.path, each.sums, strict=False)]
    mark = _mark(burn, found, zone=tenant.time_zone)
    return {"figure": burn_chart(burn, ahead[1:], runs_out=mark), "series": reports.Series(points=burn.points, lines=[line], names=1)}


def _mark(burn: reports.Burn, found: Sequence[BudgetOutlook], *, zone: str) -> tuple[date, str] | None:
    """Where the curve meets the limit, or met it, and how that is said."""
    passed = next((point for point, spent in zip(burn.points, burn.spent_nusd, strict=True) if spent >= burn.limit_nusd), None)
    if passed is not None:
        return passed, f"Ran out {_moment(passed, zone)}"
    expected = next((each.runs_out.expected for each in found if each.runs_out and each.runs_out.expected), None)
    if expected is None:
        return None
    hour = next((each.out_at for each in found if each.out_at), None)
    return _local(expected, zone), f"Runs out {in_zone_short(hour, zone) if hour else _moment(expected, zone)}"


def _local(at: date, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)) if isinstance(at, datetime) else at


def _told(found: BudgetOutlook, *, zone: str) -> dict[str, Any]:
    budget, ends = found.budget, found.runs_out
    is_out = found.spent_nusd >= found.limit_nusd
    stops = ""
    if budget.action in STOPS and ends is not None and ends.expected is not None and not is_out:
        at = in_zone_short(found.out_at, zone) if found.out_at else _moment(ends.expected, zone)
        stops = " ".join(filter(None, (at, STOPS[Action(budget.action)])))
    return {
        "budget": budget, "at_end": found.at_end, "limit_nusd": found.limit_nusd, "runs_out": ends, "reason": found.prediction.reason,
        "words": "it has run out" if is_out else ends.words(zone=zone) if ends else "",
        "short": "now" if is_out else _short(ends, zone, found.out_at),
        "is_grave": is_out or (ends is not None and ends.expected is not None), "is_early": found.prediction.is_early,
        "error": found.prediction.wape, "tests": found.prediction.tests, "stops": "now" if is_out and budget.action in STOPS else stops,
    }  # fmt: skip


def _short(ends: Exhaustion | None, zone: str, out_at: datetime | None) -> str:
    """Example: "29 Nov (28 Nov to 1 Dec)", or "29 Nov 14:00 (…" where the hour is known; "no" for one that lasts until its window ends."""
    if ends is None:
        return "n/a"
    if ends.earliest is None:
        return "no"
    latest = f"to {_moment(ends.latest, zone)}" if ends.latest else "or not at all"
    expected = in_zone_short(out_at, zone) if out_at else _moment(ends.expected, zone) if ends.expected else "not expected"
    return f"{expected} ({_moment(ends.earliest, zone)} {latest})"


def _moment(at: date, zone: str) -> str:
    local = _local(at, zone)
    return f"{local:%H:%M}" if isinstance(local, datetime) else f"{local.day} {local:%b}"
