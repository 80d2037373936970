"""Alerts: what was found, whom it is told, and what became of the telling."""

from collections.abc import Iterable
from enum import StrEnum

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from billing.engine.alerts.events import AlertEvent, AlertKind, Severity, from_facts
from billing.engine.alerts.rules import FIRST_HOUR, ChannelKind, Pace, RuleTerms
from billing.engine.budgets import BudgetScope
from tenants.encryption import EncryptedTextField
from tenants.scoping import Audited, TenantOwnedModel, uuid7
from tenants.signing import SigningModel

MOST_RECIPIENTS = 20
KEY_MAX, PROBLEM_MAX = 500, 300


def _words(values: Iterable[StrEnum]) -> list[tuple[str, str]]:
    return [(value.value, value.value.replace("_", " ")) for value in values]


KINDS, SEVERITIES, CHANNEL_KINDS, PACES, SCOPES = map(_words, (AlertKind, Severity, ChannelKind, Pace, BudgetScope))


class AlertChannel(SigningModel, TenantOwnedModel):
    """A place where a tenant wants to be told. Its address may be a secret by itself, so it is kept encrypted and never shown whole."""

    audited = Audited.BY_ACTORS

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=CHANNEL_KINDS)
    recipients = ArrayField(models.EmailField(), default=list, blank=True, help_text="Of an email channel: who gets the mails.")
    address = EncryptedTextField(
        default=b"", blank=True, editable=False, help_text="URL of a webhook, of Slack or Teams; routing key of PagerDuty."
    )
    secret = EncryptedTextField(default=b"", blank=True, editable=False)  # of signed webhooks alone
    is_active = models.BooleanField(default=True)
    off_because = models.CharField(max_length=PROBLEM_MAX, blank=True, editable=False, help_text="Why we switched it off; empty: somebody did.")
    failing_since = models.DateTimeField(null=True, blank=True, editable=False, help_text="Since when no message arrives; empty: the last one did.")
    last_problem = models.CharField(max_length=PROBLEM_MAX, blank=True, editable=False)
    last_delivered_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_alert_channel_per_name")]

    def __str__(self) -> str:
        return self.name


class AlertRule(TenantOwnedModel):
    """Which alerts go to a channel, and when. A channel that no rule is about has the defaults of its kind."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="rules")
    name = models.CharField(max_length=200, blank=True)
    kinds = ArrayField(models.CharField(max_length=32, choices=KINDS), default=list, blank=True, help_text="Empty: every kind.")
    scopes = ArrayField(
        models.CharField(max_length=16, choices=SCOPES), default=list, blank=True,
        help_text="Of alerts about budgets, those of budgets of these scopes. Empty: every scope.",
    )  # fmt: skip
    min_severity = models.CharField(max_length=8, choices=SEVERITIES, default=Severity.WARNING.value)
    min_amount_nusd = models.BigIntegerField(
        default=0, validators=[MinValueValidator(0)], help_text="Of alerts about money, those about so much, in nano-USD."
    )
    pace = models.CharField(max_length=8, choices=PACES, default=Pace.AT_ONCE.value, help_text="At once, or gathered to one message.")
    digest_hour = models.PositiveSmallIntegerField(
        default=FIRST_HOUR, validators=[MaxValueValidator(23)], help_text="Hour of the tenant's day at which a daily message leaves."
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="From this time of the tenant's day on messages wait...")
    quiet_until = models.TimeField(null=True, blank=True, help_text="... until this one, and then leave as one.")
    critical_passes = models.BooleanField(default=True, help_text="Do critical alerts leave in the quiet hours, too?")
    tells_end = models.BooleanField(default=False, help_text="Is it told as well when it is over: a provider answers again?")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["channel", "created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(min_amount_nusd__gte=0), name="alert_rule_amount_not_negative"),
            models.CheckConstraint(condition=Q(digest_hour__lte=23), name="a_digest_has_an_hour"),
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | (Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=models.F("quiet_until"))),
                name="quiet_hours_begin_and_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{', '.join(self.kinds) or 'everything'} from {self.min_severity} on"

    @property
    def terms(self) -> RuleTerms:
        return RuleTerms(
            kinds=frozenset(self.kinds), scopes=frozenset(self.scopes), min_severity=Severity(self.min_severity),
            min_amount_nusd=self.min_amount_nusd, pace=Pace(self.pace), digest_hour=self.digest_hour, quiet_from=self.quiet_from,
            quiet_until=self.quiet_until, critical_passes=self.critical_passes, tells_end=self.tells_end,
        )


class Alert(TenantOwnedModel):
    """Something worth telling, once a window: written by billing.alerting in the transaction of whoever found it.

    `to_route` makes it its own outbox: while it is set, nobody has decided yet which channels it goes to.
    """

    audited = Audited.BY_ACTORS
    audit_name = ("kind",)
    audit_hides = ("facts", "key", "subject")

    class State(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        RESOLVED = "resolved"

    class ToRoute(models.TextChoices):
        NOTHING = "", "nothing"
        RAISED = "raised"
        ENDED = "ended"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.CharField(max_length=KEY_MAX, help_text="Kind, subject and window: the same is told once.")
    kind = models.CharField(max_length=32, choices=KINDS)
    severity = models.CharField(max_length=8, choices=SEVERITIES)
    subject = models.CharField(max_length=KEY_MAX)
    amount_nusd = models.BigIntegerField(null=True, help_text="How much money it is about, in nano-USD; empty: about none.")
    budget = models.ForeignKey("billing.Budget", on_delete=models.SET_NULL, null=True, related_name="alerts")
    scope = models.CharField(max_length=16, blank=True, help_text="Of the budget, where it is about one.")
    end_user_id = models.UUIDField(null=True)
    facts = models.JSONField(help_text="The event, as billing/engine/alerts/events.py has it.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    to_route = models.CharField(max_length=6, choices=ToRoute.choices, default=ToRoute.RAISED, blank=True)
    raised_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, help_text="When it is over in any case: the end of the budget's window.")
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=500, blank=True, help_text="What whoever acknowledged or resolved it had to say.")

    class Meta:
        ordering = ["-raised_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "key"], name="one_alert_per_key")]
        indexes = [
            models.Index(fields=["tenant", "-raised_at", "-id"], name="alerts_by_time"),
            models.Index(fields=["raised_at"], condition=~Q(to_route=""), name="alerts_to_route"),
            models.Index(fields=["tenant", "kind", "subject"], condition=~Q(state="resolved"), name="alerts_not_over"),
            models.Index(fields=["ends_at"], condition=~Q(state="resolved") & Q(ends_at__isnull=False), name="alerts_that_will_end"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def event(self) -> AlertEvent:
        return from_facts(self.facts)


class AlertMessage(TenantOwnedModel):
    """One message to one channel: sent until it arrives or is given up. Its id is the webhook-id, the same at every try.

    Without a channel it goes to our own staff (STAFF_EMAILS).
    """

    audited = Audited.NEVER

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        GIVEN_UP = "given_up", "given up"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, null=True, related_name="messages")
    event = models.CharField(max_length=16)
    alert_ids = ArrayField(models.UUIDField(), default=list)
    gathers = models.BooleanField(default=False, help_text="Do other alerts join it until it leaves?")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, help_text="Until then a worker has it; one that died has it no longer.")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="waiting"), name="messages_due"),
            models.Index(fields=["tenant", "channel", "created_at"], name="messages_of_a_channel"),
        ]

    def __str__(self) -> str:
        return self.webhook_id

    @property
    def webhook_id(self) -> str:
        return f"msg_{self.id.hex}"


class AlertDelivery(TenantOwnedModel):
    """One try to send a message, and how it went. Of an answer a short cleaned piece is kept, of the request nothing."""

    audited = Audited.NEVER
    database_grants = "SELECT, INSERT, DELETE"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(AlertMessage, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, null=True, related_name="deliveries")
    attempt = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    is_ok = models.BooleanField()
    status_code = models.PositiveSmallIntegerField(null=True, help_text="Of the answer; empty where none came, and for mails.")
    milliseconds = models.PositiveIntegerField()
    problem = models.CharField(max_length=PROBLEM_MAX, blank=True, help_text="What was wrong, in words.")
    excerpt = models.CharField(max_length=PROBLEM_MAX, blank=True, help_text="The beginning of the answer.")

    class Meta:
        verbose_name_plural = "alert deliveries"
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["tenant", "channel", "-at", "-id"], name="deliveries_by_time")]

    def __str__(self) -> str:
        return f"{self.message_id}, attempt {self.attempt}"
