"""The ledger against tiny models of it: any sequence of calls leaves it as they say, and no invariant broken.

One idea a file, its model beside its rules. `reserving` puts them together as a reserve does.
"""

from tests.billing.ledger.machine.budgets import BudgetRules
from tests.billing.ledger.machine.holds import HoldRules
from tests.billing.ledger.machine.keys import KeyRules
from tests.billing.ledger.machine.rates import RateRules
from tests.billing.ledger.machine.reserving import ReserveRules
from tests.billing.ledger.machine.stage import Stage


class LedgerMachine(ReserveRules, HoldRules, BudgetRules, RateRules, KeyRules):
    """All of it at once, in a tenant of its own."""


__all__ = ["LedgerMachine", "Stage"]
