"""What is done with alert channels beside the list and the form: tried out, switched off, rolled, deleted; and messages sent again."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from billing.alerting.channels import change_channel, delete_channel, let_go, replay, roll_channel, try_channel
from billing.models import AlertChannel, AlertDelivery, AlertRule
from dashboards.forms.alerts import RollForm
from dashboards.resources import carry_out, told
from dashboards.screens.alerts import Channels, Deliveries, Rules, answer_of
from dashboards.shell import membership_of, show
from dashboards.views.resource import ResourcePages
from tenants.errors import Conflict
from tenants.services import OVERLAPS

CHANNELS, RULES, DELIVERIES = Channels(), Rules(), Deliveries()


class ChannelPages(ResourcePages):
    """A channel whose signing secret was made just now is followed by the one page that shows it."""

    def after(self, request: HttpRequest, saved: Any) -> HttpResponseBase:
        secret = getattr(saved, "shown_secret", None)
        return _with_secret(request, saved, secret) if secret else super().after(request, saved)


def test(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Send a test now, and say what came back. Outside any scope: nothing is open while the address answers."""
    try:
        outcome = try_channel(channel_id=pk, tenant_id=membership_of(request).tenant_id, clock=timezone.now, let_go=let_go)
    except AlertChannel.DoesNotExist as missing:
        raise Http404 from missing
    except Conflict as wrong:
        messages.error(request, told(wrong))
        return _panel(request, "alerts", pk)
    answer = answer_of(is_ok=outcome.is_ok, status_code=outcome.status_code, problem=outcome.problem)
    if outcome.is_ok:
        messages.success(request, f"The test arrived: {answer}, {outcome.milliseconds:,} ms.")
    else:
        messages.error(request, f"The test did not arrive: {outcome.problem} ({outcome.milliseconds:,} ms).")
    return _panel(request, "alerts", pk)


def pause(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Switch a channel off, or on again. What waits for it is given up."""
    channel = get_object_or_404(AlertChannel.objects.select_for_update(), pk=pk)
    do = partial(change_channel, channel=channel, changes={"is_active": not channel.is_active})
    done = carry_out(CHANNELS, verb="change", before=CHANNELS.describe(channel), do=do, membership=membership_of(request))
    messages.success(request, f"{done} is {'on' if done.is_active else 'off'}.")
    return _panel(request, "alerts", pk)


def roll(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Make a new signing secret; for a while both sign."""
    channel, form, now = get_object_or_404(AlertChannel, pk=pk), RollForm(request.POST), timezone.now()
    if not form.is_valid():
        messages.error(request, "Say when the old secret ends.")
        return _panel(request, "alerts", pk)
    made: list[str] = []

    def do() -> AlertChannel:
        rolled, secret = roll_channel(channel=channel, overlap=OVERLAPS[form.cleaned_data["overlap"]], now=now)
        made.append(secret)
        return rolled

    try:
        done = carry_out(CHANNELS, verb="roll", before=CHANNELS.describe(channel), do=do, membership=membership_of(request))
    except Conflict as wrong:
        messages.error(request, told(wrong))
        return _panel(request, "alerts", pk)
    return _with_secret(request, done, made[0])


def delete(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """With its rules and its deliveries."""
    channel = get_object_or_404(AlertChannel, pk=pk)

    def do() -> AlertChannel:
        delete_channel(channel)
        return channel

    carry_out(CHANNELS, verb="delete", before=CHANNELS.describe(channel), do=do, membership=membership_of(request))
    messages.success(request, f"{channel} is deleted, with its rules and its deliveries.")
    return redirect(reverse("alerts", args=[membership_of(request).tenant.slug]))


def delete_rule(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    rule = get_object_or_404(AlertRule.objects.select_related("channel"), pk=pk)

    def do() -> AlertRule:
        AlertRule.objects.filter(pk=rule.pk).delete()
        return rule

    carry_out(RULES, verb="delete", before=RULES.describe(rule), do=do, membership=membership_of(request))
    messages.success(request, "The rule is deleted.")
    return redirect(reverse("alerts_rules", args=[membership_of(request).tenant.slug]))


def resend(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Send a message again, under its id, though it arrived or was given up."""
    delivery = get_object_or_404(AlertDelivery.objects.select_related("message"), pk=pk, channel__isnull=False)
    channel = get_object_or_404(AlertChannel, pk=delivery.channel_id)

    def do() -> AlertDelivery:
        replay(channel=channel, message_id=delivery.message_id, now=timezone.now())
        delivery.message.refresh_from_db()
        return delivery

    try:
        carry_out(DELIVERIES, verb="resend", before=DELIVERIES.describe(delivery), do=do, membership=membership_of(request))
        messages.success(request, "It is sent again within the next minute.")
    except (ValidationError, Conflict) as wrong:
        messages.error(request, told(wrong))
    return _panel(request, "alerts_deliveries", pk)


def _with_secret(request: HttpRequest, channel: AlertChannel, secret: str) -> HttpResponse:
    """The secret is in this one answer and nowhere else: not in an address, a session or a log."""
    response = show(request, "console/alerts/secret.html", {"channel": channel, "secret": secret}, title="Signing secret", now=timezone.now())
    response["cache-control"] = "no-store"
    return response


def _panel(request: HttpRequest, name: str, pk: UUID) -> HttpResponseBase:
    return redirect(f"{reverse(name, args=[membership_of(request).tenant.slug])}?sel={pk}")
