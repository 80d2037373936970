"""Signatures of what we post to a tenant's own addresses, as standardwebhooks.com has them. Pure: no clock, no network."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_webhook_secret() -> str:
    """Return a new signing secret, as receivers' libraries take it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def is_webhook_secret(text: str) -> bool:
    """Is this a secret of 24 to 64 bytes in the standard's form?"""
    try:
        return text.startswith(PREFIX) and 24 <= len(base64.b64decode(text.removeprefix(PREFIX), validate=True)) <= 64
    except ValueError:
        return False


def signed_headers(*, message_id: str, body: bytes, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """Return the headers that let a receiver check who sent `body`, when, and that it is whole: one signature a secret.

    While a secret is being replaced there are two, and the receiver may know either.
    """
    stamp = str(int(at.timestamp()))
    signed = b".".join((message_id.encode(), stamp.encode(), body))
    signatures = [hmac.digest(base64.b64decode(secret.removeprefix(PREFIX)), signed, hashlib.sha256) for secret in secrets]
    return {
        "webhook-id": message_id, "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }  # fmt: skip
