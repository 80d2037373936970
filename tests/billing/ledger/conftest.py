"""A tenant with a till: budgets set as its operator would, calls as its applications would, and the book looked at as it is."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
import pytest_asyncio
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from billing.invariants import INVARIANTS
from billing.ledger import Entry, Hold, HoldRefused, HoldRequest, Ledger, Leg, Rung, Subject
from tenants.end_users import end_user_id
from tests import database
from tests.cast import Cast

Row = dict[str, Any]


def leg(amount: int, *, step: str = "draft", model: str = "small") -> Leg:
    return Leg(step=step, provider="openai", model=model, price_version="v1", amount=amount)


def entry(amount: int, *, kind: str = "settled", leg: int = 0, **fields: Any) -> Entry:
    return Entry(leg=leg, kind=kind, amount=amount, **{"step": "draft", "provider": "openai", "model": "small", **fields})  # type: ignore[arg-type]


class Till:
    """acme's money, seen from outside. Budgets are for all time unless said otherwise, so that no test minds midnight."""

    dumps = staticmethod(msgspec.json.encode)

    def __init__(self, cast: Cast, owner: psycopg.Connection[Row]) -> None:
        self.cast, self.owner = cast, owner
        self.tenant_id = cast.acme.id

    def budget(self, limit: int, *, scope: str = "tenant", subject: str = "", period: str = "total", action: str = "block", **fields: Any) -> UUID:
        values = {
            "id": uuid4(), "tenant_id": self.tenant_id, "name": "", "scope": scope, "subject": subject, "period": period, "limit_nusd": limit,
            "action": action, "soft_marks": [], "is_paused": False, "created_at": "now", **fields,
        }
        self.owner.execute(
            f"INSERT INTO billing_budget ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})", list(values.values())
        )
        return values["id"]  # type: ignore[no-any-return]

    def change(self, budget: UUID, **fields: Any) -> None:
        settings = ", ".join(f"{name} = %s" for name in fields)
        self.owner.execute(f"UPDATE billing_budget SET {settings} WHERE id = %s", [*fields.values(), budget])

    def subject(self, user: str | None = None, **fields: Any) -> Subject:
        identity = end_user_id(salt=bytes(self.cast.acme.end_user_salt), external_id=user) if user else None
        return Subject(**{"tenant_id": self.tenant_id, "time_zone": "Europe/Berlin", "end_user_id": identity, "end_user_name": user, **fields})

    def asked(self, *amounts: int | Sequence[int], user: str | None = None, ttl_s: int = 660, unpriced: bool = False, **subject: Any) -> HoldRequest:
        """A request with one rung an argument: of one leg, or of several where a list is given."""
        rungs = [Rung(legs=[leg(part) for part in ([amount] if isinstance(amount, int) else amount)]) for amount in amounts]
        return HoldRequest(id=uuid4(), subject=self.subject(user, **subject), rungs=rungs, ttl_s=ttl_s, unpriced=unpriced, domain="code", preset="p")

    def batch(self, *requests: HoldRequest, owner: str = "a test") -> Jsonb:
        """What billing_reserve is given for the requests."""
        ledger = Ledger.__new__(Ledger)
        ledger.owner = owner
        return self.json([ledger._item(request) for request in requests])

    def json(self, items: Any) -> Jsonb:
        return Jsonb(items, dumps=self.dumps)

    def windows(self, budget: UUID) -> list[Row]:
        return self.owner.execute("SELECT * FROM billing_budgetwindow WHERE budget_id = %s ORDER BY subject, start_at", [budget]).fetchall()

    def sums(self, budget: UUID) -> tuple[int, int]:
        """What is spent and what is held in the budget's only window."""
        (window,) = self.windows(budget)
        return window["spent_nusd"], window["held_nusd"]

    def hold(self, hold: Hold | HoldRequest) -> Row | None:
        return self.owner.execute("SELECT * FROM billing_reservation WHERE id = %s", [hold.id]).fetchone()

    def entries(self, hold: Hold | HoldRequest) -> list[Row]:
        return self.owner.execute("SELECT * FROM billing_costentry WHERE reservation_id = %s ORDER BY booked_at, leg, kind", [hold.id]).fetchall()

    def call(self, function: str, *items: Row) -> list[Any]:
        """Call a function of the ledger with one batch, as the application's role does."""
        with psycopg.connect(database.app_dsn(), autocommit=True) as app:
            return [answer for _, answer in app.execute(f"SELECT * FROM {function}(%s)", [self.json(items)]).fetchall()]

    def breaks(self) -> list[tuple[str, Row]]:
        """The invariants that do not hold, among the tenant's own rows."""
        with psycopg.connect(database.app_dsn(), row_factory=dict_row) as app:
            app.execute("SELECT set_config('app.tenant_id', %s, true)", [str(self.tenant_id)])
            return [(invariant.name, row) for invariant in INVARIANTS for row in app.execute(invariant.query).fetchall()]


@pytest.fixture
def till(committed_cast: Cast) -> Iterator[Till]:
    with psycopg.connect(database.owner_dsn(), autocommit=True, row_factory=dict_row) as owner:
        till = Till(committed_cast, owner)
        yield till
        assert till.breaks() == []


@pytest_asyncio.fixture
async def ledger(till: Till) -> AsyncIterator[Ledger]:
    ledger = Ledger(dsn=database.app_dsn())
    yield ledger
    await ledger.close()


async def attempt(ledger: Ledger, request: HoldRequest) -> Hold | HoldRefused:
    try:
        return await ledger.reserve(request)
    except HoldRefused as refused:
        return refused
