"""What a provider says it billed, beside what the book says."""

from django.db import models

from tenants.scoping import TenantOwnedModel, uuid7


class Reconciliation(TenantOwnedModel):
    """One usage file of a provider, compared with the book: each gap classified, adjustments posted once somebody approves."""

    audit_name = ("provider", "first_day", "last_day")
    audit_hides = ("usage", "gaps")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=64, help_text="Name of the tenant's provider connection.")
    file_name = models.CharField(max_length=255, blank=True)
    file_digest = models.CharField(max_length=64, help_text="SHA-256 of the file, in hex: the same file is not reconciled twice.")
    first_day = models.DateField()
    last_day = models.DateField()
    provider_nusd = models.BigIntegerField(help_text="What the provider billed, in nano-USD.")
    booked_nusd = models.BigIntegerField(help_text="What the book had for the same days, in nano-USD.")
    usage = models.JSONField(
        default=list, help_text="The file's sums, per day, model and user: requests, input, cached input, cache write and output tokens."
    )
    summary = models.JSONField(default=dict, help_text="How many groups there are of each kind of gap, and what is to be adjusted.")
    gaps = models.JSONField(default=list, help_text="Per day, model and user: both sums, their difference and what kind of gap it is.")
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    approved_by = models.CharField(max_length=200, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    posted_at = models.DateTimeField(null=True, blank=True, help_text="When the last adjustment was posted; empty: approved, but not all is posted.")
    adjusted_nusd = models.BigIntegerField(default=0, help_text="Sum of the adjustments that were posted, in nano-USD.")

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["tenant", "provider", "file_digest"], name="one_reconciliation_per_file")]

    def __str__(self) -> str:
        return f"{self.provider} {self.first_day} to {self.last_day}"
