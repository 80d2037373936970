"""Whom other budgets would have stopped, and when: the calls of the past, one after the other, through the windows of the changed budgets."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from billing.engine.budgets import Action, BudgetScope, Period, window_bounds


class Limit(Struct, frozen=True):
    """A budget as it would be. `subject` as of budgets; empty for end users: each has it for themselves."""

    scope: str
    subject: str
    period: str
    limit_nusd: int
    action: str


class Call(Struct, frozen=True):
    """A run of the past, with what it would have cost, and what its first answer alone would have."""

    at: datetime
    end_user: str
    """Our id of the end user; empty where none was named."""
    api_key: str
    tier: str
    tags: Sequence[str]
    cost_nusd: int
    draft_nusd: int


class Taken(Struct, frozen=True):
    """What budgets left of a call."""

    cost_nusd: int
    is_refused: bool = False
    """Was it not answered at all? A draft may cost nothing, too."""


class Hit(Struct, kw_only=True):
    """A window that was used up."""

    limit: Limit
    subject: str
    start_at: datetime
    first_at: datetime
    """When the first call was met."""
    runs: int = 0
    avoided_nusd: int = 0
    """What those calls would have cost less."""


class BudgetReplay:
    """Walks through calls in the order of their time. Nothing is held here: a call is met when what it came to did not fit any more, a little
    later than the ledger, which holds the most that a call can come to."""

    def __init__(self, limits: Sequence[Limit], *, zone: str) -> None:
        self._limits, self._zone = limits, zone
        self._spent: dict[tuple[int, str, datetime], int] = {}
        self._bounds: dict[tuple[str, datetime], datetime] = {}
        self.hits: dict[tuple[int, str, datetime], Hit] = {}

    def take(self, call: Call) -> Taken:
        """Return what is left of the call: all of its cost, its draft's where a budget degrades, nothing where one blocks.

        Worked number: a limit of 40 cents a day that blocks, and calls of 30, 20 and 10 cents: the second is refused, the third fits.
        """
        bound = [(number, *where) for number, limit in enumerate(self._limits) if (where := self._window(limit, call)) is not None]
        cost, is_refused = call.cost_nusd, False
        for action, left in ((Action.BLOCK, 0), (Action.DEGRADE, min(call.draft_nusd, cost))):
            met = [key for key in bound if self._limits[key[0]].action == action and not self._fits(key, cost)]
            if action == Action.DEGRADE and any(not self._fits(key, left) for key in met):
                left, is_refused = 0, True  # not even the draft fits
            for key in met:
                self._note(key, call, avoided=cost - left)
            is_refused = is_refused or (bool(met) and action == Action.BLOCK)
            cost = left if met else cost
        for key in bound:
            if self._limits[key[0]].action == Action.WARN and not self._fits(key, cost):
                self._note(key, call, avoided=0)
            self._spent[key] = self._spent.get(key, 0) + cost
        return Taken(cost, is_refused)

    def _fits(self, key: tuple[int, str, datetime], cost: int) -> bool:
        return not cost or self._spent.get(key, 0) + cost <= self._limits[key[0]].limit_nusd

    def _note(self, key: tuple[int, str, datetime], call: Call, *, avoided: int) -> None:
        number, subject, start_at = key
        hit = self.hits.get(key)
        if hit is None:
            hit = self.hits[key] = Hit(limit=self._limits[number], subject=subject, start_at=start_at, first_at=call.at)
        hit.runs += 1
        hit.avoided_nusd += avoided

    def _window(self, limit: Limit, call: Call) -> tuple[str, datetime] | None:
        subject = _subject(limit, call)
        if subject is None:
            return None
        quarter = (limit.period, call.at.replace(minute=call.at.minute // 15 * 15, second=0, microsecond=0))  # no zone begins a day within one
        if quarter not in self._bounds:
            self._bounds[quarter] = window_bounds(period=Period(limit.period), zone=self._zone, instant=call.at)[0]
        return subject, self._bounds[quarter]


def _subject(limit: Limit, call: Call) -> str | None:
    """Return whose window of the budget the call is in, None for nobody's."""
    if limit.scope == BudgetScope.TENANT:
        return ""
    if limit.scope == BudgetScope.TIER:
        return call.end_user if call.end_user and call.tier == limit.subject else None
    if limit.scope == BudgetScope.END_USER:
        return call.end_user if call.end_user and limit.subject in ("", call.end_user) else None
    if limit.scope == BudgetScope.API_KEY:
        return "" if call.api_key == limit.subject else None
    return "" if limit.subject in call.tags else None
