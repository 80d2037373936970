"""Filters that refuse what they do not know: a misspelt filter must not answer with everything."""

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which reads the settings that name this module

PAGING = frozenset({"limit", "cursor"})


class StrictFilters(DjangoFilterBackend):
    def filter_queryset(self, request: Any, queryset: QuerySet[Any], view: "APIView") -> QuerySet[Any]:
        if getattr(view, "action", None) != "list":
            return queryset  # one row is found by its id alone
        filters = self.get_filterset(request, queryset, view)
        known = PAGING | set(filters.filters if filters else ())
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise ValidationError({name[:60]: f"There is no such filter. Known are: {', '.join(sorted(known))}." for name in unknown})
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered
