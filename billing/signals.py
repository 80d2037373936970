"""What others may want to know of the ledger's upkeep, wherever it is done: a worker, a web process, a command."""

from django.dispatch import Signal

swept = Signal()
"""The sweep has run: `closed` is how many holds it closed."""
ledger_checked = Signal()
"""The invariants were checked: `broken` is how many rows break one."""
