"""From what billing_reserve answers for an item to the hold, or to the error that says why there is none."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from billing.ledger.values import (
    Hold,
    HoldRefused,
    HoldRequest,
    KeyTaken,
    LedgerError,
    LedgerRewound,
    RateLimited,
    RateStanding,
    TooManyOpen,
    WindowFacts,
)


def hold_of(answer: Mapping[str, Any], *, request: HoldRequest) -> Hold:
    """Return the hold. Raises KeyTaken, RateLimited, TooManyOpen, LedgerRewound, HoldRefused."""
    rates = msgspec.convert(answer["rates"], list[RateStanding]) if "rates" in answer else []
    if "refused" in answer:
        raise _refusal(answer, request=request, rates=rates)
    warnings = msgspec.convert(answer["warned"] or [], list[WindowFacts])
    return Hold(
        id=request.id, tenant_id=request.subject.tenant_id, rung=answer["rung"], remaining_nusd=answer["remaining"], warnings=warnings, rates=rates
    )


def _refusal(answer: Mapping[str, Any], *, request: HoldRequest, rates: Sequence[RateStanding]) -> LedgerError:
    refused = answer["refused"]
    if refused == "repeated":
        return KeyTaken("this idempotency key belongs to another call")
    if refused == "rate":
        return RateLimited(rates, tokens=request.tokens)
    error: LedgerError
    if refused == "open":
        error = TooManyOpen(request.most_open or 0)
    elif refused == "rewound":
        error = LedgerRewound("the ledger was restored from a backup")
    else:
        windows = msgspec.convert(answer["windows"] or [], list[WindowFacts])
        amounts = [rung.amount for rung in request.rungs]
        error = HoldRefused(best_nusd=amounts[0], cheapest_nusd=min(amounts), windows=windows, unpriced=refused == "unpriced")
    error.rates = [_given_back(rate, request=request) for rate in rates]
    return error


def _given_back(rate: RateStanding, *, request: HoldRequest) -> RateStanding:
    """The standing is told as it was with the call taken from it; what is not admitted takes nothing."""
    taken = 1 if rate.unit == "requests" else request.tokens
    return msgspec.structs.replace(rate, left=min(rate.limit, rate.left + taken))
