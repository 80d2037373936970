"""The made-up history is one that the ledger could have written."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connections, transaction

from bench.history.book import Book
from bench.history.companies import COMPANIES, document_of
from bench.history.traffic import calls_of
from billing import reports
from cascade import run_reports
from cascade.provisioning.apply import provision
from tenants.keys import new_key
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.stage import breaks


def test_the_ledgers_checks_hold_for_it_and_its_sums_are_those_of_its_entries(django_db_setup: None, django_db_blocker: Any) -> None:
    now, company = datetime.now(UTC), COMPANIES[0]
    with django_db_blocker.unblock():
        before, document = breaks(), document_of(company)
        environment = {"CASCADEFLOW_DEMO_PASSWORD": "correct horse battery", **{key["key_env"]: new_key() for key in document["keys"]}}
        provision(text=json.dumps({"tenants": [document]}), environment=environment, now=now)
        with platform_scope():
            tenant = Tenant.objects.get(slug=company.slug)
        today = reports.today_of(time_zone=company.zone, now=now)
        with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
            cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM billing_budgetwindow")
            (number,) = cursor.fetchone()
            book = Book(company, tenant, first_window=number)
            book.fill(first=today - timedelta(days=2), now=now)
            book.write()
            cursor.execute("SELECT setval(pg_get_serial_sequence('billing_budgetwindow', 'id'), %s)", [number + len(book.windows.rows)])
        assert breaks() - before == set()
        with tenant_scope(tenant.pk):
            spent = reports.spend_between(first=today - timedelta(days=2), last=today).cost_nusd
            runs = run_reports.runs_between(first=today - timedelta(days=2), last=today)
        connections["owner"].close()
    assert runs.runs == len(book.runs)
    assert runs.cost_nusd == spent > 0


def test_the_same_seed_makes_the_same_calls() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    first = now.date() - timedelta(days=3)
    assert list(calls_of(COMPANIES[1], first=first, now=now)) == list(calls_of(COMPANIES[1], first=first, now=now))
