"""Filters for rows that belong to an end user: by our id of the person, or by the tenant's own name."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from tenants.authentication import caller_of
from tenants.end_users import end_user_id


class EndUserFilters(filters.FilterSet):
    end_user = filters.CharFilter(method="of_end_user", help_text="Your own name for the end user.")
    end_user_id = filters.UUIDFilter()

    def of_end_user(self, rows: QuerySet[Any], name: str, external_id: str) -> QuerySet[Any]:
        identity: UUID = end_user_id(salt=caller_of(self.request).end_user_salt, external_id=external_id)
        return rows.filter(end_user_id=identity)
