"""A night of forecasts as the worker does it: read from the sums of the days, forecast, kept. Prints `name: figure (target)` lines.

Makes a database of its own with tenants whose end users come now and then, and runs the job in a process of its own.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator

import psycopg

from bench.ledger.lines import Line
from bench.site import ROOT, Site, site

RESULTS = ROOT / "bench/results/night.json"
TENANTS, END_USERS, DAYS_EACH, PAST_DAYS = 200, 20_000, 5, 120
TIME_TARGET_S, MEMORY_TARGET_MB = 900.0, 600

COPY_TENANT = """
INSERT INTO tenants_tenant
SELECT (jsonb_populate_record(t, jsonb_build_object('id', uuidv7(), 'slug', 'tenant-' || n, 'end_user_salt', '\\x' || md5(n::text)))).*
  FROM tenants_tenant t CROSS JOIN generate_series(2, %s) n
"""
END_USERS_OF = """
INSERT INTO billing_dayrollup (tenant_id, day, dimension, value, cost_nusd, entries, input_tokens, output_tokens)
SELECT %(tenant)s, current_date - 1 - floor(%(past)s * power(random(), 2))::int, 'end_user', md5(%(tenant)s::text || n)::uuid::text,
       (1e6 * exp(random() * 3))::bigint, 1, 0, 0
  FROM generate_series(1, %(end_users)s) n CROSS JOIN generate_series(1, %(days)s)
ON CONFLICT DO NOTHING
"""
THE_WHOLE_OF = """
INSERT INTO billing_dayrollup (tenant_id, day, dimension, value, cost_nusd, entries, input_tokens, output_tokens)
SELECT tenant_id, day, 'all', '', sum(cost_nusd), sum(entries), 0, 0 FROM billing_dayrollup WHERE tenant_id = %(tenant)s GROUP BY 1, 2
"""


def night(*, tenants: int, end_users: int) -> Iterator[Line]:
    with site() as ours:
        rows = fill(ours, tenants=tenants, end_users=end_users)
        began = time.perf_counter()
        done = ours.manage("jobs", "--run", "billing.forecast")
        took = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    name = f"a night: {tenants} tenants x {end_users:,} end users, {rows:,} sums of days"
    yield Line(name, f"{took:.0f} s, {done.stdout.strip().rpartition(': ')[2]}", f"target {TIME_TARGET_S:.0f} s", took <= TIME_TARGET_S)
    yield Line(f"{name}, peak memory", f"{peak} MB", f"target {MEMORY_TARGET_MB} MB", peak <= MEMORY_TARGET_MB)


def fill(ours: Site, *, tenants: int, end_users: int) -> int:
    """Make tenants and their past. Returns how many sums of days there are."""
    ours.provision({"tenants": [{"slug": "tenant-1", "name": "Tenant", "time_zone": "UTC"}]})
    with psycopg.connect(ours.dsn, autocommit=True) as superuser:
        superuser.execute(COPY_TENANT, [tenants])
        for number, (tenant,) in enumerate(superuser.execute("SELECT id FROM tenants_tenant").fetchall(), 1):
            given = {"tenant": tenant, "past": PAST_DAYS, "end_users": end_users, "days": DAYS_EACH}
            superuser.execute(END_USERS_OF, given)
            superuser.execute(THE_WHOLE_OF, given)
            if number % 20 == 0:
                print(f"  {number} of {tenants} tenants have a past", file=sys.stderr, flush=True)
        superuser.execute("VACUUM ANALYZE billing_dayrollup")
        (rows,) = superuser.execute("SELECT count(*) FROM billing_dayrollup").fetchone() or (0,)
    return int(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=TENANTS)
    parser.add_argument("--end-users", type=int, default=END_USERS, help="of each tenant")
    parser.add_argument("--save", action="store_true", help=f"write the figures to {RESULTS.relative_to(ROOT)}")
    given = parser.parse_args()
    lines: list[Line] = []
    for line in night(tenants=given.tenants, end_users=given.end_users):
        lines.append(line)
        print(line, flush=True)
    if given.save:
        RESULTS.write_text(json.dumps([line._asdict() for line in lines], indent=1) + "\n")
    return int(any(line.met is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
