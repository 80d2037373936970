"""Money and budgets as people read them."""

from django import template

from billing.engine.money import dollars

register = template.Library()


@register.filter
def usd(nusd: int) -> str:
    """Two decimals from a cent on, below it up to nine. Example: 96_300 is 0.0000963."""
    return dollars(nusd).replace("$", "")


@register.filter
def action_in_words(action: str) -> str:
    return {"warn": "Warn: calls continue", "degrade": "Degrade: cheaper models", "block": "Block: calls are refused"}[action]


@register.filter
def at_most(value: int, limit: int) -> int:
    return min(int(value), int(limit))
