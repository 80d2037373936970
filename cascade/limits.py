"""Rate limits of a call: which bind it, what it is counted as, and how they are told in headers."""

from collections.abc import Sequence

from billing.ledger import Rate, RateStanding, Subject
from cascade.config import TenantConfig
from cascade.engine.plans import CascadePlan
from tenants.authentication import Caller

BYTES_PER_TOKEN = 4
KEY, END_USER = "key", "end-user"


def rates_of(caller: Caller, *, config: TenantConfig, subject: Subject) -> tuple[Rate, ...]:
    """Return the limits that bind a call: its API key's, and those of its end user's tier. Empty where neither has any."""
    rates: tuple[Rate, ...] = ()
    if caller.key_id is not None and (caller.requests_per_minute is not None or caller.tokens_per_minute is not None):
        rates += (Rate(name=KEY, subject=caller.key_id, requests=caller.requests_per_minute, tokens=caller.tokens_per_minute),)
    of_tier = config.tier_rates.get(subject.tier or "")
    if of_tier is not None and subject.end_user_id is not None:
        rates += (Rate(name=END_USER, subject=subject.end_user_id, requests=of_tier[0], tokens=of_tier[1]),)
    return rates


def tokens_of(plan: CascadePlan) -> int:
    """Return what a call is counted as: a quarter of its input's bytes, and the longest first answer it may get.

    Worked number: 1,000 bytes of input and an answer of at most 512 tokens count as 762.
    """
    first = next(step for step in plan.steps if step.kind == "answer")
    return -(-first.input_bound_tokens // BYTES_PER_TOKEN) + first.max_tokens


def policy_header(caller: Caller) -> dict[str, str]:
    """Return what is known of the key's limits before they are looked at: for replies that take nothing from them."""
    limits = [("requests", caller.requests_per_minute), ("tokens", caller.tokens_per_minute)]
    policies = [_policy(KEY, unit, limit) for unit, limit in limits if limit is not None]
    return {"ratelimit-policy": ", ".join(policies)} if policies else {}


def limit_headers(standings: Sequence[RateStanding]) -> dict[str, str]:
    """Return the headers that tell how limits stand: those of draft-ietf-httpapi-ratelimit-headers-11, and OpenAI's.

    In OpenAI's there is room for one limit of each unit: the one with the least left.
    """
    if not standings:
        return {}
    headers = {
        "ratelimit-policy": ", ".join(_policy(rate.name, rate.unit, rate.limit) for rate in standings),
        "ratelimit": ", ".join(f'"{_name(rate.name, rate.unit)}";r={rate.remaining};t={_whole(rate.until_more_s)}' for rate in standings),
    }
    for unit in ("requests", "tokens"):
        tightest = min((rate for rate in standings if rate.unit == unit), key=lambda rate: rate.left, default=None)
        if tightest is not None:
            headers[f"x-ratelimit-limit-{unit}"] = str(tightest.limit)
            headers[f"x-ratelimit-remaining-{unit}"] = str(tightest.remaining)
            headers[f"x-ratelimit-reset-{unit}"] = duration(tightest.until_full_s)
    return headers


def duration(seconds: float) -> str:
    """Return a time as OpenAI writes it: 12ms, 8.64s, 6m0s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 2), 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"


def _policy(name: str, unit: str, limit: int) -> str:
    kind = "" if unit == "requests" else f';qu="{unit}"'
    return f'"{_name(name, unit)}";q={limit}{kind};w=60'


def _name(name: str, unit: str) -> str:
    return f"{name}-{unit}"


def _whole(seconds: float) -> int:
    return -int(-seconds // 1)
