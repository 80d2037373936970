"""From a message's rows to the parcel that is sent: names are looked up, words and bodies made, secrets revealed. Call in a tenant's scope."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from billing.alerting.sending import MailParcel, Parcel, PostParcel
from billing.engine.alerts import wire
from billing.engine.alerts.events import AlertEvent, AnomalyFound, BudgetEvent, BudgetMarkPassed, Driver
from billing.engine.alerts.rules import ChannelKind
from billing.engine.alerts.texts import Told
from billing.engine.alerts.words import Names, budget_label
from billing.engine.budgets import Action, BudgetScope, Period
from billing.engine.money import NUSD_PER_USD
from billing.models import Alert, AlertChannel, AlertMessage, Budget
from tenants.encryption import UnreadableSecret
from tenants.models import ApiKey, EndUser, Tenant
from tenants.webhooks import signed_headers

EXAMPLE_ID = UUID(int=0)
JSON = {"content-type": "application/json"}


class CannotSend(Exception):
    """There is nothing that could be sent. The message says why, and nothing of a secret."""


def parcel_of(message: AlertMessage, *, tenant: Tenant, now: datetime) -> Parcel:
    """Return what is to be sent for a message, with its channel read along. Raises CannotSend."""
    said = _said(message, tenant)
    if message.channel is None:
        return _mail(said, recipients=settings.STAFF_EMAILS)
    if not message.channel.is_active and message.event != wire.TEST:
        raise CannotSend("the channel is switched off")
    try:
        return PARCELS[ChannelKind(message.channel.kind)](said, message.channel, now)
    except UnreadableSecret as lost:
        raise CannotSend("its stored address or secret cannot be read: enter it anew, or put the older key back into CREDENTIAL_KEYS") from lost


def shown_payload(message: AlertMessage, *, tenant: Tenant) -> str:
    """Return what a message says, as it would be sent now, for people to read: without keys and signatures. Raises CannotSend."""
    return _readable(_said(message, tenant), ChannelKind(message.channel.kind) if message.channel else ChannelKind.EMAIL)


def example_payload(channel: AlertChannel, *, tenant: Tenant, now: datetime) -> str:
    """Return what a channel is sent when 80 % of a budget are spent, with a budget and amounts that are made up, for who writes what receives it."""
    event = BudgetMarkPassed(
        budget=EXAMPLE_ID, scope=BudgetScope.TENANT, period=Period.MONTHLY, action=Action.BLOCK, start_at=now.replace(day=1), percent=80,
        end_at=now.replace(day=1) + timedelta(days=31), limit_nusd=100 * NUSD_PER_USD, spent_nusd=80 * NUSD_PER_USD,
    )  # fmt: skip
    names = Names(tenant=tenant.slug, organisation=tenant.name, zone=tenant.time_zone, budgets={EXAMPLE_ID: "Budget Example"})
    said = wire.Message(
        id=f"msg_{EXAMPLE_ID.hex}", event=wire.RAISED, channel=channel.name, names=names, site_url=settings.SITE_URL, created_at=now,
        alerts=[Told(id=EXAMPLE_ID, event=event, raised_at=now)],
    )  # fmt: skip
    return _readable(said, ChannelKind(channel.kind))


def _readable(said: wire.Message, kind: ChannelKind) -> str:
    if kind is ChannelKind.EMAIL:
        made = wire.mail(said)
        return f"{made.subject}\n\n{made.body}"
    bodies = {ChannelKind.SLACK: wire.slack, ChannelKind.TEAMS: wire.teams, ChannelKind.WEBHOOK: wire.webhook}
    body = bodies[kind](said) if kind in bodies else wire.pagerduty(said, routing_key="…")
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)


def _said(message: AlertMessage, tenant: Tenant) -> wire.Message:
    alerts = list(Alert.objects.filter(pk__in=message.alert_ids).order_by("raised_at", "pk"))
    if not alerts and message.event != wire.TEST:
        raise CannotSend("its alerts are gone")
    told = [Told(id=alert.pk, event=alert.event, raised_at=alert.raised_at, resolved_at=alert.resolved_at) for alert in alerts]
    return wire.Message(
        id=message.webhook_id, event=message.event, channel=message.channel.name if message.channel else "our staff",
        names=names_of([one.event for one in told], tenant=tenant), site_url=settings.SITE_URL, created_at=message.created_at, alerts=told,
        for_staff=message.channel is None,
    )


def names_of(events: Sequence[AlertEvent], *, tenant: Tenant) -> Names:
    """Return what the events of the scope's tenant name: budgets, end users, API keys. Three look-ups, however many events."""
    budget_rows = Budget.objects.filter(pk__in={event.budget for event in events if isinstance(event, BudgetEvent)})
    people = {event.end_user for event in events if isinstance(event, BudgetEvent) and event.end_user} | set(_ids(events, "end_user"))
    keys = set(_ids(events, "api_key")) | {UUID(row.subject) for row in budget_rows if row.scope == BudgetScope.API_KEY}
    key_names = dict(ApiKey.objects.filter(pk__in=keys).values_list("pk", "name"))
    return Names(
        tenant=tenant.slug, organisation=tenant.name, zone=tenant.time_zone, api_keys=key_names,
        budgets={row.pk: _label(row, key_names) for row in budget_rows},
        end_users=dict(EndUser.objects.filter(pk__in=people).values_list("pk", "external_id")) if people else {},
    )


def _label(row: Budget, key_names: dict[UUID, str]) -> str:
    subject = key_names.get(UUID(row.subject), "that is gone") if row.scope == BudgetScope.API_KEY else row.subject
    return budget_label(name=row.name, scope=row.scope, subject=subject, period=row.period)


def _ids(events: Iterable[AlertEvent], dimension: str) -> Iterable[UUID]:
    for event in events:
        if isinstance(event, AnomalyFound):
            own = Driver(dimension=event.dimension, value=event.value, change_nusd=0)
            yield from (UUID(driver.value) for driver in (own, *event.drivers) if driver.dimension == dimension and driver.value)


def _mail(said: wire.Message, *, recipients: Sequence[str]) -> MailParcel:
    made = wire.mail(said)
    return MailParcel(subject=made.subject, body=made.body, headers=made.headers, recipients=recipients)


def _posted(channel: AlertChannel, body: bytes) -> PostParcel:
    return PostParcel(url=channel.address.reveal(), headers=JSON, body=body)


def _webhook(said: wire.Message, channel: AlertChannel, now: datetime) -> PostParcel:
    body = wire.webhook(said)
    secrets = [secret.reveal() for secret in channel.signing.at(now)]
    headers = signed_headers(message_id=said.id, body=body, secrets=secrets, at=now)
    return PostParcel(url=channel.address.reveal(), headers={**JSON, **headers}, body=body)


def _pagerduty(said: wire.Message, channel: AlertChannel, now: datetime) -> PostParcel:  # noqa: ARG001 - as the others
    return PostParcel(url=settings.PAGERDUTY_EVENTS_URL, headers=JSON, body=wire.pagerduty(said, routing_key=channel.address.reveal()))


PARCELS: dict[ChannelKind, Callable[[wire.Message, AlertChannel, datetime], Parcel]] = {
    ChannelKind.EMAIL: lambda said, channel, now: _mail(said, recipients=channel.recipients),
    ChannelKind.SLACK: lambda said, channel, now: _posted(channel, wire.slack(said)),
    ChannelKind.TEAMS: lambda said, channel, now: _posted(channel, wire.teams(said)),
    ChannelKind.WEBHOOK: _webhook,
    ChannelKind.PAGERDUTY: _pagerduty,
}
