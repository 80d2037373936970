"""The price book: what each model costs, since when, and who said so."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.scoping import TenantOwnedModel, uuid7

METERS = ("input", "output", "cached_input", "cache_write", "reasoning")


class ModelPrice(TenantOwnedModel):
    """One version of a model's price: nano-USD per million tokens, per meter. A version is never edited, only followed."""

    bumps_config = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False, help_text="Stored as price_version with each entry it prices.")
    model = models.CharField(max_length=200, help_text="The tenant's name of the model.")
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
        ordering = ["model", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "model", "valid_from"], name="one_price_per_start"),
            models.CheckConstraint(condition=Q(input_nusd__gte=0, output_nusd__gte=0, request_nusd__gte=0), name="prices_not_negative"),
            models.CheckConstraint(condition=Q(valid_to__isnull=True) | Q(valid_to__gt=models.F("valid_from")), name="price_has_duration"),
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.valid_from:%Y-%m-%d}"
