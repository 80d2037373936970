"""Months that are closed: what may be closed when, that they never change, and that tampering is found and named."""

import contextlib
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from billing.closing import close_month, reopen_month, verify_closes
from billing.exports.making import make, prepare
from billing.exports.wanted import Wanted
from billing.models import CloseOfMonth
from billing.reports.statements import month_of, month_statement
from billing.repricing import to_version
from tenants.errors import Conflict
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests import database
from tests.months import move, tamper
from tests.shop import Shop

MANY_ENTRIES = Path(__file__).with_name("many_entries.sql").read_text().strip()
AUGUST, SEPTEMBER = date(2026, 8, 1), date(2026, 9, 1)
ON_TIME = datetime(2026, 8, 15, 12, tzinfo=UTC)


@pytest.fixture
def berlin(shop: Shop) -> Shop:
    """Three calls in August of Berlin, one of them on 31 July in UTC; and one in September that was August in UTC."""
    price = shop.price("0.15", "0.60", since=shop.ago(days=200))
    for at in (datetime(2026, 7, 31, 22, 0, tzinfo=UTC), ON_TIME, datetime(2026, 8, 31, 21, 59, 59, 999_999, UTC)):
        move(shop.call(price=price, asked=1000, said=100), to=at)
    move(shop.call(price=price, asked=7, said=1), to=datetime(2026, 8, 31, 22, 0, tzinfo=UTC))
    return shop


def close(shop: Shop, month: date = AUGUST, **wanted: Any) -> CloseOfMonth:
    with tenant_scope(shop.tenant.id):
        return close_month(**{"month": month, "actor": "finn", "now": shop.now, **wanted})


def refused(shop: Shop, month: date = AUGUST, **wanted: Any) -> str:
    with pytest.raises(Conflict) as conflict:
        close(shop, month, **wanted)
    return conflict.value.code


def tampered(shop: Shop) -> list[tuple[str, Any]]:
    with tenant_scope(shop.tenant.id):
        return [(found.what, found.entry) for found in verify_closes()]


def test_a_month_has_what_was_booked_in_it_in_the_tenants_zone(berlin: Shop) -> None:
    made = close(berlin)
    assert (made.entries, made.opening_nusd, made.usage_nusd, made.adjustments_nusd) == (3, 0, 3 * 210_000, 0)
    assert (made.start_at, made.end_at) == (datetime(2026, 7, 31, 22, tzinfo=UTC), datetime(2026, 8, 31, 22, tzinfo=UTC))
    assert close(berlin, SEPTEMBER).opening_nusd == made.closing_nusd == 630_000


def test_the_statement_of_an_open_month_is_that_of_its_close(berlin: Shop) -> None:
    with tenant_scope(berlin.tenant.id):
        tenant = Tenant.objects.get(pk=berlin.tenant.id)
        before = month_statement(month=month_of(tenant=tenant, day=AUGUST))
    close(berlin)
    with tenant_scope(berlin.tenant.id):
        assert month_statement(month=month_of(tenant=tenant, day=AUGUST)) == before
        assert month_statement(month=month_of(tenant=tenant, day=SEPTEMBER)).opening_nusd == before.closing_nusd


def test_a_month_is_closed_when_it_is_over_once_and_in_its_turn(berlin: Shop) -> None:
    this_month = berlin.now.date().replace(day=1)
    assert refused(berlin, this_month) == "month_not_over"
    assert refused(berlin, AUGUST, now=datetime(2026, 8, 31, 22, 14, tzinfo=UTC)) == "month_not_over"
    close(berlin)
    assert refused(berlin, AUGUST) == "already_closed"
    assert refused(berlin, date(2026, 7, 1)) == "already_closed"
    assert refused(berlin, date(2026, 10, 1)) == "earlier_month_open"


def test_the_database_itself_refuses_a_month_that_is_not_over(berlin: Shop) -> None:
    with psycopg.connect(database.app_dsn(), autocommit=True) as app:
        app.execute("SELECT set_config('app.tenant_id', %s, false)", [str(berlin.tenant.id)])
        with pytest.raises(psycopg.errors.DatabaseError, match="not over"):
            app.execute(
                "SELECT billing_close_month(%s, '2030-01-01', now(), now() - interval '14 minutes', 'UTC', '{}', '{}', 'x', '')", [berlin.tenant.id]
            )


def test_calls_without_a_price_must_be_priced_or_accepted_by_name(berlin: Shop) -> None:
    hold = berlin.call(asked=10, said=10, model="new")
    move(hold, to=ON_TIME)
    assert refused(berlin) == "unpriced"
    version = berlin.price("1", "1", since=datetime(2026, 8, 1, tzinfo=UTC), model="new")
    with tenant_scope(berlin.tenant.id):
        assert to_version(version).post(actor="finn", reason="it has a price now").posted == 1
    made = close(berlin)
    assert (made.in_spite_of, made.entries) == ([], 4)


def test_calls_without_a_price_are_noted_where_they_are_accepted(berlin: Shop) -> None:
    move(berlin.call(asked=10, said=10, model="new"), to=ON_TIME)
    assert close(berlin, in_spite_of=["unpriced"]).in_spite_of == ["unpriced"]


def test_a_correction_of_a_closed_month_is_booked_in_the_open_one(berlin: Shop) -> None:
    before = close(berlin)
    version = berlin.price("0.30", "1.20", since=datetime(2026, 8, 1, tzinfo=UTC))
    with tenant_scope(berlin.tenant.id):
        posted = to_version(version).post(actor="finn", reason="the price was wrong")
    assert posted.posted == 3  # that of 31 July in UTC has another price
    assert {entry.booked_at.date() for entry in berlin.corrections()} == {datetime.now(UTC).date()}
    with tenant_scope(berlin.tenant.id):
        after = CloseOfMonth.objects.get(pk=before.pk)
        assert (after.usage_nusd, bytes(after.hash)) == (before.usage_nusd, bytes(before.hash))
    assert tampered(berlin) == []


def test_nothing_can_be_booked_in_a_closed_month(berlin: Shop) -> None:
    made = close(berlin)
    with psycopg.connect(database.superuser_dsn()) as superuser:
        for at, is_refused in ((made.end_at - timedelta(microseconds=1), True), (made.end_at, False)):
            statement = f"{MANY_ENTRIES} WHERE n = %s"
            expected = pytest.raises(psycopg.DatabaseError, match="the month is closed") if is_refused else contextlib.nullcontext()
            with expected, superuser.transaction(force_rollback=True):
                superuser.execute(statement.replace("at, at::date, at\n", "%s, '2026-08-31', %s\n"), [berlin.tenant.id, at, at, 1, 1])


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE billing_costentry SET amount_nusd = amount_nusd - 1 WHERE id = %s", "an entry was changed"),
        ("UPDATE billing_costentry SET end_user_id = gen_random_uuid() WHERE id = %s", "an entry was changed"),
        ("UPDATE billing_costentry SET reason = 'x' WHERE id = %s", "an entry was changed"),
        ("DELETE FROM billing_costentry WHERE id = %s", "an entry was removed"),
        ("UPDATE billing_costentry SET booked_at = '2026-07-01Z' WHERE id = %s", "an entry was removed"),
    ],
)  # fmt: skip
def test_an_entry_that_a_superuser_touches_is_found_and_named(berlin: Shop, statement: str, what: str) -> None:
    close(berlin)
    close(berlin, SEPTEMBER)
    assert tampered(berlin) == []
    victim = min(berlin.entries(), key=lambda entry: entry.booked_at)
    kept = {field.attname: getattr(victim, field.attname) for field in victim._meta.concrete_fields}
    tamper(statement, victim.pk)
    try:
        assert tampered(berlin) == [(what, victim.pk)]
        out, err = io.StringIO(), io.StringIO()
        with pytest.raises(SystemExit):
            call_command("verify_close", "--tenant", berlin.tenant.slug, stdout=out, stderr=err)
        assert f"2026-08: {what}: {victim.pk}" in err.getvalue()
    finally:
        tamper("DELETE FROM billing_costentry WHERE id = %s", victim.pk)
        columns = ", ".join(kept)
        tamper(f"INSERT INTO billing_costentry ({columns}) VALUES ({', '.join('%s' for _ in kept)})", *kept.values())
    assert tampered(berlin) == []


def test_an_entry_that_is_put_in_and_a_sum_that_is_rewritten_are_found(berlin: Shop) -> None:
    made = close(berlin)
    planted = berlin.call(amount=5)
    (entry,) = berlin.entries(planted)
    move(planted, to=ON_TIME)
    assert tampered(berlin) == [("an entry was put in", entry.pk)]
    move(planted, to=berlin.now)
    tamper("UPDATE billing_closeofmonth SET usage_nusd = usage_nusd + 1 WHERE id = %s", made.pk)
    assert [what for what, _ in tampered(berlin)] == ["its sums or its hash are not those that were written when it was closed"]


def test_a_month_without_a_call_is_closed_and_verified(shop: Shop) -> None:
    assert close(shop).entries == 0
    assert close(shop, SEPTEMBER).entries == 0
    assert tampered(shop) == []


def test_a_long_month_is_sealed_in_blocks_and_the_right_entry_is_named(shop: Shop) -> None:
    tamper(MANY_ENTRIES, shop.tenant.id, 2500)
    made = close(shop)
    with tenant_scope(shop.tenant.id):
        assert [(block.number, block.entries) for block in made.blocks.all()] == [(0, 1000), (1, 1000), (2, 500)]
        victim = shop.entries()[1700]
    assert (made.entries, tampered(shop)) == (2500, [])
    tamper("UPDATE billing_costentry SET model = 'x' WHERE id = %s", victim.pk)
    assert tampered(shop) == [("an entry was changed", victim.pk)]
    tamper("DELETE FROM billing_costentry WHERE tenant_id = %s", shop.tenant.id)


def test_only_an_owner_reopens_the_last_month_and_says_why(berlin: Shop) -> None:
    first = close(berlin)
    close(berlin, SEPTEMBER)
    with tenant_scope(berlin.tenant.id):
        for month, role, reason, code in (
            (SEPTEMBER, "finance", "x", "needs_an_owner"), (SEPTEMBER, "owner", " ", "needs_a_reason"),
            (AUGUST, "owner", "x", "later_month_closed"), (date(2026, 10, 1), "owner", "x", "not_closed"),
        ):  # fmt: skip
            with pytest.raises(Conflict) as conflict:
                reopen_month(actor="greta", month=month, role=role, reason=reason)
            assert conflict.value.code == code
        reopened = reopen_month(month=SEPTEMBER, actor="greta", role="owner", reason="a price was missing")
        assert (reopened.reopened_by, reopened.reopened_because) == ("greta", "a price was missing")
    again = close(berlin, SEPTEMBER)
    with tenant_scope(berlin.tenant.id):
        assert CloseOfMonth.objects.filter(month=SEPTEMBER).count() == 2
    assert again.previous_id == first.pk
    assert tampered(berlin) == []


def test_a_tenant_that_moves_to_another_zone_loses_and_doubles_no_entry(berlin: Shop) -> None:
    close(berlin)
    with platform_scope():
        Tenant.objects.filter(pk=berlin.tenant.id).update(time_zone="America/New_York")
    made = close(berlin, SEPTEMBER)
    assert (made.start_at, made.end_at) == (datetime(2026, 8, 31, 22, tzinfo=UTC), datetime(2026, 10, 1, 4, tzinfo=UTC))
    assert made.entries == 1


def test_two_exports_of_a_closed_month_are_the_same_to_the_byte(berlin: Shop, tmp_path: Path) -> None:
    close(berlin, catalog={"providers": {"openai": "OpenAI"}, "models": {"mini": "gpt-4o-mini"}})
    wanted = [Wanted(what=what, format=form, first=AUGUST, last=date(2026, 8, 31)) for what in ("cost_entries", "usage", "focus")  # type: ignore[arg-type]
              for form in ("csv", "csv.gz", "jsonl", "sqlite")]  # fmt: skip
    sums = []
    for turn in range(2):
        for each in wanted:
            with tenant_scope(berlin.tenant.id):
                prepared = prepare(each, catalog={"providers": {"openai": f"OpenAI {turn}"}, "models": {}})
            with (tmp_path / "file").open("wb") as file:
                made = make(prepared, file)
            sums.append((made.sha256, made.manifest))
        if turn == 0:
            berlin.call(amount=77)  # the open month goes on
            with platform_scope():
                Tenant.objects.filter(pk=berlin.tenant.id).update(name="Acme renamed", time_zone="Asia/Kolkata")
    assert sums[: len(wanted)] == [sums[at] for at in range(len(wanted), 2 * len(wanted))]
    assert all(manifest["month"]["closed"] for _, manifest in sums)


def test_the_commands_close_verify_and_reopen(berlin: Shop) -> None:
    slug, out = berlin.tenant.slug, io.StringIO()
    call_command("close_month", "--tenant", slug, "--month", "2026-08", "--by", "finn", stdout=out)
    assert f"2026-08 of {slug} is closed: 3 entries, opening 0, usage 0.00063, adjustments 0, closing 0.00063 USD" in out.getvalue()
    told = out.getvalue().split()[-1]
    call_command("verify_close", "--tenant", slug, "--expect", told, stdout=io.StringIO())
    with pytest.raises(SystemExit):
        call_command("verify_close", "--tenant", slug, "--expect", "00" * 32, stdout=io.StringIO(), stderr=io.StringIO())
    with pytest.raises(CommandError, match="Only an owner"):
        call_command("close_month", "--tenant", slug, "--month", "2026-08", "--reopen", "--owner", berlin.cast.finn.email, "--reason", "x")
