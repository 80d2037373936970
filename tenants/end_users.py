"""The id of an end user: derived, not drawn."""

import hashlib
import hmac
import re
from uuid import UUID

LONGEST_NAME = 255
NEVER_STORED = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters, and halves of characters: no row holds them."""


def end_user_id(*, salt: bytes, external_id: str) -> UUID:
    """Return the id of the end user whom the tenant calls `external_id`.

    HMAC-SHA256 under the tenant's salt (32 bytes), cut to a version 8 UUID. Whoever knows the salt and the name finds the
    same id again; without the row, the id says nothing about the person.
    """
    digest = hmac.digest(salt, external_id.encode(), hashlib.sha256)[:16]
    return UUID(int=int.from_bytes(digest) & ~(0xF << 76) & ~(0x3 << 62) | (8 << 76) | (0x2 << 62))


def ids_of_end_user(text: str, *, salt: bytes) -> list[UUID]:
    """Return whom a person may mean by a text: the end user of that name, and where the text is an id, the one of ours with it, for a tenant
    may call its end users by ids of its own."""
    found = [end_user_id(salt=salt, external_id=text)]
    try:
        return [*found, UUID(text)]
    except ValueError:
        return found


def check_name(external_id: str) -> None:
    """Raises ValueError, which says what to do, for a name that no call could carry as its user."""
    if not external_id.strip():
        raise ValueError("Say whom: ?external_id=…, your own name for the end user.")
    if len(external_id) > LONGEST_NAME:
        raise ValueError(f"This is longer than the {LONGEST_NAME} characters that a name may have. Send the one that your calls send as 'user'.")
    if NEVER_STORED.search(external_id):
        raise ValueError("This holds a control character. Send printable text.")
