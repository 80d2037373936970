"""Who acts right now, and by which door they came in: what each entry of the audit log says beside the change itself."""

from contextvars import ContextVar
from enum import StrEnum
from ipaddress import ip_address, ip_network
from uuid import UUID

from msgspec import Struct

IPV4_KEPT, IPV6_KEPT = 24, 48


class ActorKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    STAFF = "staff"
    IMPORT = "import"
    JOB = "job"
    COMMAND = "command"


class Door(StrEnum):
    CONSOLE = "console"
    API = "api"
    IMPORT = "import"
    STAFF_ADMIN = "staff_admin"
    PROVISIONING = "provisioning"
    JOB = "job"
    COMMAND = "command"


class Actor(Struct, frozen=True, kw_only=True):
    """Somebody who changes things, and whence."""

    kind: ActorKind
    door: Door
    id: UUID | None = None
    name: str = ""
    """For people. Empty for an API key: the database knows its name, and looks it up for an entry alone."""
    operation: str = ""
    """What was asked for, as "api-key roll" or "provision"."""
    request_id: str = ""
    ip: str = ""
    """Masked: see masked_ip."""
    reason: str = ""


NOBODY_SAID = Actor(kind=ActorKind.COMMAND, door=Door.COMMAND, name="a command of ours")
"""Each other door says who comes in, so what is left are our own commands."""
actor_now: ContextVar[Actor] = ContextVar("actor_now", default=NOBODY_SAID)


def masked_ip(address: str | None) -> str:
    """Return the network that an address is in, /24 or /48: it tells offices apart, not people. Example: 203.0.113.77 is "203.0.113.0/24"."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return ""
    return str(ip_network((parsed, IPV4_KEPT if parsed.version == 4 else IPV6_KEPT), strict=False))
