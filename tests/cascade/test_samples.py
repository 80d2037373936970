"""Demos: a past that the ledger could have written, and nothing real beside it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from billing import reports
from billing.demos import delete_demo
from billing.exports.wanted import Wanted
from billing.exports.work import ask_for, file_of, prepared_of
from billing.models import Anomaly, CostEntry, Forecast, QuarterRollup
from cascade import run_reports
from cascade.models import ProviderConnection
from cascade.samples.companies import DEMO
from cascade.samples.filling import fill_waiting
from cascade.samples.traffic import calls_of
from tenants.demos import ask_for_demo
from tenants.errors import Conflict
from tenants.models import AuditEntry, Demo, Membership, Role, Tenant
from tenants.rounds import RoundIncomplete
from tenants.scoping import platform_scope, tenant_scope
from tests.cast import Cast
from tests.rest import book
from tests.stage import breaks

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def asked(cast: Cast) -> Tenant:
    with tenant_scope(cast.acme.id):
        return ask_for_demo(person=cast.olga, now=NOW)


def state_of(demo: Tenant) -> str:
    with tenant_scope(demo.pk):
        return str(Demo.objects.get().state)


def test_the_ledgers_checks_hold_for_a_demo_and_its_sums_are_those_of_its_entries(cast: Cast) -> None:
    before, demo = breaks(), asked(cast)
    assert fill_waiting(now=NOW, days=3) == 1
    assert state_of(demo) == "ready"
    assert breaks() - before == set()
    today = reports.today_of(time_zone=demo.time_zone, now=NOW)
    with tenant_scope(demo.pk):
        spent = reports.spend_between(first=today - timedelta(days=2), last=today).cost_nusd
        runs = run_reports.runs_between(first=today - timedelta(days=2), last=today)
        by_quarters = sum(QuarterRollup.objects.filter(dimension="all").values_list("cost_nusd", flat=True))
        assert Forecast.objects.exists()
        assert {row.provider for row in ProviderConnection.objects.all()} == {"simulated"}
    assert runs.runs > 100
    assert runs.cost_nusd == spent == by_quarters > 0
    assert fill_waiting(now=NOW, days=3) == 0


def test_a_person_has_one_demo_of_their_own_and_the_log_of_where_they_asked_tells_of_it(cast: Cast) -> None:
    demo = asked(cast)
    assert asked(cast) == demo
    assert (demo.is_demo, demo.time_zone) == (True, cast.acme.time_zone)
    with tenant_scope(demo.pk):
        assert [(one.user, one.role) for one in Membership.objects.select_related("user")] == [(cast.olga, Role.OWNER)]
        with pytest.raises(Conflict, match="a demo already"):
            ask_for_demo(person=cast.olga, now=NOW)
        delete_demo()
    with tenant_scope(cast.acme.id):
        told = AuditEntry.objects.filter(object_type="demo", object_id=str(demo.pk))
        assert {entry.action for entry in told} == {"created", "deleted"}
        with pytest.raises(Conflict, match="no demo"):
            delete_demo()
    assert asked(cast) != demo


def test_a_deleted_demo_leaves_no_row_of_it_in_any_table(cast: Cast) -> None:
    before, demo = breaks(), asked(cast)
    fill_waiting(now=NOW, days=2)
    with tenant_scope(demo.pk):
        assert CostEntry.objects.exists()
        assert AuditEntry.objects.exists()
        delete_demo()
    with platform_scope(), connection.cursor() as cursor:
        connection.check_constraints()
        cursor.execute("SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id' AND table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute("SELECT has_table_privilege(%s, 'SELECT')", [table])
            if cursor.fetchone() == (True,):
                cursor.execute(f"SELECT count(*) FROM {table} WHERE tenant_id = %s", [demo.pk])
                assert cursor.fetchone() == (0,), table
        assert not Tenant.objects.filter(pk=demo.pk).exists()
    assert breaks() - before == set()


def test_a_file_of_a_demo_says_so_by_its_name_and_goes_with_it(
    cast: Cast, settings: Any, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    settings.EXPORT_FOLDER = tmp_path
    demo = asked(cast)
    with tenant_scope(demo.pk):
        job = ask_for(Wanted(what="budgets", format="csv", first=NOW.date(), last=NOW.date()), actor="olga", now=NOW)
        assert job.file_name == "demo_budgets_2026-11-26_2026-11-26.csv"
        assert prepared_of(job).file_name == job.file_name
    file_of(job).parent.mkdir(parents=True)
    file_of(job).touch()
    with django_capture_on_commit_callbacks(execute=True), tenant_scope(demo.pk):
        delete_demo()
    assert list(tmp_path.iterdir()) == []


def test_a_demo_does_not_hide_from_the_job_what_of_others_is_still_to_be_summed(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=7)
    asked(cast)
    fill_waiting(now=datetime.now(UTC), days=2)
    with tenant_scope(cast.acme.id):
        assert QuarterRollup.objects.get(dimension="all").cost_nusd == 7


def test_a_demo_that_cannot_be_filled_says_so_and_is_not_tried_for_ever(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    from cascade.samples import filling

    demo = asked(cast)
    monkeypatch.setattr(filling, "KEYS", ("no-such-key",))
    with pytest.raises(RoundIncomplete):
        fill_waiting(now=NOW, days=2)
    assert state_of(demo) == "failed"
    assert fill_waiting(now=NOW, days=2) == 0
    with tenant_scope(demo.pk):
        assert not CostEntry.objects.exists()


def test_the_anomalies_of_a_demo_are_found_by_the_rules_that_hold_for_all(cast: Cast) -> None:
    demo = asked(cast)
    fill_waiting(now=NOW, days=44)  # the oldest one would need four weeks more before it
    with tenant_scope(demo.pk):
        told = list(Anomaly.objects.filter(told_at__isnull=False).values_list("started_at", flat=True))
    assert {at.astimezone(ZoneInfo(demo.time_zone)).date().isoformat() for at in told} == {"2026-11-12", "2026-11-18"}


def test_the_same_seed_makes_the_same_calls() -> None:
    zone, first = ZoneInfo("Asia/Kolkata"), NOW.date() - timedelta(days=3)
    assert list(calls_of(DEMO, zone=zone, first=first, now=NOW)) == list(calls_of(DEMO, zone=zone, first=first, now=NOW))
