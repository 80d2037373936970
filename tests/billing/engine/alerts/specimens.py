"""One alert of each kind, and everything that is made of it: what the golden files hold.

`python -m tests.billing.engine.alerts.specimens` writes them anew: read the difference aloud before you keep it.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from billing.engine.alerts import wire
from billing.engine.alerts.events import (
    AlertEvent,
    AnomalyFound,
    BrokenInvariant,
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
from billing.engine.alerts.texts import Told
from billing.engine.alerts.words import Names

GOLDEN = Path(__file__).parent / "golden"
BUDGET, ANN, ID = UUID(int=0xB), UUID(int=0xA), UUID(int=0x1D)
NOON = datetime(2026, 11, 26, 14, 0, tzinfo=UTC)
USD = 1_000_000_000
NAMES = Names(tenant="acme", organisation="Acme Inc.", zone="Europe/Berlin", budgets={BUDGET: "Budget Acme's day"}, end_users={ANN: "ann <ann&co>"})
DAY: dict[str, Any] = {
    "budget": BUDGET, "scope": "tenant", "period": "daily", "action": "block", "limit_nusd": 100 * USD, "spent_nusd": 80_100_000_000,
    "start_at": datetime(2026, 11, 25, 23, tzinfo=UTC), "end_at": datetime(2026, 11, 26, 23, tzinfo=UTC),
}  # fmt: skip
EVENTS: Mapping[str, AlertEvent] = {
    "budget_mark": BudgetMarkPassed(percent=80, **DAY),
    "budget_mark_of_an_end_user": BudgetMarkPassed(
        percent=100, **{**DAY, "scope": "end_user", "end_user": ANN, "of_each": True, "limit_nusd": USD // 10, "spent_nusd": USD // 10}
    ),
    "forecast_over_budget": ForecastOverBudget(expected_nusd=129 * USD, low_nusd=120 * USD, high_nusd=140 * USD, **DAY),
    "budget_exhaustion": BudgetNearlyExhausted(
        runs_out_at=NOON + timedelta(hours=3), earliest_at=NOON + timedelta(hours=2), latest_at=NOON + timedelta(hours=5), **DAY
    ),
    "anomaly": AnomalyFound(
        anomaly=ID, dimension="model", value="claude-sonnet-4-5", started_at=NOON, expected_nusd=96 * USD, actual_nusd=220 * USD,
        drivers=[
            Driver(dimension="end_user", value=str(ANN), change_nusd=77 * USD), Driver(dimension="domain", value="medical", change_nusd=31 * USD),
            Driver(dimension="api_key", value="", change_nusd=-2 * USD),
        ],
    ),
    "provider_down": ProviderDown(
        connection="openai", seen_at=NOON, failures=9, calls=12, minutes=5, error_codes={"provider_timeout": 7, "provider_failed": 2}
    ),
    "unpriced_model": UnpricedModel(model="gpt-9", connection="openai", seen_at=NOON, booked=12),
    "unpriced_model_that_is_refused": UnpricedModel(model="gpt-9", connection="openai", seen_at=NOON),
    "ledger_broken": LedgerBroken(
        seen_at=NOON, invariants=[BrokenInvariant(name="I1", meaning="a window's spent is the sum of its entries", rows=2)]
    ),
    "export_failed": ExportFailed(export=ID, name="FOCUS, October 2026", reason="the disk is full", failed_at=NOON),
    "report_not_sent": ReportNotSent(
        schedule=ID, name="FOCUS for finance", first=date(2026, 10, 1), last=date(2026, 10, 31), due_at=NOON, reason="no mail server is set up",
        failed_at=NOON, tried_until=NOON + timedelta(days=1),
    ),
    "key_unused": KeyUnused(api_key=ID, name="nightly batch", last4="h7Qd", since=NOON - timedelta(days=91)),
    "channel_failing": ChannelFailing(channel=ID, name="#llm-costs", failing_since=NOON, problem="it answered with the status 404"),
}  # fmt: skip


def told(event: AlertEvent, *, number: int = 1, **fields: Any) -> Told:
    return Told(id=UUID(int=number), event=event, raised_at=NOON, **fields)


def message(*alerts: Told, event: str = wire.RAISED, **fields: Any) -> wire.Message:
    given = {"id": "msg_0190", "channel": "#llm-costs", "names": NAMES, "site_url": "https://cf.example.com", "created_at": NOON, **fields}
    return wire.Message(event=event, alerts=alerts, **given)


MESSAGES: Mapping[str, wire.Message] = {
    **{name: message(told(event)) for name, event in EVENTS.items()},
    "provider_down_over": message(told(EVENTS["provider_down"], resolved_at=NOON + timedelta(minutes=65)), event=wire.ENDED),
    "ledger_broken_for_staff": message(told(EVENTS["ledger_broken"]), for_staff=True),
    "digest": message(*(told(event, number=number) for number, event in enumerate(EVENTS.values())), event=wire.DIGEST),
    "test": message(event=wire.TEST),
}


def as_mail(shown: wire.Message) -> str:
    made = wire.mail(shown)
    headers = "".join(f"{name}: {value}\n" for name, value in made.headers.items())
    return f"Subject: {made.subject}\n{headers}\n{made.body}"


def as_json(make: Callable[[wire.Message], bytes]) -> Callable[[wire.Message], str]:
    return lambda shown: json.dumps(json.loads(make(shown)), indent=1, ensure_ascii=False) + "\n"


CHANNELS: Mapping[str, Callable[[wire.Message], str]] = {
    "email": as_mail, "slack": as_json(wire.slack), "teams": as_json(wire.teams), "webhook": as_json(wire.webhook),
    "pagerduty": as_json(lambda shown: wire.pagerduty(shown, routing_key="R" * 32)),
}  # fmt: skip


def golden(name: str, channel: str) -> Path:
    return GOLDEN / f"{name}.{channel}.txt"


if __name__ == "__main__":
    for name, shown in MESSAGES.items():
        for channel, render in CHANNELS.items():
            golden(name, channel).write_text(render(shown))
