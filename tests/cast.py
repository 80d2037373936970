"""The cast of every test: tenants acme and globex; acme has ann (free) and ben (pro), globex has gus, who must see nothing
of acme; olga operates acme, finn is its finance, root is our own staff."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.contrib.auth.hashers import make_password

from tenants.end_users import end_user_id
from tenants.keys import digest_of, new_key
from tenants.models import ApiKey, EndUser, Membership, Role, Scope, Tenant, Tier, User
from tenants.scoping import platform_scope, tenant_scope

PASSWORD = "correct horse battery staple"


@dataclass
class Cast:
    acme: Tenant
    globex: Tenant
    ann: EndUser
    ben: EndUser
    gus: EndUser
    olga: User
    finn: User
    root: User
    acme_key: str
    globex_key: str
    acme_admin_key: str
    globex_admin_key: str


def make_cast(*, suffix: str = "") -> Cast:
    tail = f"-{suffix}" if suffix else ""
    with platform_scope():
        acme = Tenant.objects.create(slug=f"acme{tail}", name="Acme Inc.", time_zone="Europe/Berlin")
        globex = Tenant.objects.create(slug=f"globex{tail}", name="Globex", time_zone="America/New_York")
    people = {
        name: User.objects.create(
            email=f"{name}{tail}@example.com", password=hashed_password(), name=name.title(), is_staff=name == "root", is_superuser=name == "root"
        )
        for name in ("olga", "finn", "root", "greta")
    }
    with tenant_scope(acme.id):
        tiers = {name: Tier.objects.create(name=name) for name in ("free", "pro", "enterprise")}
        ann, ben = make_end_user(acme, "ann", tiers["free"]), make_end_user(acme, "ben", tiers["pro"])
        Membership.objects.create(user=people["olga"], role=Role.OPERATOR)
        Membership.objects.create(user=people["finn"], role=Role.FINANCE)
        acme_key, acme_admin_key = make_key(), make_key(Scope.INVOKE, Scope.READ, Scope.ADMIN)
    with tenant_scope(globex.id):
        gus = make_end_user(globex, "gus", Tier.objects.create(name="free"))
        Membership.objects.create(user=people["greta"], role=Role.OWNER)
        globex_key, globex_admin_key = make_key(), make_key(Scope.INVOKE, Scope.READ, Scope.ADMIN)
    return Cast(
        acme=acme, globex=globex, ann=ann, ben=ben, gus=gus, olga=people["olga"], finn=people["finn"], root=people["root"],
        acme_key=acme_key, globex_key=globex_key, acme_admin_key=acme_admin_key, globex_admin_key=globex_admin_key,
    )


def retire(cast: Cast) -> None:
    """Let no later test's round over all tenants come by: what was committed stays."""
    with platform_scope():
        Tenant.objects.filter(pk__in=[cast.acme.pk, cast.globex.pk]).update(is_active=False)


@cache
def hashed_password() -> str:
    """Hashed once: a good hash is slow."""
    return make_password(PASSWORD)


def make_end_user(tenant: Tenant, name: str, tier: Tier) -> EndUser:
    identity = end_user_id(salt=bytes(tenant.end_user_salt), external_id=name)
    return EndUser.objects.create(id=identity, external_id=name, tier=tier)


def make_key(*scopes: str) -> str:
    """A key of the scope's tenant; returns the secret."""
    key = new_key()
    ApiKey.objects.create(
        name="test", prefix=key[:17], last4=key[-4:], digest=digest_of(key, pepper=settings.API_KEY_PEPPER), scopes=list(scopes or (Scope.INVOKE,))
    )
    return key
