"""Work outside requests, and how it stands."""

from django.db import models


class JobStanding(models.Model):
    """How one kind of work outside requests went: its last run, and what the last failure said. The platform's, no tenant's."""

    name = models.CharField(max_length=64, primary_key=True)
    every_seconds = models.FloatField(help_text="How often it is due.")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="When the last run ended, well or not.")
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    took_ms = models.BigIntegerField(null=True, help_text="How long the last run took.")
    result = models.CharField(max_length=200, blank=True, help_text="What the last good run did.")
    failure = models.CharField(max_length=500, blank=True, help_text="What the last failure was. It stays until the next one.")
    runs = models.BigIntegerField(default=0)
    failures = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=64, blank=True, help_text="The run that is under way.")
    held_until = models.DateTimeField(null=True, help_text="When a run that says nothing more counts as dead.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
