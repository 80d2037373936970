"""The rows that decide what calls cost and may cost: prices and budgets."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from billing.engine.budgets import BudgetScope
from billing.engine.money import to_usd
from billing.models import Budget, ModelPrice
from billing.models.prices import IN_FORCE
from billing.pricebook import PriceBook
from billing.services import add_price
from cascade.provisioning.changes import Changes, difference
from cascade.provisioning.document import WantedBudget, WantedPrice
from tenants.models import ApiKey

Place = tuple[str, str, str]
"""Scope, subject and period of a budget."""


def terms_of(wanted: WantedPrice) -> dict[str, int | None]:
    """Return what the price says, by the columns of the price book."""
    return {
        "input_nusd": wanted.input, "output_nusd": wanted.output, "cached_input_nusd": wanted.cached_input,
        "cache_write_nusd": wanted.cache_write, "reasoning_nusd": wanted.reasoning, "request_nusd": wanted.request,
        "long_after_tokens": wanted.long_after_tokens, "long_input_nusd": wanted.long_input, "long_output_nusd": wanted.long_output,
        "long_cached_input_nusd": wanted.long_cached_input, "long_cache_write_nusd": wanted.long_cache_write,
    }  # fmt: skip


def apply_price(wanted: WantedPrice, *, model: str, source: str, now: datetime, changes: Changes) -> None:
    """A version is never edited: a changed price ends the version in force now and opens the next. One that is to come later still comes."""
    terms = terms_of(wanted)
    in_force = PriceBook(own=ModelPrice.objects.filter(IN_FORCE, model=model)).version_at(now, model=model, place=None)
    if in_force is not None:
        differing = [difference(name, getattr(in_force, name), value) for name, value in terms.items() if getattr(in_force, name) != value]
        if not differing:
            return
        changes.changed(f"price of {model}", differing)
    else:
        changes.added(f"price of {model}: input {to_usd(wanted.input)}, output {to_usd(wanted.output)} USD per million tokens")
    add_price(price=ModelPrice(model=model, source=source, valid_from=now, **terms))


def apply_budgets(wanted: Sequence[WantedBudget], *, changes: Changes) -> None:
    """Budgets are told apart by scope, subject, period and action; where only the action differs, it is the action that changed."""
    by_place: dict[Place, list[WantedBudget]] = defaultdict(list)
    for budget in wanted:
        by_place[str(budget.scope), _subject(budget), str(budget.period)].append(budget)
    for place, budgets in by_place.items():
        scope, subject, period = place
        stored = {row.action: row for row in Budget.objects.filter(scope=scope, subject=subject, period=period, ended_at=None)}
        rest = [budget for budget in budgets if str(budget.action) not in stored]
        matched = [(budget, stored.pop(str(budget.action))) for budget in budgets if str(budget.action) in stored]
        if len(rest) == len(stored) == 1:
            matched.append((rest.pop(), stored.popitem()[1]))
        for budget, row in matched:
            changes.update(row, label=_label(budget), values={"action": str(budget.action), **_values(budget)})
        for budget in rest:
            Budget.objects.create(scope=scope, subject=subject, period=period, action=str(budget.action), **_values(budget))
            changes.added(f"{_label(budget)}: {to_usd(budget.limit)} USD, {budget.action}")


def _values(budget: WantedBudget) -> dict[str, object]:
    given = {"limit_nusd": budget.limit, "name": budget.name and str(budget.name), "soft_marks": budget.marks}
    return {name: value for name, value in given.items() if value is not None}


def _label(budget: WantedBudget) -> str:
    whom = {"end_user": budget.subject or "each end user", "tenant": "tenant"}.get(budget.scope, f"{budget.scope} {budget.subject}")
    return f"budget {whom} {budget.period}"


def _subject(budget: WantedBudget) -> str:
    """The file names a key, the row has its id."""
    if budget.scope is not BudgetScope.API_KEY:
        return str(budget.subject)
    return str(ApiKey.objects.filter(name=str(budget.subject), revoked_at=None).order_by("-created_at")[0].id)
