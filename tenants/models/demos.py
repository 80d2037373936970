"""Demos: organisations in which everything is made up, each somebody's own."""

from django.db import models

from tenants.models.who import User
from tenants.scoping import TenantOwnedModel, uuid7


class Demo(TenantOwnedModel):
    """The demo that a person asked for, and how far its filling is. Its tenant says `is_demo`."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for the worker"
        FILLING = "filling", "Making up 90 days of calls"
        LOOKING = "looking", "Summing them up, and looking for what is out of the ordinary"
        READY = "ready", "Ready"
        FAILED = "failed", "It could not be filled"

    audit_name = ("person__email",)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.OneToOneField(User, on_delete=models.CASCADE, related_name="+")
    asked_in = models.UUIDField(help_text="The organisation whose audit log tells of it. No foreign key: a demo points into no other organisation.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    asked_at = models.DateTimeField()

    class Meta:
        ordering = ["-asked_at"]

    def __str__(self) -> str:
        return f"{self.person}: {self.state}"
