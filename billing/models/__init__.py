"""Money's rows."""

from billing.models.alerts import Alert, AlertChannel, AlertDelivery, AlertMessage, AlertRule
from billing.models.budgets import Budget, BudgetMark
from billing.models.entries import CostEntry, DayRollup
from billing.models.idempotency import IdempotencyKey
from billing.models.prices import ModelPrice, PlatformPrice, QuarantinedModel
from billing.models.reconciliations import Reconciliation
from billing.models.reservations import BudgetWindow, LedgerOwner, LedgerState, Reservation

__all__ = [
    "Alert", "AlertChannel", "AlertDelivery", "AlertMessage", "AlertRule", "Budget", "BudgetMark", "BudgetWindow", "CostEntry", "DayRollup",
    "IdempotencyKey", "LedgerOwner", "LedgerState", "ModelPrice", "PlatformPrice", "QuarantinedModel", "Reconciliation", "Reservation",
]
