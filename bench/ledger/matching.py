"""Each call that the upstream billed against the book: by the id of its answer, or, where that is not known, by what was assumed for its end user."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from bench.ledger.scene import Billed, Scene
from billing.engine.pricing import Price, Usage, cost_nusd

METERED_PRICE = Price(version="", input_nusd=150_000_000, output_nusd=600_000_000)


class Match(Struct):
    """What became of the calls that were billed."""

    calls: int = 0
    exact: int = 0
    """Booked by the answer's id, with the tokens that are billed."""
    marked: int = 0
    """Booked as assumed or estimated."""
    wrong: int = 0
    """Booked as settled, with other tokens."""
    missing: int = 0
    """Neither: nothing in the book can stand for them."""
    below_nusd: int = 0
    """By how much entries are below what their calls cost, entry by entry, and assumed ones end user by end user."""
    bill_nusd: int = 0


def match(given: Scene) -> Match:
    """Match the journal of a scene where all calls go to the metered model and none is open any more."""
    entries = given.rows(
        "SELECT provider_request_id AS answer, kind, end_user_id::text AS end_user, input_tokens, output_tokens, amount_nusd AS amount"
        " FROM billing_costentry WHERE kind IN ('settled', 'estimated', 'assumed', 'adjustment')"
    )
    late = [entry for entry in entries if entry["kind"] == "adjustment"]  # of a worker that settled after the sweep
    by_answer = {entry["answer"]: entry for entry in entries if entry["answer"] and entry["kind"] != "adjustment"}
    assumed = [entry for entry in entries if not entry["answer"] and entry["kind"] != "adjustment"]
    found, unmatched = Match(), []
    for call in given.journal():
        found.calls += 1
        found.bill_nusd += cost_of(call)
        entry = by_answer.pop(call.answer, None)
        if entry is None:
            unmatched.append(call)
            continue
        found.below_nusd += max(0, cost_of(call) - entry["amount"])
        if entry["kind"] != "settled":
            found.marked += 1
        elif (entry["input_tokens"], entry["output_tokens"]) == (call.input_tokens, call.output_tokens):
            found.exact += 1
        else:
            found.wrong += 1
    _match_assumed(found, unmatched, Counter(entry["end_user"] for entry in assumed), _sums([*assumed, *late]))
    return found


def cost_of(call: Billed) -> int:
    return cost_nusd(usage=Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens), price=METERED_PRICE)


def _sums(entries: Sequence[dict[str, Any]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for entry in entries:
        sums[entry["end_user"]] += entry["amount"]
    return sums


def _match_assumed(found: Match, calls: Sequence[Billed], entries: Counter[str], sums: Counter[str]) -> None:
    """A call whose answer never came is billed all the same: an entry without an answer, of the same end user, stands for it."""
    billed, costs = Counter(call.end_user for call in calls), Counter[str]()
    for call in calls:
        costs[call.end_user] += cost_of(call)
    for user, count in billed.items():
        found.marked += min(count, entries[user])
        found.missing += max(0, count - entries[user])
        found.below_nusd += max(0, costs[user] - sums[user])
