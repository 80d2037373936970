"""The book: cost entries that are only ever added, and their sums per day."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from tenants.scoping import Audited, TenantOwnedModel, uuid7


class CostEntry(TenantOwnedModel):
    """One paid, voided or assumed call to a provider, or a later correction.

    Only billing/ledger/ writes it: the application's role has no right to, and triggers refuse UPDATE, DELETE and TRUNCATE
    to everybody. The table is partitioned by the month of `booked_at`. What it misses: prompts and answers, on purpose.
    """

    audited = Audited.NEVER
    database_grants = "SELECT"

    class Kind(models.TextChoices):
        SETTLED = "settled", "From the usage that the provider reported"
        ESTIMATED = "estimated", "From our own upper count: the provider reported no usage"
        ASSUMED = "assumed", "At the bound: it is not known what the provider billed"
        VOIDED = "voided", "Nothing was billed"
        OVERRUN = "overrun", "What the provider billed beyond the bound, or beyond the room of a budget; negative where it is taken back"
        ADJUSTMENT = "adjustment", "A correction of an earlier entry"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reservation_id = models.UUIDField()
    leg = models.SmallIntegerField()
    attempt = models.SmallIntegerField(default=1)
    amount_nusd = models.BigIntegerField()
    step = models.CharField(max_length=64)
    outcome = models.CharField(max_length=32, blank=True, help_text="What became of the answer: accepted, rejected, failed.")
    provider = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    price_version = models.CharField(max_length=64, blank=True, help_text="The price that applied; empty where the model had none.")
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    is_unverified = models.BooleanField(default=False, help_text="Booked on the provider's error alone; reconciling will tell.")
    provider_request_id = models.CharField(max_length=200, blank=True)
    end_user_id = models.UUIDField(null=True)
    api_key_id = models.UUIDField(null=True)
    tier = models.CharField(max_length=64, blank=True)
    domain = models.CharField(max_length=64, blank=True)
    preset = models.CharField(max_length=200, blank=True)
    tags = ArrayField(models.CharField(max_length=100), default=list)
    actor = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    reference = models.CharField(
        max_length=100, blank=True, db_default="", help_text="What a correction comes from: a version of a price, a reconciliation."
    )
    occurred_at = models.DateTimeField(help_text="When the hold was taken: decides the window.")
    occurred_on = models.DateField(help_text="The day of occurred_at in the tenant's time zone.")
    booked_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "cost entries"
        ordering = ["-booked_at", "-id"]
        indexes = [
            models.Index(fields=["tenant", "-booked_at", "-id"], name="entries_by_time"),
            models.Index(fields=["reservation_id"], name="entries_by_hold"),
            BrinIndex(fields=["booked_at"], name="entries_by_booking", autosummarize=True, pages_per_range=32),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="adjustment") | models.Q(amount_nusd__gte=0) | (models.Q(kind="overrun") & ~models.Q(actor="")),
                name="only_adjustments_are_negative",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="adjustment") | (~models.Q(actor="") & ~models.Q(reason="")), name="adjustments_say_who_and_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.model} {self.amount_nusd}"


class DayRollup(TenantOwnedModel):
    """Sums of the cost entries of one day (of the tenant's time zone), one dimension at a time. A projection."""

    audited = Audited.NEVER
    database_grants = "SELECT"

    class Dimension(models.TextChoices):
        ALL = "all"
        END_USER = "end_user"
        TIER = "tier"
        MODEL = "model"
        PROVIDER = "provider"
        DOMAIN = "domain"
        API_KEY = "api_key"
        PRESET = "preset"
        STEP = "step"
        TAG = "tag"

    pk = models.CompositePrimaryKey("tenant_id", "day", "dimension", "value")
    day = models.DateField()
    dimension = models.CharField(max_length=16, choices=Dimension.choices)
    value = models.CharField(max_length=255, blank=True)
    cost_nusd = models.BigIntegerField(default=0)
    entries = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["day", "dimension", "value"]

    def __str__(self) -> str:
        return f"{self.day} {self.dimension} {self.value}"
