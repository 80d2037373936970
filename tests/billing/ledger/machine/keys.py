"""Idempotency keys: claimed with the hold, let go of where there is none, known until their time is over."""

from dataclasses import astuple, dataclass
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.billing.ledger.machine.stage import Stage

Name = tuple[str, str]
NAMED: list[Name] = [("runs", "k"), ("runs", "l"), ("chat", "k")]
names = st.sampled_from(NAMED)
KEYS = "SELECT endpoint, key, reservation_id, fingerprint, status, reply, expires_at > clock_timestamp() FROM billing_idempotencykey"
or_none = st.sampled_from([None] * 6 + [(name, letter * 32) for name in NAMED for letter in (b"f", b"g")])


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
        self.looks.append((KEYS, self.keys_are_as_the_model_says))

    def claim(self, name: Name, fingerprint: bytes, hold: UUID) -> bool:
        known = self.keys.get(name)
        if known is not None and known.is_alive:
            return False
        self.keys[name] = Known(hold, fingerprint)
        return True

    @rule(name=names, is_own=st.sampled_from([True, True, False]), status=st.sampled_from([None, 200, 402]), expires=st.booleans())
    def finish_key(self, name: Name, is_own: bool, status: int | None, expires: bool) -> None:
        """Only the call itself can: of another one nothing is kept, and it lets go of nothing. Then its time may be over."""
        known = self.keys.get(name)
        hold = known.hold if known is not None and is_own else uuid4()
        self.app.execute("SELECT billing_finish_key(%s, %s, %s, %s, %s::smallint, %s)", [self.tenant, *name, hold, status, b"reply"])
        if known is not None and is_own and status is None:
            del self.keys[name]
        elif known is not None and is_own:
            known.status, known.reply = status, b"reply"
        if expires:
            self.expire(name)
        self.find_key(name)

    @rule(name=names)
    def keys_are_forgotten(self, name: Name) -> None:
        """One of them has expired, at least."""
        self.expire(name)
        self.app.execute("SELECT billing_forget_keys(1000)")
        self.keys = {name: known for name, known in self.keys.items() if known.is_alive}

    def expire(self, name: Name) -> None:
        if name not in self.keys:
            return
        self.owner.execute(
            "UPDATE billing_idempotencykey SET expires_at = clock_timestamp() WHERE (tenant_id, endpoint, key) = (%s, %s, %s)", [self.tenant, *name]
        )
        self.keys[name].is_alive = False

    def find_key(self, name: Name) -> None:
        rows = self.app.execute(
            "SELECT reservation_id, fingerprint, status, reply FROM billing_find_key(%s, %s, %s)", [self.tenant, *name]
        ).fetchall()
        known = self.keys.get(name)
        assert rows == ([astuple(known)[:4]] if known is not None and known.is_alive else [])

    def keys_are_as_the_model_says(self, rows: list[Any]) -> None:
        assert {(row[0], row[1]): Known(*row[2:]) for row in rows} == self.keys
