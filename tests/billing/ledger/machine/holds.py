"""Holds: opened by a reserve, closed once, corrected afterwards; whoever does not close theirs is swept."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import consumes, rule

from tests.billing.ledger.machine.budgets import Window
from tests.billing.ledger.machine.stage import CLOSED, HOLDS, Stage

Line = tuple[int, int]
"""A leg and one attempt at it."""
Correction = tuple[Line, int, str, int | None]
"""Of which line, by how much, its reference, and the number of the entry that it was worked out from: 0 the first, -1 the newest, or none."""
corrections = st.lists(
    st.tuples(st.sampled_from([(0, 1), (0, 1), (0, 2), (1, 1), (3, 1)]), st.one_of(st.integers(-20, 20), st.integers(-400, 400)),
              st.sampled_from("abc"), st.sampled_from([None, None, 0, -1])), min_size=1, max_size=2,
)  # fmt: skip
came = {
    "share": st.integers(0, 100), "legs": st.integers(1, 3), "overrun": st.sampled_from([0, 0, 7]), "tries": st.sampled_from([1, 1, 2]),
    "twice": st.booleans(), "kind": st.sampled_from(["settled", "assumed"]),
}


@dataclass
class Hold:
    id: UUID
    end_user: str
    tagged: bool
    legs: list[int]
    windows: list[Window]
    expired: bool
    sent: set[int] = field(default_factory=lambda: {0})
    state: str = "open"
    booked: Counter[Line] = field(default_factory=Counter)
    """What is spent."""
    overrun: Counter[Line] = field(default_factory=Counter)
    attempted: frozenset[Line] = frozenset()
    """What the closing booked."""
    corrected: bool = False
    references: set[tuple[Line, str]] = field(default_factory=set)

    def close(self, state: str, booked: dict[Line, int], overrun: int = 0) -> None:
        self.state, self.attempted = state, frozenset(booked)
        self.corrected = overrun > 0
        for window in self.windows:
            window.held -= sum(self.legs)
        self.move(booked, {max(line for line in booked if line[0] == 0): overrun} if overrun else {})

    def correct(self, came: dict[Line, int], overrun: int) -> str:
        """A settle that comes after the sweep: the difference of each leg, all of it once."""
        difference: Counter[int] = Counter()
        for sums, sign in ((came, 1), (self.booked, -1)):
            for (leg, _), amount in sums.items():
                difference[leg] += sign * amount
        if self.corrected or not (any(difference.values()) or overrun):
            return "again"
        over = Counter({(0, 1): overrun})
        if not self.has_room(sum(difference.values())):
            over.update({(leg, 1): part for leg, part in difference.items() if part > 0})
            difference = Counter({leg: part for leg, part in difference.items() if part < 0})
        self.move({(leg, 1): part for leg, part in difference.items()}, over)
        self.corrected = True
        return "late"

    def adjust(self, line: Line, amount: int, reference: str, *, changed: bool) -> str:
        if self.state == "open":
            return "open"
        if line not in self.attempted:
            return "unknown"
        if (line, reference) in self.references:
            return "again"
        if changed:
            return "changed"
        back = min(self.overrun[line], max(-amount, 0))
        rest = amount + back
        if -rest > min([self.booked[line], *(window.spent for window in self.windows)]):
            return "too_low"
        fits = rest <= 0 or self.has_room(rest)
        self.move({line: rest if fits else 0}, {line: -back if fits else rest})
        self.references.add((line, reference))
        self.corrected = self.corrected or back > 0 or not fits  # a late settle leaves a hold with an overrun alone
        return "posted"

    def has_room(self, amount: int) -> bool:
        return all(window.room is None or amount <= window.room for window in self.windows)

    def move(self, spent: dict[Line, int], overrun: dict[Line, int]) -> None:
        self.booked.update(spent)
        self.overrun.update(overrun)
        for window in self.windows:
            window.spent += sum(spent.values())
            window.overrun += sum(overrun.values())


class HoldRules(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.all_holds: list[Hold] = []

    def spent_by(self, scope: str, name: str) -> int:
        mine = [hold for hold in self.all_holds if scope == "tenant" or (hold.tagged if scope == "tag" else hold.end_user == name)]
        return sum(hold.booked.total() + hold.overrun.total() for hold in mine)

    def in_flight(self) -> Counter[str]:
        return Counter(hold.end_user for hold in self.all_holds if hold.state == "open")

    @rule(target=CLOSED, hold=consumes(HOLDS), **came)
    def settle(self, hold: Hold, **came: Any) -> Hold:
        self.settle_with(hold, **came)
        return hold

    @rule(hold=CLOSED, **came)
    def settle_again(self, hold: Hold, **came: Any) -> None:
        self.settle_with(hold, **came)

    def settle_with(self, hold: Hold, share: int, legs: int, overrun: int, tries: int, twice: bool, kind: str) -> None:
        """Each leg comes to a share of its bound; with two tries the first leg failed once, and answered then."""
        came = {(leg, 1): amount * share // 100 for leg, amount in enumerate(hold.legs[:legs])}
        entries = [entry_of(line, amount, kind) for line, amount in came.items()]
        if tries == 2:
            came[0, 2], came[0, 1] = came[0, 1], 0
            entries = [entry_of((0, 1), 0, "voided"), entry_of((0, 2), came[0, 2], kind), *entries[1:]]
        if overrun:
            entries.append(entry_of((0, tries), overrun, "overrun"))
        if hold.state == "open":
            expected = "closed"
            hold.close(kind, came, overrun)
        else:
            expected = hold.correct(came, overrun) if hold.state == "assumed" else "again"
        item = {"id": hold.id, "tenant": self.tenant, "state": kind, "entries": entries}
        assert self.call("billing_settle", *[item] * (2 if twice else 1)) == [expected, "again"][: 2 if twice else 1]

    @rule(target=CLOSED, hold=consumes(HOLDS))
    def release(self, hold: Hold) -> Hold:
        expected = "again"
        if hold.state == "open":
            expected = "closed"
            hold.close("voided", {(0, 1): 0})
        elif hold.state == "assumed":
            expected = hold.correct({(0, 1): 0}, 0)
        item = {"id": hold.id, "tenant": self.tenant, "state": "voided", "entries": [entry_of((0, 1), 0, "voided")]}
        assert self.call("billing_settle", item) == [expected]
        return hold

    @rule(hold=HOLDS, leg=st.integers(0, 3), dies=st.booleans())
    def mark_sent(self, hold: Hold, leg: int, dies: bool) -> None:
        """The first byte of a leg is about to leave, and then the process may die: its hold is swept once it has expired."""
        expected = "unknown" if leg >= len(hold.legs) else "marked" if hold.state == "open" else "closed"
        assert self.call("billing_mark_sent", {"id": hold.id, "tenant": self.tenant, "leg": leg}) == [expected]
        if expected == "marked":
            hold.sent.add(leg)
        if dies:
            self.owner.execute("UPDATE billing_reservation SET expires_at = clock_timestamp() WHERE id = %s", [hold.id])
            hold.expired = True
            self.sweep()

    @rule(hold=CLOSED, wanted=corrections, twice=st.booleans())
    def adjust(self, hold: Hold, wanted: list[Correction], twice: bool) -> None:
        self.adjust_all(hold, wanted * (2 if twice else 1))

    @rule(hold=HOLDS, wanted=corrections)
    def adjust_early(self, hold: Hold, wanted: list[Correction]) -> None:
        self.adjust_all(hold, wanted)

    def adjust_all(self, hold: Hold, wanted: list[Correction]) -> None:
        """Post corrections in one batch."""
        booked = self.entries_of(hold) if any(seen is not None for *_, seen in wanted) else {}
        items, expected, touched = [], [], set()
        for line, amount, reference, seen in wanted:
            known = None if seen is None else booked.get(line, [uuid4()])
            status = hold.adjust(line, amount, reference, changed=line in touched or (known is not None and known[seen or 0] != known[-1]))
            if status == "posted":
                touched.add(line)
            expected.append(status)
            items.append({
                "tenant": self.tenant, "reservation": hold.id, "leg": line[0], "attempt": line[1], "amount": amount, "actor": "m", "reason": "r",
                "reference": reference, **({} if known is None else {"after": known[seen or 0]}),
            })  # fmt: skip
        assert self.call("billing_adjust", *items) == expected

    def entries_of(self, hold: Hold) -> dict[Line, list[UUID]]:
        rows: Iterable[Any] = self.app.execute(
            "SELECT leg, attempt, array_agg(id ORDER BY id) FROM billing_costentry WHERE reservation_id = %s GROUP BY 1, 2", [hold.id]
        ).fetchall()
        return {(leg, attempt): ids for leg, attempt, ids in rows}

    @rule()
    def sweep(self) -> None:
        self.app.execute("SELECT billing_sweep(1000)")
        for hold in self.all_holds:
            if hold.state == "open" and hold.expired:
                hold.close("assumed", {(leg, 1): hold.legs[leg] for leg in hold.sent})


def leg_of(amount: int) -> dict[str, Any]:
    return {"step": "draft", "provider": "openai", "model": "small", "price_version": "", "amount": amount}


def entry_of(line: Line, amount: int, kind: str) -> dict[str, Any]:
    return {**leg_of(amount), "leg": line[0], "attempt": line[1], "kind": kind}
