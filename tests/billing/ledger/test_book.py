"""The book itself: days, sums per day, partitions."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from billing.housekeeping import prepare_partitions
from billing.ledger import Ledger
from tests import database
from tests.billing.ledger.conftest import Till, entry


@pytest.mark.asyncio
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"])
async def test_an_entry_belongs_to_the_day_of_its_hold_in_the_tenants_zone(ledger: Ledger, till: Till, zone: str) -> None:
    till.owner.execute("UPDATE tenants_tenant SET time_zone = %s WHERE id = %s", [zone, till.tenant_id])
    hold = await ledger.reserve(till.asked(100, time_zone=zone))
    taken = datetime.now(UTC) - timedelta(days=3, hours=5)
    till.owner.execute("UPDATE billing_reservation SET created_at = %s WHERE id = %s", [taken, hold.id])  # a call that ran for days
    await ledger.settle(hold, entries=[entry(60)])
    (booked,) = till.entries(hold)
    assert booked["occurred_at"] == taken
    assert booked["occurred_on"] == taken.astimezone(ZoneInfo(zone)).date()
    assert booked["booked_at"] > taken + timedelta(days=3)


@pytest.mark.asyncio
async def test_sums_per_day_are_those_of_the_entries_in_every_dimension(ledger: Ledger, till: Till) -> None:
    for user, tags in (("ann", ("a", "b")), ("ben", ("b", "b")), (None, ())):
        hold = await ledger.reserve(till.asked([100, 100], user=user, tier="free" if user else None, tags=tags))
        second = entry(7, leg=1, model="large", step="escalation", input_tokens=3, output_tokens=1)
        await ledger.settle(hold, entries=[entry(50, input_tokens=10, output_tokens=5), second])
    await ledger.release(await ledger.reserve(till.asked(100)), entry=entry(0, kind="voided"))
    rows = till.owner.execute("SELECT * FROM billing_dayrollup WHERE tenant_id = %s", [till.tenant_id]).fetchall()
    sums = {(row["dimension"], row["value"]): (row["cost_nusd"], row["entries"], row["input_tokens"], row["output_tokens"]) for row in rows}
    assert sums["all", ""] == (171, 7, 39, 18)
    assert (sums["model", "small"], sums["model", "large"]) == ((150, 4, 30, 15), (21, 3, 9, 3))
    assert (sums["tier", "free"], sums["tier", ""]) == ((114, 4, 26, 12), (57, 3, 13, 6))
    assert (sums["tag", "a"], sums["tag", "b"]) == ((57, 2, 13, 6), (114, 4, 26, 12))
    assert sums["end_user", str(till.subject("ann").end_user_id)] == (57, 2, 13, 6)
    for dimension in ("end_user", "tier", "model", "provider", "domain", "api_key", "preset", "step"):
        assert tuple(map(sum, zip(*(sum_ for key, sum_ in sums.items() if key[0] == dimension), strict=True))) == sums["all", ""]


def test_the_months_to_come_have_partitions_and_making_them_again_makes_none(till: Till) -> None:
    prepare_partitions()
    assert prepare_partitions() == 0
    month = datetime.now(UTC).date().replace(day=1)
    for _ in range(4):
        name = f"billing_costentry_{month:%Y_%m}"
        assert till.owner.execute("SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass(%s)", [name]).fetchone(), name
        month = (month + timedelta(days=31)).replace(day=1)


INSERT = (
    "INSERT INTO billing_costentry SELECT (jsonb_populate_record(e, jsonb_build_object('id', uuidv7(), 'booked_at', %s::timestamptz))).*"
    " FROM billing_costentry e WHERE e.reservation_id = %s LIMIT 1 RETURNING tableoid::regclass::text AS place"
)


@pytest.mark.asyncio
async def test_an_entry_far_in_the_future_is_booked_all_the_same(ledger: Ledger, till: Till) -> None:
    hold = await ledger.reserve(till.asked(100))
    await ledger.settle(hold, entries=[entry(0)])
    with till.owner.transaction(force_rollback=True):
        assert till.owner.execute(INSERT, [datetime(2099, 1, 1, tzinfo=UTC), hold.id]).fetchone() == {"place": "billing_costentry_rest"}
        assert till.owner.execute(INSERT, [datetime.now(UTC), hold.id]).fetchone() == {"place": f"billing_costentry_{datetime.now(UTC):%Y_%m}"}


@pytest.mark.asyncio
async def test_a_month_that_was_booked_before_it_had_a_partition_does_not_keep_the_later_ones_from_theirs(ledger: Ledger, till: Till) -> None:
    hold = await ledger.reserve(till.asked(100))
    await ledger.settle(hold, entries=[entry(0)])
    prepare_partitions()
    ahead = (datetime.now(UTC).replace(day=15) + timedelta(days=31 * 5)).replace(day=15)
    with till.owner.transaction(force_rollback=True):
        till.owner.execute(INSERT, [ahead, hold.id])
        made = till.owner.execute("SELECT billing_ensure_partitions(7) AS made").fetchone()
        assert made == {"made": 3}  # of the four months beyond the first three all but the one
        assert till.owner.execute("SELECT to_regclass(%s) AS place", [f"billing_costentry_{ahead:%Y_%m}"]).fetchone() == {"place": None}


def test_preparing_partitions_gives_up_rather_than_let_calls_queue_behind_it(till: Till) -> None:
    with psycopg.connect(database.owner_dsn()) as busy, psycopg.connect(database.app_dsn()) as app:
        busy.execute("SELECT count(*) FROM billing_costentry")  # a report that reads for long
        busy.execute("SELECT billing_ensure_partitions(0)")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            app.execute("SELECT billing_ensure_partitions(9)")
