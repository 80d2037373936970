"""What people keep in the console."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from tenants.scoping import TenantOwnedModel, uuid7

LONGEST_QUERY = 2000


class SavedView(TenantOwnedModel):
    """A page with what its address asks for, under a name: one person's own, or shared with everybody of the tenant."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100)
    page = models.CharField(max_length=32, help_text="Name of the page in dashboards/urls.py.")
    query = models.CharField(max_length=LONGEST_QUERY, blank=True, help_text="Of its address, ranges of days as they are said.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", editable=False)
    is_shared = models.BooleanField(default=False)
    is_home = models.BooleanField(default=False, help_text="Is it what its owner sees first?")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["page", "name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "owner", "name"], name="one_view_per_name"),
            models.UniqueConstraint(fields=["tenant", "owner"], condition=Q(is_home=True), name="one_home_per_person"),
        ]

    def __str__(self) -> str:
        return self.name
