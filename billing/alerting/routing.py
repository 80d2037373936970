"""From alerts to messages: which channels are told, and when. Runs beside the calls, as often as the sweep does."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Prefetch

from billing.engine.alerts.events import AlertKind
from billing.engine.alerts.rules import DEFAULTS, ChannelKind, Due, RuleTerms, due_of
from billing.engine.alerts.wire import DIGEST, ENDED, RAISED
from billing.models import Alert, AlertChannel, AlertMessage, AlertRule
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope

log = logging.getLogger(__name__)
TENANTS_AT_ONCE, ALERTS_AT_ONCE, ALERTS_IN_A_MESSAGE = 50, 500, 10_000
AN_HOUR = timedelta(hours=1)
MOST_AN_HOUR = {ChannelKind.WEBHOOK: 300}
MOST_AN_HOUR_FOR_PEOPLE = 30
"""More than these in an hour, and what comes next is gathered: a flood must not bury the one that matters."""
FLOOD_PACE = timedelta(minutes=15)


class Destination(NamedTuple):
    channel: AlertChannel
    terms: Sequence[RuleTerms]


class Digests:
    """Messages of one tenant that gather, each read and written once, however many alerts join it."""

    def __init__(self) -> None:
        self._joining: dict[AlertMessage, list[UUID]] = {}
        self._open: dict[tuple[UUID, datetime], AlertMessage] = {}

    def add(self, alert: Alert, channel: AlertChannel, due_at: datetime, *, now: datetime) -> None:
        message = self._open.get((channel.pk, due_at)) or self._find(channel, due_at)
        if message is None or len(message.alert_ids) + len(self._joining.get(message, ())) >= ALERTS_IN_A_MESSAGE:
            message = _send(alert, channel, Due(due_at, gathers=True), event=DIGEST, now=now)
        else:
            self._joining.setdefault(message, []).append(alert.pk)
        self._open[channel.pk, due_at] = message

    def save(self) -> None:
        for message, joining in self._joining.items():
            message.alert_ids = list(dict.fromkeys([*message.alert_ids, *joining]))
            message.save(update_fields=["alert_ids"])

    def _find(self, channel: AlertChannel, due_at: datetime) -> AlertMessage | None:
        """Locked, so that no worker takes it away while alerts join it; one that has been taken is no open one any more."""
        gathering = AlertMessage.objects.filter(
            channel=channel, gathers=True, due_at=due_at, state=AlertMessage.State.WAITING, attempts=0, leased_until=None
        )
        return gathering.select_for_update().order_by("-created_at").first()


def route_alerts(*, now: datetime) -> int:
    """Decide for every alert that nobody has routed yet, and return for how many. One tenant is one transaction, and spoils no other."""
    with platform_scope():
        unrouted = Alert.objects.exclude(to_route=Alert.ToRoute.NOTHING).order_by().values_list("tenant_id", flat=True).distinct()
        tenants = list(Tenant.objects.filter(pk__in=list(unrouted[:TENANTS_AT_ONCE])))
    routed = 0
    for tenant in tenants:
        try:
            routed += _route_tenant(tenant, now=now)
        except Exception:
            log.exception("the alerts of %s could not be routed", tenant.slug)
    return routed


def _route_tenant(tenant: Tenant, *, now: datetime) -> int:
    with tenant_scope(tenant.pk):
        _one_at_a_time(tenant)
        alerts = list(Alert.objects.exclude(to_route=Alert.ToRoute.NOTHING).order_by("raised_at", "pk").select_for_update()[:ALERTS_AT_ONCE])
        destinations = list(_destinations()) if tenant.is_active else []
        digests = Digests()
        for alert in alerts:
            _route(alert, destinations, digests, zone=tenant.time_zone, now=now)
        digests.save()
        Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(to_route=Alert.ToRoute.NOTHING)
        return len(alerts)


def _one_at_a_time(tenant: Tenant) -> None:
    """Two routers of one tenant would each open a digest of the same hour."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('alerts of ' || %s, 0))", [str(tenant.pk)])


def _destinations() -> Iterable[Destination]:
    """A rule that is switched off still speaks for its channel: the defaults hold where there is none at all."""
    for channel in AlertChannel.objects.filter(is_active=True).prefetch_related(Prefetch("rules", AlertRule.objects.all())):
        rules = list(channel.rules.all())
        yield Destination(channel, [rule.terms for rule in rules if rule.is_active] if rules else DEFAULTS[channel.kind])


def _route(alert: Alert, destinations: Sequence[Destination], digests: Digests, *, zone: str, now: datetime) -> None:
    ended = alert.to_route == Alert.ToRoute.ENDED
    for destination in destinations:
        due = _due(alert, destination, ended=ended, zone=zone, now=now)
        if due is not None and not (ended and not _must_say_so(alert, destination.channel)):
            _add(alert, destination.channel, due, digests, event=ENDED if ended else RAISED, now=now)
    if alert.kind == AlertKind.LEDGER_BROKEN and settings.STAFF_EMAILS:
        _send(alert, None, Due(now, gathers=False), event=ENDED if ended else RAISED, now=now)


def _due(alert: Alert, destination: Destination, *, ended: bool, zone: str, now: datetime) -> Due | None:
    """Return the earliest time that one of the rules wants the alert to be told, or None: nobody does, or it is about this very channel."""
    channel, event = destination.channel, alert.event
    if event.subject == str(channel.pk):
        return None
    wanting = [
        terms for terms in destination.terms
        if terms.wants(kind=event.kind, severity=event.severity, scope=alert.scope or None, amount_nusd=alert.amount_nusd)
        and (not ended or (terms.tells_end and (event.lasts or channel.kind == ChannelKind.PAGERDUTY)))
    ]  # fmt: skip
    return min((due_of(terms, severity=event.severity, now=now, zone=zone) for terms in wanting), default=None)


def _must_say_so(alert: Alert, channel: AlertChannel) -> bool:
    """The end is told to who was told of the beginning, unless that has not left yet: then it will say both."""
    told = AlertMessage.objects.filter(channel=channel, created_at__gte=alert.raised_at, alert_ids__contains=[alert.pk])
    messages = list(told.exclude(state=AlertMessage.State.GIVEN_UP).select_for_update())
    return bool(messages) and all(message.state != AlertMessage.State.WAITING or message.leased_until is not None for message in messages)


def _add(alert: Alert, channel: AlertChannel, due: Due, digests: Digests, *, event: str, now: datetime) -> None:
    if channel.kind == ChannelKind.PAGERDUTY:  # one alert is one incident there, and PagerDuty itself gathers them
        due = Due(due.at, gathers=False)
    elif not due.gathers and _is_flooded(channel, now=now):
        due = Due(_next_quarter(now), gathers=True)
    if due.gathers:
        digests.add(alert, channel, due.at, now=now)
    else:
        _send(alert, channel, due, event=event, now=now)


def _send(alert: Alert, channel: AlertChannel | None, due: Due, *, event: str, now: datetime) -> AlertMessage:
    return AlertMessage.objects.create(channel=channel, event=event, alert_ids=[alert.pk], gathers=due.gathers, due_at=due.at, created_at=now)


def _is_flooded(channel: AlertChannel, *, now: datetime) -> bool:
    most = MOST_AN_HOUR.get(ChannelKind(channel.kind), MOST_AN_HOUR_FOR_PEOPLE)
    return AlertMessage.objects.filter(channel=channel, gathers=False, created_at__gt=now - AN_HOUR).count() >= most


def _next_quarter(now: datetime) -> datetime:
    past = timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond)
    return now + FLOOD_PACE - past
