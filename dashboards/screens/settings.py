"""The settings of an organisation, as a resource that has one row: so its form tells of others' changes, and shows the last ones."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet

from billing.services import change_time_zone, has_days
from dashboards.forms.settings import SettingsForm
from dashboards.resources import Resource
from dashboards.templatetags.money import money
from tenants.models import Membership, Tenant
from tenants.services import change_settings


class Settings(Resource[Tenant]):
    name, one, title = "settings", "settings", "Settings"
    form_template = "console/settings.html"

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[Tenant]:
        return Tenant.objects.filter(pk=membership.tenant_id)

    def describe(self, row: Tenant) -> Mapping[str, str]:
        return {
            "Name": row.name, "Time zone": row.time_zone, "Default tier": row.default_tier,
            "Budgets refuse with": row.get_budget_refusal_status_display(),
            "New end users in an hour": _limit(row.new_end_users_per_hour), "Calls in flight of one end user": _limit(row.open_calls_per_end_user),
            "Anomalies are told from": f"{money(row.anomaly_minimum_nusd)} and {row.anomaly_minimum_percent} %",
            "Shown beside US dollars": _currency(row),
            "Undocumented fields": "passed on" if row.allow_undocumented_fields else "refused",
        }  # fmt: skip

    def form(
        self, data: Mapping[str, Any] | None, *, row: Tenant | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> forms.Form:
        tenant = row or membership.tenant
        return SettingsForm(data, tenant=tenant, zone_is_open=not has_days(tenant=tenant))

    def save(self, form: SettingsForm, *, row: Tenant | None, membership: Membership, now: datetime) -> Tenant:
        tenant, said = row or membership.tenant, dict(form.cleaned_data)
        if zone := said.pop("time_zone", ""):
            change_time_zone(tenant=tenant, zone=zone)
        return change_settings(tenant=tenant, changes=said)

    def label(self, row: Tenant) -> str:
        return "settings"


def _currency(row: Tenant) -> str:
    return f"{row.display_currency} at {row.display_rate.normalize():f} of {row.display_rate_on}" if row.display_rate else "nothing"


def _limit(number: int | None) -> str:
    return "any number" if number is None else f"{number:,}"
