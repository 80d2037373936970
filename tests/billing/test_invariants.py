"""Each invariant catches the break it is there for, and check_ledger says so."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.types.json import Jsonb

from billing.housekeeping import sweep_now
from billing.invariants import INVARIANTS, breaks
from billing.ledger import Ledger
from tests.cast import Cast

Run = Callable[..., Any]
WINDOW = "UPDATE billing_budgetwindow SET {} WHERE tenant_id = %(tenant)s"
HOLD = "UPDATE billing_reservation SET {} WHERE id = %(closed)s"
OPEN = "UPDATE billing_reservation SET {} WHERE id = %(open)s"
ENTRY = "UPDATE billing_costentry SET {} WHERE reservation_id = %(closed)s"
COPY = (
    "INSERT INTO billing_costentry SELECT (jsonb_populate_record(e, jsonb_build_object('id', uuidv7(), {}))).* FROM billing_costentry e"
    " WHERE e.reservation_id = %(closed)s LIMIT 1"
)
SUM = "UPDATE billing_dayrollup SET {} WHERE tenant_id = %(tenant)s"
KEY = (
    "INSERT INTO billing_idempotencykey (tenant_id, endpoint, key, fingerprint, reservation_id, reply, created_at, expires_at)"
    " VALUES (%(tenant)s, 'runs', gen_random_uuid()::text, '', {}, '', now(), now())"
)
UNCHECKED = "ALTER TABLE billing_{} DROP CONSTRAINT {}"

TAMPERINGS = {
    "a spent sum that was raised": ("I1", [WINDOW.format("spent_nusd = spent_nusd + 1")]),
    "a spent sum that was lowered": ("I1", [WINDOW.format("spent_nusd = spent_nusd - 1")]),
    "an overrun that was forgotten": ("I1", [COPY.format("'kind', 'overrun'")]),
    "an entry that was deleted": ("I1", ["DELETE FROM billing_costentry WHERE reservation_id = %(closed)s"]),
    "held money without a hold": ("I2", [WINDOW.format("held_nusd = held_nusd + 1")]),
    "a hold that lost its window": ("I2", [OPEN.format("window_ids = '{}'")]),
    "a hold that vanished": ("I2", ["DELETE FROM billing_reservation WHERE id = %(open)s"]),
    "a window beyond its cap": ("I3", [UNCHECKED.format("budgetwindow", "never_overspend"), WINDOW.format("cap_high_nusd = 100")]),
    "a closed hold that is open again": ("I4", [HOLD.format("state = 'open', actual_nusd = NULL")]),
    "a hold that was closed without an entry": ("I4", [OPEN.format("state = 'voided', actual_nusd = 0")]),
    "a cost that is not that of the entries": ("I4", [HOLD.format("actual_nusd = actual_nusd - 1")]),
    "an entry that was made smaller": ("I4", [ENTRY.format("amount_nusd = amount_nusd - 1")]),
    "an entry that was booked twice": ("I4", [COPY.format("'amount_nusd', 0")]),
    "an entry of no hold": ("I4", [COPY.format("'reservation_id', '00000000-0000-0000-0000-000000000000'")]),
    "a settle above the hold": ("I5", [UNCHECKED.format("reservation", "actual_within_hold"), HOLD.format("amount_nusd = 1")]),
    "a window that vanished": ("I6", ["DELETE FROM billing_budgetwindow WHERE tenant_id = %(tenant)s"]),
    "a window held twice by one hold": ("I6", [OPEN.format("window_ids = window_ids || window_ids")]),
    "a day's sum that was lowered": ("I7", [SUM.format("cost_nusd = cost_nusd - 1") + " AND dimension = 'all'"]),
    "a day's sum that vanished": ("I7", ["DELETE FROM billing_dayrollup WHERE tenant_id = %(tenant)s AND dimension = 'all'"]),
    "a model's sum that was raised": ("I7", [SUM.format("cost_nusd = 900") + " AND dimension = 'model'"]),
    "a count of entries that was raised": ("I7", [SUM.format("entries = 2") + " AND dimension = 'step'"]),
    "a hold that nobody swept": ("I8", [OPEN.format("expires_at = clock_timestamp() - interval '2 minutes'")]),
    "two windows at one time": ("I9", [
        "INSERT INTO billing_budgetwindow (tenant_id, budget_id, subject, start_at, end_at, limit_nusd, opening_nusd, spent_nusd, held_nusd,"
        " overrun_nusd) SELECT tenant_id, budget_id, subject, start_at + interval '1 hour', end_at, 0, 0, 0, 0, 0 FROM billing_budgetwindow"
        " WHERE tenant_id = %(tenant)s"
    ]),
    "an adjustment by nobody": ("I10", [
        UNCHECKED.format("costentry", "adjustments_say_who_and_why"), COPY.format("'kind', 'adjustment', 'actor', '', 'reason', 'because'"),
    ]),
    "an overrun that nobody takes back": ("I10", [
        UNCHECKED.format("costentry", "only_adjustments_are_negative"), COPY.format("'kind', 'overrun', 'amount_nusd', -1"),
    ]),
    "a correction below nothing": ("I14", [COPY.format("'kind', 'adjustment', 'amount_nusd', -61, 'actor', 'x', 'reason', 'y'")]),
    "an overrun taken back that was none": ("I14", [COPY.format("'kind', 'overrun', 'amount_nusd', -1, 'actor', 'x', 'reason', 'y'")]),
    "a correction that was posted twice": ("I14", [
        COPY.format("'kind', 'adjustment', 'amount_nusd', 1, 'actor', 'x', 'reason', 'y', 'reference', 'z'"),
    ] * 2),
    "a correction of nothing": ("I14", [
        COPY.format("'kind', 'adjustment', 'amount_nusd', 1, 'attempt', 2, 'actor', 'x', 'reason', 'y', 'reference', 'z'"),
    ]),
    "a key that leads nowhere": ("I12", [KEY.format("gen_random_uuid()")]),
    "a hold of two keys": ("I12", [KEY.format("%(closed)s")] * 2),
    "an entry in another tenant's book": ("I13", [ENTRY.format("tenant_id = %(other)s")]),
    "a window of another tenant": ("I13", [WINDOW.format("tenant_id = %(other)s")]),
}  # fmt: skip


@pytest.fixture
def superuser(committed_cast: Cast, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[BaseDatabaseWrapper]:
    """A connection on which everything may be broken, and nothing stays broken; the checks look through it."""
    wrapper = connections["default"].copy()
    wrapper.settings_dict["USER"] = "postgres"
    monkeypatch.setattr("billing.invariants.connection", wrapper)
    with django_db_blocker.unblock():
        wrapper.set_autocommit(False)
        yield wrapper
        wrapper.rollback()
        wrapper.close()


@pytest.fixture
def healthy(committed_cast: Cast, superuser: BaseDatabaseWrapper) -> dict[str, object]:
    """acme with one budget, one settled hold and one open; as ids for the statements that break it."""
    tenant, closed, still_open = committed_cast.acme.id, "0190aaaa-0000-7000-8000-" + committed_cast.acme.id.hex[-12:], committed_cast.ann.id
    ledger = Ledger.__new__(Ledger)
    ledger.owner = "a test"
    with superuser.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_budget (id, tenant_id, name, scope, subject, period, limit_nusd, action, soft_marks, is_paused, created_at)"
            " VALUES (gen_random_uuid(), %s, '', 'tenant', '', 'total', 1000, 'block', '{}', false, now())", [tenant],
        )  # fmt: skip
        leg = {"step": "draft", "provider": "openai", "model": "small", "price_version": "", "amount": 100}
        holds = [
            {"id": str(identity), "tenant": str(tenant), "zone": "UTC", "owner": "a test", "ttl_s": 600, "labels": {"tags": ["t"]}, "tags": ["t"],
             "rungs": [{"amount": 100, "legs": [leg]}]}
            for identity in (closed, still_open)
        ]  # fmt: skip
        cursor.execute("SELECT * FROM billing_reserve(%s)", [Jsonb(holds)])
        assert all("rung" in answer for _, answer in cursor.fetchall())
        settle = {"id": closed, "tenant": str(tenant), "state": "settled", "entries": [{**leg, "leg": 0, "kind": "settled", "amount": 60}]}
        cursor.execute("SELECT * FROM billing_settle(%s)", [Jsonb([settle])])
        assert cursor.fetchall() == [(1, "closed")]
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return {"tenant": tenant, "other": committed_cast.globex.id, "closed": closed, "open": still_open}


def found(healthy: dict[str, object]) -> set[str]:
    return {broken.invariant.name for broken in breaks()}


def test_a_ledger_that_is_whole_breaks_nothing(superuser: BaseDatabaseWrapper, healthy: dict[str, object]) -> None:
    sweep_now()  # holds that tests before this one left to expire
    assert [(broken.invariant.name, broken.row) for broken in breaks()] == []
    out = io.StringIO()
    call_command("check_ledger", stdout=out)
    assert f"{len(INVARIANTS)} invariants" in out.getvalue()
    assert out.getvalue().rstrip().endswith("0 breaks")


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_each_invariant_catches_what_breaks_it(superuser: BaseDatabaseWrapper, healthy: dict[str, object], tampering: str) -> None:
    name, statements = TAMPERINGS[tampering]
    assert name not in found(healthy)
    with superuser.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no trigger, no foreign key: whoever can do this can do all
        for statement in statements:
            cursor.execute(statement, healthy if "%(" in statement else None)
    assert name in found(healthy)


def test_every_invariant_has_a_tampering_that_it_catches() -> None:
    assert {name for name, _ in TAMPERINGS.values()} == {invariant.name for invariant in INVARIANTS}


def test_check_ledger_ends_with_1_and_names_what_is_broken(superuser: BaseDatabaseWrapper, healthy: dict[str, object]) -> None:
    with superuser.cursor() as cursor:
        cursor.execute(WINDOW.format("held_nusd = held_nusd + 7"), healthy)
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("check_ledger", stdout=out, stderr=err)
    assert ended.value.code == 1
    (line,) = err.getvalue().strip().splitlines()
    assert line.startswith("I2: ")
    assert "107, 100" in line
    assert out.getvalue().rstrip().endswith("1 breaks")


def test_the_applications_role_sees_breaks_of_all_tenants(cast: Cast) -> None:
    """As check_ledger runs in earnest: with row-level security between it and the rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("cascadeflow_app",)
    assert isinstance(list(breaks()), list)
