"""API keys as a resource of the console: who made which, what it may do, and whether it is still in use."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Case, CharField, F, QuerySet, Value, When
from django.db.models.functions import Coalesce

from billing import reports
from billing.engine.budgets import BudgetScope
from billing.unused_keys import UNUSED_AFTER
from dashboards.access import may
from dashboards.forms.keys import RollForm, described, scopes_of
from dashboards.navigation import SEE_RUNS
from dashboards.resources import Column, Filter, Resource
from tenants.models import ApiKey, Membership
from tenants.roles import Permission

BUDGETS_SHOWN = 20
STATES = {"active": "Active", "unused": f"Unused for {UNUSED_AFTER.days} days", "expired": "Ended", "revoked": "Revoked"}


class Keys(Resource[ApiKey]):
    """The tenant's keys, the newest first: all of them, or those that the person made."""

    name, one, title = "keys", "API key", "API keys"
    columns = (
        Column(label="Name"), Column(label="Key"), Column(label="State"), Column(label="May"), Column(label="Limits"), Column(label="Made by"),
        Column(label="Last used"),
    )  # fmt: skip
    row_template, panel_template, form_template = "console/keys/row.html", "console/keys/panel.html", "console/keys/form.html"
    search_fields, search_label = ("name", "prefix", "last4"), "Name, beginning or end of a key"
    ordering = ("-created_at",)
    creates = Permission.MANAGE_OWN_KEYS
    filters = (
        Filter(name="state", label="State", narrow=lambda rows, chosen: rows.filter(state=chosen), choices=lambda: list(STATES.items())),
    )
    note = "When a key was last used is known to the minute. Roll a key to change it without a gap: old and new work side by side for a while."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[ApiKey]:
        in_use = Coalesce(F("last_used_at"), F("created_at"))
        return keys_for(membership).alias(in_use_at=in_use).annotate(state=_state(now)).select_related("created_by")

    def panel(self, row: ApiKey, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        successor = row.rolled_to.first()
        works = row.revoked_at is None and (row.expires_at is None or row.expires_at > now)
        budgets = reports.budgets_by_risk(now=now).filter(scope=BudgetScope.API_KEY, subject=str(row.pk)).order_by("-used_permille", "pk")
        return {
            "budgets": reports.with_standing(budgets[:BUDGETS_SHOWN]), "may_budget": works and may(membership, Permission.EDIT_BUDGETS),
            "roll": RollForm(), "works": works, "successor": successor, "may_see_runs": may(membership, *SEE_RUNS),
            "may_roll": works and successor is None and may_roll(row, membership),
        }  # fmt: skip

    def describe(self, row: ApiKey) -> Mapping[str, str]:
        return described(row)


def keys_for(membership: Membership) -> QuerySet[ApiKey]:
    """Return the keys that a person may manage."""
    return ApiKey.objects.all() if may(membership, Permission.MANAGE_KEYS) else ApiKey.objects.filter(created_by=membership.user_id)


def may_roll(key: ApiKey, membership: Membership) -> bool:
    """A new secret does all that the old one does: nobody gets one for more than they could let a new key do."""
    return set(key.scopes) <= set(scopes_of(membership))


def _state(now: datetime) -> Case:
    """Return which of STATES a key is in, for rows that say when they were in use."""
    return Case(
        When(revoked_at__isnull=False, then=Value("revoked")), When(expires_at__lte=now, then=Value("expired")),
        When(in_use_at__lt=now - UNUSED_AFTER, then=Value("unused")), default=Value("active"), output_field=CharField(),
    )  # fmt: skip
