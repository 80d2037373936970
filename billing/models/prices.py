"""The price book: what each model costs, since when, and who said so."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.scoping import TenantOwnedModel, uuid7

METERS = ("input", "output", "cached_input", "cache_write", "reasoning")


class PriceVersion(models.Model):
    """One version of a price: nano-USD per million tokens, per meter. A version is never edited, only followed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False, help_text="Stored as price_version with each entry it prices.")
    input_nusd = models.BigIntegerField()
    output_nusd = models.BigIntegerField()
    cached_input_nusd = models.BigIntegerField(null=True, blank=True)
    cache_write_nusd = models.BigIntegerField(null=True, blank=True)
    reasoning_nusd = models.BigIntegerField(null=True, blank=True)
    request_nusd = models.BigIntegerField(default=0, help_text="Nano-USD for each request.")
    valid_from = models.DateTimeField(default=timezone.now)
    valid_to = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=200, help_text="Where the price is from: a price list and its date.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class ModelPrice(PriceVersion, TenantOwnedModel):
    """A tenant's own price of a model: takes the place of the platform's."""

    bumps_config = True

    model = models.CharField(max_length=200, help_text="The tenant's name of the model.")

    class Meta:
        ordering = ["model", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "model", "valid_from"], name="one_price_per_start"),
            models.CheckConstraint(condition=Q(input_nusd__gte=0, output_nusd__gte=0, request_nusd__gte=0), name="prices_not_negative"),
            models.CheckConstraint(condition=Q(valid_to__isnull=True) | Q(valid_to__gt=models.F("valid_from")), name="price_has_duration"),
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.valid_from:%Y-%m-%d}"


class PlatformPrice(PriceVersion):
    """A price that holds for every tenant who has none of their own. Written by `manage.py import_prices`, which shows what changes first."""

    provider = models.CharField(max_length=32, help_text="Slug of the provider, as connections name it.")
    model = models.CharField(max_length=200, help_text="The provider's own name of the model.")

    class Meta:
        ordering = ["provider", "model", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "model", "valid_from"], name="one_platform_price_per_start"),
            models.CheckConstraint(condition=Q(input_nusd__gte=0, output_nusd__gte=0, request_nusd__gte=0), name="platform_prices_not_negative"),
            models.CheckConstraint(condition=Q(valid_to__isnull=True) | Q(valid_to__gt=models.F("valid_from")), name="platform_price_has_duration"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} from {self.valid_from:%Y-%m-%d}"


class QuarantinedModel(TenantOwnedModel):
    """A model that billed beyond its bound: no budget that degrades or blocks bears it until an operator clears it."""

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
