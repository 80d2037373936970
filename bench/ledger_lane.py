"""Reserve and settle pairs per second through one Ledger of one process, against an embedded PostgreSQL with synchronous_commit on.

Each call is bound by four budgets: the tenant's day and month, the end user's day, and the tier's month for each end user. A pair is a hold
of two legs and a settle of one entry. `--own-budgets` gives that many end users a budget of their own, to see that the look-up stays an
index's. Ends with 1 where the ledger is not whole afterwards.
"""

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
import uvloop

from bench.site import Site, site
from billing.ledger import Entry, HoldRequest, Ledger, Leg, Rung, Subject

PRICE, CHEAPER, SPENT = 3_000_000, 1_000_000, 900_000
NEVER_REACHED = 9_000_000_000_000_000
LEG = {"provider": "bench", "price_version": "bench"}
BOOKED = Entry(leg=0, kind="settled", amount=SPENT, step="draft", provider="bench", model="small", input_tokens=142, output_tokens=125)


class Round(NamedTuple):
    """What one round came to: times of the reserves in milliseconds."""

    per_second: float
    p50: float
    p99: float
    settle_p50: float
    pairs: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, default=64, help="calls at once (default: 64)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after one to warm up (default: 3)")
    parser.add_argument("--end-users", type=int, default=1000, help="end users who call (default: 1,000)")
    parser.add_argument("--own-budgets", type=int, default=0, help="end users with a daily budget of their own (default: 0)")
    parser.add_argument("--functions", action="store_true", help="also show what PostgreSQL spent in each function")
    given = parser.parse_args()
    with site() as made:
        subjects = seed(made, end_users=given.end_users, own_budgets=given.own_budgets)
        rounds = uvloop.run(measure(made, subjects, given))
        print(f"median of {len(rounds)}: {statistics.median(r.per_second for r in rounds):,.0f} pairs a second")
        if given.functions:
            show_functions(made)
        checked = made.manage("check_ledger")
        print((checked.stdout + checked.stderr).strip())
        return checked.returncode


def seed(made: Site, *, end_users: int, own_budgets: int) -> Sequence[Subject]:
    """A tenant with four budgets, and the end users who call."""
    tenant, key = uuid.uuid4(), uuid.uuid4()
    budget = (
        "INSERT INTO billing_budget (id, tenant_id, name, scope, subject, period, limit_nusd, action, soft_marks, is_paused, created_at)"
        f" SELECT gen_random_uuid(), '{tenant}', '', %s, %s, %s, {NEVER_REACHED}, 'block', '{{}}', false, clock_timestamp()"
    )
    with psycopg.connect(made.dsn) as superuser:
        columns: dict[str, Any] = {
            "id": tenant, "slug": "bench", "name": "Bench", "time_zone": "Europe/Berlin", "is_active": True, "default_tier": "free",
            "allow_undocumented_fields": False, "budget_refusal_status": 402, "end_user_salt": bytes(32), "config_version": 1,
            "end_users_version": 1, "second_factor_required": False, "created_at": "now",
        }
        known = {name for (name,) in superuser.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'tenants_tenant'::regclass").fetchall()}
        columns = {name: value for name, value in columns.items() if name in known}
        superuser.execute(f"INSERT INTO tenants_tenant ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})", list(columns.values()))
        for scope, subject, period in (("tenant", "", "daily"), ("tenant", "", "monthly"), ("end_user", "", "daily"), ("tier", "free", "monthly")):
            superuser.execute(budget, (scope, subject, period))
        superuser.execute(budget.replace("%s, %s, %s", "'end_user', 'user-' || n, 'daily'") + f" FROM generate_series(1, {own_budgets}) n")
    with psycopg.connect(made.dsn, autocommit=True) as superuser:
        superuser.execute("ALTER SYSTEM SET track_functions = 'all'")
        superuser.execute("SELECT pg_reload_conf()")
        superuser.execute("ANALYZE")
    return [
        Subject(tenant_id=tenant, time_zone="Europe/Berlin", api_key_id=key, end_user_id=uuid.uuid4(), end_user_name=f"user-{n}", tier="free")
        for n in range(1, end_users + 1)
    ]


async def measure(made: Site, subjects: Sequence[Subject], given: argparse.Namespace) -> list[Round]:
    from cascadeflow_site import embedded

    ledger = Ledger(dsn=made.dsn.replace("postgres:@", f"{embedded.APP}:@"))
    rounds = []
    try:
        for number in range(given.rounds + 1):
            took = await one_round(ledger, subjects, in_flight=given.in_flight, seconds=given.seconds)
            label = f"round {number}" if number else "warm-up"
            print(
                f"{label}: {took.per_second:,.0f} pairs a second; reserve p50 {took.p50:.1f} ms, p99 {took.p99:.1f} ms; "
                f"settle p50 {took.settle_p50:.1f} ms; load {os.getloadavg()[0]:.1f}"
            )
            rounds.append(took)
            if not number:
                tidy(made)
    finally:
        await ledger.close()
    return rounds[1:]


async def one_round(ledger: Ledger, subjects: Sequence[Subject], *, in_flight: int, seconds: float) -> Round:
    reserves: list[float] = []
    settles: list[float] = []
    whose = itertools.cycle(subjects)
    began = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - began < seconds:
            at = time.perf_counter()
            hold = await ledger.reserve(request_of(next(whose)))
            held = time.perf_counter()
            await ledger.settle(hold, entries=[BOOKED])
            reserves.append((held - at) * 1000)
            settles.append((time.perf_counter() - held) * 1000)

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    took = time.perf_counter() - began
    percentiles = statistics.quantiles(reserves, n=100)
    return Round(len(reserves) / took, percentiles[49], percentiles[98], statistics.median(settles), len(reserves))


def request_of(subject: Subject) -> HoldRequest:
    draft, strong = Leg(step="draft", model="small", amount=CHEAPER, **LEG), Leg(step="escalation", model="large", amount=PRICE, **LEG)
    return HoldRequest(id=uuid.uuid4(), subject=subject, rungs=[Rung(legs=[draft, strong]), Rung(legs=[draft])], domain="general", preset="bench")


def tidy(made: Site) -> None:
    """What autovacuum does within a minute of the first calls: plans that were made for empty tables are made again."""
    with psycopg.connect(made.dsn, autocommit=True) as superuser:
        superuser.execute("VACUUM ANALYZE")
        superuser.execute("SELECT pg_stat_reset()")


def show_functions(made: Site) -> None:
    with psycopg.connect(made.dsn, autocommit=True) as superuser:
        rows = superuser.execute(
            "SELECT funcname, calls, total_time, self_time FROM pg_stat_user_functions WHERE calls > 0 ORDER BY total_time DESC"
        ).fetchall()
    for name, calls, total, own in rows:
        print(f"  {name:28} {calls:>9,} calls {total:>10,.0f} ms in all {own:>10,.0f} ms its own")


if __name__ == "__main__":
    sys.exit(main())
