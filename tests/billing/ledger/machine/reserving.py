"""A batch of calls asks for holds: keys first, then rates, then calls in flight, then money; whoever gets no hold keeps nothing."""

from typing import Any, NamedTuple
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, rule

from tests.billing.ledger.machine import keys, rates
from tests.billing.ledger.machine.budgets import BudgetRules, Window
from tests.billing.ledger.machine.holds import Hold, HoldRules, leg_of
from tests.billing.ledger.machine.keys import KeyRules
from tests.billing.ledger.machine.open_calls import Asker, too_many
from tests.billing.ledger.machine.rates import RateRules
from tests.billing.ledger.machine.stage import HOLDS, NAMES

Bound = list[tuple[Window, str]]
SHAPES = [[[100]], [[40, 60]], [[40, 60], [40]], [[20, 30, 50], [50], [0]], [[100], [70], [5]]]
"""Rungs, the dearest first, as shares of what it costs: legs in percent."""


class Call(NamedTuple):
    """One item of a batch."""

    end_user: str
    tagged: bool
    cost: int
    shape: list[list[int]]
    edge: int | None
    """In place of its rungs: exactly what is free, or one more."""
    expired: bool
    key: tuple[keys.Name, bytes] | None
    """With its fingerprint."""
    limits: tuple[rates.Limit, ...]
    tokens: int
    most_open: int | None


a_call = st.builds(
    Call, end_user=st.sampled_from(list(NAMES)), tagged=st.booleans(), cost=st.integers(0, 600), shape=st.sampled_from(SHAPES),
    edge=st.sampled_from([None, None, 0, 1]), expired=st.booleans(), key=keys.or_none, limits=rates.limits, tokens=rates.tokens,
    most_open=st.sampled_from([None, None, 1, 2, 3]),
)  # fmt: skip


class ReserveRules(HoldRules, BudgetRules, RateRules, KeyRules):
    @rule(target=HOLDS, call=a_call)
    def reserve(self, call: Call) -> Any:
        return self.reserve_all([call])

    @rule(target=HOLDS, calls=st.lists(a_call, min_size=2, max_size=3), crowd=st.sampled_from([[], ["ann"], ["ann", "ben"]]))
    def reserve_a_batch(self, calls: list[Call], crowd: list[str]) -> Any:
        """Often of one end user, or of two in turn, who may have as many calls open."""
        if crowd:
            calls = [call._replace(end_user=crowd[n % len(crowd)], most_open=calls[0].most_open) for n, call in enumerate(calls)]
        return self.reserve_all(calls)

    @initialize(target=HOLDS, calls=st.lists(a_call, min_size=1, max_size=2))
    def begin(self, calls: list[Call]) -> Any:
        """Hypothesis leaves some rules out of a run: without calls there would be nothing to see."""
        return self.reserve_all(calls)

    def reserve_all(self, calls: list[Call]) -> Any:
        ids = [uuid4() for _ in calls]
        asks = [rates.asks_of(call.end_user, call.limits, call.tokens) for call in calls]
        refused, standing = self.refusals(calls, ids, asks)
        bound = [self.bound_by(call.end_user, tagged=call.tagged) for call in calls]
        items, expected, holds = [], [], []
        for number, (call, windows) in enumerate(zip(calls, bound, strict=True)):
            asked = asked_rungs(call, windows)
            rung = None if number in refused else fitting(asked, windows)
            if rung is not None:
                expected.append((rung, remaining(windows, sum(asked[rung])), None))
                hold = Hold(ids[number], call.end_user, call.tagged, asked[rung], [window for window, _ in windows], call.expired)
                for window in hold.windows:
                    window.held += sum(hold.legs)
                holds.append(hold)
            else:
                expected.append((None, None, refused.setdefault(number, "budget")))
            items.append(self.item(call, ids[number], asked, asks[number]))
        self.keep_nothing(calls, asks, refused)
        self.all_holds += holds
        answers = self.call("billing_reserve", *items)
        assert [(answer.get("rung"), answer.get("remaining"), answer.get("refused")) for answer in answers] == expected
        for number, answer in enumerate(answers):
            assert self.buckets.agree(answer.get("rates", []), standing.get(number, {})), (answer, standing)
        return multiple(*holds)

    def refusals(self, calls: list[Call], ids: list[UUID], asks: list[list[rates.Ask]]) -> tuple[dict[int, str], dict[int, rates.Standing]]:
        """What is refused before anybody asks for money, and how the limits stand of those who got so far."""
        refused: dict[int, str] = {}
        standing: dict[int, rates.Standing] = {}
        for number, call in enumerate(calls):
            if call.key is not None and not self.claim(*call.key, ids[number]):
                refused[number] = "repeated"
        for number in range(len(calls)):
            if asks[number] and number not in refused:
                fits, standing[number] = self.buckets.take(asks[number])
                if not fits:
                    refused[number] = "rate"
        askers = [None if number in refused else Asker(call.end_user, call.most_open) for number, call in enumerate(calls)]
        for number, is_too_many in enumerate(too_many(askers, self.in_flight())):
            if is_too_many:
                refused[number] = "open"
        return refused, standing

    def keep_nothing(self, calls: list[Call], asks: list[list[rates.Ask]], refused: dict[int, str]) -> None:
        for number, why in refused.items():
            key = calls[number].key
            if why != "repeated" and key is not None:
                del self.keys[key[0]]
            if why in ("open", "budget"):
                self.buckets.give_back(asks[number])

    def item(self, call: Call, identity: UUID, asked: list[list[int]], asks: list[rates.Ask]) -> dict[str, Any]:
        tags = ["a"] if call.tagged else []
        item = {
            "id": identity, "tenant": self.tenant, "zone": "Europe/Berlin", "owner": "machine", "ttl_s": 0 if call.expired else 900,
            "end_user": NAMES[call.end_user], "end_user_name": call.end_user or None, "api_key": None, "tier": None, "tags": tags, "unpriced": False,
            "labels": {"tags": tags}, "rungs": [{"amount": sum(rung), "legs": [leg_of(amount) for amount in rung]} for rung in asked],
        }  # fmt: skip
        if call.key is not None:
            (endpoint, key), fingerprint = call.key
            item["key"] = {"endpoint": endpoint, "key": key, "fingerprint": fingerprint.hex(), "ttl_s": 3600}
        if asks:
            item["rates"], item["tokens"] = rates.rates_of(asks), call.tokens
        if call.most_open is not None and call.end_user:
            item["most_open"] = call.most_open
        return item


def asked_rungs(call: Call, windows: Bound) -> list[list[int]]:
    free = smallest(windows) or 0
    if call.edge is not None and free + call.edge >= 0:
        return [[free + call.edge]]
    return [[call.cost * share // 100 for share in rung] for rung in call.shape]


def fitting(asked: list[list[int]], windows: Bound) -> int | None:
    """The first rung that fits everywhere; none where the best one does not fit a budget that blocks. What costs nothing always fits."""
    free, block = smallest(windows), smallest([(window, action) for window, action in windows if action == "block"])
    if block is not None and sum(asked[0]) > max(block, 0):
        return None
    return next((number for number, rung in enumerate(asked) if free is None or sum(rung) <= max(free, 0)), None)


def remaining(windows: Bound, taken: int) -> int | None:
    free = smallest(windows)
    return None if free is None else max(free, 0) - taken


def smallest(windows: Bound) -> int | None:
    return min((window.free for window, _ in windows if window.free is not None), default=None)
