"""`make demo-data`: gives the database that `make run` serves three made-up companies with 90 days behind them. Prints how to log in.

They are demos (`Tenant.is_demo`), filled as the one that a person asks for in the console is; they are larger, and have people of each role. Those of
an earlier time are deleted first.
"""

import json
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import django

from cascade.samples.companies import DEMO, Company

ACME = Company(
    runs_a_day=260, users=60, growth=0.004, seed=11, domains=DEMO.domains, anomalies=DEMO.anomalies,
    budgets=(
        {"name": "Whole organisation", "scope": "tenant", "period": "monthly", "limit": "170", "action": "warn"},
        {"name": "Free tier, daily", "scope": "tier", "subject": "free", "period": "daily", "limit": "0.25", "action": "degrade"},
        {"name": "Pro tier, monthly", "scope": "tier", "subject": "pro", "period": "monthly", "limit": "18", "action": "degrade"},
        {"name": "Enterprise, monthly", "scope": "tier", "subject": "enterprise", "period": "monthly", "limit": "60", "action": "warn"},
        {"name": "batch-jobs", "scope": "tag", "subject": "batch-jobs", "period": "monthly", "limit": "21", "action": "block"},
        {"scope": "end_user", "period": "weekly", "limit": "9", "action": "block"},
        *({"scope": "end_user", "subject": f"user_{number}", "period": "monthly", "limit": limit, "action": action}
          for number, limit, action in ((1000, "22", "warn"), (1001, "15", "degrade"), (1002, "14", "block"), (1003, "9", "warn"),
                                        (1004, "9", "degrade"), (1005, "7", "block"), (1007, "4.50", "warn"), (1009, "5", "degrade"))),
    ),
)  # fmt: skip
NORTHWIND = Company(
    runs_a_day=90, users=24, growth=0.001, seed=12, domains={"support": 0.5, "general": 0.3, "translation": 0.2},
    budgets=(
        {"name": "Whole organisation", "scope": "tenant", "period": "monthly", "limit": "90", "action": "block"},
        {"scope": "end_user", "period": "daily", "limit": "0.60", "action": "degrade"},
    ),
)  # fmt: skip
KESTREL = Company(
    runs_a_day=30, users=9, growth=-0.002, seed=13, domains={"code": 0.7, "general": 0.3},
    budgets=({"name": "Everything, weekly", "scope": "tenant", "period": "weekly", "limit": "8", "action": "warn"},),
)  # fmt: skip
COMPANIES: Mapping[str, tuple[str, str, Company]] = {
    "acme": ("Acme Inc.", "Europe/Berlin", ACME), "northwind": ("Northwind Traders", "America/New_York", NORTHWIND),
    "kestrel": ("Kestrel Labs", "Asia/Kolkata", KESTREL),
}  # fmt: skip
PEOPLE: Sequence[tuple[str, str, str]] = (
    ("Maria Kovac", "maria", "owner"), ("Tom Berg", "tom", "operator"), ("Fin Okoro", "fin", "finance"), ("Dev Rao", "dev", "developer"),
    ("Vera Lund", "vera", "viewer"),
)  # fmt: skip
PASSWORD = "CASCADEFLOW_DEMO_PASSWORD"


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
    from django.utils import timezone

    from cascade.provisioning import provision
    from cascade.samples.filling import DAYS, look_at_past, make_past

    now, started, runs = timezone.now(), time.monotonic(), 0
    for slug, (name, zone, company) in COMPANIES.items():
        tenant = anew(slug, name=name, zone=zone)
        book = make_past(tenant_id=tenant.pk, company=company, days=DAYS, now=now)
        assert book is not None
        look_at_past(tenant_id=tenant.pk, company=company, now=now)
        runs += len(book.runs)
        print(f"{name}: {len(book.runs):,} runs, {len(book.windows.rows):,} budget windows, {book.refused:,} calls refused by budgets")
    documents = [{"slug": slug, "operators": operators(slug)} for slug in COMPANIES]
    provision(text=json.dumps({"tenants": documents}), environment={PASSWORD: password}, now=now)
    name_people()
    print(f"{runs:,} runs in {time.monotonic() - started:.1f} s. Log in as demo@example.com or maria@acme.example  /  {password}")


def anew(slug: str, *, name: str, zone: str) -> Any:
    """Return an empty demo; one of the same name is deleted. An organisation of that name that is real stays as it is."""
    from billing.demos import delete_demo
    from tenants.models import Tenant
    from tenants.scoping import platform_scope, tenant_scope

    with platform_scope():
        known = Tenant.objects.filter(slug=slug).first()
    if known is not None and not known.is_demo:
        sys.exit(f"{slug!r} is no demo, and keeps what was booked in it: use another database (CASCADEFLOW_VAR=…).")
    if known is not None:
        with tenant_scope(known.pk):
            delete_demo()
    with platform_scope():
        return Tenant.objects.create(slug=slug, name=name, time_zone=zone, is_demo=True)


def operators(slug: str) -> Sequence[Mapping[str, str]]:
    people = [("demo@example.com", "owner"), *((f"{mail}@{slug}.example", role) for _, mail, role in PEOPLE)]
    return [{"email": email, "role": role, "password_env": PASSWORD} for email, role in people]


def name_people() -> None:
    from tenants.models import User

    for slug in COMPANIES:
        for name, mail, _ in PEOPLE:
            User.objects.filter(email=f"{mail}@{slug}.example").update(name=name)


if __name__ == "__main__":
    main()
