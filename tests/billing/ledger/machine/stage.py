"""What every part of the machine stands on: a tenant of its own, the ledger's functions, and the invariants of the book."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import uuid4

import msgspec
import psycopg
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant
from psycopg.types.json import Jsonb

from billing.invariants import INVARIANTS

NAMES = {"": None, "ann": uuid4(), "ben": uuid4()}
"""The end users: the same in every tenant, so that whoever mixes tenants up is found out. "" is nobody."""
HOLDS, CLOSED = Bundle("holds"), Bundle("closed holds")
"""Those of calls that are under way, whether the sweep was faster or not; and those that their calls have closed."""
BREAKS = " UNION ALL ".join(f"SELECT '{i.name}', count(*) FROM ({i.query}) {i.name}" for i in INVARIANTS)
"""How many rows break each invariant, in one round trip."""


class Stage(RuleBasedStateMachine):
    """Set `app` and `owner` before it is run: connections of the application's role, and of one that sees and changes all."""

    app: ClassVar[psycopg.Connection]
    owner: ClassVar[psycopg.Connection]
    steps: ClassVar[int] = 0
    """Rules that were carried out, over all runs, and looked at afterwards."""
    book_every: ClassVar[int] = 1
    """After how many steps all invariants of the book are looked at; the models are compared after each."""

    def __init__(self) -> None:
        super().__init__()
        self.tenant = uuid4()
        self.is_begun = False
        self.looks: list[tuple[str, Callable[[list[Any]], None]]] = []
        """Queries, each with what compares their rows with a model, after each step."""
        self.owner.execute(
            "INSERT INTO tenants_tenant SELECT (jsonb_populate_record(t, jsonb_build_object('id', %s::uuid, 'slug', %s::text))).*"
            " FROM tenants_tenant t LIMIT 1", [self.tenant, f"machine-{self.tenant.hex}"],
        )  # fmt: skip
        self.app.execute("SELECT set_config('app.tenant_id', %s, false)", [str(self.tenant)])

    def call(self, function: str, *items: dict[str, Any]) -> list[Any]:
        rows = self.app.execute(f"SELECT * FROM {function}(%s)", [Jsonb(list(items), dumps=msgspec.json.encode)]).fetchall()
        return [answer for _, answer in rows]

    @invariant()
    def all_is_as_the_models_say(self) -> None:
        with self.app.pipeline():  # one round trip for all of them
            found = [(self.app.execute(query), check) for query, check in self.looks]
        for cursor, check in found:
            check(cursor.fetchall())

    @invariant()
    def the_book_is_whole(self) -> None:
        if not self.is_begun:  # before the first rule
            self.is_begun = True
            return
        Stage.steps += 1
        if Stage.steps % Stage.book_every:
            return
        broken = [name for name, rows in self.app.execute(BREAKS).fetchall() if rows]
        assert {i.name: self.app.execute(i.query).fetchall() for i in INVARIANTS if i.name in broken} == {}
