"""Money has one writer: what the application's role, and even the owner of the tables, cannot do."""

from collections.abc import Iterator

import psycopg
import pytest

from billing.ledger import Hold, Ledger
from tests import database
from tests.billing.ledger.conftest import Till, entry

TABLES = ["billing_budgetwindow", "billing_reservation", "billing_costentry", "billing_dayrollup"]
PUBLIC_FUNCTIONS = {
    "billing_reserve", "billing_settle", "billing_mark_sent", "billing_sweep", "billing_open_owners", "billing_ensure_partitions",
    "billing_say_alive", "billing_resume", "billing_open_holds", "billing_standing", "billing_find_key", "billing_finish_key", "billing_forget_keys",
    "billing_adjust", "billing_forget_rates", "billing_forget_end_user", "billing_close_month", "billing_reopen_month", "billing_verify_close",
    "billing_fill_demo", "billing_delete_demo",
    "billing_start_of_day", "billing_window_bounds",  # these two read nothing
}
TRIGGERS = {"billing_refuse_change", "billing_roll_up", "billing_marks_changed", "billing_platform_prices_changed"}


@pytest.fixture
def app(till: Till) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.app_dsn(), autocommit=True) as app:
        app.execute("SELECT set_config('app.tenant_id', %s, false)", [str(till.tenant_id)])
        yield app


def partitions(till: Till) -> list[str]:
    rows = till.owner.execute("SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'billing_costentry'::regclass").fetchall()
    return [row["name"] for row in rows]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["INSERT INTO {} DEFAULT VALUES", "UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_applications_role_cannot_write_money(app: psycopg.Connection, table: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement.format(table))


def test_the_applications_role_sees_money_of_its_scope_alone_and_no_partition(app: psycopg.Connection, till: Till) -> None:
    names = partitions(till)
    assert len(names) >= 5
    for name in names:
        for statement in ("SELECT 1 FROM {}", "INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement.format(name))
    app.execute("SELECT set_config('app.tenant_id', '', false)")
    for table in TABLES:
        assert app.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_the_applications_role_may_call_the_ledgers_doors_and_nothing_behind_them(app: psycopg.Connection, till: Till) -> None:
    functions = till.owner.execute(
        "SELECT p.proname AS name, p.oid::regprocedure::text AS signature, p.prosecdef AS definer, p.proconfig AS config,"
        " has_function_privilege('cascadeflow_app', p.oid, 'EXECUTE') AS allowed FROM pg_proc p"
        " WHERE p.proname LIKE 'billing\\_%%' AND p.pronamespace = 'public'::regnamespace", [],
    ).fetchall()  # fmt: skip
    assert {function["name"] for function in functions if function["allowed"]} - TRIGGERS == PUBLIC_FUNCTIONS
    assert len({function["name"] for function in functions}) == len(functions), "an older version of a function was left behind"
    for function in functions:
        assert "search_path=pg_catalog, public, pg_temp" in function["config"], function["signature"]
    for call in (
        "billing_book('{}', '{}', now())", "billing_move_windows('{}', '{}', '{}', now())", "billing_lock_holds('{}')",
        "billing_open_windows('[]', now())", "billing_lock_windows_of('{}')", "billing_pass_marks('{}', now())", "billing_mark_nusd(1, 1::smallint)",
        "billing_book_adjustments('{}', now())", "billing_quarantine('{}', '{}', now())", "billing_claim_keys('[]', now())",
        "billing_release_keys('[]', '{}')",
        "billing_correct_late(gen_random_uuid(), '[]', now())", "billing_wanted_windows('[]', now())", "billing_window_facts(1)",
        "billing_window_is_over(1)", "billing_asked_rates('[]')", "billing_take_rates('[]', '{}')", "billing_return_rates('[]', '{}')",
        "billing_too_many_open('[]', '{}')",
        "billing_block(gen_random_uuid(), now(), gen_random_uuid(), now(), gen_random_uuid(), 1)",
        "billing_demo_of_scope()", "billing_spent_before(gen_random_uuid(), '', now(), 'UTC')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(f"SELECT {call}")


def test_the_applications_role_can_make_nothing_in_the_schema_of_the_tables(app: psycopg.Connection) -> None:
    for statement in (
        "CREATE TABLE public.mine (id int)", "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE SCHEMA mine",
        "ALTER TABLE billing_costentry DISABLE TRIGGER ALL", "ALTER FUNCTION billing_settle(jsonb) SECURITY INVOKER",
        "SET session_replication_role = replica",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(statement)


@pytest.mark.asyncio
async def test_even_the_owner_cannot_change_or_delete_an_entry(ledger: Ledger, till: Till) -> None:
    hold = await ledger.reserve(till.asked(10))
    await ledger.settle(hold, entries=[entry(5)])
    for statement in ("UPDATE {} SET amount_nusd = 0 WHERE reservation_id = %s", "DELETE FROM {} WHERE reservation_id = %s"):
        with pytest.raises(psycopg.DatabaseError, match="append-only") as refused:
            till.owner.execute(statement.format("billing_costentry"), [hold.id])
        assert refused.value.sqlstate == "CF002"
    names = partitions(till)
    for table in ["billing_costentry", *names]:
        with pytest.raises(psycopg.DatabaseError, match="append-only"):
            till.owner.execute(f"TRUNCATE {table}")
    for name in names:
        if till.owner.execute(f"SELECT 1 FROM {name} WHERE reservation_id = %s", [hold.id]).fetchone():
            with pytest.raises(psycopg.DatabaseError, match="append-only"):
                till.owner.execute(f"DELETE FROM {name} WHERE reservation_id = %s", [hold.id])
    assert [row["amount_nusd"] for row in till.entries(hold)] == [5]


def test_objects_of_the_session_do_not_stand_in_for_the_ledgers_own(app: psycopg.Connection, till: Till) -> None:
    """Temporary tables come first in the search path unless a function says otherwise."""
    budget = till.budget(100)
    shadows = [*TABLES, "billing_budget", "tenants_tenant"]
    for table in shadows:
        app.execute(f"CREATE TEMP TABLE {table} (LIKE public.{table} INCLUDING DEFAULTS)")
    app.execute("CREATE FUNCTION pg_temp.billing_wanted_windows(a jsonb, b timestamptz) RETURNS TABLE (item int) LANGUAGE sql AS 'SELECT 1'")
    app.execute("CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT '2001-01-01'::timestamptz$$")
    app.execute("CREATE TABLE pg_temp.booked (id int)")
    app.execute("SET search_path = pg_temp, public")
    request, too_much = till.asked(100, ttl_s=0), till.asked(1)
    answers = app.execute("SELECT answer FROM public.billing_reserve(%s)", [till.batch(request, too_much)]).fetchall()
    assert [("rung" in answer) for (answer,) in answers] == [True, False]
    assert till.sums(budget) == (0, 100)
    app.execute("SELECT public.billing_sweep(100)")
    assert till.sums(budget) == (100, 0)
    (booked,) = till.entries(Hold(id=request.id, tenant_id=till.tenant_id, rung=0, remaining_nusd=None))
    assert (booked["amount_nusd"], booked["booked_at"].year > 2001) == (100, True)
    for table in shadows:
        assert app.execute(f"SELECT count(*) FROM pg_temp.{table}").fetchone() == (0,)


def test_settings_of_the_session_do_not_loosen_the_ledger(app: psycopg.Connection, till: Till) -> None:
    budget = till.budget(100)
    app.execute("SET row_security = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        app.execute("SELECT billing_reserve(%s)", [till.batch(till.asked(100))])
    app.execute("RESET row_security")
    app.execute("SELECT set_config('app.tenant_id', %s, false)", [str(till.cast.globex.id)])
    app.execute("SELECT billing_reserve(%s)", [till.batch(till.asked(100), till.asked(1))])
    assert till.sums(budget) == (0, 100)
