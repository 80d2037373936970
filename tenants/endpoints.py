"""Addresses that tenants name: how one reads, and what connecting would refuse, said early. Resolves nothing."""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from tenants.addresses import AddressForbidden, AddressGuard

FORM = "An address reads https://host[:port]/path, without user and fragment; a query may follow."
NOT_PUBLIC = "this address is not public; the operator of this service can allow it in ALLOW_PRIVATE_ENDPOINTS"
NEVER_IN_A_URL = frozenset(' "<>\\#')


def check_url(url: str) -> None:
    """Raises ValidationError unless the text is a plain http(s) URL: a host, perhaps a port, a path and a query."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or not (url.isascii() and url.isprintable()) or NEVER_IN_A_URL & set(url):
        raise ValidationError(FORM)


def check_endpoint(url: str, *, allow_private: Sequence[str]) -> None:
    """Raises ValidationError for a URL that must not be posted to: no plain URL, http without need, an inner address."""
    check_url(url)
    if url.startswith("http:") and not allow_private:
        raise ValidationError("Use https: over http anybody on the way could read what is sent, and answer it.")
    try:
        check_place(url, allow_private=allow_private)
    except AddressForbidden as forbidden:
        raise ValidationError(f"{NOT_PUBLIC[:1].upper()}{NOT_PUBLIC[1:]}.") from forbidden


def check_place(url: str, *, allow_private: Sequence[str]) -> None:
    """Raises AddressForbidden for a URL whose host is an inner IP address. A name is judged at each connect, by what it resolves to then."""
    parts = urlsplit(url)
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    AddressGuard(allow_private=allow_private).check(address=str(address), port=port)
