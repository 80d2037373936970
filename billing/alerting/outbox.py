"""Messages that are due: taken by one worker each, for a while, and what became of them is written down."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from msgspec import Struct

from billing.alerting.raising import end_alerts, raise_alert
from billing.alerting.sending import Outcome
from billing.engine.alerts.events import AlertKind, ChannelFailing
from billing.engine.alerts.rules import next_try_at
from billing.models import AlertChannel, AlertDelivery, AlertMessage
from billing.models.alerts import PROBLEM_MAX
from tenants.scoping import platform_scope

LEASE = timedelta(seconds=60)
"""Longer than any try takes. A worker that is killed in a try leaves its message to others after that: it may arrive twice, under one id."""
MOST_OF_A_TENANT = 4
"""In flight at once, and one of a channel: however slow the addresses of one tenant are, the others' messages find room."""
FAILING_AFTER = timedelta(hours=1)
CLAIM = """
    WITH due AS (
      SELECT m.id, m.tenant_id, m.channel_id, m.due_at, coalesce(m.leased_until > %(now)s, false) AS is_taken
        FROM billing_alertmessage m WHERE m.state = 'waiting' AND m.due_at <= %(now)s
    ), ranked AS (  -- what is taken stands before the others, and counts
      SELECT d.*, row_number() OVER (PARTITION BY d.tenant_id ORDER BY d.is_taken DESC, d.due_at, d.id) AS of_tenant
        FROM (SELECT DISTINCT ON (tenant_id, channel_id) * FROM due ORDER BY tenant_id, channel_id, is_taken DESC, due_at, id) d
    ), picked AS MATERIALIZED (
      SELECT m.id FROM billing_alertmessage m
       WHERE m.id IN (SELECT r.id FROM ranked r WHERE NOT r.is_taken AND r.of_tenant <= %(of_tenant)s
                       ORDER BY r.of_tenant, r.due_at LIMIT %(most)s)
         AND m.state = 'waiting' AND (m.leased_until IS NULL OR m.leased_until <= %(now)s)
         FOR UPDATE SKIP LOCKED
    )
    UPDATE billing_alertmessage m SET leased_until = %(until)s FROM picked p WHERE m.id = p.id RETURNING m.id, m.tenant_id, m.attempts
"""


class Claim(Struct, frozen=True, kw_only=True):
    """A message that is ours until the lease ends."""

    message_id: UUID
    tenant_id: UUID
    attempts: int


def claim(*, most: int, now: datetime) -> Sequence[Claim]:
    """Take messages that are due, the tenants in turn, and return them. What others have, or are about to take, is left to them."""
    with platform_scope(), connection.cursor() as cursor:
        cursor.execute(CLAIM, {"now": now, "until": now + LEASE, "most": most, "of_tenant": MOST_OF_A_TENANT})
        return [Claim(message_id=row[0], tenant_id=row[1], attempts=row[2]) for row in cursor.fetchall()]


def record(taken: Claim, outcome: Outcome, *, now: datetime, may_repeat: bool = True) -> None:
    """Write down how a try went, in the scope of its tenant: the try, the message's fate, the channel's state.

    Of a message that another worker has finished meanwhile only the try is written.
    """
    channel = AlertChannel.objects.select_for_update(of=("self",)).filter(messages=taken.message_id).first()  # before its messages, as everywhere
    message = AlertMessage.objects.select_for_update().filter(pk=taken.message_id).first()
    if message is None:  # its channel was deleted
        return
    AlertDelivery.objects.create(
        message=message, channel_id=message.channel_id, attempt=taken.attempts + 1, at=now, is_ok=outcome.is_ok, status_code=outcome.status_code,
        milliseconds=outcome.milliseconds, problem=outcome.problem[:PROBLEM_MAX], excerpt=outcome.excerpt[:PROBLEM_MAX],
    )
    if message.state == AlertMessage.State.WAITING and message.attempts == taken.attempts:
        _settle(message, outcome, now=now, may_repeat=may_repeat)
    if channel is not None:
        _note(channel, outcome, now=now)


def _settle(message: AlertMessage, outcome: Outcome, *, now: datetime, may_repeat: bool) -> None:
    message.attempts, message.leased_until = message.attempts + 1, None
    again = next_try_at(attempts=message.attempts, now=now, chance=random.random(), asked=outcome.retry_after)  # noqa: S311 - jitter
    if outcome.is_ok:
        message.state, message.sent_at = AlertMessage.State.SENT, now
    elif again is None or outcome.is_gone or not may_repeat:
        message.state = AlertMessage.State.GIVEN_UP
    else:
        message.due_at = again
    message.save(update_fields=["attempts", "leased_until", "state", "sent_at", "due_at"])


def _note(channel: AlertChannel, outcome: Outcome, *, now: datetime) -> None:
    if outcome.is_ok:
        if channel.failing_since is not None:
            end_alerts(kind=AlertKind.CHANNEL_FAILING, subject=str(channel.pk), now=now)
        channel.failing_since, channel.last_problem, channel.last_delivered_at = None, "", now
    else:
        channel.failing_since = channel.failing_since or now
        channel.last_problem = outcome.problem[:PROBLEM_MAX]
        if outcome.is_gone:
            channel.is_active, channel.off_because = False, channel.last_problem
            channel.messages.filter(state=AlertMessage.State.WAITING, leased_until=None).update(state=AlertMessage.State.GIVEN_UP)
        if outcome.is_gone or now - channel.failing_since >= FAILING_AFTER:
            event = ChannelFailing(channel=channel.pk, name=channel.name, failing_since=channel.failing_since, problem=channel.last_problem)
            raise_alert(event=event, now=now)
    channel.save(update_fields=["failing_since", "last_problem", "last_delivered_at", "is_active", "off_because"])
