"""The ledger's "no", in words that tell a person what to do and a machine what it was; and how any failure is answered over HTTP."""

import math
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct

from billing.engine.money import to_usd
from billing.ledger import HoldRefused, LedgerUnavailable, RateLimited, TooManyOpen, WindowFacts
from cascade.engine.errors import (
    AdmissionError,
    BudgetExhausted,
    BudgetReserved,
    CascadeError,
    LedgerAway,
    ProviderError,
    RateLimitExceeded,
    TooManyNewEndUsers,
    TooManyOpenCalls,
    UnpricedRefused,
)
from cascade.limits import END_USER, duration, limit_headers

SPENT = 402
T = TypeVar("T")


class HttpReply(Struct, frozen=True, kw_only=True):
    """What both APIs say of a failure beside its message: OpenAI's form and problem+json differ in the body alone."""

    status: int
    headers: dict[str, str]
    facts: dict[str, Any]


def reply_to(failure: CascadeError, *, budget_status: int = SPENT) -> HttpReply:
    """Return how a failure is answered. `budget_status` is what the tenant wants for a budget that is spent: 402 or 429."""
    status, headers = failure.status, limit_headers(failure.limits)
    if isinstance(failure, BudgetExhausted | UnpricedRefused):
        status = budget_status
    if isinstance(failure, AdmissionError) and failure.status == SPENT:
        headers["x-should-retry"] = "false"  # the official clients would try a 429 again
    if isinstance(failure, AdmissionError | ProviderError) and failure.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(failure.retry_after_s)))
    elif isinstance(failure, RateLimitExceeded):
        headers["x-should-retry"] = "false"
    if failure.run_id is not None:
        headers["x-cascadeflow-run-id"] = str(failure.run_id)
    facts = failure.facts if isinstance(failure, AdmissionError) else None
    return HttpReply(status=status, headers=headers, facts=dict(facts or {}))


async def away_as_503(work: Awaitable[T]) -> T:
    """Wait for what asks the ledger's database. Raises LedgerAway, in words, where that cannot be reached."""
    try:
        return await work
    except LedgerUnavailable as away:
        raise ledger_away() from away


def ledger_away() -> LedgerAway:
    return LedgerAway("The ledger's database cannot be reached right now, so no call is let through. Try again in a few seconds.")


def limit_refusal_of(limited: RateLimited | TooManyOpen) -> AdmissionError:
    """Return the error that says which limit is used up, and when the call fits."""
    error = _too_often(limited) if isinstance(limited, RateLimited) else _too_many_open(limited)
    error.limits = limited.rates
    return error


def _too_often(limited: RateLimited) -> AdmissionError:
    binding = limited.binding
    whose = "each end user of this tier" if binding.name == END_USER else "this API key"
    limit = f"{whose} may {'make' if binding.unit == 'requests' else 'use'} {binding.limit:,} {binding.unit} a minute"
    counts = "" if binding.unit == "requests" else f", and this call counts as {limited.tokens:,}"
    if limited.reset is None:
        message = f"This call can never fit: {limit}{counts}. Ask for less (max_tokens, a shorter prompt), or have an operator raise the limit."
    else:
        message = f"Rate limit reached: {limit}, {binding.remaining:,} are left{counts}. Try again in {duration(limited.reset)}."
    error = RateLimitExceeded(message)
    error.kind = binding.unit
    error.retry_after_s = None if limited.reset is None else math.ceil(limited.reset)
    error.facts = {"violated-policies": [f"{rate.name}-{rate.unit}" for rate in limited.rates if rate.wait is None or rate.wait > 0]}
    return error


def _too_many_open(limited: TooManyOpen) -> AdmissionError:
    return TooManyOpenCalls(
        f"The end user has as many calls in flight as one may have at once: {limited.most}. Wait until one of them is answered, or have an "
        "operator raise 'open calls per end user' of the account."
    )


def new_end_user_refusal(name: str, *, wait_s: float) -> AdmissionError:
    """Return the error for an end user who would be one too many: names can be made up to dodge the budgets of end users."""
    error = TooManyNewEndUsers(
        f"The end user {name[:64]!r} is new, and as many new end users came within the last hour as this account allows. Those who are known are "
        f"served. There is room for another one in {duration(wait_s)}; an operator can raise 'new end users per hour' of the account.",
        param="user",
    )
    error.retry_after_s = math.ceil(wait_s)
    return error


def refusal_of(refused: HoldRefused, *, now: datetime, unpriced: list[str], holds: Sequence[Mapping[str, Any]] = ()) -> AdmissionError:
    """Return the error that explains a refusal with its arithmetic."""
    error = _unpriced(unpriced) if refused.unpriced else _not_borne(refused, now=now, holds=holds)
    error.limits = refused.rates
    return error


def _unpriced(unpriced: list[str]) -> UnpricedRefused:
    return UnpricedRefused(
        f"A budget that stops calls applies here, and the cost of this call has no bound: {', '.join(unpriced)}. "
        "Give the model a price, leave the field out, or call without a budget that blocks."
    )


def _not_borne(refused: HoldRefused, *, now: datetime, holds: Sequence[Mapping[str, Any]]) -> AdmissionError:
    binding = refused.binding
    assert binding is not None
    error: AdmissionError
    if refused.only_held:
        error = BudgetReserved(
            f"{_sum(binding, refused)} Calls in flight hold the rest; what they do not spend is free again. Try again in a second."
        )
    else:
        error = BudgetExhausted(f"{_sum(binding, refused)} {_until(binding, now)}")
        error.retry_after_s = None
    error.facts = {
        "budget": facts_of(binding), "asked": to_usd(refused.asked_of(binding)), "windows": [facts_of(facts) for facts in refused.windows],
        "holds": [_hold_facts(hold) for hold in holds],
    }
    return error


def _hold_facts(hold: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run_id": str(hold["id"]), "held": to_usd(hold["amount_nusd"]), "model": hold["model"],
        "end_user_id": str(hold["end_user_id"]) if hold["end_user_id"] else None, "since": hold["created_at"].isoformat(),
        "expires_at": hold["expires_at"].isoformat(),
    }


def facts_of(facts: WindowFacts) -> dict[str, Any]:
    return {
        "id": str(facts.budget), "name": facts.name, "scope": facts.scope, "subject": facts.subject, "period": facts.period, "action": facts.action,
        "limit": to_usd(facts.limit_nusd), "spent": to_usd(facts.spent_nusd), "held": to_usd(facts.held_nusd),
        "resets_at": None if facts.period == "total" else facts.end_at.isoformat(),
    }


def _sum(facts: WindowFacts, refused: HoldRefused) -> str:
    subject = f" {facts.subject}" if facts.subject else ""
    whose = f"budget '{facts.name}'" if facts.name else f"{facts.period} budget of the {facts.scope.replace('_', ' ')}{subject}"
    return (
        f"The {whose} does not bear this call: limit {to_usd(facts.limit_nusd)} USD, spent {to_usd(facts.spent_nusd)}, "
        f"held {to_usd(facts.held_nusd)}, this call may cost up to {to_usd(refused.asked_of(facts))}."
    )


def _until(facts: WindowFacts, now: datetime) -> str:
    if facts.period == "total":
        return "It does not reset: raise the limit, or ask for less with a smaller max_tokens."
    hours = math.ceil((facts.end_at - now).total_seconds() / 3600)
    return f"It resets at {facts.end_at:%Y-%m-%d %H:%M} UTC (in {hours} h). Until then raise the limit, or ask for less with a smaller max_tokens."
