"""Which network addresses the gateway may talk to: public ones, and what the operator allows. Pure: resolves nothing.

Tenants name endpoints by URL, so every address is judged at the moment of connecting, after the name was resolved.
An address that carries another one inside (IPv4-mapped, 6to4, Teredo, NAT64, ISATAP) is judged by what it carries too.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct

__all__ = ["AddressForbidden", "AddressGuard"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressForbidden(OSError):
    """This address is not one the gateway may connect to. An OSError, so that connectors treat it as "cannot connect"."""


NEVER: tuple[Network, ...] = tuple(map(ip_network, (
    "0.0.0.0/8",          # "this host": Linux connects it to loopback
    "169.254.0.0/16",     # link-local, and nearly every cloud's metadata service
    "100.100.100.200/32", # Alibaba Cloud metadata
    "168.63.129.16/32",   # Azure's host service, on a public address
    "192.0.0.192/32",     # Oracle Cloud metadata
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "fe80::/10",
    "fec0::/10",          # site-local, deprecated, still routed here and there
    "fd00:ec2::/32",      # AWS metadata by IPv6
    "fd20:ce::/32",       # Google Cloud metadata by IPv6
    "ff00::/8",
)))  # fmt: skip
"""Refused even where an operator's allowance covers them."""

UNWANTED: tuple[Network, ...] = tuple(map(ip_network, (
    "192.0.0.0/24",       # protocol assignments: some are global to `ipaddress`, none is an API
    "192.88.99.0/24",     # 6to4 relays
    "::/96",              # IPv4-compatible, deprecated
    "64:ff9b:1::/48",     # local NAT64: where it leads is not to be seen from here
    "2001::/23",          # protocol assignments, Teredo among them
    "2002::/16",          # 6to4
    "3fff::/20",          # documentation
    "5f00::/16",          # segment routing
)))  # fmt: skip
"""Global to `ipaddress` in some Python release, yet no place for an API; an allowance can open them."""

NAT64 = IPv6Network("64:ff9b::/96")
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
IPV4_COMPATIBLE = IPv6Network("::/96")
ISATAP_TAGS = (0x00005EFE, 0x02005EFE)
LOW_32 = 0xFFFFFFFF


class Allowance(Struct, frozen=True):
    """One entry of the operator's allow-list: a network, and one port or every port (None)."""

    network: Network
    port: int | None

    @classmethod
    def parse(cls, entry: str) -> "Allowance":
        """Read "10.0.0.0/8", "10.1.2.3:8000", "fd00::/8" or "[fd00::1]:8000". Raises ValueError that shows the entry."""
        network, port = entry.strip(), ""
        if network.startswith("["):
            network, _, port = network[1:].partition("]")
            port = port.removeprefix(":")
        elif network.count(":") == 1:
            network, _, port = network.partition(":")
        try:
            allowance = cls(ip_network(network), int(port) if port else None)
        except ValueError as wrong:
            raise ValueError(f"not a network with an optional port, such as 10.0.0.0/8 or [fd00::1]:8000: {entry!r}") from wrong
        if allowance.port is not None and not 0 < allowance.port < 65536:
            raise ValueError(f"not a port between 1 and 65535: {entry!r}")
        return allowance

    def covers(self, address: Address, port: int) -> bool:
        return self.port in (None, port) and address.version == self.network.version and address in self.network


class AddressGuard:
    """Judges addresses. In: the operator's allowances, as CIDR with an optional ":port". Link-local is never allowed."""

    def __init__(self, *, allow_private: Sequence[str] = ()) -> None:
        self._allowances = tuple(Allowance.parse(entry) for entry in allow_private)

    def check(self, *, address: str, port: int) -> None:
        """Return when a connection to this IP address and port is allowed. Raises AddressForbidden."""
        try:
            parsed = ip_address(address)
        except ValueError:
            # "127.1", "0x7f000001" and the like: the C library would read an address into them
            raise AddressForbidden(f"not a plain IP address: {address!r}") from None
        for carried in carried_addresses(parsed):
            self._check_one(carried, port)

    def _check_one(self, address: Address, port: int) -> None:
        if within(address, NEVER):
            raise AddressForbidden(f"address is never allowed: {address}")
        if any(allowance.covers(address, port) for allowance in self._allowances):
            return
        if within(address, UNWANTED) or not address.is_global or address.is_multicast:
            raise AddressForbidden(f"address is not public: {address} port {port}")


def carried_addresses(address: Address) -> Iterator[Address]:
    """Yield every address that a packet to this one may reach: those it carries inside, and itself where it is a place of its own."""
    if isinstance(address, IPv4Address):
        yield address
        return
    low = IPv4Address(int(address) & LOW_32)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    if address in NAT64:  # networks with IPv6 alone reach every public IPv4 host by this, so it is not refused as such
        yield low
        return
    yield IPv6Address(int(address))  # without its zone
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in LOCAL_NAT64 or (address in IPV4_COMPATIBLE and int(low) > 0xFFFF):  # ::1 and its like carry nothing
        yield low
    if (int(address) >> 32) & LOW_32 in ISATAP_TAGS:
        yield low


def within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
