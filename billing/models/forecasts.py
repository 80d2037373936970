"""What the last night's run forecast, for lists and for alerts. One series on its own is forecast when somebody looks."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from billing.models.entries import DayRollup
from tenants.scoping import Audited, TenantOwnedModel


class Forecast(TenantOwnedModel):
    """What one name will probably cost on the days from `made_on` on, with 80 % intervals. A projection, made anew each night.

    End users have their sums alone, the other dimensions their days too: position 0 of each array is `made_on` itself.
    """

    audited = Audited.NEVER

    pk = models.CompositePrimaryKey("tenant_id", "dimension", "value")
    dimension = models.CharField(max_length=16, choices=DayRollup.Dimension.choices)
    value = models.CharField(max_length=255, blank=True)
    made_on = models.DateField(help_text="The first day that is forecast, in the tenant's time zone.")
    age_days = models.PositiveIntegerField(help_text="Days since the first spend.")
    week_nusd = models.BigIntegerField(help_text="Expected on the next 7 days.")
    week_low_nusd = models.BigIntegerField()
    week_high_nusd = models.BigIntegerField()
    month_nusd = models.BigIntegerField(help_text="Expected on the next 30 days.")
    month_low_nusd = models.BigIntegerField()
    month_high_nusd = models.BigIntegerField()
    error = models.FloatField(null=True, help_text="Back-tested: the mean error of totals as a share of what came.")
    coverage = models.FloatField(null=True, help_text="Back-tested: the share of totals that fell into their interval.")
    tests = models.PositiveIntegerField(help_text="How many back-tests.")
    path_nusd = ArrayField(models.BigIntegerField(), null=True, help_text="Expected on each of the next 31 days.")
    path_low_nusd = ArrayField(models.BigIntegerField(), null=True)
    path_high_nusd = ArrayField(models.BigIntegerField(), null=True)
    sum_low_nusd = ArrayField(models.BigIntegerField(), null=True, help_text="Low end of the sum of all days up to each.")
    sum_high_nusd = ArrayField(models.BigIntegerField(), null=True)

    class Meta:
        ordering = ["-month_nusd", "dimension", "value"]
        indexes = [models.Index(fields=["tenant", "dimension", "-month_nusd"], name="forecasts_dearest_first")]

    def __str__(self) -> str:
        return f"{self.dimension} {self.value} from {self.made_on}"
