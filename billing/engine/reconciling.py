"""A provider's usage file beside the book, group by group: what kind of gap there is, and what closes it to the nano-dollar.

A group is one day (UTC), model and user. What the provider reported with its answers is certain and never touched. What is left of its bill
belongs to the attempts whose cost was a guess of ours (Line.is_uncertain): they are corrected until the group's sum is the provider's.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import chain

import msgspec
from msgspec import Struct, field

from billing.engine.lines import Line
from billing.engine.money import TOKENS_PER_PRICE, apportion, divide_half_even
from billing.engine.pricing import Price, Usage, scaled_cost
from billing.engine.usage_files import Billed

KINDS: Mapping[str, str] = {
    "equal": "the book and the provider say the same",
    "assumed_too_high": "booked at the bound, since it was not known what the provider billed: it billed less",
    "estimated_off": "the provider reported no usage with the answer, and our own count was off",
    "failure_billed": "calls that failed at the provider, booked at nothing, were billed after all",
    "disconnect": "calls that broke off and are booked at the bound were not billed",
    "cache": "the provider counts other cached tokens than it reported with the answers",
    "price": "calls were booked at another price than the book has now: 'manage.py reprice' corrects that",
    "counts_differ": "the provider counts other tokens than it reported with the answers of the same calls",
    "outside": "the provider billed calls that the book does not know: made outside this gateway, or with another key. Never adjusted",
    "not_listed": "the book has calls that the provider does not list: the file may end before they were counted. Nothing is adjusted",
    "beyond_bounds": "what is left of the bill is more than our uncertain calls can have cost, so it is not theirs. Nothing is adjusted",
    "unpriced": "no price is known for these calls. Nothing is adjusted",
}
"""What a gap is, in words."""
LIKELY = ("estimated", "assumed", "voided")
"""Which uncertain calls were billed, the likeliest first: one that was answered, one that was sent, one that the provider refused."""


class Uncertain(Struct, frozen=True, kw_only=True):
    """A line whose cost is a guess, the most that it can have cost, and the price that held."""

    line: Line
    bound_nusd: int
    price: Price | None


class BookSide(Struct, kw_only=True):
    """What the book has for a group."""

    requests: int = 0
    """Certain ones: each answered with its usage."""
    usage: Billed = field(default_factory=Billed)
    certain_nusd: int = 0
    certain_at_book_nusd: int = 0
    """What the certain ones cost at the prices of the book as it is now."""
    price: Price | None = None
    """The price in force for the group, without what long prompts cost."""
    uncertain: list[Uncertain] = field(default_factory=list)

    @property
    def booked_nusd(self) -> int:
        return self.certain_nusd + sum(each.line.booked_nusd for each in self.uncertain)

    @property
    def calls(self) -> int:
        return self.requests + len(self.uncertain)


class Target(Struct, frozen=True, kw_only=True):
    """What an uncertain line is to come to."""

    line: Line
    amount_nusd: int
    usage: Usage
    price_version: str | None

    @property
    def difference_nusd(self) -> int:
        return self.amount_nusd - self.line.booked_nusd

    @property
    def tokens(self) -> dict[str, int]:
        """The differences of the tokens, those that are none left out."""
        now = self.line.usage
        found = {name: getattr(self.usage, name) - getattr(now, name) for name in Usage.__struct_fields__}
        return {name: difference for name, difference in found.items() if difference}


class Gap(Struct, frozen=True, kw_only=True):
    """One group, compared. Nano-USD; `targets` are the lines that change."""

    day: date
    model: str
    user: str
    kinds: tuple[str, ...]
    provider: Billed
    book: Billed
    """What is booked by now: all calls that may have been billed, and their tokens."""
    provider_nusd: int
    booked_nusd: int
    targets: Sequence[Target] = ()

    @property
    def difference_nusd(self) -> int:
        return self.provider_nusd - self.booked_nusd

    @property
    def adjusted_nusd(self) -> int:
        return sum(target.difference_nusd for target in self.targets)

    @property
    def words(self) -> str:
        return "; ".join(KINDS[kind] for kind in self.kinds)


def compare(*, day: date, model: str, user: str, provider: Billed, book: BookSide) -> Gap:
    """Return how the book's side of a group differs from the provider's, and what is to be corrected.

    Worked number: of a bill of 3 requests with 30 and 300 tokens, two answers told 20 and 200. The third call, assumed at its bound of 900,
    comes to the 10 and 100 tokens that are left: at 0.15 and 0.60 USD 61,500 nano-USD.
    """
    left = Billed(*(getattr(provider, name) - getattr(book.usage, name) for name in Billed.__struct_fields__))
    left = msgspec.structs.replace(left, requests=provider.requests - book.requests)
    kinds, targets = _settle(left, book) if book.uncertain else (_kinds_of_certain(left, book), ())
    provider_nusd = book.certain_nusd + (sum(target.amount_nusd for target in targets) if targets else _signed_cost(left, book.price))
    if kinds == ("price",):
        provider_nusd = book.certain_at_book_nusd
    changed = [target for target in targets if target.difference_nusd or target.tokens]
    return Gap(
        day=day, model=model, user=user, kinds=kinds, provider=provider, book=_as_booked(book), provider_nusd=provider_nusd,
        booked_nusd=book.booked_nusd, targets=changed,
    )  # fmt: skip


def _kinds_of_certain(left: Billed, book: BookSide) -> tuple[str, ...]:
    """Nothing can be adjusted here: all that is booked is what the provider reported itself."""
    if left == Billed():
        return ("price",) if book.certain_nusd != book.certain_at_book_nusd else ("equal",)
    counts = left.requests, left.input_tokens, left.output_tokens
    if counts == (0, 0, 0):
        return ("cache",)
    if min(counts) < 0:
        return ("not_listed",) if left.requests < 0 or not book.requests else ("counts_differ",)
    return ("outside",) if left.requests > 0 else ("counts_differ",)


def _settle(left: Billed, book: BookSide) -> tuple[tuple[str, ...], tuple[Target, ...]]:
    if min(left.requests, left.input_tokens, left.output_tokens) < 0:
        return ("not_listed",), ()
    if any(each.price is None and each.line.booked_nusd for each in book.uncertain):
        return ("unpriced",), ()
    billed = _billed_ones(left, book.uncertain)
    targets = _share(left, billed)
    if sum(target.amount_nusd for target in targets) > sum(each.bound_nusd for each in billed):
        return ("beyond_bounds",), ()
    free = [each for each in book.uncertain if each not in billed]
    targets += [_target(each, amount_nusd=0, usage=Usage(input_tokens=0, output_tokens=0)) for each in free]
    kinds = [kind for each in targets if (kind := _kind_of(each))]
    if left.requests > len(book.uncertain):
        kinds.append("outside")
    if not billed and (left.cached_input_tokens or left.cache_write_tokens):
        kinds.append("cache")
    if book.certain_nusd != book.certain_at_book_nusd:
        kinds.append("price")
    return tuple(dict.fromkeys(kinds)) or ("equal",), tuple(targets)


def _billed_ones(left: Billed, uncertain: Sequence[Uncertain]) -> list[Uncertain]:
    """Return the calls that share what is left of the bill: whole kinds, the likeliest first, until there are as many as were billed."""
    if left.requests <= 0 and left.input_tokens == left.output_tokens == 0:
        return []
    chosen: list[Uncertain] = []
    for kind in LIKELY:
        if chosen and 0 < left.requests <= len(chosen):
            break
        chosen += [each for each in uncertain if each.line.first.kind == kind]
    return chosen


def _share(left: Billed, billed: Sequence[Uncertain]) -> list[Target]:
    """Split what is left by the bounds of the calls; amounts are rounded once for all of them, so they sum to the nano-dollar."""
    weights = [each.bound_nusd for each in billed]
    cached = min(max(left.cached_input_tokens, 0), left.input_tokens)
    written = min(max(left.cache_write_tokens, 0), left.input_tokens - cached)
    parts = [apportion(total, weights) for total in (left.input_tokens - cached - written, cached, written, left.output_tokens)]
    usages = [
        Usage(input_tokens=plain + read + write, cached_input_tokens=read, cache_write_tokens=write, output_tokens=said)
        for plain, read, write, said in zip(*parts, strict=True)
    ]
    prices = [each.price.for_prompt(usage.input_tokens) if each.price else None for each, usage in zip(billed, usages, strict=True)]
    scaled = [scaled_cost(usage=usage, price=price) if price else 0 for usage, price in zip(usages, prices, strict=True)]
    amounts = apportion(divide_half_even(sum(scaled), TOKENS_PER_PRICE), scaled) if any(scaled) else [0] * len(scaled)
    fees = [price.request_nusd if price else 0 for price in prices]
    return [
        _target(each, amount_nusd=amount + fee, usage=usage)
        for each, amount, fee, usage in zip(billed, amounts, fees, usages, strict=True)
    ]


def _target(each: Uncertain, *, amount_nusd: int, usage: Usage) -> Target:
    return Target(line=each.line, amount_nusd=amount_nusd, usage=usage, price_version=each.price.version if each.price else None)


def _kind_of(target: Target) -> str | None:
    kind = target.line.first.kind
    if not target.difference_nusd and not target.tokens:
        return None
    if kind == "voided":
        return "failure_billed"
    if kind == "estimated":
        return "estimated_off"
    return "assumed_too_high" if target.amount_nusd else "disconnect"


def _signed_cost(left: Billed, price: Price | None) -> int:
    """What more (or less) the provider counts costs, as far as a price is known."""
    if price is None:
        return 0
    usage = Usage(
        input_tokens=left.input_tokens, output_tokens=left.output_tokens, cached_input_tokens=left.cached_input_tokens,
        cache_write_tokens=left.cache_write_tokens,
    )  # fmt: skip
    return left.requests * price.request_nusd + divide_half_even(scaled_cost(usage=usage, price=price), TOKENS_PER_PRICE)


def _as_booked(book: BookSide) -> Billed:
    usages = [each.line.usage for each in book.uncertain]
    known = (Billed(1, used.input_tokens, used.cached_input_tokens, used.cache_write_tokens, used.output_tokens) for used in usages)
    certain = msgspec.structs.replace(book.usage, requests=book.requests)
    total = Billed()
    for each in chain((certain,), known):
        total += each
    return total
