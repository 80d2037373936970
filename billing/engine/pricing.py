"""What tokens cost: exact for what was used, rounded up for what might be used."""

from collections.abc import Mapping
from typing import Optional

from msgspec import Struct

from billing.engine.money import TOKENS_PER_PRICE, divide_half_even, divide_up


class Usage(Struct, frozen=True, kw_only=True):
    """Token counts of one provider call, as the provider reports them. All are counts of tokens, never negative."""

    input_tokens: int
    """All input tokens, cached ones and cache writes included."""
    output_tokens: int
    """All output tokens, reasoning ones included."""
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def is_sane(self) -> bool:
        """Are the parts within their wholes? Providers have been seen to report negative and absurd counts."""
        parts = (self.cached_input_tokens, self.cache_write_tokens, self.reasoning_tokens)
        return (
            min(self.input_tokens, self.output_tokens, *parts) >= 0
            and self.cached_input_tokens + self.cache_write_tokens <= self.input_tokens
            and self.reasoning_tokens <= self.output_tokens
        )


class Price(Struct, frozen=True, kw_only=True):
    """One version of a model's price: nano-USD per million tokens for each meter, and per request.

    A meter that is None costs what its whole costs: cached input and cache writes as input, reasoning as output. Where prompts of more than
    `long_after_tokens` input tokens cost more, all of such a call costs `long`, whose rates are no lower.
    """

    version: str
    """Id of the price book row, stored with every cost entry that it priced."""
    input_nusd: int
    output_nusd: int
    cached_input_nusd: int | None = None
    cache_write_nusd: int | None = None
    reasoning_nusd: int | None = None
    request_nusd: int = 0
    long_after_tokens: int | None = None
    long: Optional["Price"] = None

    def for_prompt(self, input_tokens: int) -> "Price":
        """Return the rates for a prompt of so many tokens. Example: with 200,000 as its limit, one of 200,001 has the long rates."""
        return self.long if self.long is not None and input_tokens > (self.long_after_tokens or 0) else self

    @property
    def dearest_input_nusd(self) -> int:
        return max(self.input_nusd, self.cached_input_nusd or 0, self.cache_write_nusd or 0)

    @property
    def dearest_output_nusd(self) -> int:
        return max(self.output_nusd, self.reasoning_nusd or 0)


def cost_nusd(*, usage: Usage, price: Price) -> int:
    """Return the cost of one call in nano-USD, rounded once, half to even.

    Worked number: 142 input and 125 output tokens at 0.15 and 0.60 USD per million are
    142 x 150 + 125 x 600 = 96,300 nano-USD.
    """
    price = price.for_prompt(usage.input_tokens)
    return price.request_nusd + divide_half_even(scaled_cost(usage=usage, price=price), TOKENS_PER_PRICE)


def scaled_cost(*, usage: Usage, price: Price) -> int:
    """Return what the tokens cost at these very rates, without the fee for the request, in millionths of a nano-USD: exact."""
    cached_rate = price.input_nusd if price.cached_input_nusd is None else price.cached_input_nusd
    write_rate = price.input_nusd if price.cache_write_nusd is None else price.cache_write_nusd
    reasoning_rate = price.output_nusd if price.reasoning_nusd is None else price.reasoning_nusd
    plain_input = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
    return (
        plain_input * price.input_nusd
        + usage.cached_input_tokens * cached_rate
        + usage.cache_write_tokens * write_rate
        + (usage.output_tokens - usage.reasoning_tokens) * price.output_nusd
        + usage.reasoning_tokens * reasoning_rate
    )


def bound_nusd(*, input_tokens: int, output_tokens: int, price: Price) -> int:
    """Return the most that a call within these token bounds can cost, in nano-USD, each part rounded up.

    `ceil` is monotone and the price version is frozen in the hold, so tokens within the bounds imply a cost within the
    hold even when prices change while the call is in flight.
    Worked number: 1,000 input bytes and 512 output tokens at 2.50 and 10 USD per million hold 2,500,000 + 5,120,000 nano-USD.
    """
    longest = price.for_prompt(input_tokens)  # the prompt may turn out to be shorter, and then the other rates hold
    return (
        price.request_nusd
        + divide_up(input_tokens * max(price.dearest_input_nusd, longest.dearest_input_nusd), TOKENS_PER_PRICE)
        + divide_up(output_tokens * max(price.dearest_output_nusd, longest.dearest_output_nusd), TOKENS_PER_PRICE)
    )


def long_price_problem(terms: Mapping[str, int | None]) -> str | None:
    """Return what is wrong with the prices for long prompts, in words, or None. `terms` has the columns of the price book."""
    after, given = terms.get("long_after_tokens"), [name for name, value in terms.items() if name.startswith("long_") and value is not None]
    if not given:
        return None
    missing = [name for name in ("long_after_tokens", "long_input_nusd", "long_output_nusd") if terms.get(name) is None]
    if missing or not after:
        return "prices for long prompts need long_after_tokens (more than 0), long_input and long_output"
    for name in ("input_nusd", "output_nusd"):
        if (terms[f"long_{name}"] or 0) < (terms[name] or 0):
            return f"long_{name.removesuffix('_nusd')} is lower than {name.removesuffix('_nusd')}: a long prompt never costs less"
    return None
