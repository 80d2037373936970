"""Files for finance that come again and again, by mail."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from billing.engine.schedules import Every
from billing.models.exports import ExportJob
from tenants.scoping import TenantOwnedModel, uuid7

EVERY = [(every.value, every.value) for every in Every]


class ReportSchedule(TenantOwnedModel):
    """An export that is asked for when a day, a week or a month is over; its recipients get a link to the file."""

    audit_hides = ("wanted",)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    wanted = models.JSONField(help_text="What the file holds, as an export is asked for, without the days.")
    every = models.CharField(max_length=8, choices=EVERY, default=Every.MONTH.value)
    working_day = models.PositiveSmallIntegerField(
        default=2, validators=[MinValueValidator(1), MaxValueValidator(5)],
        help_text="On which working day of the week or month it leaves, Monday to Friday; holidays are not known.",
    )  # fmt: skip
    hour = models.PositiveSmallIntegerField(default=6, validators=[MaxValueValidator(23)], help_text="Of the tenant's day.")
    recipients = ArrayField(models.EmailField(), help_text="Whom the mail with the link goes to.")
    is_active = models.BooleanField(default=True)
    due_at = models.DateTimeField(editable=False)
    first = models.DateField(editable=False, help_text="First day that the next file is about.")
    last = models.DateField(editable=False)
    export = models.ForeignKey(ExportJob, on_delete=models.SET_NULL, null=True, editable=False, related_name="+", help_text="The file under way.")
    sent_at = models.DateTimeField(null=True, editable=False)
    failure = models.CharField(max_length=500, blank=True, editable=False, help_text="Why the last file was not sent, in words.")
    created_by = models.CharField(max_length=200, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        indexes = [models.Index(fields=["due_at"], condition=Q(is_active=True), name="reports_that_are_due")]
        constraints = [
            models.CheckConstraint(condition=Q(working_day__gte=1, working_day__lte=5), name="a_week_has_five_working_days"),
            models.CheckConstraint(condition=Q(hour__lte=23), name="a_report_has_an_hour"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name
