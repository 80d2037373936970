"""From the Authorization header to the tenant: one rule for the gateway (async, cached for a second) and for REST."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from msgspec import Struct
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from tenants.keys import digest_of, is_well_formed

if TYPE_CHECKING:
    from tenants.models import Tenant  # which cannot be imported before the settings that name this module

FIND_KEY = "SELECT * FROM tenants_find_api_key(%s)"
CACHE_SECONDS = 1.0
CACHE_SIZE = 10_000


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls: the key, its tenant, and what the tenant settled for all calls."""

    key_id: UUID | None
    """None for what we ask on a tenant's behalf, by no key of it."""
    tenant_id: UUID
    tenant_slug: str
    scopes: frozenset[str]
    time_zone: str
    default_tier: str
    allow_undocumented_fields: bool
    budget_refusal_status: int
    end_user_salt: bytes
    config_version: int
    end_users_version: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    open_calls_per_end_user: int | None
    is_demo: bool
    """Is the tenant made up? Then nothing may be called in it."""

    is_authenticated = True
    pk = None


class KeyRefused(Exception):
    """The call carries no key that may be used. `message` says what to do; it never repeats the key."""

    def __init__(self, message: str, *, status: int = 401, code: str = "invalid_api_key") -> None:
        super().__init__(message)
        self.message, self.status, self.code = message, status, code


@lru_cache(maxsize=CACHE_SIZE)
def digest_from_header(authorization: str | None) -> bytes:
    """Return the digest of the key in the header, without any look-up. Raises KeyRefused."""
    if not authorization:
        raise KeyRefused("No API key was sent. Send it as 'Authorization: Bearer cfk_live_…'.", code="missing_api_key")
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not is_well_formed(key.strip()):
        raise KeyRefused("This is not an API key of ours. Send one as 'Authorization: Bearer cfk_live_…'; keys are made in the console.")
    return digest_of(key.strip(), pepper=settings.API_KEY_PEPPER)


class FoundKey(Struct, frozen=True, kw_only=True):
    """A key as it was looked up: who it makes the caller (nobody, where it is not known), and from when on it is a key no more."""

    caller: Caller | None
    revoked_at: datetime | None = None
    expires_at: datetime | None = None
    tenant_is_active: bool = True

    def admit(self, *, now: datetime) -> Caller:
        """Return the caller. Raises KeyRefused for unknown, revoked and expired keys, and those of a tenant that is switched off."""
        if self.caller is None:
            raise KeyRefused("This API key is not known. It may have been deleted; make a new one in the console.")
        if self.revoked_at and self.revoked_at <= now:
            raise KeyRefused("This API key was revoked. Use the key that replaced it, or make a new one in the console.", code="revoked_api_key")
        if self.expires_at and self.expires_at <= now:
            raise KeyRefused(f"This API key expired on {self.expires_at:%Y-%m-%d}. Make a new one in the console.", code="expired_api_key")
        if not self.tenant_is_active:
            raise KeyRefused("The account of this API key is switched off. Ask the operator of this service.", status=403, code="tenant_inactive")
        return self.caller


def found_key(row: Mapping[str, Any] | None) -> FoundKey:
    """Return the key of a row of tenants_find_api_key."""
    if row is None:
        return FoundKey(caller=None)
    caller = Caller(
        key_id=row["key_id"], tenant_id=row["tenant_id"], tenant_slug=row["tenant_slug"], scopes=frozenset(row["scopes"]),
        time_zone=row["time_zone"], default_tier=row["default_tier"], allow_undocumented_fields=row["allow_undocumented_fields"],
        budget_refusal_status=row["budget_refusal_status"], end_user_salt=bytes(row["end_user_salt"]), config_version=row["config_version"],
        end_users_version=row["end_users_version"], requests_per_minute=row["requests_per_minute"], tokens_per_minute=row["tokens_per_minute"],
        open_calls_per_end_user=row["open_calls_per_end_user"], is_demo=row["tenant_is_demo"],
    )
    return FoundKey(caller=caller, revoked_at=row["revoked_at"], expires_at=row["expires_at"], tenant_is_active=row["tenant_is_active"])


def caller_without_key(tenant: "Tenant") -> Caller:
    """Return the tenant itself as the caller of our own commands: its budgets hold, and no key's limits do."""
    return Caller(
        key_id=None, tenant_id=tenant.pk, tenant_slug=tenant.slug, scopes=frozenset(), time_zone=tenant.time_zone,
        default_tier=tenant.default_tier, allow_undocumented_fields=tenant.allow_undocumented_fields,
        budget_refusal_status=tenant.budget_refusal_status, end_user_salt=bytes(tenant.end_user_salt), config_version=tenant.config_version,
        end_users_version=tenant.end_users_version, requests_per_minute=None, tokens_per_minute=None, open_calls_per_end_user=None,
        is_demo=tenant.is_demo,
    )


class KeyRing:
    """Keys seen in the last second, for one process. A revoked key is refused after at most `CACHE_SECONDS`."""

    def __init__(self, *, fetch: Callable[[bytes], Awaitable[Mapping[str, Any] | None]]) -> None:
        self._fetch = fetch
        self._seen: dict[bytes, tuple[float, asyncio.Task[FoundKey]]] = {}

    async def identify(self, authorization: str | None, *, now: datetime) -> Caller:
        """Return who calls. Raises KeyRefused, or whatever `fetch` raises when the database is away."""
        digest = digest_from_header(authorization)
        found = self._seen.get(digest)
        if found is not None and found[0] > time.monotonic() and found[1].done() and not found[1].exception():
            return found[1].result().admit(now=now)
        if found is None or found[0] < time.monotonic() or found[1].done():
            found = time.monotonic() + CACHE_SECONDS, asyncio.ensure_future(self._look_up(digest))
            if len(self._seen) >= CACHE_SIZE:
                self._seen.clear()
            self._seen[digest] = found
        return (await asyncio.shield(found[1])).admit(now=now)

    async def _look_up(self, digest: bytes) -> FoundKey:
        return found_key(await self._fetch(digest))


class ApiKeyAuthentication(BaseAuthentication):
    """REST's door. Cookies are not looked at, so no page of another origin can act for an operator."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller]:
        try:
            digest = digest_from_header(request.headers.get("authorization"))
            with connection.cursor() as cursor:
                cursor.execute(FIND_KEY, [digest])
                row = cursor.fetchone()
                names = [column.name for column in cursor.description or ()]
            caller = found_key(dict(zip(names, row, strict=True)) if row else None).admit(now=timezone.now())
        except KeyRefused as refused:
            error = exceptions.AuthenticationFailed if refused.status == 401 else exceptions.PermissionDenied
            raise error(refused.message, code=refused.code) from refused
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="cascadeflow"'


def caller_of(request: Any) -> Caller:
    """Return who sent an authenticated REST request."""
    caller: Caller = request.auth
    return caller


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = ApiKeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "cfk_live_…"}
