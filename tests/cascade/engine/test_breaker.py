"""The circuit breaker as a state machine: times are told to it, so no test waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.engine.breaker import BreakerRules, CircuitBreaker, ConnectionBreaker

RULES = BreakerRules()


def state_of(breaker: CircuitBreaker, now: float) -> str:
    if breaker._open_until is None:
        return "closed"
    return "open" if now < breaker._open_until else "half_open"


def failing(breaker: CircuitBreaker, *, times: int, now: float) -> None:
    for _ in range(times):
        ticket = breaker.admit(now)
        assert ticket is not None
        breaker.failed(ticket, now)


def opened(now: float = 100.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    failing(breaker, times=RULES.failures_in_a_row, now=now)
    return breaker


def probe(breaker: CircuitBreaker, now: float) -> int:
    ticket = breaker.admit(now)
    assert ticket is not None
    return ticket


def test_ten_failures_in_a_row_open_it_and_nine_do_not() -> None:
    breaker = CircuitBreaker()
    failing(breaker, times=9, now=100.0)
    assert state_of(breaker, 100.0) == "closed"
    failing(breaker, times=1, now=100.0)
    assert (state_of(breaker, 100.0), breaker.admit(100.0), breaker.wait_s(101.0)) == ("open", None, 4.0)


def test_an_answer_in_between_begins_the_row_anew() -> None:
    breaker = CircuitBreaker()
    for now in (100.0, 140.0, 180.0):
        failing(breaker, times=9, now=now)
        breaker.succeeded(probe(breaker, now), now)
    assert state_of(breaker, 180.0) == "closed"


def test_half_of_the_calls_in_a_window_open_it_though_never_ten_in_a_row() -> None:
    breaker = CircuitBreaker()
    for _ in range(9):
        breaker.succeeded(probe(breaker, 100.0), 100.0)
        failing(breaker, times=1, now=101.0)
    assert state_of(breaker, 101.0) == "closed", "so few calls say nothing"
    breaker.succeeded(probe(breaker, 102.0), 102.0)
    failing(breaker, times=1, now=102.0)
    assert state_of(breaker, 102.0) == "open"


def test_failures_of_an_old_window_are_forgotten() -> None:
    breaker = CircuitBreaker()
    for _ in range(9):
        breaker.succeeded(probe(breaker, 100.0), 100.0)
        failing(breaker, times=1, now=100.0)
    for _ in range(3):
        breaker.succeeded(probe(breaker, 131.0), 131.0)
        failing(breaker, times=1, now=131.0)
    assert state_of(breaker, 131.0) == "closed"


def test_after_its_rest_one_probe_goes_through_and_an_answer_closes_it() -> None:
    breaker = opened()
    assert state_of(breaker, 105.0) == "half_open"
    ticket = probe(breaker, 105.1)
    assert breaker.admit(105.1) is None, "one probe is enough"
    assert breaker.wait_s(105.1) == RULES.first_rest_s
    breaker.succeeded(ticket, 105.3)
    assert state_of(breaker, 105.3) == "closed"
    failing(breaker, times=9, now=105.4)
    assert state_of(breaker, 105.4) == "closed", "what was before is forgotten"


def test_each_probe_that_fails_doubles_the_rest_up_to_a_minute_and_an_answer_ends_that() -> None:
    breaker, now, rests = opened(), 100.0, []
    for _ in range(6):
        now += breaker.wait_s(now)
        breaker.failed(probe(breaker, now), now)
        rests.append(breaker.wait_s(now))
    assert rests == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]
    now += 60.0
    breaker.succeeded(probe(breaker, now), now)
    failing(breaker, times=10, now=now)
    assert breaker.wait_s(now) == 5.0


def test_calls_that_left_before_it_opened_say_nothing_of_the_probe() -> None:
    breaker = CircuitBreaker()
    old = [probe(breaker, 99.0) for _ in range(3)]
    failing(breaker, times=10, now=100.0)
    breaker.succeeded(old[0], 101.0)
    assert state_of(breaker, 101.0) == "open"
    ticket = probe(breaker, 105.0)
    breaker.failed(old[1], 105.1)
    assert breaker.admit(105.1) is None, "the probe is still out"
    breaker.learnt_nothing(old[2])
    assert breaker.admit(105.1) is None
    breaker.succeeded(ticket, 105.2)
    assert state_of(breaker, 105.2) == "closed"


def test_a_probe_that_came_to_nothing_or_is_lost_gives_its_place_to_the_next() -> None:
    breaker = opened()
    breaker.learnt_nothing(probe(breaker, 105.0))
    lost = probe(breaker, 105.0)
    assert breaker.admit(105.0 + RULES.probe_s - 1) is None
    found = probe(breaker, 105.0 + RULES.probe_s)
    breaker.failed(lost, 230.0)
    assert state_of(breaker, 230.0) == "half_open", "the lost one is no longer asked"
    breaker.succeeded(found, 231.0)
    assert state_of(breaker, 231.0) == "closed"


@given(st.lists(st.tuples(st.sampled_from(["ok", "fail", "nothing", "lost"]), st.floats(0, 40)), max_size=120))
def test_whatever_happens_it_never_stays_shut_for_good(steps: list[tuple[str, float]]) -> None:
    breaker, now = CircuitBreaker(), 0.0
    for what, later in steps:
        now += later
        ticket = breaker.admit(now)
        if ticket is None:
            assert breaker.wait_s(now) > 0
        elif what == "ok":
            breaker.succeeded(ticket, now)
        elif what == "fail":
            breaker.failed(ticket, now)
        elif what == "nothing":
            breaker.learnt_nothing(ticket)
        assert breaker.wait_s(now) <= RULES.longest_rest_s
    now += RULES.probe_s + RULES.longest_rest_s
    ticket = breaker.admit(now)
    assert ticket is not None
    breaker.succeeded(ticket, now)
    assert state_of(breaker, now) == "closed"


@pytest.mark.parametrize("rules", [BreakerRules(failures_in_a_row=1, first_rest_s=1.0)])
def test_its_rules_are_values(rules: BreakerRules) -> None:
    breaker = CircuitBreaker(rules)
    failing(breaker, times=1, now=0.0)
    assert breaker.wait_s(0.0) == 1.0


class TestConnections:
    def drive(self, breaker: ConnectionBreaker, model: str, what: str, *, times: int = 10, now: float = 100.0) -> None:
        for _ in range(times):
            tickets = breaker.admit(model, now)
            assert tickets is not None
            getattr(breaker, what)(model, tickets, now)

    def test_a_model_that_fails_takes_no_other_with_it(self) -> None:
        breaker = ConnectionBreaker()
        self.drive(breaker, "draft", "failed")
        assert breaker.admit("draft", 100.0) is None
        assert breaker.wait_s("draft", 101.0) == 4.0
        self.drive(breaker, "strong", "answered")
        self.drive(breaker, "draft", "answered", times=1, now=105.0)

    def test_an_address_where_nobody_is_is_left_alone_whole_and_one_probe_opens_it_for_all(self) -> None:
        breaker = ConnectionBreaker()
        self.drive(breaker, "draft", "not_reached")
        assert breaker.admit("strong", 100.0) is None
        tickets = breaker.admit("strong", 105.0)
        assert tickets is not None
        assert breaker.admit("draft", 105.0) is None, "one probe is enough"
        breaker.failed("strong", tickets, 105.1)
        self.drive(breaker, "draft", "answered", times=1, now=105.2)

    def test_a_model_that_is_left_alone_does_not_hold_the_place_of_the_connections_probe(self) -> None:
        breaker = ConnectionBreaker()
        self.drive(breaker, "draft", "failed", now=104.0)
        self.drive(breaker, "strong", "not_reached", now=100.0)
        assert breaker.admit("draft", 106.0) is None
        self.drive(breaker, "strong", "answered", times=1, now=106.0)

    def test_a_probe_that_came_to_nothing_gives_both_places_back(self) -> None:
        breaker = ConnectionBreaker()
        self.drive(breaker, "draft", "not_reached")
        tickets = breaker.admit("draft", 105.0)
        assert tickets is not None
        breaker.learnt_nothing("draft", tickets)
        self.drive(breaker, "draft", "answered", times=1, now=105.0)


def test_a_probe_that_was_given_up_and_is_answered_all_the_same_closes_it() -> None:
    breaker = opened()
    slow = probe(breaker, 106.0)
    later = probe(breaker, 106.0 + RULES.probe_s + 1)
    breaker.succeeded(slow, 106.0 + RULES.probe_s + 2)
    assert state_of(breaker, 106.0 + RULES.probe_s + 2) == "closed"
    breaker.succeeded(later, 106.0 + RULES.probe_s + 3)
    assert state_of(breaker, 106.0 + RULES.probe_s + 3) == "closed"


def test_what_was_sent_before_it_opened_closes_nothing() -> None:
    breaker = CircuitBreaker()
    before = probe(breaker, 99.0)
    failing(breaker, times=RULES.failures_in_a_row, now=100.0)
    breaker.succeeded(before, 101.0)
    assert state_of(breaker, 101.0) == "open"
