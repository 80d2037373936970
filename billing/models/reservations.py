"""Holds, and the windows they are held in. billing/ledger/ alone writes these rows; the application's role may only read."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from tenants.scoping import Audited, TenantOwnedModel, uuid7


class BudgetWindow(TenantOwnedModel):
    """One budget, for one subject, in one window of time: a projection of holds and entries that can be rebuilt."""

    audited = Audited.NEVER
    database_grants = "SELECT"

    id = models.BigAutoField(primary_key=True)
    budget = models.ForeignKey("billing.Budget", on_delete=models.PROTECT, related_name="windows")
    subject = models.CharField(max_length=255, blank=True, help_text="Whose window: id of the end user, or empty.")
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    limit_nusd = models.BigIntegerField(help_text="The budget's limit at the last admission.")
    cap_nusd = models.BigIntegerField(null=True, help_text="The limit in force; empty for budgets that only warn.")
    cap_high_nusd = models.BigIntegerField(null=True, help_text="The highest limit that was in force during the window.")
    opening_nusd = models.BigIntegerField(default=0, help_text="Spent in the window's time before the budget was set; part of spent_nusd.")
    spent_nusd = models.BigIntegerField(default=0)
    held_nusd = models.BigIntegerField(default=0)
    overrun_nusd = models.BigIntegerField(default=0)
    next_mark_nusd = models.BigIntegerField(null=True, help_text="Spend at which the next soft mark is passed; empty when none is left.")

    class Meta:
        ordering = ["-start_at"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "subject", "start_at"], name="one_window_per_start"),
            models.CheckConstraint(condition=Q(end_at__gt=F("start_at")), name="window_has_length"),
            models.CheckConstraint(condition=Q(spent_nusd__gte=0, held_nusd__gte=0, overrun_nusd__gte=0), name="window_sums_not_negative"),
            models.CheckConstraint(
                condition=Q(cap_high_nusd__isnull=True) | Q(cap_high_nusd__gte=F("spent_nusd") + F("held_nusd")), name="never_overspend"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget_id} {self.subject} from {self.start_at:%Y-%m-%d}"


class Reservation(TenantOwnedModel):
    """A hold: money set aside for the worst path of one run, in every window that applies, before a byte is sent."""

    audited = Audited.NEVER
    database_grants = "SELECT"

    class State(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"
        VOIDED = "voided"
        ASSUMED = "assumed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False, help_text="Also the id of the run.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    owner = models.CharField(max_length=100, help_text="Process that holds it: host, boot id, process id.")
    end_user_id = models.UUIDField(null=True)
    api_key_id = models.UUIDField(null=True)
    labels = models.JSONField(help_text="Tier, domain, preset and tags: what the entries will be filed under.")
    legs = models.JSONField(help_text="Per planned call: step, provider, model, price version and amount in nano-USD.")
    sent = models.BigIntegerField(default=1, help_text="Bit mask of the legs whose first byte may have left.")
    window_ids = ArrayField(models.BigIntegerField())
    amount_nusd = models.BigIntegerField()
    actual_nusd = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="open"), name="open_holds_by_expiry"),
            models.Index(fields=["tenant", "end_user_id"], condition=Q(state="open"), name="open_holds_by_end_user"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount_nusd__gte=0), name="hold_not_negative"),
            models.CheckConstraint(
                condition=Q(state="open", actual_nusd__isnull=True) | (~Q(state="open") & Q(actual_nusd__gte=0, actual_nusd__lte=F("amount_nusd"))),
                name="actual_within_hold",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class LedgerState(models.Model):
    """The ledger's memory of itself: one row. Processes remember its highest count of beats outside the database, so that a database that
    was restored from a backup, and has forgotten spend, is noticed."""

    database_grants = "SELECT"

    id = models.UUIDField(primary_key=True, editable=False, help_text="Identity of this ledger: a copy restored from a backup bears it too.")
    beats = models.BigIntegerField(default=0)
    rewound_at = models.DateTimeField(null=True, help_text="When it was found to be restored. Budgets that block refuse from then on.")
    resumed_at = models.DateTimeField(null=True)
    resumed_by = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"rewound at {self.rewound_at}" if self.rewound_at else "whole"


class LedgerOwner(models.Model):
    """A process that holds money, and until when it is known to live. One who falls silent is swept without waiting for its holds to expire."""

    database_grants = "SELECT"

    name = models.CharField(max_length=100, primary_key=True)
    alive_until = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
