"""Made-up runs: a weekly pattern, a day's curve, users of whom a few make most calls, and days when something went wrong."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from cascade.samples.companies import PATHS, Anomaly, Company

WEEKDAYS = (1.0, 1.04, 1.06, 1.02, 0.94, 0.42, 0.38)
HOURS = (1, 1, 1, 1, 1, 2, 4, 9, 16, 22, 24, 22, 17, 19, 23, 22, 19, 14, 9, 6, 5, 4, 3, 2)
THRESHOLD = 0.7
LONGEST_PROMPT, LONGEST_ANSWER = 120_000, 12_000
"""In tokens."""
LONGEST_RUN = timedelta(minutes=5)
"""What begins so long ago is over: an answer of that length takes less than three minutes."""
BASELINE = "gpt-4o"
"""The model that runs are compared with."""
REASONS = (
    "too short for what was asked", "code does not parse: unclosed bracket", "the draft contradicts itself", "the answer hedges",
    "no evidence for a claim",
)  # fmt: skip


class Step(Struct, frozen=True, kw_only=True):
    """One answer of a model."""

    name: str
    model: str
    status: str
    asked: int
    said: int
    latency_ms: float
    score: float | None
    reason: str | None


class Call(Struct, frozen=True, kw_only=True):
    """One run as it was wished for: what budgets make of it is not decided here."""

    at: datetime
    user: int
    domain: str
    complexity: str
    key: str
    tags: Sequence[str]
    steps: Sequence[Step]
    failed: bool = False


def tier_of(user: int) -> str:
    return "enterprise" if user % 12 == 0 else "pro" if user % 3 == 1 else "free"


def strange_days(company: Company, *, today: date) -> Mapping[date, Anomaly]:
    """Return the days on which something is different, oldest first."""
    monday = today - timedelta(days=today.weekday())
    days = {monday + timedelta(days=one.weekday - 7 * one.weeks_ago): one for one in company.anomalies}
    return dict(sorted(days.items()))


def calls_of(company: Company, *, zone: ZoneInfo, first: date, now: datetime) -> Iterator[Call]:
    """Yield the calls from the day `first` on that are over by `now`, in the order of their time. The same seed makes the same calls."""
    dice = random.Random(company.seed)  # noqa: S311 - the same calls again are wanted
    weights = [1 / (rank + 1.5) ** 0.9 for rank in range(company.users)]
    today = now.astimezone(zone).date()
    anomalies = strange_days(company, today=today)
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        anomaly = anomalies.get(day)
        wanted = company.runs_a_day * WEEKDAYS[day.weekday()] * (1 + company.growth * number) * dice.uniform(0.9, 1.1)
        found = [_call(company, dice, day, zone, weights, anomaly) for _ in range(round(wanted))]
        if anomaly is not None:
            extra = round(wanted * (anomaly.runs - 1)) + (round(wanted * 0.12) if anomaly.only_user is not None else 0)
            found += [_call(company, dice, day, zone, weights, anomaly, is_extra=True) for _ in range(extra)]
        yield from (call for call in sorted(found, key=lambda call: call.at) if call.at < now - LONGEST_RUN)


def _call(
    company: Company, dice: random.Random, day: date, zone: ZoneInfo, weights: Sequence[float], anomaly: Anomaly | None, *, is_extra: bool = False
) -> Call:
    hour = dice.randint(*anomaly.hours) if is_extra and anomaly else dice.choices(range(24), HOURS)[0]
    at = datetime.combine(day, time(hour, dice.randrange(60), dice.randrange(60), dice.randrange(1_000_000)), tzinfo=zone)
    user = dice.choices(range(company.users), weights)[0]
    domain = dice.choices(list(company.domains), list(company.domains.values()))[0]
    if is_extra and anomaly:
        user = anomaly.only_user if anomaly.only_user is not None else user
        domain = anomaly.domain or domain
    is_within = anomaly is not None and anomaly.hours[0] <= hour <= anomaly.hours[1]
    is_strange = is_within and anomaly is not None and (domain == anomaly.domain or (is_extra and not anomaly.domain))
    tokens = company.tokens * (anomaly.tokens if is_strange and anomaly else 1.0)
    is_batch = dice.random() < 0.12
    return Call(
        at=at, user=user, domain=domain, complexity=dice.choices(("simple", "moderate", "hard"), (5, 4, 2))[0],
        key="batch-jobs" if is_batch else "web-prod", tags=["batch-jobs", "nightly"] if is_batch else ["chat"],
        steps=_steps(dice, domain, tokens=tokens, rejects=is_strange and bool(anomaly and anomaly.domain)),
        failed=dice.random() < 0.006,
    )  # fmt: skip


def _steps(dice: random.Random, domain: str, *, tokens: float, rejects: bool) -> Sequence[Step]:
    draft, strong, share = PATHS[domain]
    accepted = not rejects and dice.random() < share
    asked = round(min(LONGEST_PROMPT, tokens * dice.lognormvariate(8.5, 0.7)))
    said = round(min(LONGEST_ANSWER, tokens * dice.lognormvariate(6.5, 0.6)))
    score = round(dice.uniform(THRESHOLD, 0.97) if accepted else dice.uniform(0.31, THRESHOLD - 0.01), 4)
    steps = [
        Step(
            name="draft", model=draft, status="accepted" if accepted else "rejected", asked=asked, said=said,
            latency_ms=300 + said * dice.uniform(1.5, 3), score=score, reason=None if accepted else dice.choice(REASONS),
        )
    ]  # fmt: skip
    if not accepted:
        longer = round(said * dice.uniform(0.9, 1.3))
        taken = 500 + longer * dice.uniform(4, 8)
        steps.append(Step(name="strong", model=strong, status="accepted", asked=asked, said=longer, latency_ms=taken, score=None, reason=None))
    return steps
