"""Links to a file that need no key: signed, for one export, and void after seven days."""

from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing

LIFE = timedelta(days=7)
SALT = "billing.exports.links"


class InvalidLink(ValueError):
    """This is no link of ours, or not any more."""


def sign(*, tenant_id: UUID, export_id: UUID, now: datetime) -> tuple[str, datetime]:
    """Return the token of a link, and until when it is good."""
    until = now + LIFE
    return signing.dumps([str(tenant_id), str(export_id), int(until.timestamp())], salt=SALT), until


def read(token: str, *, now: datetime) -> tuple[UUID, UUID]:
    """Return whose export a link is about, and which. Raises InvalidLink."""
    try:
        tenant_id, export_id, until = signing.loads(token, salt=SALT)
    except signing.BadSignature as wrong:
        raise InvalidLink("This is not a link of ours.") from wrong
    if now.timestamp() > until:
        raise InvalidLink("This link has expired. Ask for a new one.")
    return UUID(tenant_id), UUID(export_id)
