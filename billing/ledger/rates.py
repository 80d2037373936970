"""Buckets of rate limits. They are taken from by `Ledger.reserve`, in the transaction of the hold."""

import psycopg


def forget_rates(*, dsn: str, batch: int = 1000) -> int:
    """Forget the buckets that are full again, as they are without a row. Returns how many; safe to run anywhere, any time."""
    forgotten = 0
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        while True:
            row = connection.execute("SELECT billing_forget_rates(%s)", (batch,)).fetchone()
            count = int(row[0]) if row else 0
            forgotten += count
            if count < batch:
                return forgotten
