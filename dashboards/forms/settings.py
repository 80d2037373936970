"""What an organisation settled for all of its calls."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django import forms

from dashboards.forms.fields import UsdField
from tenants.models import Tenant, Tier

LIMITS = ("new_end_users_per_hour", "open_calls_per_end_user")


class SettingsForm(forms.Form):
    """`zone_is_open`: nothing is booked yet, so that the time zone can still be chosen."""

    name = forms.CharField(label="Name", max_length=200)
    time_zone = forms.ChoiceField(
        label="Time zone", choices=[(zone, zone) for zone in sorted(available_timezones())],
        help_text="Days and months of reports, and windows of budgets, begin at midnight here. It cannot be changed once a call is booked.",
    )  # fmt: skip
    default_tier = forms.ChoiceField(label="Tier of end users whose tier nobody has said")
    budget_refusal_status = forms.TypedChoiceField(label="When a budget refuses a call, answer", choices=Tenant.Refusal.choices, coerce=int)
    new_end_users_per_hour = forms.IntegerField(
        label="New end users in an hour, at most", required=False, min_value=1, max_value=10**9,
        help_text="Empty: any number. Names can be made up to dodge the budgets of end users.",
    )  # fmt: skip
    open_calls_per_end_user = forms.IntegerField(
        label="Calls in flight of one end user, at most", required=False, min_value=1, max_value=10**9, help_text="Empty: any number."
    )
    display_currency = forms.CharField(
        label="Beside US dollars, show", required=False, max_length=3, widget=forms.TextInput({"placeholder": "EUR", "autocomplete": "off"})
    )
    display_rate = forms.DecimalField(
        label="of which a US dollar is", required=False, max_digits=18, decimal_places=8, min_value=Decimal("0.00000001")
    )
    display_rate_on = forms.DateField(label="Day of that rate", required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    anomaly_minimum_nusd = UsdField(
        label="Tell an anomaly from, US dollars", max_length=24, help_text="And alert of it. Smaller ones are found and listed all the same."
    )
    anomaly_minimum_percent = forms.IntegerField(label="And from, per cent of what was expected", min_value=0, max_value=1000)
    allow_undocumented_fields = forms.BooleanField(label="Pass request fields that OpenAI does not document on to the provider", required=False)

    def __init__(self, data: Mapping[str, Any] | None, *, tenant: Tenant, zone_is_open: bool) -> None:
        super().__init__(data, initial={name: getattr(tenant, name) for name in self.base_fields})
        tiers = self.fields["default_tier"]
        assert isinstance(tiers, forms.ChoiceField)
        names = {tenant.default_tier, *Tier.objects.order_by("name").values_list("name", flat=True)[:500]}
        tiers.choices = [(name, name) for name in sorted(names)]
        if not zone_is_open:
            del self.fields["time_zone"]

    def clean_display_currency(self) -> str:
        return str(self.cleaned_data["display_currency"]).upper()
