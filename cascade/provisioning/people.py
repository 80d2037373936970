"""Who may come in: operators with their roles, applications with their keys."""

from collections.abc import Mapping

from django.conf import settings

from cascade.provisioning.changes import Changes, plain
from cascade.provisioning.document import WantedKey, WantedOperator
from tenants.keys import SHOWN_LENGTH, digest_of
from tenants.models import ApiKey, Membership, Scope, User


def apply_operator(wanted: WantedOperator, *, environment: Mapping[str, str], changes: Changes) -> None:
    """A new person gets the password of the variable; one who is there keeps their own."""
    email = str(wanted.email)
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(email, environment[wanted.password_env] if wanted.password_env else None)
    changes.upsert(Membership, label=f"operator {email}", key={"user": user}, values={"role": wanted.role})


def apply_key(wanted: WantedKey, *, environment: Mapping[str, str], changes: Changes) -> None:
    """A key is told by its secret. Another secret under the same name is a new key; the old one works until it is revoked."""
    secret, name = environment[wanted.key_env], str(wanted.name)
    digest = digest_of(secret, pepper=settings.API_KEY_PEPPER)
    scopes = [scope.value for scope in Scope if scope in wanted.scopes] if wanted.scopes is not None else None
    said = {"requests_per_minute": wanted.requests_per_minute, "tokens_per_minute": wanted.tokens_per_minute}
    limits = {field: plain(value) for field, value in said.items() if value is not None}
    stored = ApiKey.objects.filter(digest=digest).first()
    if stored is not None:
        values = {"name": name, **limits}
        if scopes is not None and set(stored.scopes) != set(scopes):
            values["scopes"] = scopes
        changes.update(stored, label=f"key {name}", values=values)
        return
    older = ApiKey.objects.filter(name=name, revoked_at=None).order_by("-created_at").first()
    ApiKey.objects.create(
        name=name, prefix=secret[:SHOWN_LENGTH], last4=secret[-4:], digest=digest, scopes=scopes or [Scope.INVOKE.value], rolled_from=older, **limits
    )
    changes.added(f"key {name} (…{secret[-4:]})" + (f"; …{older.last4} works on until you revoke it" if older else ""))
