"""Money, shares and budgets as people read them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html

from billing.engine.money import NUSD_PER_USD, divide_half_even

register = template.Library()
CENT_NUSD = NUSD_PER_USD // 100
SIGNIFICANT = 6
ACTIONS = {"warn": "Warn: calls continue", "degrade": "Degrade: cheaper models", "block": "Block: calls are refused"}
TAGS = {"warn": "b", "degrade": "w", "block": "d"}


@register.filter
def usd(nusd: int) -> str:
    """Two decimals from a cent on, below it up to six significant digits. Example: 96_300 is 0.0000963."""
    amount = Decimal(nusd) / NUSD_PER_USD
    if nusd == 0 or abs(nusd) >= CENT_NUSD:
        return f"{amount:,.2f}"
    return _significant(amount, SIGNIFICANT)


def _significant(amount: Decimal, digits: int) -> str:
    places = min(9, digits - 1 - amount.adjusted())
    return f"{amount:.{places}f}".rstrip("0").rstrip(".")


@register.filter
def money(nusd: int | None) -> str:
    """With its sign and the dollar. Example: -1_500_000_000 is −$1.50; without an amount, n/a."""
    if nusd is None:
        return "n/a"
    return f"{'−' if nusd < 0 else ''}${usd(abs(nusd))}"


@register.simple_tag(takes_context=True)
def approx(context: Mapping[str, Any], nusd: int | None) -> str:
    """Return an amount in the currency that the tenant wants beside US dollars, with its rate; nothing where it wants none.

    Worked number: 73.48 USD at 0.92 EUR a dollar are ≈ 67.60 EUR.
    """
    tenant = context["tenant"]
    if nusd is None or not tenant.display_currency:
        return ""
    amount = abs(Decimal(nusd)) / NUSD_PER_USD * tenant.display_rate
    told = f"≈ {'−' if nusd < 0 else ''}{amount:,.2f} {tenant.display_currency}"
    rate = f"A US dollar was {tenant.display_rate.normalize():f} {tenant.display_currency} on {tenant.display_rate_on:%-d %b %Y}"
    return format_html('<span class="approx" title="{}">{}</span>', rate, told)


@register.filter
def money_signed(nusd: int) -> str:
    """For differences. Example: 124_000_000_000 is +$124.00."""
    return f"+{money(nusd)}" if nusd > 0 else money(nusd)


@register.filter
def money_short(nusd: int | None) -> str:
    """For headings: without cents from a thousand dollars on. Example: 12_655_400_000_000 is $12,655."""
    if nusd is None or abs(nusd) < 1000 * NUSD_PER_USD:
        return money(nusd)
    return f"{'−' if nusd < 0 else ''}${abs(nusd) // NUSD_PER_USD:,}"


@register.filter
def money_fine(nusd: int | None) -> str:
    """For amounts of one call: four significant digits below a dollar. Example: 3_027_833 is $0.003028."""
    if nusd is None or nusd == 0 or abs(nusd) >= NUSD_PER_USD:
        return money(nusd)
    return f"{'−' if nusd < 0 else ''}${_significant(Decimal(abs(nusd)) / NUSD_PER_USD, 4)}"


@register.filter
def permille(value: int | None) -> str:
    """Example: 714 is 71.4 %."""
    return "n/a" if value is None else f"{'−' if value < 0 else ''}{abs(value) // 10}.{abs(value) % 10} %"


@register.filter
def share_of(part: int, whole: int) -> str:
    return permille(1000 * part // whole) if whole else "n/a"


@register.filter
def percent_of(part: int, whole: int) -> str:
    """In whole per cent. Example: 77 of 124 are 62 %."""
    if not whole:
        return "n/a"
    percent = divide_half_even(100 * part, whole) if whole > 0 else divide_half_even(-100 * part, -whole)
    return f"{'−' if percent < 0 else ''}{abs(percent)} %"


@register.filter
def share(part: float | None) -> str:
    """Example: 0.714 is 71.4 %."""
    return "n/a" if part is None else permille(round(1000 * part))


@register.filter
def figure(value: float | None, places: int = 1) -> str:
    """A number that is no money. Example: -3.14 is −3.1; without one, n/a."""
    return "n/a" if value is None else f"{'−' if round(value, places) < 0 else ''}{abs(value):.{places}f}"


@register.filter
def magnitude(value: float) -> float:
    """For words that say which way. Example: -3.14 is 3.14."""
    return abs(value)


@register.filter
def figure_signed(value: float, places: int = 1) -> str:
    """For differences. Example: 3.14 is +3.1."""
    return f"{'+' if round(value, places) > 0 else ''}{figure(value, places)}"


@register.filter
def change_from(now: int, before: int | None) -> str:
    """Example: 120 from 100 is +20.0 %; from nothing, new."""
    if not before:
        return "new" if now and before is not None else "n/a"
    change = 1000 * (now - before) // abs(before)
    return f"{'+' if change >= 0 else '−'}{abs(change) // 10}.{abs(change) % 10} %"


@register.filter
def whole(count: int | None) -> str:
    return "n/a" if count is None else f"{count:,}"


@register.filter
def action_in_words(action: str) -> str:
    return ACTIONS[action]


@register.filter
def action_tag(action: str) -> str:
    return TAGS[action]


@register.filter
def at_most(value: int, limit: int) -> int:
    return min(int(value), int(limit))
