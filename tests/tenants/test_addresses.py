"""Which addresses the gateway may talk to."""

import pytest

from tenants.addresses import AddressForbidden, AddressGuard

PUBLIC = ["1.1.1.1", "8.8.8.8", "104.18.7.192", "2606:4700::6812:7c0", "::ffff:8.8.8.8", "64:ff9b::808:808"]

NEVER = [
    "169.254.169.254", "169.254.170.2", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "fe80::1", "fe80::a9fe:a9fe",
    "fe80::1%eth0", "fec0::1", "0.0.0.0", "0.1.2.3", "::", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254",
    "fd00:ec2::23", "fd20:ce::254", "224.0.0.1", "239.255.255.250", "ff02::1", "240.0.0.1", "255.255.255.255", "64:ff9b:1::a9fe:a9fe",
    "::169.254.169.254", "64:ff9b:1::1", "2001:0:7f00:1::", "2001::1",
]  # fmt: skip

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.2.1",
    "203.0.113.9", "192.0.0.8", "192.0.0.9", "192.88.99.1", "::1", "fc00::1", "fd12:3456::1", "2001:db8::1", "3fff::1", "5f00::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
    "2002:808:808::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:a00:1",
]  # fmt: skip

NOT_PLAIN = [
    "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "127.0.0.1.", "①②⑦.0.0.1", "localhost", "", "1.1.1.1:80", "[::1]",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    AddressGuard().check(address=address, port=443)


@pytest.mark.parametrize("address", [*NEVER, *PRIVATE])
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(AddressForbidden):
        AddressGuard().check(address=address, port=443)


@pytest.mark.parametrize("address", NEVER)
def test_link_local_and_metadata_addresses_are_refused_even_when_everything_is_allowed(address: str) -> None:
    with pytest.raises(AddressForbidden):
        AddressGuard(allow_private=["0.0.0.0/0", "::/0"]).check(address=address, port=80)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_allowed_where_the_operator_allows_it(address: str) -> None:
    AddressGuard(allow_private=["0.0.0.0/0", "::/0"]).check(address=address, port=80)


@pytest.mark.parametrize("address", NOT_PLAIN)
def test_whatever_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(AddressForbidden):
        AddressGuard(allow_private=["0.0.0.0/0", "::/0"]).check(address=address, port=80)


@pytest.mark.parametrize(
    ("allowance", "address", "port", "allowed"),
    [
        ("127.0.0.0/8:11434", "127.0.0.1", 11434, True),
        ("127.0.0.0/8:11434", "127.0.0.1", 11435, False),
        ("127.0.0.0/8:11434", "::ffff:127.0.0.1", 11434, True),
        ("127.0.0.0/8:11434", "10.0.0.1", 11434, False),
        ("10.1.2.3", "10.1.2.3", 80, True),
        ("10.1.2.3", "10.1.2.4", 80, False),
        ("10.1.2.3:8000", "10.1.2.3", 8000, True),
        ("fd00::/8", "fd12::1", 8000, True),
        ("[fd00::/8]:8000", "fd12::1", 8000, True),
        ("[fd00::/8]:8000", "fd12::1", 8001, False),
        ("[::1]:8000", "::1", 8000, True),
    ],
)
def test_an_allowance_opens_exactly_its_network_and_port(allowance: str, address: str, port: int, allowed: bool) -> None:
    guard = AddressGuard(allow_private=[allowance])
    if allowed:
        guard.check(address=address, port=port)
    else:
        with pytest.raises(AddressForbidden):
            guard.check(address=address, port=port)


@pytest.mark.parametrize("entry", ["", "localhost", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8:0", "10.0.0.0/8:70000", "10.0.0.0/8:http"])
def test_an_allowance_that_cannot_be_read_is_shown(entry: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        AddressGuard(allow_private=[entry])
