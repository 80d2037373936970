"""Rate limits: buckets that hold a minute's worth and refill all the time, taken from together with the hold, or not at all."""

import time
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.billing.ledger.machine.stage import NAMES, Stage

BUCKETS = "SELECT subject, unit, extract(epoch FROM full_at - clock_timestamp())::float8 FROM tenants_ratebucket"
MINUTE_S = 60.0
KEY = uuid4()
PATIENCE_S = 1.0
"""The real time that may pass until it is taken back. All that is asked for is worth 15 s or a multiple, so no call passes because of it."""


class Limit(NamedTuple):
    who: str
    requests: int | None
    tokens: int | None


limits = st.sampled_from([
    (), (), (Limit("key", 4, None),), (Limit("key", 2, 400),), (Limit("end-user", 2, None),), (Limit("key", 4, 400), Limit("end-user", 1, 200)),
])  # fmt: skip
tokens = st.sampled_from([0, 100, 200, 300, 500])


class Ask(NamedTuple):
    """What one call asks of one bucket."""

    subject: UUID
    unit: str
    limit: int
    cost: int
    name: str

    @property
    def seconds(self) -> float:
        return self.cost * MINUTE_S / self.limit


def asks_of(name: str, wanted: tuple[Limit, ...], tokens: int) -> list[Ask]:
    found = []
    for limit in wanted:
        subject = KEY if limit.who == "key" else NAMES[name]
        for unit, most, cost in (("requests", limit.requests, 1), ("tokens", limit.tokens, tokens)):
            if subject is not None and most is not None:
                found.append(Ask(subject, unit, most, cost, limit.who))
    return found


def rates_of(asks: list[Ask]) -> list[dict[str, Any]]:
    """The asks as an item of billing_reserve says them."""
    return [{"name": name, "subject": subject, **{ask.unit: ask.limit for ask in asks if ask.subject == subject}}
            for name, subject in dict.fromkeys((ask.name, ask.subject) for ask in asks)]  # fmt: skip


Standing = dict[tuple[str, str], tuple[float, float | None]]
"""Of each limit, by name and unit: what is left, and the seconds until the call would fit, None if it never can."""


class Buckets:
    """Seconds until each bucket is full, as if no time passed but what the machine says: the ledger's are lower by the real time at most.

    Runs have to be the same however fast they are: Hypothesis builds new ones from parts of old ones.
    """

    def __init__(self) -> None:
        self.used: dict[tuple[UUID, str], float] = {}
        """Below 0: full for so long."""
        self.began = time.monotonic()

    @property
    def real_s(self) -> float:
        """The time that has really passed."""
        return time.monotonic() - self.began

    def take(self, asks: list[Ask]) -> tuple[bool, Standing]:
        """Take from all buckets or from none. Returns whether, and how the limits stand afterwards."""
        waits: dict[Ask, float | None] = {}
        for ask in asks:
            used = min(MINUTE_S, max(0.0, self.used.get((ask.subject, ask.unit), 0.0)))  # above a minute: of a clock that jumped back
            self.used[ask.subject, ask.unit] = used
            waits[ask] = max(0.0, used + ask.seconds - MINUTE_S) if ask.cost <= ask.limit else None
        fits = all(wait == 0 for wait in waits.values())
        for ask in asks if fits else ():
            self.used[ask.subject, ask.unit] += ask.seconds
        return fits, {(ask.name, ask.unit): (self.left(ask), waits[ask]) for ask in asks}

    def left(self, ask: Ask) -> float:
        return (MINUTE_S - self.used[ask.subject, ask.unit]) * ask.limit / MINUTE_S

    def give_back(self, asks: list[Ask]) -> None:
        for ask in asks:
            self.used[ask.subject, ask.unit] -= ask.seconds

    def shift(self, seconds: float) -> None:
        for bucket in self.used:
            self.used[bucket] += seconds

    def forget_full(self) -> None:
        self.used = {bucket: used for bucket, used in self.used.items() if used > 0}

    def agree(self, told: list[dict[str, Any]], expected: Standing) -> bool:
        """Are limits told as they stand, but for the real time?"""
        if {(rate["name"], rate["unit"]) for rate in told} != set(expected):
            return False
        for rate in told:
            left, wait = expected[rate["name"], rate["unit"]]
            if not -0.001 <= rate["left"] - left <= self.real_s * rate["limit"] / MINUTE_S + 0.001:
                return False
            if wait is None or rate["wait"] is None:
                if wait != rate["wait"]:
                    return False
            elif not -0.001 <= wait - rate["wait"] <= self.real_s:
                return False
        return True


class RateRules(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.buckets = Buckets()
        self.looks.append((BUCKETS, self.buckets_are_as_the_model_says))

    @rule(seconds=st.sampled_from([-15, -15, -30, -60, 86_400]), forget=st.booleans())
    def the_clock_moves(self, seconds: int, forget: bool) -> None:
        """Time passes, or the clock jumps back a day; then what is full may be forgotten."""
        self.owner.execute(
            "UPDATE tenants_ratebucket SET full_at = full_at + make_interval(secs => %s) WHERE tenant_id = %s", [seconds, self.tenant]
        )
        self.buckets.shift(seconds)
        if forget:
            self.app.execute("SELECT billing_forget_rates(1000)")
            self.buckets.forget_full()

    def buckets_are_as_the_model_says(self, rows: list[Any]) -> None:
        found = {(subject, unit): seconds for subject, unit, seconds in rows}
        assert set(found) == set(self.buckets.used)
        for bucket, used in self.buckets.used.items():
            assert -0.001 <= used - found[bucket] <= self.buckets.real_s, (bucket, used, found)
        if self.buckets.real_s > PATIENCE_S:
            self.take_time_back()

    def take_time_back(self) -> None:
        self.buckets.began = time.monotonic()
        for (subject, unit), used in self.buckets.used.items():
            self.owner.execute(
                "UPDATE tenants_ratebucket SET full_at = clock_timestamp() + make_interval(secs => %s)"
                " WHERE tenant_id = %s AND subject = %s AND unit = %s", [used, self.tenant, subject, unit],
            )  # fmt: skip
