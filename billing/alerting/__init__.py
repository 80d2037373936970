"""Alerts: whoever finds something calls `raise_alert`; a sweep decides whom it is told (routing.py) and tells them (delivering.py).

    raise_alert(event=…)  ->  Alert, to_route = "raised"        in the finder's transaction: once a window, and not lost by a crash
    route_alerts()        ->  AlertMessage, one a channel       by the channel's rules: at once, gathered, or after the quiet hours
    deliver_messages()    ->  AlertDelivery, one a try          outside any transaction, until it arrives or a day is over
"""

from billing.alerting.raising import end_alerts, raise_alert, restate
from billing.engine.alerts.events import (
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

__all__ = [
    "AnomalyFound", "BrokenInvariant", "BudgetMarkPassed", "BudgetNearlyExhausted", "ChannelFailing", "Driver", "ExportFailed", "ForecastOverBudget",
    "KeyUnused", "LedgerBroken", "ProviderDown", "ReportNotSent", "UnpricedModel", "end_alerts", "raise_alert", "restate",
]
