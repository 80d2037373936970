"""Money and budgets as people read them."""

from decimal import Decimal

from django import template

from billing.engine.money import NUSD_PER_USD

register = template.Library()
CENT_NUSD = NUSD_PER_USD // 100


@register.filter
def usd(nusd: int) -> str:
    """Two decimals from a cent on, below it up to six significant digits. Example: 96_300 is 0.0000963."""
    amount = Decimal(nusd) / NUSD_PER_USD
    if nusd == 0 or abs(nusd) >= CENT_NUSD:
        return f"{amount:,.2f}"
    return f"{amount:.9f}".rstrip("0")


@register.filter
def action_in_words(action: str) -> str:
    return {"warn": "Warn: calls continue", "degrade": "Degrade: cheaper models", "block": "Block: calls are refused"}[action]


@register.filter
def at_most(value: int, limit: int) -> int:
    return min(int(value), int(limit))
