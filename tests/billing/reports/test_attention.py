"""What is told of anomalies and of budgets that will not last, for the console's first page."""

from datetime import UTC, datetime, timedelta
from typing import Any

from billing import reports
from billing.alerting import BudgetNearlyExhausted, ForecastOverBudget, raise_alert
from billing.models import Alert, Anomaly, Budget
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import anomaly_of

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
USD = 10**9


def facts(budget: Budget) -> dict[str, Any]:
    return {
        "budget": budget.pk, "scope": "tenant", "period": "monthly", "action": "block", "start_at": NOW - timedelta(days=25),
        "end_at": NOW + timedelta(days=5), "limit_nusd": 100 * USD, "spent_nusd": 90 * USD,
    }  # fmt: skip


def test_of_a_budget_that_will_not_last_the_more_precise_is_told(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        budget = Budget.objects.create(scope="tenant", period="monthly", limit_nusd=100 * USD)
        soon = BudgetNearlyExhausted(**facts(budget), runs_out_at=NOW + timedelta(days=2))
        over = ForecastOverBudget(**facts(budget), expected_nusd=120 * USD, low_nusd=110 * USD, high_nusd=130 * USD)
        for event, at in ((soon, NOW), (over, NOW + timedelta(hours=1))):
            raise_alert(event=event, now=at)
        assert reports.foreseen_budgets(now=NOW) == {budget.pk: soon}
        Alert.objects.filter(kind="budget_exhaustion").update(state="resolved")
        assert reports.foreseen_budgets(now=NOW) == {budget.pk: over}
        assert reports.foreseen_budgets(now=NOW + timedelta(days=6)) == {}
    with tenant_scope(cast.globex.id):
        assert reports.foreseen_budgets(now=NOW) == {}


def test_anomalies_are_counted_by_how_they_stand_now(cast: Cast) -> None:
    for number, fields in enumerate(
        (
            {}, {"told_at": None}, {"started_at": NOW - timedelta(days=100)}, {"state": "resolved"},
            {"state": "snoozed", "snoozed_until": NOW - timedelta(hours=1)}, {"state": "snoozed", "snoozed_until": NOW + timedelta(hours=1)},
        )
    ):  # fmt: skip
        anomaly_of(cast, **{"started_at": NOW - timedelta(hours=number), **fields})
    anomaly_of(cast, tenant=cast.globex, started_at=NOW)
    with tenant_scope(cast.acme.id):
        since = NOW - timedelta(days=90)
        assert reports.anomalies_by_state(now=NOW, since=since) == {"open": 2, "snoozed": 1, "resolved": 1}
        assert reports.pulse(now=NOW).anomalies_open == 2
        impacts = reports.anomalies_by_impact(now=NOW).values_list("impact_nusd", flat=True)
        assert set(impacts) == {124 * USD}
        assert Anomaly.objects.count() == 6
