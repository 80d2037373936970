"""Months that are closed, and the chain of hashes over their entries."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.scoping import Audited, TenantOwnedModel, uuid7


class CloseOfMonth(TenantOwnedModel):
    """A month that is closed: its sums, and the hash that commits to each of its entries and to the close before it.

    SQL functions alone write it (billing/ledger/sql/65_close_month.sql). A close that was reopened stays, as history.
    """

    audit_name = ("month",)
    audit_hides = ("names",)
    database_grants = "SELECT"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    month = models.DateField(help_text="Its first day.")
    time_zone = models.CharField(max_length=64, help_text="The tenant's zone when it was closed: says where the month begins and ends.")
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    entries = models.BigIntegerField()
    opening_nusd = models.BigIntegerField(help_text="All that was booked before, in nano-USD.")
    usage_nusd = models.BigIntegerField()
    adjustments_nusd = models.BigIntegerField()
    previous = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="followers")
    hash = models.BinaryField(max_length=32, help_text="SHA-256 over the close before, the sums, and the chain of the entries.")
    names = models.JSONField(default=dict, help_text="What the tenant, its keys and models were called then: files of the month go by it.")
    in_spite_of = ArrayField(models.CharField(max_length=16), default=list, help_text="What was open and accepted: open holds, unpriced calls.")
    actor = models.CharField(max_length=200)
    reason = models.TextField(blank=True)
    closed_at = models.DateTimeField()
    reopened_at = models.DateTimeField(null=True)
    reopened_by = models.CharField(max_length=200, blank=True)
    reopened_because = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "closes of months"
        ordering = ["-month", "-closed_at"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "month"], condition=models.Q(reopened_at__isnull=True), name="one_close_per_month"),
            models.CheckConstraint(
                condition=models.Q(reopened_at__isnull=True) | (~models.Q(reopened_by="") & ~models.Q(reopened_because="")),
                name="reopening_says_who_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def closing_nusd(self) -> int:
        return self.opening_nusd + self.usage_nusd + self.adjustments_nusd


class SealedBlock(TenantOwnedModel):
    """Up to a thousand entries of a closed month, in the order of (booked_at, id): their hash, chained to the block before."""

    audited = Audited.NEVER
    database_grants = "SELECT"

    pk = models.CompositePrimaryKey("close_id", "number")
    close = models.ForeignKey(CloseOfMonth, on_delete=models.CASCADE, related_name="blocks")
    number = models.PositiveIntegerField()
    entries = models.PositiveIntegerField()
    amount_nusd = models.BigIntegerField()
    last_booked_at = models.DateTimeField()
    last_id = models.UUIDField(help_text="The block's last entry: the next one begins after it.")
    marks = models.BinaryField(help_text="24 bytes an entry: its id and the start of its digest, so that what was changed can be named.")
    hash = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["close", "number"]

    def __str__(self) -> str:
        return f"block {self.number} of {self.close_id}"
