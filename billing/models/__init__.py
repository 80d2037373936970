"""Money's rows."""

from billing.models.alerts import Alert, AlertChannel, AlertDelivery, AlertMessage, AlertRule
from billing.models.anomalies import Anomaly
from billing.models.budgets import Budget, BudgetMark
from billing.models.closes import CloseOfMonth, SealedBlock
from billing.models.entries import CostEntry, DayRollup
from billing.models.exports import ExportJob
from billing.models.forecasts import Forecast
from billing.models.idempotency import IdempotencyKey
from billing.models.jobs import JobStanding
from billing.models.prices import ModelPrice, PlatformPrice, QuarantinedModel
from billing.models.quarters import QuarterRollup
from billing.models.reconciliations import Reconciliation
from billing.models.reservations import BudgetWindow, LedgerOwner, LedgerState, Reservation
from billing.models.schedules import ReportSchedule

__all__ = [
    "Alert", "AlertChannel", "AlertDelivery", "AlertMessage", "AlertRule", "Anomaly", "Budget", "BudgetMark", "BudgetWindow", "CloseOfMonth",
    "CostEntry", "DayRollup", "ExportJob", "Forecast", "IdempotencyKey", "JobStanding", "LedgerOwner", "LedgerState", "ModelPrice", "PlatformPrice",
    "QuarantinedModel", "QuarterRollup", "Reconciliation", "ReportSchedule", "Reservation", "SealedBlock",
]
