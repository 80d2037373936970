"""Buckets of rate limits. They are taken from by `Ledger.reserve`, in the transaction of the hold."""

from billing.ledger.batches import in_batches


def forget_rates(*, dsn: str, batch: int = 1000) -> int:
    """Forget the buckets that are full again, as they are without a row. Returns how many; safe to run anywhere, any time."""
    return in_batches(dsn=dsn, function="billing_forget_rates", most=batch)
