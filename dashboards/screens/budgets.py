"""Budgets as a resource of the console: the riskiest first, changed one by one, many at once, or from a file."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet

from billing import reports, services
from billing.engine.budgets import Action, BudgetScope, Period
from billing.engine.money import InvalidAmount, divide_half_even, to_nusd, to_usd
from billing.models import Budget
from dashboards.access import may
from dashboards.forms.budgets import SCOPES, BudgetForm, BulkActionForm, BulkLimitForm, OverrideForm, tier_names
from dashboards.imports import nearest
from dashboards.resources import BulkAction, Column, Filter, Resource, differences_of, with_changes
from dashboards.screens.budget_previews import preview_of, runs_of
from dashboards.screens.what_if import of_budget
from dashboards.templatetags.console import in_zone
from dashboards.templatetags.money import ACTIONS, money
from tenants.errors import Conflict
from tenants.models import ApiKey, EndUser, Membership, Tier
from tenants.roles import Permission

PERIODS = {Period.DAILY: "daily", Period.WEEKLY: "weekly", Period.MONTHLY: "monthly", Period.TOTAL: "in all"}
SHORT_SCOPES = {
    BudgetScope.TENANT: "org", BudgetScope.TIER: "tier", BudgetScope.END_USER: "user", BudgetScope.API_KEY: "key", BudgetScope.TAG: "tag",
}  # fmt: skip
STATES = {"over": "Over its limit", "foreseen": "Will not last", "near": "Over 80 %", "paused": "Paused", "override": "Overridden for now"}
TRUE, FALSE = ("yes", "true", "1"), ("", "no", "false", "0")


class Budgets(Resource[Budget]):
    """The budgets in force."""

    name, one, title = "budgets", "budget", "Budgets"
    columns = (
        Column(label="Budget"), Column(label="Scope"), Column(label="Used"), Column(label="Spent", is_number=True),
        Column(label="Limit", is_number=True), Column(label="Runs out, 80 %"), Column(label="Period"), Column(label="When reached"),
    )  # fmt: skip
    row_template, panel_template, form_template = "console/budgets/row.html", "console/budgets/panel.html", "console/budgets/form.html"
    search_fields, search_label = ("name", "subject"), "Name or target"
    ordering = ("-risk",)
    import_columns = ("name", "scope", "subject", "period", "limit", "action", "paused")
    creates = Permission.EDIT_BUDGETS
    later = "budgets_ahead"
    note = "The dark tick marks how much of the period has passed: fill past the tick means faster than an even pace."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[Budget]:
        return reports.budgets_by_risk(now=now)

    def present(self, rows: Sequence[Budget], *, now: datetime) -> Sequence[Any]:
        standings = reports.with_standing(rows)
        values = [standing.subject for standing in standings if standing.subject]
        names = reports.names_of(dimension="end_user", values=values) if values else {}
        keys = {row.subject for row in rows if row.scope == BudgetScope.API_KEY}
        key_names = reports.names_of(dimension="api_key", values=keys) if keys else {}
        return [
            {
                "row": standing.budget, "standing": standing, "pace": _pace(standing, now), "period": PERIODS[Period(standing.budget.period)],
                "scope": SHORT_SCOPES[BudgetScope(standing.budget.scope)],
                "fullest": "" if standing.budget.scope == BudgetScope.END_USER and standing.budget.subject else names.get(standing.subject, ""),
                "label": standing.budget.name or key_names.get(standing.budget.subject, "") or str(standing.budget),
                "is_overridden": standing.limit_nusd != standing.budget.limit_nusd,
            }
            for standing in standings
        ]  # fmt: skip

    def panel(self, row: Budget, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        (standing,) = reports.with_standing([row])
        return {
            "standing": standing, "pace": _pace(standing, now), "limit": to_usd(row.limit_nusd),
            "facts": {name: told for name, told in self.describe(row).items() if name not in ("Name", "Limit") and told not in ("", "no", "none")},
            "may_change": may(membership, Permission.EDIT_BUDGET_LIMITS), "may_end": may(membership, Permission.EDIT_BUDGETS),
            "what_if": of_budget(row) if may(membership, Permission.SEE_COSTS) else "", "override": OverrideForm(),
            "is_overridden": standing.limit_nusd != row.limit_nusd, "end_user": _whom(row, membership),
        }  # fmt: skip

    def describe(self, row: Budget) -> Mapping[str, str]:
        override = "none"
        if row.override_limit_nusd is not None:
            override = f"{money(row.override_limit_nusd)} until {in_zone(row.override_until, 'UTC')} UTC"
        return {
            "Name": row.name, "Whom": row.whose, "Limit": money(row.limit_nusd), "Period": PERIODS[Period(row.period)],
            "When reached": ACTIONS[row.action], "Alerts": ", ".join(f"{mark} %" for mark in row.soft_marks),
            "Paused": "yes" if row.is_paused else "no", "Override": override,
        }  # fmt: skip

    def form(
        self, data: Mapping[str, Any] | None, *, row: Budget | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> BudgetForm:
        return BudgetForm(data, budget=row, limits_only=not may(membership, Permission.EDIT_BUDGETS), suggested=suggested)

    def preview(self, form: BudgetForm, *, row: Budget | None, membership: Membership, now: datetime) -> Mapping[str, Any]:
        runs = runs_of(form, budget=row, tenant=membership.tenant, now=now)
        return {**self.preview_at_once(form, row=row, membership=membership, now=now), **runs}

    def preview_at_once(self, form: BudgetForm, *, row: Budget | None, membership: Membership, now: datetime) -> Mapping[str, Any]:
        """The preview without the runs, which come after it."""
        differences = differences_of(self.describe(row), self.describe(with_changes(row, form.changes()))) if row else []
        return {**preview_of(form, budget=row, tenant=membership.tenant, now=now), "differences": differences, "is_edit": row is not None}

    def save(self, form: BudgetForm, *, row: Budget | None, membership: Membership, now: datetime) -> Budget:
        if row is not None:
            return self.changed(row, form.changes())
        said = form.cleaned_data
        return services.create_budget(budget=Budget(scope=said["scope"], subject=form.subject, period=said["period"], **form.changes()))

    def changed(self, row: Budget, changes: Mapping[str, Any]) -> Budget:
        services.refuse_twin(with_changes(row, changes))
        return services.change_budget(budget=row, changes=dict(changes))

    # ---- From a file
    def read_line(self, cells: Mapping[str, str]) -> tuple[Budget | None, Budget]:
        scope = _one_of(cells.get("scope", "tenant") or "tenant", list(BudgetScope), what="scope")
        period = _one_of(cells.get("period", ""), list(Period), what="period")
        action = _one_of(cells.get("action", "block") or "block", list(Action), what="action")
        subject = services.checked_subject(scope=scope, subject=_known_subject(scope, cells.get("subject", "")))
        existing = Budget.objects.filter(scope=scope, subject=subject, period=period, action=action, ended_at=None).first()
        changes: dict[str, Any] = {"limit_nusd": _amount(cells.get("limit", ""))}
        if "name" in cells:
            changes["name"] = cells["name"][:200]
        if "paused" in cells:
            changes["is_paused"] = _yes_or_no(cells["paused"])
        if existing is not None:
            return existing, with_changes(existing, changes)
        return None, Budget(scope=scope, subject=subject, period=period, action=action, **changes)

    def write_line(self, existing: Budget | None, wanted: Budget) -> Budget:
        if existing is None:
            return services.create_budget(budget=wanted)
        return services.change_budget(budget=existing, changes={name: getattr(wanted, name) for name in ("limit_nusd", "name", "is_paused")})

    def label(self, row: Budget) -> str:
        return f"{row}, {ACTIONS[row.action].partition(':')[0].lower()}" if not row.name else row.name


def _in_state(rows: QuerySet[Any], state: str) -> QuerySet[Any]:
    if state == "over":
        return rows.filter(used_permille__gte=1000)
    if state == "foreseen":
        return rows.filter(will_not_last=True, is_paused=False, used_permille__lt=1000)
    if state == "near":
        return rows.filter(used_permille__gte=800)
    if state == "override":
        return rows.exclude(override_until=None)
    return rows.filter(is_paused=True) if state == "paused" else rows


def _of_tier(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    """Of a tier are the budgets that each of its end users has, and those of single end users that are in it."""
    owner = EndUser.objects.filter(Q(tier__name=name) | Q(tier=None, tenant__default_tier=name), external_id=OuterRef("subject"))
    return rows.filter(Q(scope=BudgetScope.TIER, subject=name) | Q(Exists(owner), scope=BudgetScope.END_USER))


def _new_limit(row: Budget, said: Mapping[str, Any]) -> Mapping[str, Any]:
    if said["limit"] is not None:
        return {"limit_nusd": said["limit"]}
    return {"limit_nusd": divide_half_even(row.limit_nusd * (100 + said["percent"]), 100)}


def _new_action(row: Budget, said: Mapping[str, Any]) -> Mapping[str, Any]:
    changes = {"action": said["does"]}
    if row.action != said["does"]:
        try:
            services.refuse_twin(with_changes(row, changes))
        except Conflict as twin:
            raise ValidationError(str(twin)) from twin
    return changes


Budgets.filters = (
    Filter(name="scope", label="Scope", narrow=lambda rows, chosen: rows.filter(scope=chosen), choices=lambda: list(SCOPES.items())),
    Filter(name="tier", label="Tier", narrow=_of_tier, choices=tier_names),
    Filter(name="state", label="State", narrow=_in_state, choices=lambda: list(STATES.items())),
    Filter(name="do", label="When reached", narrow=lambda rows, chosen: rows.filter(action=chosen), choices=lambda: list(ACTIONS.items())),
)
Budgets.bulk_actions = (
    BulkAction(name="limit", label="Change limit…", needs=Permission.EDIT_BUDGET_LIMITS, changes=_new_limit, form=BulkLimitForm),
    BulkAction(name="action", label="Change action…", needs=Permission.EDIT_BUDGETS, changes=_new_action, form=BulkActionForm),
    BulkAction(name="pause", label="Pause", needs=Permission.EDIT_BUDGETS, changes=lambda row, said: {"is_paused": True}),
    BulkAction(name="resume", label="Resume", needs=Permission.EDIT_BUDGETS, changes=lambda row, said: {"is_paused": False}),
)


def _whom(row: Budget, membership: Membership) -> UUID | None:
    """The end user whose own budget it is, for who may see them."""
    if row.scope != BudgetScope.END_USER or not row.subject or not may(membership, Permission.SEE_COSTS):
        return None
    return EndUser.objects.filter(external_id=row.subject).values_list("pk", flat=True).first()


def _pace(standing: reports.BudgetStanding, now: datetime) -> int | None:
    """How much of the window has passed, in per cent; None for a budget over all time."""
    if not (standing.start_at and standing.end_at) or standing.budget.period == Period.TOTAL:
        return None
    return int(100 * ((now - standing.start_at) / (standing.end_at - standing.start_at)))


def _one_of(word: str, known: Sequence[str], *, what: str) -> str:
    if word.lower() in known:
        return word.lower()
    raise ValidationError(f"Unknown {what} {word[:40]!r}. {nearest(word.lower(), known) or 'It may be ' + ', '.join(known) + '.'}")


def _known_subject(scope: str, subject: str) -> str:
    """Return whom a line names as it is stored: tiers are named by their title too, keys by their name. Raises ValidationError."""
    if scope == BudgetScope.TIER:
        known = [pair for name, title in Tier.objects.values_list("name", "title") for pair in ((name, name), (title, name)) if pair[0]]
    elif scope == BudgetScope.API_KEY and not _is_uuid(subject):
        known = [(name, str(pk)) for pk, name in ApiKey.objects.filter(revoked_at=None).values_list("pk", "name")]
    else:
        return subject
    found = [stored for word, stored in known if word == subject]
    if scope == BudgetScope.TIER and subject in found:
        return subject  # a name goes before the title of another tier
    if len(set(found)) > 1:
        raise ValidationError(f"There are {len(set(found))} called {subject[:40]!r}. Write the id or the name of the one that is meant.")
    if subject and not found:
        raise ValidationError(f"Unknown {scope.replace('_', ' ')} {subject[:40]!r}. {nearest(subject, [word for word, _ in known])}".strip())
    return found[0] if found else ""


def _amount(text: str) -> int:
    try:
        amount = to_nusd(text.replace("$", "").replace(",", ""))
    except InvalidAmount as wrong:
        raise ValidationError(f"{wrong}.") from wrong
    if amount < 0:
        raise ValidationError("A limit is not negative.")
    return amount


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _yes_or_no(text: str) -> bool:
    if text.lower() not in TRUE + FALSE:
        raise ValidationError(f"{text[:20]!r} is neither yes nor no.")
    return text.lower() in TRUE
