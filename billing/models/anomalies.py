"""Spend that was out of the ordinary, why, and what somebody made of it."""

from django.db import models

from billing.engine.anomalies.anomaly import Anomaly as Found
from billing.engine.anomalies.anomaly import AnomalyKind, Severity
from tenants.scoping import Audited, TenantOwnedModel, uuid7


class Anomaly(TenantOwnedModel):
    """One time of one series that is out of the ordinary. It goes on for as long as it is found again; what people do with it stays."""

    audited = Audited.BY_ACTORS
    audit_name = ("kind",)
    audit_hides = ("facts", "drivers", "contributors", "value")

    class State(models.TextChoices):
        OPEN = "open"
        SNOOZED = "snoozed"
        RESOLVED = "resolved"

    class Resolution(models.TextChoices):
        NONE = "", "none"
        EXPECTED = "expected", "Expected: it is ordinary from now on"
        FIXED = "fixed", "Fixed: it is no measure for others"
        NOT_USEFUL = "not_useful", "Not useful: three such answers make the series less sensitive"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    lane = models.CharField(max_length=16)
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value.replace("_", " ")) for kind in AnomalyKind])
    dimension = models.CharField(max_length=16)
    value = models.CharField(max_length=255, blank=True, help_text="Of the dimension; of end users and API keys our id.")
    severity = models.CharField(max_length=8, choices=[(severity.value, severity.value) for severity in Severity])
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(help_text="End of the last bucket, also where that is still running.")
    found_at = models.DateTimeField()
    expected_nusd = models.BigIntegerField()
    low_nusd = models.BigIntegerField(help_text="Between low and high nothing would have been out of the ordinary.")
    high_nusd = models.BigIntegerField()
    actual_nusd = models.BigIntegerField()
    excess_nusd = models.BigIntegerField(help_text="Spent beyond what was expected; negative for a drop.")
    score = models.FloatField(help_text="How far from the ordinary: 1 is the threshold.")
    facts = models.JSONField(help_text="The anomaly as the engine has it.")
    drivers = models.JSONField(default=dict, help_text="What each driver makes up of the excess, in nano-USD: they add up to it.")
    contributors = models.JSONField(default=list, help_text="By dimension the values that make up most of the excess.")
    told_at = models.DateTimeField(null=True, blank=True, help_text="When an alert was raised; empty where it is no money, or told by another.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=12, choices=Resolution.choices, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "anomalies"
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "lane", "kind", "dimension", "value", "started_at"], name="one_anomaly_per_start"),
        ]
        indexes = [
            models.Index(fields=["tenant", "-started_at", "-id"], name="anomalies_by_time"),
            models.Index(fields=["tenant", "dimension", "value"], name="anomalies_of_a_series"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.dimension} {self.value}"

    def take(self, found: Found) -> None:
        """Be what the engine found. Its first find stays when it was found."""
        figures = found.figures
        self.severity, self.ended_at, self.score = found.severity.value, found.ended_at, found.score
        self.expected_nusd, self.low_nusd, self.high_nusd = figures.expected_nusd, figures.low_nusd, figures.high_nusd
        self.actual_nusd, self.excess_nusd = figures.actual_nusd, found.excess_nusd
