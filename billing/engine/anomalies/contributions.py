"""Who makes up the difference between what was spent and what was expected: the keys, end users, models or domains behind it."""

from collections.abc import Mapping
from fractions import Fraction

from msgspec import Struct

NAMED = 5


class Contribution(Struct, frozen=True, kw_only=True):
    """How much of a difference one value of a dimension makes up, in nano-USD; negative where it works against it."""

    value: str
    amount_nusd: int


class Contributions(Struct, frozen=True, kw_only=True):
    """A difference by the values of one dimension: the largest parts, largest first, and the sum of all others."""

    dimension: str
    largest: tuple[Contribution, ...]
    others_nusd: int


def contributions_of(
    *, dimension: str, actual: Mapping[str, int], baseline: Mapping[str, int], expected_nusd: int, named: int = NAMED
) -> Contributions:
    """Return by which values of the dimension `sum(actual) - expected_nusd` came about; the parts add up to it exactly.

    `actual` and `baseline` have the spend of each value in nano-USD, in the window and in times like it; the baseline is scaled to
    `expected_nusd`, as in `drivers_of`. Parts are rounded half to even, and `others_nusd` is what is left.
    Worked number: ann 200 and ben 20 where both had 48 in a baseline of 96, 96 expected: ann 152, ben -28.
    """
    booked = sum(baseline.values())
    scale = Fraction(expected_nusd, booked) if booked else Fraction()
    parts = {value: round(actual.get(value, 0) - scale * baseline.get(value, 0)) for value in {**actual, **baseline}}
    largest = sorted((value for value in parts if parts[value]), key=lambda value: (-abs(parts[value]), value))[:named]
    rest = sum(actual.values()) - expected_nusd - sum(parts[value] for value in largest)
    return Contributions(
        dimension=dimension, largest=tuple(Contribution(value=value, amount_nusd=parts[value]) for value in largest), others_nusd=rest
    )
