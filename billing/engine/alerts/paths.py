"""Where in the console an alert leads: every path that messages name, in one place."""

from billing.engine.alerts.events import AlertEvent, AnomalyFound, BudgetEvent, ExportFailed, KeyUnused, ProviderDown, ReportNotSent, UnpricedModel

ALERTS = "alerts/"
STAFF = "/admin/billing/alert/"


def path_of(event: AlertEvent | None, *, tenant: str) -> str:
    """Return the path of the page about the event, or of the alerts' page. Example: "/o/acme/budgets/0190…/"."""
    return f"/o/{tenant}/{_page(event)}"


def alerts_path(*, tenant: str) -> str:
    return f"/o/{tenant}/{ALERTS}"


def _page(event: AlertEvent | None) -> str:
    if isinstance(event, BudgetEvent):
        return f"budgets/{event.budget}/"
    if isinstance(event, AnomalyFound):
        return f"anomalies/{event.anomaly}/" if event.anomaly else "anomalies/"
    if isinstance(event, ProviderDown):
        return "providers/"
    if isinstance(event, UnpricedModel):
        return "models/"
    if isinstance(event, ReportNotSent):
        return f"reports/schedules/?sel={event.schedule}"
    if isinstance(event, KeyUnused):
        return f"keys/?sel={event.api_key}"
    return "reports/" if isinstance(event, ExportFailed) else ALERTS
