"""What is looked up when Prometheus asks: facts of the whole installation, out of its rows. A further one is a function and a line in FACTS."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django.db import connection

from billing import reports
from billing.housekeeping import rewound_since
from billing.jobs import is_late
from billing.models import JobStanding
from cascade.telemetry.families import Family
from cascade.telemetry.labels import MOST_TENANTS, OTHER
from cascade.telemetry.metrics import NUSD_PER_USD
from tenants.scoping import platform_scope

PATIENCE_MS = 3000
Fact = Callable[[datetime], Sequence[Family]]


def open_holds(now: datetime) -> Sequence[Family]:  # noqa: ARG001 - facts are told the time
    """Return how many calls in flight hold money, and how much, by tenant: the largest by name, the rest together."""
    rows = largest_by_name(reports.open_holds_by_tenant(), most=MOST_TENANTS)
    return [
        Family(
            name="cascadeflow_open_holds", help="Calls in flight that hold money.", labels=("tenant",),
            rows=[((tenant,), count) for tenant, count, _ in rows],
        ),
        Family(
            name="cascadeflow_held_usd", help="Money that calls in flight hold, in USD.", labels=("tenant",),
            rows=[((tenant,), held / NUSD_PER_USD) for tenant, _, held in rows],
        ),
    ]


def largest_by_name(rows: Sequence[tuple[str, int, int]], *, most: int) -> Sequence[tuple[str, int, int]]:
    """Return the first rows as they are, and the sums of the rest under "other"."""
    named = [row for row in rows[:most] if row[0] != OTHER]
    rest = [row for row in rows if row not in named]
    return [*named, (OTHER, sum(row[1] for row in rest), sum(row[2] for row in rest))] if rest else named


def ledger_state(now: datetime) -> Sequence[Family]:  # noqa: ARG001 - facts are told the time
    return [
        Family(
            name="cascadeflow_ledger_rewound", rows=[((), int(rewound_since() is not None))],
            help="1 where the ledger was restored from a backup and not resumed: budgets that block refuse.",
        )
    ]


def jobs(now: datetime) -> Sequence[Family]:
    """Return how each job of the workers stands."""
    standings = list(JobStanding.objects.all())

    def of_each(name: str, help: str, value: Callable[[JobStanding], float | None]) -> Family:
        told = [((standing.name,), value(standing)) for standing in standings]
        return Family(name=f"cascadeflow_job_{name}", help=help, labels=("job",), rows=[(labels, each) for labels, each in told if each is not None])

    return [
        of_each("last_success_timestamp_seconds", "When it last ended well.", lambda job: job.succeeded_at.timestamp() if job.succeeded_at else None),
        of_each("last_duration_seconds", "How long its last run took.", lambda job: job.took_ms / 1000 if job.took_ms is not None else None),
        of_each("runs", "How often it ran, in all.", lambda job: job.runs),
        of_each("failures", "How often it failed, in all.", lambda job: job.failures),
        of_each("is_late", "1 where it has not succeeded for three of its periods.", lambda job: int(is_late(job, now=now))),
    ]


FACTS: Mapping[str, Fact] = {"open_holds": open_holds, "ledger_state": ledger_state, "jobs": jobs}


def read_facts(*, now: datetime) -> Sequence[Family]:
    """Return what each fact has to say. One that cannot be read is named in `cascadeflow_fact_missing`, and the others are read all the same."""
    families: list[Family] = []
    missing = {}
    for name, read in FACTS.items():
        try:
            with platform_scope(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(PATIENCE_MS)])
                families += read(now)
            missing[name] = 0
        except Exception:  # whatever it is: the page must tell that something is wrong
            missing[name] = 1
    if any(missing.values()):
        connection.close()
    return [*families, missing_facts(missing)]


def missing_facts(missing: Mapping[str, int]) -> Family:
    rows = [((name,), is_missing) for name, is_missing in missing.items()]
    return Family(name="cascadeflow_fact_missing", help="1 where a fact could not be read.", labels=("fact",), rows=rows)
