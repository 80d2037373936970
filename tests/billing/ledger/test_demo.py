"""What is made up and what was spent never mix: the database refuses it, whoever asks."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from billing.ledger import Ledger
from tests import database
from tests.billing.ledger.conftest import Till, entry

EMPTY = "billing_fill_demo('[]', '[]', '[]', '[]')"
DOORS = (EMPTY, "billing_delete_demo()")


@pytest.fixture
def app(till: Till) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.app_dsn(), autocommit=True) as app:
        yield app


def scope(app: psycopg.Connection, tenant: object) -> None:
    app.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant)])


def make_demo(till: Till) -> uuid.UUID:
    identity = uuid.uuid4()
    till.owner.execute(
        "INSERT INTO tenants_tenant SELECT (jsonb_populate_record(t, jsonb_build_object('id', %s::uuid, 'slug', %s::text, 'is_demo', true))).*"
        " FROM tenants_tenant t WHERE id = %s",
        [identity, identity.hex, till.tenant_id],
    )
    return identity


@pytest.mark.asyncio
@pytest.mark.parametrize("call", DOORS)
@pytest.mark.parametrize("whose", ["a real tenant", "nobody", "someone unknown", "the platform"])
async def test_what_is_no_demo_is_neither_filled_nor_deleted(app: psycopg.Connection, ledger: Ledger, till: Till, call: str, whose: str) -> None:
    hold = await ledger.reserve(till.asked(10))
    await ledger.settle(hold, entries=[entry(5)])
    make_demo(till)
    scope(app, {"a real tenant": till.tenant_id, "someone unknown": uuid.uuid4()}.get(whose, ""))
    app.execute("SELECT set_config('app.platform', %s, false)", ["on" if whose == "the platform" else ""])
    with pytest.raises(psycopg.DatabaseError, match="no demo") as refused:
        app.execute(f"SELECT {call}")
    assert refused.value.sqlstate == "CF006"
    assert [row["amount_nusd"] for row in till.entries(hold)] == [5]


@pytest.mark.parametrize("who", ["the application", "the owner"])
@pytest.mark.parametrize("becomes", [True, False])
def test_a_demo_never_becomes_real_nor_the_reverse(app: psycopg.Connection, till: Till, who: str, becomes: bool) -> None:
    tenant = till.tenant_id if becomes else make_demo(till)
    scope(app, tenant)
    by = app if who == "the application" else till.owner
    with pytest.raises(psycopg.DatabaseError, match="never changes"):
        by.execute("UPDATE tenants_tenant SET is_demo = %s WHERE id = %s", [becomes, tenant])


@pytest.mark.asyncio
async def test_a_demo_in_which_something_was_really_held_stays(app: psycopg.Connection, ledger: Ledger, till: Till) -> None:
    demo = make_demo(till)
    hold = await ledger.reserve(till.asked(10, tenant_id=demo))
    await ledger.settle(hold, entries=[entry(5)])
    scope(app, demo)
    for call, why in zip(DOORS, ("filled already", "stays booked"), strict=True):
        with pytest.raises(psycopg.DatabaseError, match=why):
            app.execute(f"SELECT {call}")
    assert [row["amount_nusd"] for row in till.entries(hold)] == [5]


def test_the_past_of_a_demo_has_no_window_of_anybody_else_and_no_hold_that_is_open(app: psycopg.Connection, till: Till) -> None:
    scope(app, make_demo(till))
    held = {
        "state": "settled", "labels": {}, "legs": [], "sent": 1, "places": [], "amount_nusd": 1, "actual_nusd": 1,
        "created_at": "2026-01-01T00:00Z", "expires_at": "2026-01-01T00:02Z", "closed_at": "2026-01-01T00:01Z",
    }  # fmt: skip
    for wrong in ({"places": [0]}, {"state": "open", "actual_nusd": None}, {"closed_at": "2999-01-01T00:00Z"}):
        hold = till.json([{**held, **wrong, "id": str(uuid.uuid4())}])
        with pytest.raises(psycopg.DatabaseError, match="calls that are over, in windows of its own"):
            app.execute("SELECT billing_fill_demo('[]', '[]', %s, '[]')", [hold])


def test_a_demo_is_deleted_by_its_own_scope_and_another_one_stays(app: psycopg.Connection, till: Till) -> None:
    mine, other = make_demo(till), make_demo(till)
    scope(app, mine)
    app.execute("SELECT billing_delete_demo()")
    rows = till.owner.execute("SELECT id FROM tenants_tenant WHERE id = ANY (%s)", [[mine, other, till.tenant_id]]).fetchall()
    assert {row["id"] for row in rows} == {other, till.tenant_id}
