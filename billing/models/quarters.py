"""What was booked in each quarter of an hour."""

from django.db import models

from tenants.scoping import Audited, TenantOwnedModel


class QuarterRollup(TenantOwnedModel):
    """Sums of what was booked in a quarter of an hour (UTC), one dimension at a time. A projection, made anew from the entries.

    A quarter is that of `booked_at`, so one that is over does not change any more. Corrections of earlier calls are not in it.
    """

    audited = Audited.NEVER

    class Dimension(models.TextChoices):
        ALL = "all"
        END_USER = "end_user"
        TIER = "tier"
        MODEL = "model"
        DOMAIN = "domain"
        API_KEY = "api_key"

    pk = models.CompositePrimaryKey("tenant_id", "start_at", "dimension", "value")
    start_at = models.DateTimeField()
    dimension = models.CharField(max_length=16, choices=Dimension.choices)
    value = models.CharField(max_length=255, blank=True)
    cost_nusd = models.BigIntegerField()
    runs = models.BigIntegerField(help_text="Runs that were booked, whatever became of them.")
    calls = models.BigIntegerField(help_text="Calls to providers that may have cost something.")
    judged = models.BigIntegerField(help_text="Answers that were accepted or rejected.")
    rejected = models.BigIntegerField(help_text="Answers that were rejected, so that the run went on.")
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()

    class Meta:
        ordering = ["start_at", "dimension", "value"]
        indexes = [models.Index(fields=["start_at"], name="quarters_by_start")]

    def __str__(self) -> str:
        return f"{self.start_at} {self.dimension} {self.value}"
