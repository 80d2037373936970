"""Signing secrets of the addresses that we post to: made, rolled with an overlap, shown once. Call `roll_secret` inside a tenant's scope."""

from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from msgspec import Struct

from tenants.encryption import EncryptedTextField, LostSecret, Secret
from tenants.webhooks import is_webhook_secret, new_webhook_secret

Row = TypeVar("Row", bound="SigningModel")


class SigningSecrets(Struct, frozen=True, kw_only=True):
    """The secret that signs, and the one before it for as long as both do."""

    secret: Secret
    old_secret: Secret
    old_secret_until: datetime | None

    def at(self, now: datetime) -> tuple[Secret, ...]:
        """Return the secrets that sign at `now`."""
        return (self.secret, self.old_secret) if self.old_secret_until and self.old_secret_until > now else (self.secret,)


class SigningModel(models.Model):
    """A row with an address of the tenant's own, where what is posted is signed."""

    secret = EncryptedTextField(editable=False)
    old_secret = EncryptedTextField(default=b"", blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False, help_text="Until then both secrets sign.")

    class Meta:
        abstract = True

    @property
    def signing(self) -> SigningSecrets:
        return SigningSecrets(secret=self.secret, old_secret=self.old_secret, old_secret_until=self.old_secret_until)


def roll_secret(*, row: Row, overlap: timedelta, now: datetime) -> tuple[Row, str]:
    """Give the row a new secret, which is shown this once; the old one goes on signing beside it for the overlap."""
    rows: Any = type(row)._default_manager
    fresh: Row = rows.select_for_update().get(pk=row.pk)
    secret = new_webhook_secret()
    keeps_old = bool(overlap) and not isinstance(fresh.secret, LostSecret)  # one that cannot be read signs nothing
    fresh.old_secret, fresh.old_secret_until = (fresh.secret, now + overlap) if keeps_old else (Secret(""), None)
    fresh.secret = Secret(secret)
    fresh.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return fresh, secret


def checked_secret(secret: str) -> str:
    """Raises ValidationError that does not repeat it."""
    if not is_webhook_secret(secret):
        raise ValidationError("A signing secret reads whsec_ and the base64 of 24 to 64 random bytes.")
    return secret
