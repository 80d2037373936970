"""Keys by which applications say: this is the same call again."""

from django.db import models

from tenants.encryption import EncryptedTextField
from tenants.scoping import Audited, TenantOwnedModel


class IdempotencyKey(TenantOwnedModel):
    """One call under an Idempotency-Key: written in the transaction of its hold, so that a call is dispatched at most once.

    The reply is kept encrypted for as long as the key lives (24 hours), to be given again.
    """

    audited = Audited.NEVER
    database_grants = "SELECT"

    id = models.BigAutoField(primary_key=True)
    endpoint = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32, help_text="SHA-256 of the body: another body under the same key is refused.")
    reservation_id = models.UUIDField()
    status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of the reply; empty while the call is in flight.")
    reply = EncryptedTextField(default=b"", blank=True, editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "endpoint", "key"], name="one_call_per_key")]
        indexes = [models.Index(fields=["expires_at"], name="keys_by_expiry")]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.reservation_id}"
