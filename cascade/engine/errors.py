"""Everything that can go wrong while an answer is made: meaning by class, the original kept as `__cause__`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

RefusalAbout = Literal["request", "key", "account", "model"]
"""What a provider's refusal is about: what was asked, the credential, the account's money or rights, the model's name."""


class CascadeError(Exception):
    """Base of all errors of the engine. `status` is the HTTP status an API answers with, `code` is stable for machines."""

    status = 500
    code = "internal_error"
    run_id: UUID | None = None
    """The run whose trace tells more, once there is one."""
    limits: Sequence[Any] = ()
    """How the rate limits of the caller stand, for the headers of the reply."""
    was_free = False
    """Is it known that the run cost nothing, so that the very same call may be made again?"""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class InvalidRequest(CascadeError):
    """The caller asked for something that cannot be done; the message says what to change."""

    status = 400
    code = "invalid_request"


class ModelNotFound(InvalidRequest):
    """No model, preset or alias of this name is known to the tenant."""

    status = 404
    code = "model_not_found"


class CannotServe(InvalidRequest):
    """The request is well formed, but no model that may answer it can."""

    status = 422
    code = "cannot_serve"


class ModelNotAllowed(CascadeError):
    """The tier's policy leaves no model for this request."""

    status = 403
    code = "model_not_allowed"


class DemoCallsNobody(CascadeError):
    """The key belongs to a demo, whose numbers are made up: what is really spent must not stand among them."""

    status = 403
    code = "demo_calls_nobody"


class ProviderError(CascadeError):
    """A provider did not give a usable answer."""

    status = 502
    code = "provider_error"
    sent = True
    """May the provider have received, and so billed, the request?"""
    retryable = False
    """Is another attempt at the same provider sensible?"""
    retry_after_s: float | None = None

    def __init__(self, message: str, *, provider: str, upstream_status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.provider = provider
        self.upstream_status = upstream_status
        self.retry_after_s = retry_after_s


class ProviderUnreachable(ProviderError):
    """Connection refused, name not found, connect timeout, breaker open: certain that nothing was sent."""

    code = "provider_unreachable"
    sent = False
    retryable = True


class NotSetUp(ProviderUnreachable):
    """The connection cannot be used as it is set up: no key, no usable address. Trying again changes nothing."""

    retryable = False


class CircuitOpen(ProviderUnreachable):
    """The connection, or this model by it, failed so often that it is left alone for a while; `retry_after_s` says until when."""

    status = 503
    code = "circuit_open"
    retryable = False


class DeadlinePassed(ProviderUnreachable):
    """The run's time was over before this call was made."""

    status = 504
    code = "deadline_passed"
    retryable = False


class ProviderRefused(ProviderError):
    """An error envelope of 4xx without a token: the provider says that it did no work."""

    code = "provider_refused"
    about: RefusalAbout = "request"


class ProviderRateLimited(ProviderRefused):
    """429 from the provider, and from us: the caller's own retries wait as the provider asks."""

    status = 429
    code = "provider_rate_limited"
    retryable = True


class ProviderFailed(ProviderError):
    """5xx with an error envelope and no token: not billed as far as can be known, marked unverified."""

    code = "provider_failed"
    retryable = True


class ProviderTimeout(ProviderError):
    """The deadline passed after the request was sent: the provider may bill it."""

    status = 504
    code = "provider_timeout"


class ProviderBroken(ProviderError):
    """Garbage, a truncated stream, an oversized body or a reset after the request was sent: the provider may bill it."""

    code = "provider_bad_answer"


class AdmissionError(CascadeError):
    """The money for this call cannot be held."""

    retry_after_s: int | None = None
    facts: Mapping[str, Any] | None = None
    """The arithmetic behind the refusal, for the reply."""


class BudgetExhausted(AdmissionError):
    """Spent out: trying again changes nothing before the window ends."""

    status = 402
    code = "budget_exhausted"


class BudgetReserved(AdmissionError):
    """The money is only held, by calls in flight: trying again soon may work."""

    status = 429
    code = "budget_reserved"
    retry_after_s = 1


class UnpricedRefused(AdmissionError):
    """A budget that blocks cannot bear what has no price."""

    status = 402
    code = "unpriced"


class LedgerAway(AdmissionError):
    """The ledger's database cannot be reached: nothing is sent."""

    status = 503
    code = "ledger_unavailable"
    retry_after_s = 2


class SpendForgotten(AdmissionError):
    """The ledger was restored from a backup: a budget that blocks cannot be kept until an operator resumes."""

    status = 503
    code = "ledger_rewound"
    retry_after_s = 60


class BlockedByCallback(AdmissionError):
    """A rule of the operator's own says no."""

    status = 402
    code = "blocked_by_callback"


class EnforcementUnavailable(AdmissionError):
    """A rule of the operator's own gave no answer, and a budget that blocks applies: nothing is sent."""

    status = 503
    code = "enforcement_unavailable"
    retry_after_s = 2


class RateLimitExceeded(AdmissionError):
    """A limit of requests or tokens a minute is used up, or can never bear the call; then `retry_after_s` is None."""

    status = 429
    code = "rate_limit_exceeded"
    kind = "requests"
    """What is limited, in the words of OpenAI's `error.type`: "requests" or "tokens"."""


class TooManyOpenCalls(AdmissionError):
    """The end user has as many calls in flight as they may."""

    status = 429
    code = "too_many_open_calls"
    retry_after_s = 1


class TooManyNewEndUsers(AdmissionError):
    """More end users came into being in the last hour than the tenant allows; this one would be one too many."""

    status = 429
    code = "too_many_new_end_users"


class KeyInUse(AdmissionError):
    """A call under this idempotency key is under way."""

    status = 409
    code = "idempotency_key_in_use"
    retry_after_s = 1


class OutcomeUnknown(AdmissionError):
    """The call under this idempotency key was made, but its process died before the reply was kept: it is not made a second time."""

    status = 409
    code = "outcome_unknown"


class KeyMismatch(InvalidRequest):
    """Something else was sent under this idempotency key before."""

    status = 422
    code = "idempotency_key_reused"


class NoAcceptableAnswer(CascadeError):
    """Every step failed or was rejected and nothing honest is left to serve."""

    status = 502
    code = "no_acceptable_answer"
