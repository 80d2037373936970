"""Secrets at rest: encrypted with the newest of CREDENTIAL_KEYS, readable with any of them, never printed."""

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class UnreadableSecret(RuntimeError):
    """A stored secret fits none of CREDENTIAL_KEYS."""


class Secret:
    """A decrypted secret that does not show itself; `reveal()` is the only way to read it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Raises UnreadableSecret for one that fits none of CREDENTIAL_KEYS."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return "********" if self._text else ""

    __repr__ = __str__


class LostSecret(Secret):
    """A stored secret whose key is gone. It is told when it is used, so that what needs it fails alone; saved again, it stays as it is."""

    __slots__ = ("stored",)

    def __init__(self, stored: bytes) -> None:
        super().__init__("unreadable")
        self.stored = stored

    def reveal(self) -> str:
        raise UnreadableSecret("its stored credential cannot be read. Put the key it was written with back into CREDENTIAL_KEYS, or enter it anew.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LostSecret) and other.stored == self.stored

    def __hash__(self) -> int:
        return hash(self.stored)


def cipher() -> MultiFernet:
    """CREDENTIAL_KEYS may be any long random texts, newest first; each is stretched to a Fernet key by SHA-256."""
    keys = [base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()) for key in settings.CREDENTIAL_KEYS]
    return MultiFernet([Fernet(key) for key in keys])


class EncryptedTextField(models.BinaryField):  # type: ignore[type-arg]
    """A text that the database holds encrypted and Python holds as a Secret; as a LostSecret when the key is gone."""

    def from_db_value(self, value: bytes | memoryview | None, *_: Any) -> Secret:
        if not value:
            return Secret("")
        try:
            return Secret(cipher().decrypt(bytes(value)).decode())
        except InvalidToken:
            return LostSecret(bytes(value))

    def to_python(self, value: Any) -> Secret:
        return value if isinstance(value, Secret) else Secret(value or "")

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        secret = self.to_python(value)
        if isinstance(secret, LostSecret):
            return super().get_db_prep_value(secret.stored, connection, prepared)
        return super().get_db_prep_value(cipher().encrypt(secret.reveal().encode()) if secret else b"", connection, prepared)
