"""Money's rows."""

from billing.models.budgets import Budget
from billing.models.entries import CostEntry, DayRollup
from billing.models.prices import ModelPrice
from billing.models.reservations import BudgetWindow, Reservation

__all__ = ["Budget", "BudgetWindow", "CostEntry", "DayRollup", "ModelPrice", "Reservation"]
