"""How people come in: by an invitation, or as our own staff for a while; and what the site remembers between processes."""

from django.conf import settings
from django.db import models

from tenants.models.who import Role, User
from tenants.scoping import TenantOwnedModel, uuid7


class Invitation(TenantOwnedModel):
    """An offer to join a tenant, sent by email. Its link holds a secret of which a digest is kept; it works once, for a time, for one address."""

    audit_name = ("email",)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Role.choices)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    invited_by = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "email"], condition=models.Q(accepted_at=None, withdrawn_at=None), name="one_open_invitation_per_email"
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"


class StaffSession(TenantOwnedModel):
    """Our own staff in a tenant's console: for a reason, for a time, and told in the tenant's audit log."""

    audit_name = ("user__email",)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=500)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["user", "tenant", "-expires_at"], name="staff_session_of_person")]

    def __str__(self) -> str:
        return f"{self.user} from {self.started_at:%Y-%m-%d %H:%M}"


class CacheRow(models.Model):
    """The table of Django's database cache, whose columns it names: counts of tries and used codes, which all processes must share."""

    cache_key = models.CharField(primary_key=True, max_length=255)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = settings.CACHES["default"]["LOCATION"]

    def __str__(self) -> str:
        return self.cache_key
