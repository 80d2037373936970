"""End users by how their names begin, found among millions by an index (`end_users_by_name`)."""

from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Collate

from tenants.models import EndUser

BEYOND = "\U0010ffff"
"""Stands behind every other character in the order of bytes."""


def end_users_by_name() -> QuerySet[Any]:
    """Return the end users of the scope's tenant with `in_order`: their names, ordered by their bytes."""
    return EndUser.objects.annotate(in_order=Collate("external_id", "C"))


def beginning_with(text: str) -> Q:
    """Return what holds for names that begin with a text: a range of the index, since under row-level security LIKE would read every row."""
    return Q(in_order__gte=text, in_order__lt=text + BEYOND)
