"""Are the secrets there that the file names, and may they be used? No message ever repeats one."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from cascade.provisioning.document import WantedKey, WantedOperator, WantedTenant
from cascade.provisioning.parse import WRONG, Problem
from tenants.keys import digest_of, is_well_formed
from tenants.models import ApiKey, User
from tenants.scoping import platform_scope


def check_operator(operator: WantedOperator, environment: Mapping[str, str]) -> Iterator[Problem]:
    if not operator.password_env:
        return
    problems = list(check_variable("password_env", operator.password_env, operator.line, environment))
    yield from problems
    if problems or operator.email is WRONG:
        return
    try:
        validate_password(environment[operator.password_env], user=User(email=operator.email))
    except ValidationError as wrong:
        yield Problem(operator.line, f"password_env: the password in {operator.password_env} is too weak. {' '.join(wrong.messages)}")


def check_keys(tenant: WantedTenant, environment: Mapping[str, str], *, now: datetime) -> Iterator[Problem]:
    lines: dict[str, int] = {}
    for row in tenant.keys:
        if not row.key_env:
            continue
        problems = list(check_variable("key_env", row.key_env, row.line, environment))
        problems = problems or list(_check_key(row, environment[row.key_env], tenant, now=now))
        yield from problems
        if not problems and lines.setdefault(environment[row.key_env], row.line) != row.line:
            yield Problem(row.line, f"key_env: {row.key_env} holds the very key of line {lines[environment[row.key_env]]}")


def _check_key(row: WantedKey, secret: str, tenant: WantedTenant, *, now: datetime) -> Iterator[Problem]:
    if not is_well_formed(secret):
        yield Problem(row.line, f"key_env: {row.key_env} holds no well-formed key of ours: 'manage.py make_key' prints a new one")
        return
    with platform_scope():
        stored = ApiKey.objects.select_related("tenant").filter(digest=digest_of(secret, pepper=settings.API_KEY_PEPPER)).first()
    if stored is None:
        return
    if stored.tenant.slug != tenant.slug:
        yield Problem(row.line, f"key_env: the key in {row.key_env} belongs to another tenant; 'manage.py make_key' prints a new one")
    elif stored.revoked_at is not None or (stored.expires_at and stored.expires_at <= now):
        yield Problem(row.line, f"key_env: the key in {row.key_env} was revoked or has expired; 'manage.py make_key' prints a new one")


def check_variable(key: str, name: str, line: int, environment: Mapping[str, str]) -> Iterator[Problem]:
    if name is not WRONG and not environment.get(name):
        yield Problem(getattr(name, "line", line), f"{key}: the environment variable {name} is not set")
