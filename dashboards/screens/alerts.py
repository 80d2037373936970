"""Alert channels, their rules and what became of each message, as resources of the console."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from billing.alerting.channels import change_channel, check_room_for_rule, create_channel, shown_address
from billing.alerting.outbox import FAILING_AFTER
from billing.alerting.rendering import CannotSend, example_payload, shown_payload
from billing.engine.alerts.rules import ChannelKind
from billing.models import AlertChannel, AlertDelivery, AlertRule
from dashboards.forms.alerts import CHANNELS, KINDS, PACES, SEVERITIES, ChannelForm, RollForm, RuleForm, channel_choices
from dashboards.resources import Column, Filter, Resource
from dashboards.templatetags.money import money
from tenants.models import Membership
from tenants.roles import Permission

STATES = {
    "off": ("Off", ""), "untried": ("Not tried yet", "w"), "working": ("Working", "g"), "retrying": ("The last did not arrive", "w"),
    "failing": ("Failing", "d"),
}  # fmt: skip
EVENTS = {"alert.raised": "Alert", "alert.ended": "It is over", "alert.digest": "Gathered alerts", "alert.test": "Test"}
MESSAGE_STATES = {"waiting": ("waits for the next try", "w"), "sent": ("arrived", "g"), "given_up": ("given up", "d")}
TRIES_SHOWN = 5


class Channels(Resource[AlertChannel]):
    """Where alerts go."""

    name, one, title = "alerts", "channel", "Alerts"
    columns = (Column(label="Channel"), Column(label="Kind"), Column(label="Leads to"), Column(label="State"), Column(label="Last delivery"))
    list_template, row_template, panel_template = "console/alerts/list.html", "console/alerts/channel.html", "console/alerts/panel.html"
    ordering = ("name",)
    creates = Permission.MANAGE_ALERTS
    note = "A channel that no rule is about is sent what is usual for its kind: people what is wrong, machines everything."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[AlertChannel]:
        return AlertChannel.objects.all()

    def present(self, rows: Sequence[AlertChannel], *, now: datetime) -> Sequence[Any]:
        return [{"row": row, "kind": CHANNELS[ChannelKind(row.kind)], "leads_to": leads_to(row), "state": state_of(row, now=now)} for row in rows]

    def panel(self, row: AlertChannel, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        tries = list(AlertDelivery.objects.filter(channel=row).select_related("message")[:TRIES_SHOWN])
        return {
            "state": state_of(row, now=now), "kind": CHANNELS[ChannelKind(row.kind)], "leads_to": leads_to(row), "rules": list(row.rules.all()[:20]),
            "tries": [told_of(one) for one in tries], "roll": RollForm() if row.kind == ChannelKind.WEBHOOK else None,
            "example": "" if tries else example_payload(row, tenant=membership.tenant, now=now),
        }  # fmt: skip

    def describe(self, row: AlertChannel) -> Mapping[str, str]:
        address = f"{leads_to(row)}{', entered anew' if getattr(row, 'is_entered_anew', False) else ''}"
        return {"Name": row.name, "Kind": CHANNELS[ChannelKind(row.kind)], "Leads to": address, "On": "yes" if row.is_active else "no"}

    def form(
        self, data: Mapping[str, Any] | None, *, row: AlertChannel | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> ChannelForm:
        return ChannelForm(data, channel=row)

    def save(self, form: ChannelForm, *, row: AlertChannel | None, membership: Membership, now: datetime) -> AlertChannel:
        """A new webhook has its signing secret with it, as `shown_secret`: for the one page that shows it."""
        values: Any = form.values()
        if row is None:
            made: Any
            made, made_secret = create_channel(values=values, secret=form.cleaned_data["secret"])
            made.shown_secret = made_secret
            return made  # type: ignore[no-any-return]
        changed: Any = change_channel(channel=row, changes={name: value for name, value in values.items() if value != getattr(row, name)})
        changed.is_entered_anew = "address" in values
        return changed  # type: ignore[no-any-return]


class Rules(Resource[AlertRule]):
    """Which alerts go to which channel, and when."""

    name, one, title = "alerts_rules", "rule", "Alert rules"
    columns = (Column(label="Rule"), Column(label="Channel"), Column(label="What"), Column(label="How grave"), Column(label="When"))
    list_template, row_template, panel_template = "console/alerts/list.html", "console/alerts/rule.html", "console/alerts/rule_panel.html"
    ordering = ("created_at",)
    creates = Permission.MANAGE_ALERTS
    note = "With its first rule a channel is sent what its rules say, and nothing else."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[AlertRule]:
        return AlertRule.objects.select_related("channel")

    def present(self, rows: Sequence[AlertRule], *, now: datetime) -> Sequence[Any]:
        return [{"row": row, **self.describe(row)} for row in rows]

    def panel(self, row: AlertRule, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        return {"facts": self.describe(row)}

    def describe(self, row: AlertRule) -> Mapping[str, str]:
        digest = f" at {row.digest_hour}:00" if row.pace == "daily" else ""
        quiet = f"{row.quiet_from:%H:%M} to {row.quiet_until:%H:%M}" if row.quiet_from and row.quiet_until else "none"
        return {
            "Name": row.name, "Channel": row.channel.name, "What": ", ".join(KINDS.get(kind, kind) for kind in row.kinds) or "Everything",
            "Budgets": ", ".join(row.scopes) or "all", "Severity": SEVERITIES[row.min_severity], "Amount": f"from {money(row.min_amount_nusd)} on",
            "When": PACES[row.pace] + digest, "Quiet": quiet, "Critical": "leave at once" if row.critical_passes else "wait, too",
            "End": "told" if row.tells_end else "not told", "In force": "yes" if row.is_active else "no",
        }  # fmt: skip

    def form(
        self, data: Mapping[str, Any] | None, *, row: AlertRule | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> RuleForm:
        return RuleForm(data, rule=row, suggested=suggested)

    def save(self, form: RuleForm, *, row: AlertRule | None, membership: Membership, now: datetime) -> AlertRule:
        values = form.values()
        if row is None:
            check_room_for_rule()
            return AlertRule.objects.create(**values)
        for name, value in values.items():
            setattr(row, name, value)
        row.save(update_fields=[*values])
        return row


class Deliveries(Resource[AlertDelivery]):
    """How each try to send a message went, newest first."""

    name, one, title = "alerts_deliveries", "delivery", "Alert deliveries"
    columns = (
        Column(label="Time"), Column(label="Channel"), Column(label="Message"), Column(label="Answer"), Column(label="Try", is_number=True),
        Column(label="Time taken", is_number=True),
    )  # fmt: skip
    list_template, row_template, panel_template = "console/alerts/list.html", "console/alerts/delivery.html", "console/alerts/delivery_panel.html"
    ordering = ("-at",)

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[AlertDelivery]:
        return AlertDelivery.objects.filter(channel__isnull=False).select_related("channel", "message")

    def present(self, rows: Sequence[AlertDelivery], *, now: datetime) -> Sequence[Any]:
        return [told_of(row) for row in rows]

    def panel(self, row: AlertDelivery, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        try:
            payload, problem = shown_payload(row.message, tenant=membership.tenant), ""
        except CannotSend as reason:
            payload, problem = "", str(reason)
        state = MESSAGE_STATES[row.message.state]
        return {"told": told_of(row), "payload": payload, "problem": problem, "state": state, "may_resend": row.message.event != "alert.test"}

    def describe(self, row: AlertDelivery) -> Mapping[str, str]:
        return {"Message": row.message.webhook_id, "State": row.message.state}


def _of_channel(rows: QuerySet[Any], chosen: str) -> QuerySet[Any]:
    try:
        return rows.filter(channel_id=UUID(chosen))
    except ValueError:
        return rows.none()


Deliveries.filters = (
    Filter(name="channel", label="Channel", narrow=_of_channel, choices=channel_choices),
    Filter(
        name="result", label="Result", narrow=lambda rows, chosen: rows.filter(is_ok=chosen == "arrived"),
        choices=lambda: [("arrived", "Arrived"), ("failed", "Did not arrive")],
    ),
)


def leads_to(channel: AlertChannel) -> str:
    return ", ".join(channel.recipients) if channel.kind == ChannelKind.EMAIL else shown_address(channel)


def state_of(channel: AlertChannel, *, now: datetime) -> tuple[str, str]:
    """Return how a channel is, in words, and the tag's kind."""
    if not channel.is_active:
        return STATES["off"]
    if channel.failing_since is None:
        return STATES["working" if channel.last_delivered_at else "untried"]
    return STATES["failing" if now - channel.failing_since >= FAILING_AFTER else "retrying"]


def told_of(delivery: AlertDelivery) -> Mapping[str, Any]:
    return {
        "row": delivery, "event": EVENTS.get(delivery.message.event, delivery.message.event),
        "answer": answer_of(is_ok=delivery.is_ok, status_code=delivery.status_code, problem=delivery.problem),
    }  # fmt: skip


def answer_of(*, is_ok: bool, status_code: int | None, problem: str) -> str:
    """Example: "200 OK"."""
    if status_code is None:
        return "sent" if is_ok else problem
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)
