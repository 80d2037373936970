"""When will a budget have run out? From the path of the forecast, so that weekends and trends count, not from a straight line."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from billing.engine.forecasting.prediction import CostPrediction


class Exhaustion(Struct, frozen=True, kw_only=True):
    """When spend reaches a limit: the first step (a date, or for hours an instant) in which it does. None stands for "not within this window"."""

    expected: date | None
    earliest: date | None
    """In four cases of five it is not before this ..."""
    latest: date | None
    """... and not after this."""
    looked_until: date
    """The window's end, or that of the path where it ends earlier."""

    def words(self, *, zone: str = "UTC") -> str:
        """Return it as half a sentence: "runs out on 23 November (80 %: 21 November to 27 November)"."""
        if self.earliest is None:
            return f"does not run out before {_told(self.looked_until, zone)}"
        earliest, latest = _told(self.earliest, zone), f"to {_told(self.latest, zone)}" if self.latest else "or not at all"
        if self.expected is None:
            return f"is not expected to run out before {_told(self.looked_until, zone)} (80 %: {earliest} {latest})"
        return f"runs out {'at' if isinstance(self.expected, datetime) else 'on'} {_told(self.expected, zone)} (80 %: {earliest} {latest})"


def exhaustion(
    prediction: CostPrediction, *, spent_nusd: int, limit_nusd: int, until: date | None = None, so_far_nusd: int = 0
) -> Exhaustion | None:
    """Return when `spent_nusd` and the path reach `limit_nusd`; None where the prediction has a reason to say nothing.

    `spent_nusd` is what the window cost before the first step ahead, `so_far_nusd` what that step has cost already, `until` the end of the
    budget's window: a date for days and weeks, an aware datetime for hours. Worked number: 60 of 100 spent and 10 a day expected, in all
    between 8 and 13 a day: it runs out on the fourth day ahead, 80 %: the fourth to the fifth.
    """
    if not prediction.path:
        return None
    within = [step.begins for step in prediction.path if until is None or step.begins < until]
    end = within[-1] + prediction.step.length if within else prediction.path[0].begins
    sums = prediction.in_all(so_far_nusd=so_far_nusd)[: len(within)]
    left = limit_nusd - spent_nusd

    def first(amounts: list[int]) -> date | None:
        return next((begins for begins, amount in zip(within, amounts, strict=True) if amount >= left), None)

    return Exhaustion(
        expected=first([each.expected_nusd for each in sums]), earliest=first([each.high_nusd for each in sums]),
        latest=first([each.low_nusd for each in sums]), looked_until=end if until is None else min(end, until),
    )  # fmt: skip


def _told(moment: date, zone: str) -> str:
    if isinstance(moment, datetime):
        return moment.astimezone(ZoneInfo(zone) if zone != "UTC" else UTC).strftime("%H:%M")
    return f"{moment.day} {moment:%B}"
