"""Circuit breakers: what keeps failing is left alone for a while. Pure state machines; times are passed in.

    closed --(many failures)--> open --(its time is over)--> half-open --(the probe answered)--> closed
                                  ^                              |
                                  +---------(the probe failed)---+

What is a failure is not for them to say: `cascade.engine.tries` tells them only of what speaks against the provider.
"""

from msgspec import Struct

__all__ = ["BreakerRules", "CircuitBreaker", "ConnectionBreaker", "Tickets"]

Tickets = tuple[int, int]
"""Of a connection, and of the model that is asked by it."""


class BreakerRules(Struct, frozen=True, kw_only=True):
    """When something is left alone, and for how long. Times are seconds."""

    failures_in_a_row: int = 10
    """A run that fails is three tries, so one that is tried again does not open it."""
    failed_share: float = 0.5
    """Of the calls in a window, at the least..."""
    calls_that_say_something: int = 20
    """... of so many calls."""
    window_s: float = 30.0
    first_rest_s: float = 5.0
    longest_rest_s: float = 60.0
    """Each probe that fails doubles the rest, up to this."""
    probe_s: float = 120.0
    """A probe that nothing was heard of for so long is given up: another one may go."""


class CircuitBreaker:
    """`admit(now)` before each call, then one of `succeeded`, `failed` and `learnt_nothing` with the ticket it gave. `now` only rises.

    A ticket tells calls of one state from those of the next: what was sent before the breaker opened says nothing of the probe after it.

    Worked example with the rules above: ten failures at 100.0 open it until 105.0. At 105.1 one call goes through as a probe, others
    wait. It fails at 105.4: open until 115.4. The next probe, at 116.0, is answered: closed.
    """

    def __init__(self, rules: BreakerRules | None = None) -> None:
        self._rules = rules or BreakerRules()
        self._ticket = self._opened = 0
        self._in_a_row = self._calls = self._failures = 0
        self._window_ends: float | None = None
        self._open_until: float | None = None
        self._probe_since: float | None = None
        self._rest_s = self._rules.first_rest_s

    def admit(self, now: float) -> int | None:
        """Return the ticket of a call that may go now, or None where it must not. In half-open, the first to ask is the probe."""
        if self._open_until is None:
            return self._ticket
        if self.wait_s(now) > 0:
            return None
        self._probe_since, self._ticket = now, self._ticket + 1
        return self._ticket

    def wait_s(self, now: float) -> float:
        """Return the seconds until a call may go; 0 where one may go now."""
        if self._open_until is None:
            return 0.0
        probed_until = 0.0 if self._probe_since is None else self._probe_since + self._rules.probe_s
        return max(0.0, self._open_until - now, min(probed_until - now, self._rules.first_rest_s))

    @property
    def is_closed(self) -> bool:
        """Is nothing known against it? One whose rest is over stays open until a probe was answered."""
        return self._open_until is None

    def succeeded(self, ticket: int, now: float) -> None:
        """Also of a probe that was given up because it took so long: it says as much."""
        if ticket < self._ticket and (self._open_until is None or ticket <= self._opened):
            return
        self._open_until = self._probe_since = None
        self._rest_s = self._rules.first_rest_s
        self._in_a_row = 0
        self._count(now)

    def failed(self, ticket: int, now: float) -> None:
        if ticket != self._ticket:
            return
        if self._probe_since is not None:
            self._rest_s = min(self._rest_s * 2, self._rules.longest_rest_s)
            self._open(now)
            return
        self._in_a_row += 1
        self._count(now)
        self._failures += 1
        share_is_over = self._calls >= self._rules.calls_that_say_something and self._failures >= self._rules.failed_share * self._calls
        if self._in_a_row >= self._rules.failures_in_a_row or share_is_over:
            self._open(now)

    def learnt_nothing(self, ticket: int) -> None:
        """The call came to nothing that speaks for or against the connection: if it was the probe, another one may go."""
        if ticket == self._ticket:
            self._probe_since = None

    def _count(self, now: float) -> None:
        if self._window_ends is None or now >= self._window_ends:
            self._window_ends, self._calls, self._failures = now + self._rules.window_s, 0, 0
        self._calls += 1

    def _open(self, now: float) -> None:
        self._open_until, self._probe_since, self._window_ends = now + self._rest_s, None, None
        self._in_a_row, self._ticket = 0, self._ticket + 1
        self._opened = self._ticket


class ConnectionBreaker:
    """The breakers of one connection: one that learns whether its provider is reached at all, and one for each model behind it.

    So an address where nobody answers is left alone whole, and a model that fails takes no other with it: draft and strong model often
    share a connection.
    """

    def __init__(self, rules: BreakerRules | None = None) -> None:
        self._rules = rules
        self._connection = CircuitBreaker(rules)
        self._models: dict[str, CircuitBreaker] = {}

    def admit(self, model: str, now: float) -> Tickets | None:
        """Return the tickets of a call that may go now, or None where it must not."""
        connection = self._connection.admit(now)
        if connection is None:
            return None
        ticket = self._of(model).admit(now)
        if ticket is None:
            self._connection.learnt_nothing(connection)
            return None
        return connection, ticket

    def wait_s(self, model: str, now: float) -> float:
        return max(self._connection.wait_s(now), self._of(model).wait_s(now))

    @property
    def is_closed(self) -> bool:
        """Is nothing known against the connection, nor against any model behind it?"""
        return self._connection.is_closed and all(model.is_closed for model in self._models.values())

    def answered(self, model: str, tickets: Tickets, now: float) -> None:
        self._connection.succeeded(tickets[0], now)
        self._of(model).succeeded(tickets[1], now)

    def failed(self, model: str, tickets: Tickets, now: float) -> None:
        """It was reached, and failed."""
        self._connection.succeeded(tickets[0], now)
        self._of(model).failed(tickets[1], now)

    def not_reached(self, model: str, tickets: Tickets, now: float) -> None:
        self._connection.failed(tickets[0], now)
        self._of(model).learnt_nothing(tickets[1])

    def learnt_nothing(self, model: str, tickets: Tickets) -> None:
        self._connection.learnt_nothing(tickets[0])
        self._of(model).learnt_nothing(tickets[1])

    def _of(self, model: str) -> CircuitBreaker:
        found = self._models.get(model)
        if found is None:
            found = self._models[model] = CircuitBreaker(self._rules)
        return found
