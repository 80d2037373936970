"""Files for finance: what was asked for, and how far it is."""

from django.db import models
from django.db.models import Q

from tenants.scoping import Audited, TenantOwnedModel, uuid7


class ExportJob(TenantOwnedModel):
    """An export that was asked for. A small one is written while it is downloaded, a large one by the worker, to be downloaded then."""

    audited = Audited.BY_ACTORS
    audit_name = ("file_name",)
    audit_hides = ("wanted", "manifest")

    class State(models.TextChoices):
        READY = "ready", "Small: written anew at each download"
        WAITING = "waiting", "The worker will take it"
        RUNNING = "running", "Being written"
        DONE = "done", "The file can be downloaded"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "The file was kept for its time and is deleted"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    what = models.CharField(max_length=16, help_text="cost_entries, usage, budgets or focus")
    format = models.CharField(max_length=16)
    wanted = models.JSONField(help_text="Days, filters and options, as they were asked for.")
    has_names = models.BooleanField(default=False, help_text="Does it name end users? Then it is deleted when one is erased.")
    file_name = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=State.choices)
    rows_expected = models.BigIntegerField(null=True, help_text="Entries that it is made from.")
    rows_done = models.BigIntegerField(default=0)
    size_bytes = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    manifest = models.JSONField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    attempt = models.UUIDField(null=True, editable=False, help_text="The run that is writing it.")
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, help_text="When the run that writes it began.")
    beat_at = models.DateTimeField(null=True, help_text="When the run that writes it last said so.")
    ended_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(help_text="When its file is deleted.")

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(state__in=("waiting", "running")), name="exports_to_write"),
            models.Index(fields=["tenant", "-created_at", "-id"], name="exports_by_time"),
        ]

    def __str__(self) -> str:
        return self.file_name
