"""Idempotency keys: claimed with the hold, let go of where there is none, known until their time is over."""

from dataclasses import astuple, dataclass
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.billing.ledger.machine.holds import Hold
from tests.billing.ledger.machine.stage import HOLDS, Stage

Name = tuple[str, str]
NAMED: list[Name] = [("runs", "k"), ("runs", "l"), ("chat", "k")]
names = st.sampled_from(NAMED)
fingerprints = st.sampled_from([b"f" * 32, b"g" * 32])


@dataclass
class Known:
    hold: UUID
    fingerprint: bytes
    status: int | None = None
    reply: bytes = b""
    is_alive: bool = True


class KeyRules(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[Name, Known] = {}

    def claim(self, name: Name, hold: UUID, fingerprint: bytes) -> bool:
        known = self.keys.get(name)
        if known is not None and known.is_alive:
            return False
        self.keys[name] = Known(hold, fingerprint)
        return True

    @rule(name=names, hold=HOLDS, status=st.sampled_from([None, 200, 402]))
    def finish_key(self, name: Name, hold: Hold, status: int | None) -> None:
        """Only the call itself can: of another one nothing is kept, and it lets go of nothing."""
        self.app.execute("SELECT billing_finish_key(%s, %s, %s, %s, %s::smallint, %s)", [self.tenant, *name, hold.id, status, b"reply"])
        known = self.keys.get(name)
        if known is not None and known.hold == hold.id and status is None:
            del self.keys[name]
        elif known is not None and known.hold == hold.id:
            known.status, known.reply = status, b"reply"
        self.find_key(name)

    @rule(name=names, forget=st.booleans())
    def a_key_expires(self, name: Name, forget: bool) -> None:
        """Then those that are over may be forgotten."""
        self.owner.execute(
            "UPDATE billing_idempotencykey SET expires_at = clock_timestamp() WHERE (tenant_id, endpoint, key) = (%s, %s, %s)", [self.tenant, *name]
        )
        if name in self.keys:
            self.keys[name].is_alive = False
        if forget:
            self.app.execute("SELECT billing_forget_keys(1000)")
            self.keys = {name: known for name, known in self.keys.items() if known.is_alive}
        self.find_key(name)

    def find_key(self, name: Name) -> None:
        rows = self.app.execute(
            "SELECT reservation_id, fingerprint, status, reply FROM billing_find_key(%s, %s, %s)", [self.tenant, *name]
        ).fetchall()
        known = self.keys.get(name)
        assert rows == ([astuple(known)[:4]] if known is not None and known.is_alive else [])

    @invariant()
    def keys_are_as_the_model_says(self) -> None:
        rows = self.app.execute(
            "SELECT endpoint, key, reservation_id, fingerprint, status, reply, expires_at > clock_timestamp() FROM billing_idempotencykey"
        ).fetchall()
        assert {(row[0], row[1]): Known(*row[2:]) for row in rows} == self.keys
