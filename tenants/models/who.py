"""Who: tenants, the people who operate them, the end users they serve, and the keys their applications call with."""

import secrets
import zoneinfo
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Collate

from tenants.scoping import Audited, TenantOwnedModel, uuid7

slug_rule = RegexValidator(r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?\Z", "Use 1 to 64 lower-case letters, digits, '-' and '_'.")

currency_rule = RegexValidator(r"^[A-Z]{3}\Z", "Use the three letters of a currency, such as EUR.")


def check_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"{name!r} is not a time zone: write an IANA name such as \"Europe/Berlin\" or \"UTC\".")


def new_salt() -> bytes:
    return secrets.token_bytes(32)


NUSD_PER_USD = 1_000_000_000
MOST_A_MINUTE = 1_000_000_000
NEW_END_USERS_PER_HOUR = 5_000
"""More than the busiest hour of a launch brings, and few enough to notice when somebody makes names up."""
OPEN_CALLS_PER_END_USER = 32
"""A person's agents may make a dozen calls at once; whoever makes more is no person."""


def a_limit(help_text: str, *, default: int | None = None) -> "models.PositiveIntegerField[int | None, int | None]":
    return models.PositiveIntegerField(
        null=True, blank=True, default=default, validators=[MinValueValidator(1), MaxValueValidator(MOST_A_MINUTE)], help_text=help_text
    )


class Tenant(models.Model):
    """A company that uses us. Its people operate it in the console, its applications call with its keys."""

    audited: ClassVar[Audited] = Audited.ALWAYS
    audit_name: ClassVar[tuple[str, ...]] = ("slug",)
    audit_hides: ClassVar[tuple[str, ...]] = ()

    class Refusal(models.IntegerChoices):
        PAYMENT_REQUIRED = 402, "402 Payment Required"
        TOO_MANY_REQUESTS = 429, "429 Too Many Requests, not to be retried"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(max_length=64, unique=True, validators=[slug_rule])
    name = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    is_active = models.BooleanField(default=True)
    is_demo = models.BooleanField(default=False, db_default=False, editable=False, help_text="All of it is made up. It is said at birth, and stays.")
    default_tier = models.CharField(max_length=64, default="free", help_text="Tier of end users whose tier nobody has said.")
    allow_undocumented_fields = models.BooleanField(
        default=False, help_text="Pass request fields that OpenAI does not document on to the provider."
    )
    budget_refusal_status = models.PositiveSmallIntegerField(choices=Refusal.choices, default=Refusal.PAYMENT_REQUIRED)
    new_end_users_per_hour = a_limit(
        "End users that may come into being in an hour; empty: any number. Names can be made up to dodge the budgets of end users.",
        default=NEW_END_USERS_PER_HOUR,
    )
    open_calls_per_end_user = a_limit("Calls that one end user may have in flight at once; empty: any number.", default=OPEN_CALLS_PER_END_USER)
    display_currency = models.CharField(
        max_length=3, blank=True, default="", db_default="", validators=[currency_rule],
        help_text="Shown beside US dollars in the console, roughly; the book stays in US dollars.",
    )  # fmt: skip
    display_rate = models.DecimalField(
        max_digits=18, decimal_places=8, null=True, blank=True, validators=[MinValueValidator(Decimal("0.00000001"))],
        help_text="How many of it a US dollar is.",
    )
    display_rate_on = models.DateField(null=True, blank=True, help_text="The day of that rate.")
    anomaly_minimum_nusd = models.BigIntegerField(
        default=5 * NUSD_PER_USD, db_default=5 * NUSD_PER_USD, validators=[MinValueValidator(NUSD_PER_USD // 100), MaxValueValidator(10**15)],
        help_text="From how many nano-USD off on an anomaly is told. Smaller ones are found all the same.",
    )
    anomaly_minimum_percent = models.PositiveSmallIntegerField(
        default=30, db_default=30, validators=[MaxValueValidator(1000)], help_text="And from how many per cent of what was expected."
    )
    second_factor_required = models.BooleanField(default=False, help_text="Members without a second factor set one up before they see anything.")
    started_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when the Start page is not in the menu: all of it was done, or somebody left it."
    )
    end_user_salt = models.BinaryField(default=new_salt, editable=False, max_length=32)
    config_version = models.BigIntegerField(default=1, editable=False)
    end_users_version = models.BigIntegerField(default=1, editable=False, help_text="Raised when the tier or block of an end user changes.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                name="a_currency_has_a_rate_and_its_day",
                condition=Q(display_currency="", display_rate=None, display_rate_on=None)
                | Q(display_rate__isnull=False, display_rate_on__isnull=False) & ~Q(display_currency=""),
                violation_error_message="A currency is shown at a rate of a day: say all three, or none.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("A user needs an email address.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who logs in: an operator of one or more tenants, or our own staff."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May enter the staff admin.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.email


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    OPERATOR = "operator", "Operator"
    FINANCE = "finance", "Finance"
    DEVELOPER = "developer", "Developer"
    VIEWER = "viewer", "Viewer"


class Membership(TenantOwnedModel):
    """What a person may do in a tenant."""

    audit_name = ("user__email",)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    permissions: frozenset[str] = frozenset()
    """What the person may do in the console (tenants/roles.py), as the middleware found it; nothing elsewhere."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_per_person")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class RateLimitedModel(models.Model):
    """Says how much may be asked in a minute. Counted over all processes (billing/ledger/sql/27_rates.sql)."""

    requests_per_minute = a_limit("Empty: any number.")
    tokens_per_minute = a_limit("Counted at admission: a quarter of the input's bytes and the longest answer it may get. Empty: any number.")

    class Meta:
        abstract = True


class Tier(RateLimitedModel, TenantOwnedModel):
    """A class of end users, such as free, pro and enterprise. Its rate limits are for each end user of it."""

    bumps_config = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=64, validators=[slug_rule])
    title = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_tier_per_name")]

    def __str__(self) -> str:
        return self.name


class EndUser(TenantOwnedModel):
    """A customer of the tenant, created on first sight.

    The id is derived from the tenant's salt and the tenant's own name for the person (tenants/end_users.py), so deleting
    and creating someone again resets no budget, and money stays booked under a pseudonym once the identity is erased.
    """

    audited = Audited.BY_ACTORS
    audit_name = ()
    audit_hides = ("external_id",)

    id = models.UUIDField(primary_key=True, editable=False)
    external_id = models.CharField(max_length=255)
    tier = models.ForeignKey(Tier, on_delete=models.SET_NULL, null=True, blank=True, related_name="end_users")
    is_blocked = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["external_id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "external_id"], name="one_end_user_per_external_id")]
        indexes = [  # by the order of bytes, in which names that begin alike stand together, whatever the collation of the database
            models.Index("tenant", Collate("external_id", "C"), name="end_users_by_name"),
            models.Index("tenant", Collate("external_id", "C"), name="blocked_end_users", condition=Q(is_blocked=True)),
        ]

    def __str__(self) -> str:
        return self.external_id


class Scope(models.TextChoices):
    INVOKE = "invoke", "Make calls"
    READ = "read", "Read configuration, runs and costs"
    ADMIN = "admin", "Change configuration"


def default_scopes() -> list[str]:
    return [Scope.INVOKE]


class Erasure(TenantOwnedModel):
    """A note that an end user was erased, without the identity: the derived id is what their money stays booked under."""

    audit_name = ("end_user_id",)
    database_grants = "SELECT, INSERT"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    end_user_id = models.UUIDField()
    erased_at = models.DateTimeField()
    actor = models.CharField(max_length=200, help_text="Who did it: an API key, a person of our staff, or the command.")

    class Meta:
        ordering = ["-erased_at", "-id"]

    def __str__(self) -> str:
        return f"{self.end_user_id} at {self.erased_at:%Y-%m-%d}"


class RateBucket(TenantOwnedModel):
    """When a subject may again ask for a whole minute's worth at once; without a row, now. SQL functions alone write it.

    The table is unlogged: after a crash of the database all buckets are full, which is a minute's worth at the most.
    """

    audited = Audited.NEVER
    database_grants = "SELECT"

    class Unit(models.TextChoices):
        REQUESTS = "requests"
        TOKENS = "tokens"
        END_USERS = "end_users", "new end users, by the hour"

    pk = models.CompositePrimaryKey("tenant_id", "subject", "unit")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", editable=False, db_index=False)  # plans would go by that index
    subject = models.UUIDField(help_text="Id of the API key, of the end user, or of the tenant for its new end users.")
    unit = models.CharField(max_length=9, choices=Unit.choices)
    full_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.unit} of {self.subject}"


class ApiKey(RateLimitedModel, TenantOwnedModel):
    """A key of a tenant's application. The secret is shown once; a keyed digest is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=24, editable=False)
    last4 = models.CharField(max_length=4, editable=False)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices), default=default_scopes)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+")
    rolled_from = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="rolled_to")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last4})"
