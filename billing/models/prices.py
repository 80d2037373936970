"""The price book: what each model costs, since when, and who said so."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from tenants.scoping import Audited, TenantOwnedModel, uuid7

METERS = ("input", "output", "cached_input", "cache_write", "reasoning")
LONG_METERS = ("long_input", "long_output", "long_cached_input", "long_cache_write")
RATES = tuple(f"{meter}_nusd" for meter in (*METERS, "request", *LONG_METERS))
TERMS = (*RATES, "long_after_tokens")
"""The columns that say what a version costs: two versions with the same terms are the same price."""
IN_FORCE = Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from"))
"""A version that was replaced from its very start ends there: it was never in force, and stays for the entries that it priced."""


def price_rules(prefix: str) -> list[models.BaseConstraint]:
    """The constraints of a table of prices."""
    no_long = Q(long_after_tokens__isnull=True, **{f"{meter}_nusd__isnull": True for meter in LONG_METERS})
    return [
        models.CheckConstraint(condition=Q(input_nusd__gte=0, output_nusd__gte=0, request_nusd__gte=0), name=f"{prefix}prices_not_negative"),
        models.CheckConstraint(condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")), name=f"{prefix}price_ends_after_start"),
        models.CheckConstraint(
            condition=no_long
            | Q(
                long_after_tokens__gt=0, long_input_nusd__gte=F("input_nusd"), long_output_nusd__gte=F("output_nusd"),
                long_after_tokens__isnull=False, long_input_nusd__isnull=False, long_output_nusd__isnull=False,  # a comparison with null passes
            ),
            name=f"{prefix}long_prompts_not_cheaper",
        ),
    ]


class PriceVersion(models.Model):
    """One version of a price: nano-USD per million tokens, per meter. A version is never edited, only followed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False, help_text="Stored as price_version with each entry it prices.")
    input_nusd = models.BigIntegerField()
    output_nusd = models.BigIntegerField()
    cached_input_nusd = models.BigIntegerField(null=True, blank=True)
    cache_write_nusd = models.BigIntegerField(null=True, blank=True)
    reasoning_nusd = models.BigIntegerField(null=True, blank=True)
    request_nusd = models.BigIntegerField(default=0, help_text="Nano-USD for each request.")
    long_after_tokens = models.PositiveIntegerField(
        null=True, blank=True, help_text="A prompt of more tokens than this costs the long_ prices, all of it. Empty: every length costs the same."
    )
    long_input_nusd = models.BigIntegerField(null=True, blank=True)
    long_output_nusd = models.BigIntegerField(null=True, blank=True)
    long_cached_input_nusd = models.BigIntegerField(null=True, blank=True)
    long_cache_write_nusd = models.BigIntegerField(null=True, blank=True)
    valid_from = models.DateTimeField(default=timezone.now)
    valid_to = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=200, help_text="Where the price is from: a price list and its date.")
    note = models.CharField(max_length=500, blank=True, help_text="What was decided where the source leaves a gap.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class ModelPrice(PriceVersion, TenantOwnedModel):
    """A tenant's own price of a model: takes the place of the platform's."""

    audit_name = ("model",)
    bumps_config = True

    model = models.CharField(max_length=200, help_text="The tenant's name of the model.")

    class Meta:
        ordering = ["model", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "model", "valid_from"], condition=IN_FORCE, name="one_price_per_start"),
            *price_rules(""),
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.valid_from:%Y-%m-%d}"


class PlatformPrice(PriceVersion):
    """A price that holds for every tenant who has none of their own. Written by `manage.py import_prices`, which shows what changes first."""

    database_grants = "SELECT, INSERT, UPDATE (valid_to)"

    provider = models.CharField(max_length=32, help_text="Slug of the provider, as connections name it.")
    model = models.CharField(max_length=200, help_text="The provider's own name of the model.")

    class Meta:
        ordering = ["provider", "model", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "model", "valid_from"], condition=IN_FORCE, name="one_platform_price_per_start"),
            *price_rules("platform_"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} from {self.valid_from:%Y-%m-%d}"


class QuarantinedModel(TenantOwnedModel):
    """A model that billed beyond its bound: no budget that degrades or blocks bears it until an operator clears it."""

    audited = Audited.BY_ACTORS
    audit_name = ("provider", "model")
    bumps_config = True
    database_grants = "SELECT, UPDATE (cleared_at, cleared_by)"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=64, help_text="Name of the tenant's provider connection.")
    model = models.CharField(max_length=200)
    reason = models.TextField()
    reservation_id = models.UUIDField(help_text="The run that showed it.")
    since = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, blank=True)
    cleared_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-since"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "provider", "model"], condition=Q(cleared_at__isnull=True), name="one_quarantine_per_model")
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} since {self.since:%Y-%m-%d}"
