"""Forms of alert channels and of the rules that lead to them."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from billing.engine.alerts.rules import FIRST_HOUR, ChannelKind
from billing.models import AlertChannel, AlertRule
from billing.models.alerts import MOST_RECIPIENTS
from dashboards.forms.fields import UsdField
from tenants.encryption import Secret
from tenants.services import OVERLAPS
from tenants.signing import checked_secret

CHANNELS = {
    ChannelKind.EMAIL: "Email", ChannelKind.SLACK: "Slack", ChannelKind.WEBHOOK: "Webhook, signed", ChannelKind.TEAMS: "Microsoft Teams",
    ChannelKind.PAGERDUTY: "PagerDuty",
}  # fmt: skip
KINDS = {
    "budget_mark": "A mark of a budget was passed", "forecast_over_budget": "A budget will go over its limit",
    "budget_exhaustion": "A budget runs out soon", "anomaly": "Spend out of the ordinary", "provider_down": "A provider fails",
    "unpriced_model": "A model has no price", "ledger_broken": "The book does not add up", "export_failed": "An export failed",
    "report_not_sent": "A report was not mailed", "key_unused": "A key was not used for 90 days",
    "channel_failing": "Another channel does not arrive",
}  # fmt: skip
SCOPES = {"tenant": "the whole organisation", "tier": "a tier", "end_user": "end users", "api_key": "an API key", "tag": "a tag"}
SEVERITIES = {"info": "all, also for information", "warning": "warnings and critical ones", "critical": "critical ones alone"}
PACES = {"at_once": "At once", "hourly": "Gathered to one message an hour", "daily": "Gathered to one message a day"}
ROLLS = {"0s": "at once", "1h": "in an hour", "24h": "in a day", "7d": "in 7 days"}
CLOCK = forms.TimeInput({"type": "time"}, format="%H:%M")


class RecipientsField(forms.CharField):
    """Email addresses, with commas, blanks or line breaks between."""

    widget = forms.Textarea({"rows": 2})

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        addresses = super().clean(value).replace(",", " ").replace(";", " ").split()
        if len(addresses) > MOST_RECIPIENTS:
            raise ValidationError(f"Name at most {MOST_RECIPIENTS} email addresses.")
        for address in addresses:
            validate_email(address)
        return list(dict.fromkeys(addresses))


class ChannelForm(forms.Form):
    """A new channel, or the one of `channel`, whose kind stays and whose address is never shown again."""

    kind = forms.ChoiceField(choices=list(CHANNELS.items()), label="Kind")
    name = forms.CharField(max_length=64, label="Name", help_text="As people know it: #llm-costs.")
    recipients = RecipientsField(required=False, max_length=5000, label="Recipients", help_text="Of an email channel: who gets the mails.")
    address = forms.CharField(
        required=False, max_length=1000, label="Address", widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "size": 60}),
        help_text="URL of the webhook, of Slack's incoming webhook or of a Teams workflow; integration key of PagerDuty. It is not shown again.",
    )
    secret = forms.CharField(
        required=False, max_length=128, label="Signing secret", widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="Of a webhook: your own (whsec_…). Empty: one is made, and shown once.",
    )  # fmt: skip

    def __init__(self, data: Mapping[str, Any] | None = None, *, channel: AlertChannel | None = None) -> None:
        self.channel = channel
        super().__init__(data, initial={"name": channel.name, "recipients": channel.recipients} if channel else {})
        if channel is not None:
            is_mail = channel.kind == ChannelKind.EMAIL
            for name in ("kind", "secret", "address" if is_mail else "recipients"):
                del self.fields[name]
            if not is_mail:
                self.fields["address"].help_text = "Empty: it stays as it is. It is not shown again."

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = AlertChannel.objects.exclude(pk=self.channel.pk) if self.channel else AlertChannel.objects.all()
        if others.filter(name=name).exists():
            raise ValidationError("There is a channel of this name.")
        return name

    def clean_secret(self) -> str | None:
        text: str = self.cleaned_data["secret"]
        return checked_secret(text) if text else None

    def values(self) -> dict[str, Any]:
        """Return the columns that the data says something about."""
        said = {name: value for name, value in self.cleaned_data.items() if name != "secret"}
        if "address" in said and not said["address"]:
            del said["address"]
        return {**said, **({"address": Secret(said["address"])} if "address" in said else {})}


class RollForm(forms.Form):
    overlap = forms.ChoiceField(choices=[(name, ROLLS[name]) for name in OVERLAPS], initial="24h", label="The old one ends")


def channel_choices() -> list[tuple[str, str]]:
    return [(str(pk), name) for pk, name in AlertChannel.objects.order_by("name").values_list("pk", "name")]


class RuleForm(forms.Form):
    """Which alerts go to a channel, and when. Times are of the organisation's own day."""

    channel = forms.ChoiceField(choices=channel_choices, label="To the channel")
    name = forms.CharField(required=False, max_length=200, label="Name", help_text="Empty: it is called by what it says.")
    kinds = forms.MultipleChoiceField(
        required=False, choices=list(KINDS.items()), widget=forms.CheckboxSelectMultiple, label="What is told", help_text="None ticked: everything."
    )
    scopes = forms.MultipleChoiceField(
        required=False, choices=list(SCOPES.items()), widget=forms.CheckboxSelectMultiple, label="Of budgets, those of",
        help_text="None ticked: all of them.",
    )  # fmt: skip
    min_severity = forms.ChoiceField(choices=list(SEVERITIES.items()), initial="warning", label="How grave")
    min_amount_nusd = UsdField(required=False, max_length=24, label="Of money, from US dollars on")
    pace = forms.ChoiceField(choices=list(PACES.items()), label="When")
    digest_hour = forms.IntegerField(min_value=0, max_value=23, initial=FIRST_HOUR, label="A daily message leaves at, hour")
    quiet_from = forms.TimeField(required=False, widget=CLOCK, label="Quiet from", help_text="In quiet hours messages wait, and then leave as one.")
    quiet_until = forms.TimeField(required=False, widget=CLOCK, label="Quiet until")
    critical_passes = forms.BooleanField(required=False, initial=True, label="Critical alerts leave in quiet hours, too")
    tells_end = forms.BooleanField(required=False, label="Told as well when it is over")
    is_active = forms.BooleanField(required=False, initial=True, label="In force")

    def __init__(self, data: Mapping[str, Any] | None = None, *, rule: AlertRule | None = None, suggested: Mapping[str, Any] | None = None) -> None:
        asked = suggested or {}
        initial: dict[str, Any] = {"channel": asked.get("channel", ""), "kinds": [kind for kind in (asked.get("kinds"),) if kind in KINDS]}
        if rule is not None:
            initial = {name: getattr(rule, name) for name in self.base_fields if name != "channel"} | {"channel": str(rule.channel_id)}
        super().__init__(data, initial=initial)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        begins, ends = said.get("quiet_from"), said.get("quiet_until")
        if (begins is None) != (ends is None) or (begins is not None and begins == ends):
            self.add_error("quiet_until", "Quiet hours begin and end: give both times, and not the same, or neither.")
        return said

    def values(self) -> dict[str, Any]:
        said = {"channel_id" if name == "channel" else name: value for name, value in self.cleaned_data.items()}
        return {**said, "min_amount_nusd": said["min_amount_nusd"] or 0}
