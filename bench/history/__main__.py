"""`make demo-data`: gives the database that `make run` serves three companies with 90 days behind them. Prints how to log in."""

import json
import os
import secrets
import sys
import time
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import django

if TYPE_CHECKING:
    from tenants.models import User


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cascadeflow_site.settings")
    os.environ.setdefault("HTTPS", "off")
    from cascadeflow_site import embedded

    if embedded.is_wanted():
        embedded.start()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill(password=known_password() or secrets.token_urlsafe(12))


def known_password() -> str:
    """The password of `make run`, where it has made one."""
    from cascadeflow_site import embedded

    try:
        return str(json.loads((embedded.VAR / "demo.json").read_text())["password"])
    except (OSError, ValueError, KeyError):
        return ""


def fill(*, password: str) -> None:
    from django.db import connections, transaction
    from django.utils import timezone

    from bench.history.book import DAYS, Book
    from bench.history.companies import COMPANIES, document_of
    from billing.models import Reservation
    from billing.quarters import sum_quarters
    from cascade.provisioning.apply import provision
    from tenants.keys import new_key
    from tenants.models import Tenant, User
    from tenants.scoping import platform_scope

    now, started = timezone.now(), time.monotonic()
    with platform_scope():
        if Reservation.objects.filter(tenant__slug__in=[company.slug for company in COMPANIES]).exists():
            sys.exit("The companies have a history already. The book is append-only: for a fresh history use a fresh database (CASCADEFLOW_VAR=…).")
    documents = [document_of(company) for company in COMPANIES]
    keys = {key["key_env"]: new_key() for document in documents for key in document["keys"]}
    provision(text=json.dumps({"tenants": documents}), environment={**keys, "CASCADEFLOW_DEMO_PASSWORD": password}, now=now)
    User.objects.bulk_update(named_people(), ["name"])
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        begun = now - timedelta(days=DAYS + 1)
        slugs = [company.slug for company in COMPANIES]
        for table, column in (("billing_budget", "created_at"), ("billing_modelprice", "valid_from")):
            cursor.execute(
                f"UPDATE {table} SET {column} = %s WHERE tenant_id IN (SELECT id FROM tenants_tenant WHERE slug = ANY(%s))", [begun, slugs]
            )
        cursor.execute("UPDATE tenants_tenant SET created_at = %s WHERE slug = ANY(%s)", [begun, slugs])
        cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM billing_budgetwindow")
        (number,) = cursor.fetchone()
        runs = 0
        for company in COMPANIES:
            with platform_scope():
                tenant = Tenant.objects.get(slug=company.slug)
            book = Book(company, tenant, first_window=number)
            book.fill(first=first_day(now, company.zone, DAYS), now=now)
            book.write()
            number, runs = number + len(book.windows.rows), runs + len(book.runs)
            print(f"{company.name}: {len(book.runs):,} runs, {len(book.windows.rows):,} budget windows, {book.refused:,} calls refused by budgets")
        cursor.execute("SELECT setval(pg_get_serial_sequence('billing_budgetwindow', 'id'), %s)", [number])
    sum_quarters(now=now)
    print(f"{runs:,} runs in {time.monotonic() - started:.1f} s. Log in as demo@example.com or maria@acme.example  /  {password}")


def named_people() -> "list[User]":
    from bench.history.companies import COMPANIES, PEOPLE
    from tenants.models import User

    names = {f"{mail}@{company.slug}.example": name for company in COMPANIES for name, mail, _ in PEOPLE}
    people = list(User.objects.filter(email__in=names))
    for person in people:
        person.name = names[person.email]
    return people


def first_day(now: datetime, zone: str, days: int) -> date:
    return now.astimezone(ZoneInfo(zone)).date() - timedelta(days=days - 1)


if __name__ == "__main__":
    main()
