"""What each kind of alert says: a title with what and how much, facts, and what to do. One function a kind; pure.

Names are given from outside and cleaned here: no line break, control character or change of direction gets into a message.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from billing.engine.alerts.events import (
    AlertEvent,
    AnomalyFound,
    BudgetEvent,
    BudgetMarkPassed,
    BudgetNearlyExhausted,
    ChannelFailing,
    Driver,
    ExportFailed,
    ForecastOverBudget,
    KeyUnused,
    LedgerBroken,
    ProviderDown,
    ReportNotSent,
    UnpricedModel,
)
from billing.engine.budgets import Action, BudgetScope, Period
from billing.engine.money import dollars

LONGEST_NAME, LONGEST_TITLE = 100, 200
DRIVERS_SHOWN, CODES_SHOWN = 5, 5
ERASED = "who was erased"
GONE = "A budget that is gone"
AT_THE_LIMIT = {Action.WARN: "calls continue", Action.DEGRADE: "cheaper models answer", Action.BLOCK: "calls are refused"}


class Names(Struct, frozen=True, kw_only=True):
    """What things are called now, by their ids; what is missing was erased or deleted."""

    tenant: str
    """The slug, as paths have it."""
    organisation: str
    zone: str
    budgets: Mapping[UUID, str] = {}
    end_users: Mapping[UUID, str] = {}
    api_keys: Mapping[UUID, str] = {}

    def budget(self, identity: UUID) -> str:
        return plain(self.budgets.get(identity, GONE), most=LONGEST_TITLE)

    def end_user(self, identity: UUID) -> str:
        return plain(self.end_users[identity]) if identity in self.end_users else ERASED


class AlertText(Struct, frozen=True, kw_only=True):
    """One message in words: facts are pairs of what and how much; `advice` says what to do, and may be empty."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    advice: str = ""


def plain(text: str, *, most: int = LONGEST_NAME) -> str:
    """Return a name as one line of printable characters, cut off where it is too long. Example: "a\\r\\nBcc: b" is "a Bcc: b"."""
    line = " ".join("".join(" " if character.isspace() else character for character in text if _is_shown(character)).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _is_shown(character: str) -> bool:
    return character.isspace() or not unicodedata.category(character).startswith("C")


def when(at: datetime, zone: str) -> str:
    """Return a time as people of the zone read it. Example: "Thu 26 Nov 2026, 15:00"."""
    here = at.astimezone(ZoneInfo(zone))
    return f"{here:%a} {here.day} {here:%b %Y, %H:%M}"


def _window(event: BudgetEvent, names: Names) -> tuple[str, str]:
    if event.period == Period.TOTAL:
        return ("Window", "all time: it does not reset")
    return ("Window", f"{when(event.start_at, names.zone)} to {when(event.end_at, names.zone)} ({names.zone})")


def budget_label(*, name: str, scope: str, subject: str, period: str) -> str:
    """Return what a budget is called in messages: its own name, or whom it limits. Example: "Daily budget of API key web-prod"."""
    if name:
        return f"Budget {plain(name)}"
    whose = {
        BudgetScope.TENANT: "the organisation", BudgetScope.TIER: f"each end user of {plain(subject)}", BudgetScope.TAG: f"tag {plain(subject)}",
        BudgetScope.END_USER: f"end user {plain(subject)}" if subject else "each end user", BudgetScope.API_KEY: f"API key {plain(subject)}",
    }[BudgetScope(scope)]  # fmt: skip
    return f"{period.capitalize()} budget of {whose}"


def _budget(event: BudgetEvent, names: Names) -> str:
    label = names.budget(event.budget)
    return f"{label} ({names.end_user(event.end_user)})" if event.end_user and event.of_each else label


def _who(event: BudgetEvent, names: Names) -> list[tuple[str, str]]:
    return [("End user", names.end_user(event.end_user))] if event.end_user else []


def budget_title(label: str, event: BudgetEvent) -> str:
    if isinstance(event, BudgetMarkPassed):
        return f"{label}: {event.percent} % is spent"
    return f"{label}: will be passed" if isinstance(event, ForecastOverBudget) else f"{label}: runs out"


def _mark(event: BudgetMarkPassed, names: Names) -> AlertText:
    stops, until = AT_THE_LIMIT[Action(event.action)], "" if event.period == Period.TOTAL else f" until {when(event.end_at, names.zone)}"
    facts = [("Spent", f"{dollars(event.spent_nusd)} of {dollars(event.limit_nusd)}"), *_who(event, names), _window(event, names)]
    if event.percent < 100:
        return AlertText(title=budget_title(_budget(event, names), event), facts=[*facts, ("At the limit", stops)])
    advice = f"From here on {stops}{until}. Raise the limit, or let another one hold for a while."
    if event.action == Action.WARN:
        advice = "This budget only warns: calls continue."
    return AlertText(title=budget_title(_budget(event, names), event), facts=facts, advice=advice)


def _forecast(event: ForecastOverBudget, names: Names) -> AlertText:
    return AlertText(
        title=f"{_budget(event, names)}: {dollars(event.expected_nusd)} expected, {dollars(event.money_nusd or 0)} over the limit",
        facts=[
            ("Limit", dollars(event.limit_nusd)), ("Spent so far", dollars(event.spent_nusd)),
            ("Expected", f"{dollars(event.expected_nusd)} (with 80 % between {dollars(event.low_nusd)} and {dollars(event.high_nusd)})"),
            *_who(event, names), _window(event, names), ("At the limit", AT_THE_LIMIT[Action(event.action)]),
        ],
    )  # fmt: skip


def _exhaustion(event: BudgetNearlyExhausted, names: Names) -> AlertText:
    band = [("With 80 %", f"{_from(event.earliest_at, names)}{_until(event.latest_at, names)}")] if event.earliest_at else []
    return AlertText(
        title=f"{_budget(event, names)}: runs out {when(event.runs_out_at, names.zone)}",
        facts=[
            ("Runs out", f"{when(event.runs_out_at, names.zone)} ({names.zone})"), *band,
            ("Spent", f"{dollars(event.spent_nusd)} of {dollars(event.limit_nusd)}"), *_who(event, names), _window(event, names),
            ("At the limit", AT_THE_LIMIT[Action(event.action)]),
        ],
    )  # fmt: skip


def _from(earliest: datetime, names: Names) -> str:
    return f"not before {when(earliest, names.zone)}"


def _until(latest: datetime | None, names: Names) -> str:
    return f", and by {when(latest, names.zone)}" if latest else ", and perhaps not at all"


def _anomaly(event: AnomalyFound, names: Names) -> AlertText:
    until = f" to {when(event.ended_at, names.zone)}" if event.ended_at else ", still going on"
    times = ""
    if event.expected_nusd > 0 and event.actual_nusd > event.expected_nusd:
        tenths = (10 * event.actual_nusd + event.expected_nusd // 2) // event.expected_nusd
        times = f" ({tenths // 10}.{tenths % 10} times as much)"
    facts = [
        ("When", f"{when(event.started_at, names.zone)}{until} ({names.zone})"), ("Expected", dollars(event.expected_nusd)),
        ("Spent", f"{dollars(event.actual_nusd)}{times}"),
    ]  # fmt: skip
    parts = ", ".join(_driver(driver, names) for driver in event.drivers[:DRIVERS_SHOWN])
    whose = _value(event.dimension, event.value, names)
    return AlertText(
        title=f"Unusual spend of {whose}: {dollars(event.actual_nusd)}, expected {dollars(event.expected_nusd)}",
        facts=[*facts, ("Where it comes from", parts)] if parts else facts,
    )


def _driver(driver: Driver, names: Names) -> str:
    sign = "+" if driver.change_nusd >= 0 else ""
    return f"{_value(driver.dimension, driver.value, names)} {sign}{dollars(driver.change_nusd)}"


def _value(dimension: str, value: str, names: Names) -> str:
    if dimension == "all":
        return "the whole organisation"
    word = {"end_user": "end user", "api_key": "API key"}.get(dimension, dimension)
    if not value:
        return f"calls without {'an' if word[0] in 'aeA' else 'a'} {word}"
    if dimension == "end_user":
        return f"end user {names.end_user(UUID(value))}"
    return f"{word} {plain(names.api_keys.get(UUID(value), 'that is gone') if dimension == 'api_key' else value)}"


def _provider(event: ProviderDown, names: Names) -> AlertText:
    codes = sorted(event.error_codes.items(), key=lambda item: (-item[1], item[0]))[:CODES_SHOWN]
    facts = [("Seen", f"{when(event.seen_at, names.zone)} ({names.zone})")]
    if codes:
        facts.append(("Errors", ", ".join(f"{plain(code)} {count}" for code, count in codes)))
    return AlertText(
        title=f"Provider {plain(event.connection)} is failing: {event.failures} of {event.calls} calls in {event.minutes} minutes", facts=facts,
        advice="Calls go to other models where their presets have some, and fail where they have none. "
        "Look at the provider's status page, and check the connection.",
    )


def _unpriced(event: UnpricedModel, names: Names) -> AlertText:
    facts = [("Provider", plain(event.connection)), ("Seen", f"{when(event.seen_at, names.zone)} ({names.zone})")]
    if not event.booked:
        advice = "Give the model a price: budgets that degrade or block bear no call whose cost has no bound."
        return AlertText(title=f"Model {plain(event.model)} has no price: calls are refused", facts=facts, advice=advice)
    advice = "Give the model a price from the day on which it was first called, and re-price what was booked."
    calls = f"{event.booked:,} call{'s' * (event.booked != 1)}"
    return AlertText(title=f"Model {plain(event.model)} has no price: {calls} booked at nothing", facts=facts, advice=advice)


def _ledger(event: LedgerBroken, names: Names) -> AlertText:
    return AlertText(
        title=f"The ledger of {plain(names.organisation)} does not add up: {', '.join(broken.name for broken in event.invariants)}",
        facts=[("Seen", f"{when(event.seen_at, names.zone)} ({names.zone})")]
        + [(broken.name, f"{broken.meaning}; broken by {broken.rows:,} row{'s' * (broken.rows > 1)}") for broken in event.invariants],
        advice="The operator of this service was told. Amounts of the last days may be corrected.",
    )


def _export(event: ExportFailed, names: Names) -> AlertText:
    return AlertText(
        title=f"Export {plain(event.name)} failed", advice="Start it again on the reports' page.",
        facts=[("Why", plain(event.reason, most=LONGEST_TITLE)), ("Seen", f"{when(event.failed_at, names.zone)} ({names.zone})")],
    )  # fmt: skip


def _report(event: ReportNotSent, names: Names) -> AlertText:
    again = f"Tried again until {when(event.tried_until, names.zone)} ({names.zone})" if event.tried_until else "It is not tried again"
    days = f"{event.first:%-d %B %Y}" if event.first == event.last else f"{event.first:%-d %B} to {event.last:%-d %B %Y}"
    return AlertText(
        title=f"Report {plain(event.name)} was not sent: {days}",
        facts=[
            ("Why", plain(event.reason, most=LONGEST_TITLE)), ("Due", f"{when(event.due_at, names.zone)} ({names.zone})"), ("What happens", again),
        ],
        advice="Nobody has got a link to the file. Mend what is wrong, then press Send now on the schedule's page.",
    )  # fmt: skip


def _key(event: KeyUnused, names: Names) -> AlertText:
    return AlertText(
        title=f"API key {plain(event.name)} (…{event.last4}) is not used any more",
        facts=[("Last used, or made", f"{when(event.since, names.zone)} ({names.zone})")],
        advice="Revoke it where nobody needs it: a key that is forgotten is missed by nobody when it is stolen.",
    )  # fmt: skip


def _channel(event: ChannelFailing, names: Names) -> AlertText:
    return AlertText(
        title=f"Alert channel {plain(event.name)} does not work",
        facts=[
            ("Since", f"{when(event.failing_since, names.zone)} ({names.zone})"), ("Last problem", plain(event.problem, most=LONGEST_TITLE)),
        ],
        advice="Alerts for it wait and are tried again for about a day. Mend its address, and send a test.",
    )  # fmt: skip


WORDS: Mapping[type[AlertEvent], Callable[[Any, Names], AlertText]] = {
    BudgetMarkPassed: _mark, ForecastOverBudget: _forecast, BudgetNearlyExhausted: _exhaustion, AnomalyFound: _anomaly, ProviderDown: _provider,
    UnpricedModel: _unpriced, LedgerBroken: _ledger, ExportFailed: _export, ReportNotSent: _report,
    KeyUnused: _key, ChannelFailing: _channel,
}  # fmt: skip

ENDINGS: Mapping[type[AlertEvent], Callable[[Any, Names], str]] = {
    ProviderDown: lambda event, names: f"Provider {plain(event.connection)} answers again",
    UnpricedModel: lambda event, names: f"Model {plain(event.model)} has a price now, or is gone",
    LedgerBroken: lambda event, names: f"The ledger of {plain(names.organisation)} adds up again",
    ReportNotSent: lambda event, names: f"Report {plain(event.name)} is sent again",
    KeyUnused: lambda event, names: f"API key {plain(event.name)} (…{event.last4}) is used again, or is gone",
    ChannelFailing: lambda event, names: f"Alert channel {plain(event.name)} works again",
}
"""What the end of a kind is called that ends by itself."""
