"""Changes of channels and rules, and the test of a channel. Call these inside a tenant's scope; edges pass `now`."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import QuerySet

from billing.alerting.outbox import Claim, record
from billing.alerting.rendering import CannotSend, parcel_of
from billing.alerting.sending import Outcome, send
from billing.engine.alerts.rules import ChannelKind
from billing.engine.alerts.wire import TEST
from billing.models import Alert, AlertChannel, AlertDelivery, AlertMessage, AlertRule
from billing.models.alerts import MOST_RECIPIENTS
from tenants.encryption import LostSecret, Secret
from tenants.endpoints import check_endpoint
from tenants.errors import Conflict
from tenants.models import Tenant
from tenants.scoping import current_tenant_id, tenant_scope
from tenants.signing import checked_secret, roll_secret
from tenants.webhooks import new_webhook_secret

MOST_CHANNELS, MOST_RULES = 20, 100
BETWEEN_TESTS = timedelta(seconds=5)
LAST_SHOWN = 4
ROUTING_KEY_LENGTH = 32


def create_channel(*, values: Mapping[str, Any], secret: str | None = None) -> tuple[AlertChannel, str | None]:
    """Return a new channel and, for a webhook, its signing secret, which is shown this once.

    Raises Conflict where there are twenty already, ValidationError for what does not fit the kind.
    """
    Tenant.objects.select_for_update(no_key=True).get(pk=current_tenant_id())  # two at once would both find room
    if AlertChannel.objects.count() >= MOST_CHANNELS:
        raise Conflict(f"There are {MOST_CHANNELS} channels already: delete one first.", code="too_many_channels")
    channel = AlertChannel(**values)
    check_channel(channel)
    if channel.kind != ChannelKind.WEBHOOK:
        if secret is not None:
            raise ValidationError({"secret": "Only webhooks are signed: leave the secret out."})
        channel.save()
        return channel, None
    shown = checked_secret(secret) if secret is not None else new_webhook_secret()
    channel.secret = Secret(shown)
    channel.save()
    return channel, shown


def change_channel(*, channel: AlertChannel, changes: Mapping[str, Any]) -> AlertChannel:
    """Change where a channel leads, its name, or whether it is on. Its secrets stay as they are in the database, whoever rolls them meanwhile."""
    fields = dict(changes)
    if {"address", "recipients", "is_active"} & set(fields):  # another try is worth it
        fields |= {"off_because": "", "failing_since": None, "last_problem": ""}
    for name, value in fields.items():
        setattr(channel, name, value)
    if {"address", "recipients"} & set(fields):
        check_channel(channel)
    channel.save(update_fields=[*fields])
    if not channel.is_active:
        channel.messages.filter(state=AlertMessage.State.WAITING).update(state=AlertMessage.State.GIVEN_UP)
    return channel


def delete_channel(channel: AlertChannel) -> None:
    """With its rules, its messages and their deliveries; locked before them, as everywhere."""
    AlertChannel.objects.select_for_update().get(pk=channel.pk).delete()


def check_channel(channel: AlertChannel) -> None:
    """Raises ValidationError for a channel that could tell nobody."""
    kind = ChannelKind(channel.kind)
    if (kind is ChannelKind.EMAIL) == bool(channel.address):
        raise ValidationError({"address": "Mails have recipients and no address." if channel.address else "Say where it leads: the address."})
    if kind is ChannelKind.EMAIL:
        if not 1 <= len(set(channel.recipients)) <= MOST_RECIPIENTS:
            raise ValidationError({"recipients": f"Name 1 to {MOST_RECIPIENTS} email addresses."})
        return
    if channel.recipients:
        raise ValidationError({"recipients": "Only an email channel has recipients: leave them out."})
    if isinstance(channel.address, LostSecret):
        return  # it was checked when it came in
    try:
        _check_address(kind, channel.address.reveal())
    except ValidationError as wrong:
        raise ValidationError({"address": wrong.messages}) from None  # the chained one may quote it


def _check_address(kind: ChannelKind, address: str) -> None:
    if kind is ChannelKind.PAGERDUTY:
        if len(address) != ROUTING_KEY_LENGTH or not address.isascii() or not address.isalnum():
            raise ValidationError(f"PagerDuty's integration key (Events API v2) is {ROUTING_KEY_LENGTH} letters and digits.")
        return
    check_endpoint(address, allow_private=settings.ALLOW_PRIVATE_ENDPOINTS)


def shown_address(channel: AlertChannel) -> str:
    """Return enough of an address to tell it from others, and too little to use it: the host, or the last four characters of a key."""
    if not channel.address or isinstance(channel.address, LostSecret):
        return ""
    text = channel.address.reveal()
    if channel.kind == ChannelKind.PAGERDUTY:
        return f"…{text[-LAST_SHOWN:]}"
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc}/…"


def try_channel(*, channel_id: UUID, tenant_id: UUID, clock: Callable[[], datetime], let_go: Callable[[], None] = lambda: None) -> Outcome:
    """Send a test to a channel now, and return what came back. Call it outside any scope: nothing is open while the address answers.

    `let_go` is called before it is sent. Raises AlertChannel.DoesNotExist, and Conflict for a test right after another.
    """
    with tenant_scope(tenant_id):
        channel = AlertChannel.objects.select_for_update().get(pk=channel_id)
        _not_too_often(channel, now=clock())
        message = AlertMessage.objects.create(
            channel=channel, event=TEST, due_at=clock(), created_at=clock(), attempts=1, state=AlertMessage.State.GIVEN_UP
        )  # so that the sweep never repeats it
        taken = Claim(message_id=message.pk, tenant_id=tenant_id, attempts=0)
        parcel: Any = None
        try:
            parcel, outcome = parcel_of(message, tenant=Tenant.objects.get(pk=tenant_id), now=clock()), Outcome(is_ok=False)
        except CannotSend as reason:
            outcome = Outcome(is_ok=False, problem=str(reason))
    if parcel is not None:
        let_go()
        outcome = send(parcel)
    with tenant_scope(tenant_id):
        record(taken, outcome, now=clock(), may_repeat=False)
        if outcome.is_ok:
            AlertMessage.objects.filter(pk=message.pk).update(state=AlertMessage.State.SENT, sent_at=clock())
    return outcome


def let_go() -> None:
    """Close the thread's connection, which would stay open for as long as an address takes to answer."""
    if not connection.in_atomic_block:
        connection.close()


def _not_too_often(channel: AlertChannel, *, now: datetime) -> None:
    if AlertMessage.objects.filter(channel=channel, event=TEST, created_at__gt=now - BETWEEN_TESTS).exists():
        raise Conflict("This channel was tested a moment ago: wait five seconds.", code="tested_just_now")


def roll_channel(*, channel: AlertChannel, overlap: timedelta, now: datetime) -> tuple[AlertChannel, str]:
    """Give a webhook a new signing secret, which is shown this once. Raises Conflict for a channel that signs nothing."""
    if channel.kind != ChannelKind.WEBHOOK:
        raise Conflict("Only webhooks are signed: this channel has no secret to roll.", code="not_signed")
    return roll_secret(row=channel, overlap=overlap, now=now)


def replay(*, channel: AlertChannel, message_id: UUID, now: datetime) -> AlertMessage:
    """Let a message of the channel be sent again, as if for the first time, under its id.

    Raises ValidationError where there is none, and Conflict while it waits.
    """
    message = AlertMessage.objects.select_for_update().filter(pk=message_id, channel=channel).first()
    if message is None or message.event == TEST:
        raise ValidationError({"message": "This channel has no such message. Send the id of one that messages/ lists."})
    if not channel.is_active:
        raise Conflict("This channel is switched off: set is_active first.", code="channel_off")
    if message.state == AlertMessage.State.WAITING:
        raise Conflict("This message is on its way already: due_at says when it is tried next.", code="message_waiting")
    message.state, message.attempts, message.due_at, message.gathers, message.sent_at = AlertMessage.State.WAITING, 0, now, False, None
    message.save(update_fields=["state", "attempts", "due_at", "gathers", "sent_at"])
    return message


def check_room_for_rule() -> None:
    """Raises Conflict where the scope's tenant has as many rules as one may have."""
    Tenant.objects.select_for_update(no_key=True).get(pk=current_tenant_id())
    if AlertRule.objects.count() >= MOST_RULES:
        raise Conflict(f"There are {MOST_RULES} rules already: change or delete one first.", code="too_many_rules")


def deliveries_of(alert: Alert) -> QuerySet[AlertDelivery]:
    """Return how the telling of one alert went."""
    messages = AlertMessage.objects.filter(created_at__gte=alert.raised_at, alert_ids__contains=[alert.pk])
    return AlertDelivery.objects.filter(message__in=messages)
