"""What commands ask the person at the terminal, and how they read what is written there."""

from argparse import ArgumentTypeError
from datetime import UTC, date, datetime, time

from django.core.management.base import CommandError

from tenants.models import Tenant
from tenants.scoping import platform_scope


def day(text: str) -> datetime:
    """Return the first instant of a date, in UTC."""
    try:
        return datetime.combine(date.fromisoformat(text), time.min, UTC)
    except ValueError as wrong:
        raise ArgumentTypeError(f"{text!r} is not a date: write it as 2026-11-01") from wrong


def confirmed(question: str) -> bool:
    """Ask the person at the terminal. Where nobody is, the answer is no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def tenant_named(slug: str) -> Tenant:
    """Raises CommandError that names the tenants there are."""
    with platform_scope():
        found = Tenant.objects.filter(slug=slug).first()
        known = list(Tenant.objects.order_by("slug").values_list("slug", flat=True)[:20])
    if found is None:
        raise CommandError(f"no tenant is called {slug!r}. There are: {', '.join(known) or 'none yet'}")
    return found
