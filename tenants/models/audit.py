"""What was changed, by whom and from where: written once and never changed."""

from django.db import models

from tenants.scoping import Audited, TenantOwnedModel, uuid7


class AuditEntry(TenantOwnedModel):
    """One change of one thing, before and after. The database writes it along with the change (tenants/sql/50_audit.sql)."""

    audited = Audited.NEVER
    database_grants = "SELECT, INSERT"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=16, help_text="user, api_key, staff, import, job, command, or database for a hand at the database.")
    actor_id = models.UUIDField(null=True, help_text="Of the person or the API key.")
    actor_name = models.CharField(max_length=255)
    door = models.CharField(max_length=16, help_text="console, api, import, staff_admin, provisioning, job, command or database.")
    operation = models.CharField(max_length=100, blank=True, help_text="What was asked for at that door.")
    action = models.CharField(max_length=32, help_text="created, changed, deleted, or what else was done.")
    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=255, blank=True, help_text="As people knew it then.")
    changes = models.JSONField(default=dict, help_text="Per field, its value before and after. Of a secret it says only that it changed.")
    reason = models.CharField(max_length=500, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    ip = models.CharField(max_length=64, blank=True, help_text="The network that it came from: the address is not kept.")

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["tenant", "-at", "-id"], name="audit_newest"),
            models.Index(fields=["tenant", "object_type", "object_id", "-at"], name="audit_of_object"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.object_type} {self.object_name or self.object_id} {self.action}"
