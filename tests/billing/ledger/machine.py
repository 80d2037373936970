"""The ledger against a tiny model of it: any sequence of calls leaves the windows as the model says, and no invariant broken."""

from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID, uuid4

import msgspec
import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from psycopg.types.json import Jsonb

from billing.invariants import INVARIANTS

NAMES = {"": None, "ann": uuid4(), "ben": uuid4()}
STARTING = {("tenant", ""): (1000, "block"), ("end_user", ""): (400, "degrade"), ("end_user", "ann"): (600, "block"), ("tag", "a"): (300, "warn")}
PERIODS = {("end_user", ""): "total", ("end_user", "ann"): "total"}
legs = st.lists(st.integers(0, 300), min_size=1, max_size=3)
rungs = st.lists(legs, min_size=1, max_size=3).map(lambda found: sorted(found, key=sum, reverse=True))


@dataclass
class Window:
    limit: int
    cap: int | None
    cap_high: int | None
    spent: int = 0
    held: int = 0
    overrun: int = 0

    @property
    def free(self) -> int | None:
        return None if self.cap is None else self.cap - self.spent - self.held

    @property
    def room(self) -> int | None:
        return None if self.cap_high is None else self.cap_high - self.spent - self.held


@dataclass
class Hold:
    id: UUID
    legs: list[int]
    windows: list[Window]
    expired: bool
    sent: set[int] = field(default_factory=lambda: {0})
    state: str = "open"
    booked: dict[int, int] = field(default_factory=dict)
    """What is spent, by leg."""
    overrun: dict[int, int] = field(default_factory=dict)
    attempted: frozenset[int] = frozenset()
    """The legs that the closing booked."""
    corrected: bool = False
    references: set[tuple[int, str]] = field(default_factory=set)

    def close(self, state: str, booked: dict[int, int], overrun: int = 0) -> None:
        self.state, self.booked, self.attempted = state, dict(booked), frozenset(booked)
        self.overrun = {0: overrun}
        self.corrected = overrun > 0
        for window in self.windows:
            window.held -= sum(self.legs)
            window.spent += sum(booked.values())
            window.overrun += overrun

    def correct(self, came: dict[int, int], overrun: int) -> str:
        differences = {leg: came.get(leg, 0) - self.booked.get(leg, 0) for leg in came.keys() | self.booked.keys()}
        if self.corrected or not (any(differences.values()) or overrun):
            return "again"
        over = {0: overrun}
        if not self.has_room(sum(differences.values())):
            for leg, part in differences.items():
                over[leg] = over.get(leg, 0) + max(part, 0)
            differences = {leg: part for leg, part in differences.items() if part < 0}
        self.move(differences, over)
        self.corrected = True
        return "late"

    def adjust(self, leg: int, amount: int, reference: str) -> str:
        if self.state == "open":
            return "open"
        if leg not in self.attempted:
            return "unknown"
        if (leg, reference) in self.references:
            return "again"
        back = min(self.overrun.get(leg, 0), max(-amount, 0))
        rest = amount + back
        if -rest > self.booked[leg]:
            return "too_low"
        fits = rest <= 0 or self.has_room(rest)
        self.move({leg: rest if fits else 0}, {leg: -back if fits else rest})
        self.references.add((leg, reference))
        self.corrected = self.corrected or back > 0 or not fits  # a late settle leaves a hold with an overrun alone
        return "posted"

    def has_room(self, amount: int) -> bool:
        return all(window.room is None or amount <= window.room for window in self.windows)

    def move(self, spent: dict[int, int], overrun: dict[int, int]) -> None:
        for changes, kept in ((spent, self.booked), (overrun, self.overrun)):
            for leg, part in changes.items():
                kept[leg] = kept.get(leg, 0) + part
        for window in self.windows:
            window.spent += sum(spent.values())
            window.overrun += sum(overrun.values())


class LedgerMachine(RuleBasedStateMachine):
    app: ClassVar[psycopg.Connection]
    owner: ClassVar[psycopg.Connection]
    steps: ClassVar[int] = 0
    book_every: ClassVar[int] = 1
    """After how many steps all invariants of the book are looked at; the windows are compared after each."""
    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.tenant = uuid4()
        self.owner.execute(
            "INSERT INTO tenants_tenant SELECT (jsonb_populate_record(t, jsonb_build_object('id', %s::uuid, 'slug', %s::text))).*"
            " FROM tenants_tenant t LIMIT 1", [self.tenant, f"machine-{self.tenant.hex}"],
        )  # fmt: skip
        self.budgets = {which: [uuid4(), limit, action] for which, (limit, action) in STARTING.items()}
        for (scope, subject), (identity, limit, action) in self.budgets.items():
            self.owner.execute(
                "INSERT INTO billing_budget (id, tenant_id, name, scope, subject, period, limit_nusd, action, soft_marks, is_paused, created_at)"
                " VALUES (%s, %s, '', %s, %s, %s, %s, %s, '{}', false, now())",
                [identity, self.tenant, scope, subject, PERIODS.get((scope, subject), "monthly"), limit, action],
            )
        self.windows: dict[tuple[UUID, str], Window] = {}
        self.all_holds: list[Hold] = []
        self.app.execute("SELECT set_config('app.tenant_id', %s, false)", [str(self.tenant)])

    def call(self, function: str, *items: dict[str, Any]) -> list[Any]:
        rows = self.app.execute(f"SELECT * FROM {function}(%s)", [Jsonb(list(items), dumps=msgspec.json.encode)]).fetchall()
        return [answer for _, answer in rows]

    def bound_by(self, name: str, tagged: bool) -> list[tuple[Window, str]]:
        """The windows of a call with the actions of their budgets, opened and brought up to date as an admission does."""
        which = [("tenant", "")]
        if name:
            which.append(("end_user", "ann" if name == "ann" else ""))
        if tagged:
            which.append(("tag", "a"))
        found = []
        for key in which:
            identity, limit, action = self.budgets[key]
            cap = None if action == "warn" else limit
            window = self.windows.setdefault((identity, str(NAMES[name]) if key[0] == "end_user" else ""), Window(limit, cap, cap))
            if window.limit != limit:
                window.limit, window.cap = limit, cap
                window.cap_high = None if cap is None else max(window.cap_high or 0, cap, window.spent + window.held)
            found.append((window, action))
        return found

    @rule(target=holds, name=st.sampled_from(list(NAMES)), tagged=st.booleans(), rungs=rungs, edge=st.sampled_from([None, None, 0, 1]),
          expired=st.booleans())  # fmt: skip
    def reserve(self, name: str, tagged: bool, rungs: list[list[int]], edge: int | None, expired: bool) -> Any:
        bound = self.bound_by(name, tagged)
        free = min((window.free for window, _ in bound if window.free is not None), default=0)
        if edge is not None and free + edge >= 0:
            rungs = [[free + edge]]  # exactly what is free, or one more
        block = min((window.free for window, action in bound if action == "block" and window.free is not None), default=None)
        fitting = [number for number, rung in enumerate(rungs) if sum(rung) <= max(free, 0)]
        chosen = None if not fitting or (block is not None and sum(rungs[0]) > max(block, 0)) else fitting[0]
        identity = uuid4()
        asked = [{"amount": sum(rung), "legs": [leg_of(amount) for amount in rung]} for rung in rungs]
        (answer,) = self.call("billing_reserve", {
            "id": identity, "tenant": self.tenant, "zone": "Europe/Berlin", "owner": "machine", "ttl_s": 0 if expired else 900,
            "end_user": NAMES[name], "end_user_name": name or None, "api_key": None, "tier": None, "tags": ["a"] if tagged else [], "unpriced": False,
            "labels": {"tags": ["a"] if tagged else []}, "rungs": asked,
        })  # fmt: skip
        assert answer.get("rung") == chosen, answer
        if chosen is None:
            return multiple()
        hold = Hold(identity, rungs[chosen], [window for window, _ in bound], expired)
        for window in hold.windows:
            window.held += sum(hold.legs)
        self.all_holds.append(hold)
        return hold

    @rule(hold=holds, share=st.integers(0, 100), legs=st.integers(1, 3), overrun=st.sampled_from([0, 0, 7]), twice=st.booleans(),
          kind=st.sampled_from(["settled", "assumed"]))  # fmt: skip
    def settle(self, hold: Hold, share: int, legs: int, overrun: int, twice: bool, kind: str) -> None:
        came = {leg: amount * share // 100 for leg, amount in enumerate(hold.legs[:legs])}
        entries = [{**leg_of(amount), "leg": leg, "kind": kind} for leg, amount in came.items()]
        if overrun:
            entries.append({**leg_of(overrun), "leg": 0, "kind": "overrun"})
        item = {"id": hold.id, "tenant": self.tenant, "state": kind, "entries": entries}
        if hold.state == "open":
            expected = "closed"
            hold.close(kind, came, overrun)
        else:
            expected = hold.correct(came, overrun) if hold.state == "assumed" else "again"
        assert self.call("billing_settle", *[item] * (2 if twice else 1)) == [expected, "again"][: 2 if twice else 1]

    @rule(hold=consumes(holds))
    def release(self, hold: Hold) -> None:
        entry = {**leg_of(0), "leg": 0, "kind": "voided"}
        expected = "again"
        if hold.state == "open":
            expected = "closed"
            hold.close("voided", {0: 0})
        elif hold.state == "assumed":
            expected = hold.correct({0: 0}, 0)
        assert self.call("billing_settle", {"id": hold.id, "tenant": self.tenant, "state": "voided", "entries": [entry]}) == [expected]

    @rule(hold=holds, leg=st.integers(0, 3))
    def mark_sent(self, hold: Hold, leg: int) -> None:
        expected = "unknown" if leg >= len(hold.legs) else "marked" if hold.state == "open" else "closed"
        assert self.call("billing_mark_sent", {"id": hold.id, "tenant": self.tenant, "leg": leg}) == [expected]
        if expected == "marked":
            hold.sent.add(leg)

    @rule(hold=holds, leg=st.integers(0, 3), amount=st.integers(-400, 400), reference=st.sampled_from("abc"), twice=st.booleans())
    def adjust(self, hold: Hold, leg: int, amount: int, reference: str, twice: bool) -> None:
        expected = [hold.adjust(leg, amount, reference) for _ in range(2 if twice else 1)]
        item = {"tenant": self.tenant, "reservation": hold.id, "leg": leg, "amount": amount, "actor": "m", "reason": "r", "reference": reference}
        assert self.call("billing_adjust", *[item] * len(expected)) == expected

    @rule()
    def sweep(self) -> None:
        self.app.execute("SELECT billing_sweep(1000)")
        for hold in self.all_holds:
            if hold.state == "open" and hold.expired:
                hold.close("assumed", {leg: hold.legs[leg] for leg in hold.sent})

    @rule(which=st.sampled_from(list(STARTING)), limit=st.integers(0, 1500))
    def change_limit(self, which: tuple[str, str], limit: int) -> None:
        self.budgets[which][1] = limit
        self.owner.execute("UPDATE billing_budget SET limit_nusd = %s WHERE id = %s", [limit, self.budgets[which][0]])

    @rule(action=st.sampled_from(["block", "degrade"]))
    def change_action(self, action: str) -> None:
        self.budgets["end_user", ""][2] = action
        self.owner.execute("UPDATE billing_budget SET action = %s WHERE id = %s", [action, self.budgets["end_user", ""][0]])

    @invariant()
    def windows_are_as_the_model_says(self) -> None:
        rows = self.app.execute(
            "SELECT budget_id, subject, limit_nusd, cap_nusd, cap_high_nusd, spent_nusd, held_nusd, overrun_nusd FROM billing_budgetwindow"
        ).fetchall()
        assert {(row[0], row[1]): Window(*row[2:]) for row in rows} == self.windows
        for window in self.windows.values():
            assert window.room is None or window.room >= 0

    @invariant()
    def the_book_is_whole(self) -> None:
        LedgerMachine.steps += 1
        if LedgerMachine.steps % self.book_every:
            return
        assert {name: rows for name, rows in ((i.name, self.app.execute(i.query).fetchall()) for i in INVARIANTS) if rows} == {}


def leg_of(amount: int) -> dict[str, Any]:
    return {"step": "draft", "provider": "openai", "model": "small", "price_version": "", "amount": amount}
