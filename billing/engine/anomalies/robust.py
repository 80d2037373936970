"""Statistics that a few wild values do not move, over many series at once. Rows are series, NaN is "not known"."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Whole = NDArray[np.int64]


class Medians:
    """The medians of groups of columns, and what each would be without one of them."""

    def __init__(self, values: Floats, *, groups: Whole, count: int) -> None:
        """`values` is (series, columns), NaN where not known; `groups` has for each column which of `count` groups it is in."""
        self._values, self._groups = values, groups
        padded = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)
        self._ordered = np.sort(padded[:, members(groups, count=count)], axis=-1)  # NaN comes last
        self.known: Whole = self._ordered.shape[-1] - np.isnan(self._ordered).sum(axis=-1)
        """(series, groups): how many values each median is of."""

    def of_all(self) -> Floats:
        """Return (series, groups): the median of what is known of each. Worked number: of 1, 9, 4 and NaN it is 4."""
        return (self._at((self.known - 1) // 2) + self._at(self.known // 2)) / 2

    def of_others(self, *, least: int) -> Floats:
        """Return (series, columns): for each column the median of the others of its group, NaN where the group has fewer than `least`.

        A column that is not known itself has the median of all. Worked number: of 1, 9, 4 the 9 has 2.5.
        """
        without = np.zeros_like(self._values)
        for place in ((self.known - 2) // 2, (self.known - 1) // 2):
            at, after = self._at(place)[:, self._groups], self._at(place + 1)[:, self._groups]
            without += np.where(self._values <= at, after, at) / 2
        found = np.where(np.isnan(self._values), self.of_all()[:, self._groups], without)
        return np.where(self.known[:, self._groups] >= least, found, np.nan)

    def _at(self, place: Whole) -> Floats:
        place = np.clip(place, 0, self._ordered.shape[-1] - 1)
        return np.take_along_axis(self._ordered, place[..., None], axis=-1)[..., 0]


def members(groups: Whole, *, count: int) -> Whole:
    """Return (groups, most members) of the columns in each group, filled up with the place behind the last column."""
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups, minlength=count)
    rank = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    table = np.full((count, int(sizes.max())), len(groups))
    table[groups[order], rank] = order
    return table


def ranked_from_top(values: Floats, *, rank: int) -> Floats:
    """Return the `rank`-th largest value of each row (1 is the largest), what is not known counting as 0.

    Takes (series, values), returns (series,); the smallest where there are fewer than `rank`. Worked number: rank 2 of 3, 7, NaN, 5 is 5.
    """
    place = max(values.shape[1] - rank, 0)
    return np.partition(np.nan_to_num(values, nan=0.0), place, axis=1)[:, place]


def mean_before(values: Floats, *, width: int, gap: int) -> Floats:
    """Return for each place the mean of what is known of the `width` values that end `gap` places before it; NaN where nothing is.

    Takes and returns (series, places). Worked number: with width 2 and gap 1 the fourth of 5, 1, 3, 8 has (1 + 3) / 2.
    """
    known = ~np.isnan(values)
    sums, counts = _running(np.where(known, values, 0.0)), _running(known.astype(np.float64))
    ends = np.clip(np.arange(values.shape[1]) - gap + 1, 0, None)
    starts = np.clip(ends - width, 0, None)
    count = counts[:, ends] - counts[:, starts]
    return np.where(count > 0, (sums[:, ends] - sums[:, starts]) / np.maximum(count, 1), np.nan)


def mean_until(values: Floats, *, width: int) -> Floats:
    """Return for each place the mean of the `width` values that end with it, NaN where one of them is not known."""
    means = np.full_like(values, np.nan)
    if width <= values.shape[1]:
        means[:, width - 1 :] = np.lib.stride_tricks.sliding_window_view(values, width, axis=1).mean(axis=-1)
    return means


def power(values: Floats, exponent: float) -> Floats:
    """Return |value| ** exponent with the value's sign: a correction can make the spend of a bucket negative."""
    return values if exponent == 1 else np.sign(values) * np.abs(values) ** exponent


def _running(values: Floats) -> Floats:
    """The sum before each place, and of all: one column more."""
    return np.concatenate([np.zeros((values.shape[0], 1)), np.cumsum(values, axis=1)], axis=1)
