"""From the text of one YAML scalar to its value. Each function raises ValueError with what to write instead."""

import re
from collections.abc import Callable
from datetime import date

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from billing.engine.money import to_nusd
from cascade.engine.errors import InvalidRequest
from cascade.engine.providers.openai_compatible import checked_base_url
from cascade.models import check_hook_url
from tenants.models import MOST_A_MINUTE, check_time_zone, slug_rule

MOST = 2**31 - 1
PLAIN_DECIMAL = re.compile(r"[0-9]{1,10}(\.[0-9]+)?")
DECIMAL = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,15})?")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def usd(text: str) -> int:
    """Return an amount of USD as nano-USD, read from its digits: a float never comes near it."""
    if not PLAIN_DECIMAL.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not an amount in USD: write a plain decimal number, for example \"0.15\"")
    if len(text.partition(".")[2].rstrip("0")) > 9:  # before any arithmetic, which would round
        raise ValueError(f"{text[:40]} has more than nine decimal places; the smallest amount is 0.000000001 USD")
    return to_nusd(text)


def whole_number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or int(text) > MOST:
        raise ValueError(f"{text[:40]!r} is not a whole number from 0 to {MOST}")
    return int(text)


def counting_number(text: str) -> int:
    if whole_number(text) == 0:
        raise ValueError("must be at least 1")
    return int(text)


def hook_url(text: str) -> str:
    return _django(check_hook_url, words(500)(text))


def timeout_ms(text: str) -> int:
    if not 50 <= whole_number(text) <= 2000:
        raise ValueError(f"{text} is not between 50 and 2000 milliseconds")
    return int(text)


def percent(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 3 or int(text) > 100:
        raise ValueError(f"{text[:40]!r} is not a whole number from 0 to 100")
    return int(text)


class Unlimited:
    """Says that there is no limit, where a limit that is left out stays as it is."""


UNLIMITED = Unlimited()


def limit(text: str) -> int | Unlimited:
    """A number of at least 1, or "unlimited"."""
    if text == "unlimited":
        return UNLIMITED
    try:
        number = counting_number(text)
    except ValueError:
        number = MOST
    if number > MOST_A_MINUTE:
        raise ValueError(f"{text[:40]!r} is not a limit: write a whole number from 1 to {MOST_A_MINUTE}, or \"unlimited\"")
    return number


def decimal_number(text: str) -> float:
    """For weights, scores and seconds. Money is read by usd()."""
    if not DECIMAL.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a decimal number such as 0.5")
    return float(text)


def between(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        number = decimal_number(text)
        if not least <= number <= most:
            raise ValueError(f"{text} is not between {least:g} and {most:g}")
        return number

    return read


def truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return text == "true"


def words(most: int) -> Callable[[str], str]:
    """Text of 1 to `most` characters without control characters."""

    def read(text: str) -> str:
        if not 1 <= len(text) <= most or not text.isprintable():
            raise ValueError(f"must be 1 to {most} characters on one line")
        return text

    return read


def words_or_nothing(most: int) -> Callable[[str], str]:
    return lambda text: words(most)(text) if text else text


def slug(text: str) -> str:
    return _django(slug_rule, text)


def email(text: str) -> str:
    return _django(validate_email, text).lower()


def time_zone(text: str) -> str:
    return _django(check_time_zone, text)


def iso_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a date such as 2027-01-31") from None


def variable(text: str) -> str:
    """The name of an environment variable. A secret written here by mistake is not repeated in the error."""
    if not VARIABLE.fullmatch(text) or text.startswith(("sk_", "cfk_")):
        raise ValueError("is not the name of an environment variable; secrets never stand in the file, only the names of their variables")
    return text


def base_url(text: str) -> str:
    try:
        return checked_base_url(words(500)(text)) if text else ""
    except InvalidRequest as wrong:
        raise ValueError(wrong.message) from wrong


def _django(validator: Callable[[str], None], text: str) -> str:
    try:
        validator(text)
    except ValidationError as wrong:
        raise ValueError("; ".join(wrong.messages)) from wrong
    return text
