"""Changes of provider connections: a credential belongs to the address it was given for."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from cascade.engine.errors import InvalidRequest
from cascade.engine.providers.openai_compatible import checked_base_url
from cascade.engine.providers.registry import SIMULATED
from cascade.models import ProviderConnection
from tenants.addresses import AddressForbidden
from tenants.encryption import LostSecret, Secret
from tenants.endpoints import NOT_PUBLIC, check_place
from tenants.errors import Conflict

ORIGIN = ("provider", "base_url")
LAST_SHOWN, SHORTEST_SHOWN = 4, 12
CREDENTIAL_MAX = 4096


def change_connection(*, connection: ProviderConnection, changes: Mapping[str, Any]) -> ProviderConnection:
    """Save a new or changed connection. Where provider or address change, the old credential is wiped unless a new one comes along.

    Raises ValidationError for what cannot be connected to.
    """
    moved = any(name in changes and changes[name] != getattr(connection, name) for name in ORIGIN)
    if moved and "credential" not in changes:
        connection.credential = Secret("")
    for name, value in changes.items():
        setattr(connection, name, value)
    check_origin(connection)
    _check_credential(connection.credential)
    connection.save()
    return connection


def delete_connection(connection: ProviderConnection) -> None:
    """Raises Conflict while models are reached by it."""
    models = list(connection.models.order_by("name").values_list("name", flat=True)[:4])
    if models:
        named = ", ".join(models[:3]) + (", …" if len(models) > 3 else "")
        raise Conflict(f"Models are reached by it ({named}): delete them or give them another connection first.", code="connection_in_use")
    connection.delete()


def last_four(credential: Secret) -> str:
    """Return the end of a credential, to tell it from others; nothing of one so short that this would give it away, or whose key is lost."""
    if isinstance(credential, LostSecret):
        return ""
    text = credential.reveal()
    return text[-LAST_SHOWN:] if len(text) >= SHORTEST_SHOWN else ""


def check_origin(connection: ProviderConnection) -> None:
    """Raises ValidationError for a provider or an address that cannot be used; puts the address into its plain form."""
    if connection.provider == SIMULATED.slug and not settings.SIMULATED_PROVIDER:
        raise ValidationError({"provider": "The simulated provider is switched off here: it answers in demonstrations and tests alone."})
    if connection.base_url:
        try:
            connection.base_url = checked_base_url(connection.base_url)
            check_address(connection.base_url)
        except InvalidRequest as wrong:
            raise ValidationError({"base_url": f"{wrong.message[:1].upper()}{wrong.message[1:]}."}) from wrong


def _check_credential(credential: Secret) -> None:
    if isinstance(credential, LostSecret):
        return  # it was checked when it came in
    text = credential.reveal()
    if len(text) > CREDENTIAL_MAX or not text.isascii() or any(character.isspace() or not character.isprintable() for character in text):
        raise ValidationError({"credential": f"A credential is at most {CREDENTIAL_MAX} printable ASCII characters without spaces."})


def check_address(url: str) -> None:
    """Say early what connecting would refuse. Raises InvalidRequest."""
    try:
        check_place(url, allow_private=settings.ALLOW_PRIVATE_ENDPOINTS)
    except AddressForbidden as forbidden:
        raise InvalidRequest(NOT_PUBLIC, param="base_url") from forbidden
