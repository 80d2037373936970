"""What people call the values that sums are kept by."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from billing.models import DayRollup
from tenants.end_user_names import beginning_with, end_users_by_name
from tenants.models import ApiKey, EndUser

UNNAMED = {
    "end_user": "(no end user named)", "api_key": "(no API key)", "tier": "(no tier)", "domain": "(no domain)", "preset": "(one model by name)",
    "model": "(no model)", "provider": "(no provider)", "step": "(no step)",
}  # fmt: skip


def names_of(*, dimension: str, values: Iterable[str]) -> Mapping[str, str]:
    """Return a name for each value of a dimension: end users by the tenant's own name for them, keys by their name and last four characters.

    An end user who was erased has no name any more, and is called by the beginning of the id that the money stays booked under.
    """
    wanted = list(dict.fromkeys(values))
    found: dict[str, str] = {}
    if dimension == "end_user":
        found = {str(row.pk): row.external_id for row in EndUser.objects.filter(pk__in=_ids(wanted))}
    elif dimension == "api_key":
        found = {str(row.pk): f"{row.name} (…{row.last4})" for row in ApiKey.objects.filter(pk__in=_ids(wanted))}
    return {value: found.get(value) or _unfound(dimension, value) for value in wanted}


def names_like(text: str, *, dimension: str, since: date, limit: int) -> Sequence[str]:
    """Return names of a dimension's values for a text: end users whose name begins with it, keys whose name holds it, and others that hold it as
    money was booked under them since a day. Raises ValueError for what is no dimension."""
    if dimension == "end_user":
        return list(end_users_by_name().filter(beginning_with(text)).order_by("in_order").values_list("external_id", flat=True)[:limit])
    if dimension == "api_key":
        return list(ApiKey.objects.filter(name__icontains=text).order_by("name").values_list("name", flat=True).distinct()[:limit])
    if dimension not in DayRollup.Dimension.values:
        raise ValueError(f"no dimension: {dimension}")
    rows = DayRollup.objects.filter(dimension=dimension, day__gte=since, value__icontains=text).exclude(value="")
    return list(rows.order_by("value").values_list("value", flat=True).distinct()[:limit])


def _unfound(dimension: str, value: str) -> str:
    if not value:
        return UNNAMED.get(dimension, "(none)")
    return f"{value[:8]}… (erased)" if dimension in ("end_user", "api_key") else value


def _ids(values: Iterable[str]) -> list[UUID]:
    ids = []
    for value in values:
        try:
            ids.append(UUID(value))
        except ValueError:
            continue
    return ids
