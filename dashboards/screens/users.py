"""End users as a resource of the console: found among millions by how their name begins, moved to a tier, blocked."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet

from billing import reports
from dashboards.access import may
from dashboards.forms.users import NO_TIER, EndUserForm, EraseForm, MoveForm, named_tier, tiers_by_id
from dashboards.resources import BulkAction, Column, Filter, Resource
from tenants.end_user_names import beginning_with, end_users_by_name
from tenants.models import EndUser, Membership, Tenant
from tenants.roles import Permission
from tenants.scoping import current_tenant_id
from tenants.services import change_end_user

DAYS = 28


class EndUsers(Resource[EndUser]):
    """The tenant's customers, in the order of the bytes of their names."""

    name, one, title = "users", "end user", "End users"
    columns = (
        Column(label="End user"), Column(label="Tier"), Column(label=f"Cost of {DAYS} days", is_number=True), Column(label="Trend"),
        Column(label="Last booked"), Column(label="State"),
    )  # fmt: skip
    row_template, panel_template = "console/users/row.html", "console/users/panel.html"
    search_fields, search_label = ("external_id",), "Name begins with"
    ordering = ("in_order",)
    note = "They come into being with their first call, or by name over REST. A search takes capitals as they are."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[EndUser]:
        return end_users_by_name().select_related("tier")

    def search(self, rows: QuerySet[EndUser], text: str) -> QuerySet[EndUser]:
        """Our own id of them is found too."""
        try:
            return rows.filter(beginning_with(text) | Q(pk=UUID(text)))
        except ValueError:
            return rows.filter(beginning_with(text))

    def present(self, rows: Sequence[EndUser], *, now: datetime) -> Sequence[Any]:
        first, last = days_of(Tenant.objects.get(pk=current_tenant_id()), now=now)
        recent = reports.recent_of(end_users=[row.pk for row in rows], first=first, last=last)
        return [{"row": row, "recent": recent[row.pk]} for row in rows]

    def panel(self, row: EndUser, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        first, last = days_of(membership.tenant, now=now)
        return {
            "recent": reports.recent_of(end_users=[row.pk], first=first, last=last)[row.pk], "days": DAYS, "erase": EraseForm(user=row),
            "may_edit": may(membership, Permission.EDIT_END_USERS), "may_erase": may(membership, Permission.ERASE_END_USERS),
            "may_limit": may(membership, Permission.EDIT_BUDGETS),
        }  # fmt: skip

    def describe(self, row: EndUser) -> Mapping[str, str]:
        return _described(row, {str(row.tier.pk): named_tier(row.tier.name, row.tier.title)} if row.tier else {})

    def describe_all(self, rows: Sequence[EndUser]) -> Sequence[Mapping[str, str]]:
        tiers = dict(tiers_by_id())
        return [_described(row, tiers) for row in rows]

    def form(
        self, data: Mapping[str, Any] | None, *, row: EndUser | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> forms.Form:
        return EndUserForm(data, user=row or EndUser())

    def save(self, form: EndUserForm, *, row: EndUser | None, membership: Membership, now: datetime) -> EndUser:
        return self.changed(row or EndUser(), form.changes())

    def changed(self, row: EndUser, changes: Mapping[str, Any]) -> EndUser:
        return change_end_user(user=row, changes=changes)


def days_of(tenant: Tenant, *, now: datetime) -> tuple[date, date]:
    """Return the first and the last of the days that a row sums: the tenant's today, and those before it."""
    today = reports.today_of(time_zone=tenant.time_zone, now=now)
    return today - timedelta(days=DAYS - 1), today


def _described(row: EndUser, tiers: Mapping[str, str]) -> Mapping[str, str]:
    tier = tiers.get(str(row.tier_id), "") if row.tier_id else "none of their own"
    return {"Tier": tier, "Blocked": "yes" if row.is_blocked else "no"}


def _of_tier(rows: QuerySet[Any], chosen: str) -> QuerySet[Any]:
    if chosen == NO_TIER:
        return rows.filter(tier=None)
    try:
        return rows.filter(tier_id=UUID(chosen))
    except ValueError:
        return rows.none()


EndUsers.filters = (
    Filter(name="tier", label="Tier", narrow=_of_tier, choices=tiers_by_id),
    Filter(
        name="state", label="State", narrow=lambda rows, chosen: rows.filter(is_blocked=True) if chosen == "blocked" else rows,
        choices=lambda: [("blocked", "Blocked")],
    ),
)
EndUsers.bulk_actions = (
    BulkAction(
        name="move", label="Move tier…", needs=Permission.EDIT_END_USERS, changes=lambda row, said: {"tier_id": said["to"]}, form=MoveForm
    ),
    BulkAction(name="block", label="Block", needs=Permission.EDIT_END_USERS, changes=lambda row, said: {"is_blocked": True}),
    BulkAction(name="unblock", label="Unblock", needs=Permission.EDIT_END_USERS, changes=lambda row, said: {"is_blocked": False}),
)
