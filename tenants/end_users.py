"""The id of an end user: derived, not drawn."""

import hashlib
import hmac
from uuid import UUID


def end_user_id(*, salt: bytes, external_id: str) -> UUID:
    """Return the id of the end user whom the tenant calls `external_id`.

    HMAC-SHA256 under the tenant's salt (32 bytes), cut to a version 8 UUID. Whoever knows the salt and the name finds the
    same id again; without the row, the id says nothing about the person.
    """
    digest = hmac.digest(salt, external_id.encode(), hashlib.sha256)[:16]
    return UUID(int=int.from_bytes(digest) & ~(0xF << 76) & ~(0x3 << 62) | (8 << 76) | (0x2 << 62))
