"""The receiver's side of a signed webhook, written from the standard and not from our own code."""

import base64
import hashlib
import hmac


def verified(headers: dict[str, str], body: bytes, *, secret: str) -> bool:
    """Is one of the signatures made with the secret, as standardwebhooks.com says?"""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split(" "))
