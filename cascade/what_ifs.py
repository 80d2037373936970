"""The question of a replay, checked against what the tenant of the scope has: the same for everybody who asks it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from billing.engine.budget_replay import Limit
from billing.engine.budgets import BudgetScope
from billing.engine.pricing import Price
from billing.services import checked_subject
from cascade.engine.replay import EVERY_DOMAIN, WhatIf
from tenants.end_users import end_user_id
from tenants.models import Tenant

EVERY = "*"
"""In the place of a domain: every other one."""
MOST_CHANGES, MOST_BUDGETS = 50, 20
"""Of each kind in one question."""


def what_if_of(
    *, thresholds: Mapping[str, float], least_quality: Mapping[str, float], prices: Mapping[str, Mapping[str, Any]],
    substitutes: Mapping[str, str],
) -> WhatIf:  # fmt: skip
    """Return what is changed. A price has `input`, `output` and perhaps `cached_input`, in nano-USD per million tokens.

    Raises ValidationError, by field, for more than MOST_CHANGES of a kind. Whether the models are the tenant's, the replay finds.
    """
    said = {"thresholds": thresholds, "least_quality": least_quality, "prices": prices, "substitutes": substitutes}
    for field, changes in said.items():
        _refuse_too_many(field, changes, most=MOST_CHANGES)
    return WhatIf(
        thresholds={EVERY_DOMAIN if domain == EVERY else domain: score for domain, score in thresholds.items()}, least_quality=least_quality,
        substitutes=substitutes, prices={model: _price(one) for model, one in prices.items()},
    )  # fmt: skip


def limits_of(budgets: Sequence[Mapping[str, Any]], *, tenant: Tenant) -> list[Limit]:
    """Return budgets that there would have been, each with the `scope`, `subject`, `period`, `limit` (nano-USD) and `action` of a budget.

    Raises ValidationError for more than MOST_BUDGETS, and under "budgets.0" and so on for whom there is not.
    """
    _refuse_too_many("budgets", budgets, most=MOST_BUDGETS)
    return [_limit(one, number, tenant) for number, one in enumerate(budgets)]


def _limit(one: Mapping[str, Any], number: int, tenant: Tenant) -> Limit:
    try:
        subject = checked_subject(scope=one["scope"], subject=one["subject"])
    except ValidationError as wrong:
        raise ValidationError({f"budgets.{number}": wrong.messages}) from wrong
    if one["scope"] == BudgetScope.END_USER and subject:
        subject = str(end_user_id(salt=bytes(tenant.end_user_salt), external_id=subject))
    return Limit(one["scope"], subject, one["period"], one["limit"], one["action"])


def _price(one: Mapping[str, Any]) -> Price:
    return Price(version="what-if", input_nusd=one["input"], output_nusd=one["output"], cached_input_nusd=one.get("cached_input"))


def _refuse_too_many(field: str, changes: Sequence[Any] | Mapping[str, Any], *, most: int) -> None:
    if len(changes) > most:
        raise ValidationError({field: f"At most {most} at once."})
