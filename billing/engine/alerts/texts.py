"""What people read of alerts: one of them, its end, many at once, and a test. The words of each kind are in words.py; pure."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from billing.engine.alerts.events import AlertEvent, BudgetEvent
from billing.engine.alerts.words import ENDINGS, WORDS, AlertText, Names, budget_title, plain, when

NAMED_IN_A_GROUP, LINES_IN_A_DIGEST = 3, 15


class Told(Struct, frozen=True, kw_only=True):
    """An alert as it stands when the message leaves."""

    id: UUID
    event: AlertEvent
    raised_at: datetime
    resolved_at: datetime | None = None


def text_of(told: Told, names: Names) -> AlertText:
    """Return the words for one alert, and where it is over, those for its end."""
    text = WORDS[type(told.event)](told.event, names)
    if told.resolved_at is None:
        return text
    over_since = f"{when(told.resolved_at, names.zone)} ({names.zone})"
    facts = [*text.facts, ("Over since", over_since), ("Lasted", lasted(told.raised_at, told.resolved_at))]
    ending = ENDINGS.get(type(told.event))
    return AlertText(title=ending(told.event, names) if ending else f"Over: {text.title}", facts=facts)


def staff_text(told: Told, names: Names) -> AlertText:
    """Return the words for our own staff, who can do more about it than the tenant."""
    text = text_of(told, names)
    advice = "" if told.resolved_at else "Run manage.py check_ledger: it lists each row that is broken."
    return AlertText(title=text.title, facts=[("Tenant", names.tenant), *text.facts], advice=advice)


def trial_text(channel: str, names: Names) -> AlertText:
    return AlertText(
        title=f"Test of the channel {plain(channel)}", facts=[("Organisation", plain(names.organisation))],
        advice="Alerts will arrive here. Nothing has happened, and nothing is to be done.",
    )


def digest_text(alerts: Sequence[Told], names: Names) -> AlertText:
    """Return the words for many alerts at once: alike ones in one line, the worst and dearest first, at most fifteen lines."""
    groups: dict[Any, list[Told]] = defaultdict(list)
    for told in alerts:
        groups[_alike(told)].append(told)
    ranked = sorted(groups.values(), key=lambda group: (-group[0].event.severity.rank, -max(told.event.money_nusd or 0 for told in group)))
    facts = [(str(group[0].event.severity).capitalize(), _line(group, names)) for group in ranked[:LINES_IN_A_DIGEST]]
    left = sum(map(len, ranked[LINES_IN_A_DIGEST:]))
    number = "1 alert" if len(alerts) == 1 else f"{len(alerts):,} alerts"
    return AlertText(
        title=f"{number} of {plain(names.organisation)}", facts=facts, advice=f"And {left:,} more: the alerts' page has them all." if left else ""
    )


def _alike(told: Told) -> Any:
    """What is told in one line: the same mark of one budget that each end user has."""
    event = told.event
    if isinstance(event, BudgetEvent) and event.of_each and told.resolved_at is None:
        return (event.kind, event.budget, getattr(event, "percent", 0))
    return told.id


def _line(group: Sequence[Told], names: Names) -> str:
    first = group[0]
    if len(group) == 1 or not isinstance(first.event, BudgetEvent):
        return text_of(first, names).title
    said = budget_title(names.budget(first.event.budget), first.event)
    people = [names.end_user(told.event.end_user) for told in group if isinstance(told.event, BudgetEvent) and told.event.end_user]
    more = f", and {len(group) - NAMED_IN_A_GROUP:,} more" if len(group) > NAMED_IN_A_GROUP else ""
    return f"{said}, for {len(group):,} end users: {', '.join(people[:NAMED_IN_A_GROUP])}{more}"


def lasted(begin: datetime, end: datetime) -> str:
    """Return a length of time in its two largest units. Example: "1 h 5 min"."""
    minutes = max(0, int((end - begin).total_seconds())) // 60
    days, hours = divmod(minutes // 60, 24)
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes % 60, "min")) if number]
    return " ".join(parts[:2]) or "less than a minute"
