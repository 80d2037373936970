"""One of several processes that race for the same budgets. Prints what happened to it, as JSON."""

import asyncio
import json
import random
import sys
from uuid import UUID, uuid4

from billing.ledger import Entry, HoldRefused, HoldRequest, Ledger, LedgerUnavailable, Leg, Rung, Subject
from billing.ledger.lane import RefusedByDatabase


async def race(*, dsn: str, tenant: str, users: list[list[str]], seconds: float, seed: int) -> dict[str, int]:
    """Reserve and settle for a while, as one process of several does; `users` are pairs of id and name. Returns what happened."""
    chance, counts = random.Random(seed), {"held": 0, "refused": 0, "errors": 0, "away": 0, "spent": 0}
    loop, ledger = asyncio.get_running_loop(), Ledger(dsn=dsn)
    end = loop.time() + seconds

    async def caller() -> None:
        while loop.time() < end:
            identity, name = chance.choice(users)
            amount = chance.randrange(1, 100)
            subject = Subject(
                tenant_id=UUID(tenant), time_zone="Europe/Berlin", end_user_id=UUID(identity), end_user_name=name, tier="free",
                tags=chance.sample(["a", "b", "c"], chance.randrange(3)),
            )
            leg = Leg(step="draft", provider="openai", model="small", price_version="", amount=amount)
            try:
                hold = await ledger.reserve(HoldRequest(id=uuid4(), subject=subject, rungs=[Rung(legs=[leg])], ttl_s=300))
                counts["held"] += 1
                spent = chance.randrange(amount + 1)
                entry = Entry(leg=0, kind="settled" if spent else "voided", amount=spent, step="draft", provider="openai", model="small")
                await ledger.settle(hold, entries=[entry])
                counts["spent"] += spent
            except HoldRefused:
                counts["refused"] += 1
                await asyncio.sleep(0.001)
            except RefusedByDatabase:
                counts["errors"] += 1
            except LedgerUnavailable:
                counts["away"] += 1
                await asyncio.sleep(0.02)

    await asyncio.gather(*(caller() for _ in range(16)))
    await ledger.close()
    return counts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(race(**json.loads(sys.argv[1])))))
