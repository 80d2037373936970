"""Seeded bugs in the ledger's SQL: each must be found by a named check, or the checks prove nothing."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import psycopg
from msgspec import Struct
from psycopg.types.json import Jsonb

from bench.ledger.lines import Line, Say
from bench.ledger.steps import prepared, walk
from bench.site import ROOT, Site
from cascadeflow_site import embedded

SQL = ROOT / "billing/ledger/sql"
STEPS, RACERS, RESERVES_EACH = 3_000, 8, 60


class Mutant(Struct, frozen=True):
    name: str
    file: str
    find: str
    replace: str


MUTANTS = (
    Mutant("windows are not locked", "30_reserve.sql",
           "  PERFORM 1 FROM billing_budgetwindow w WHERE w.id = ANY (v_of) ORDER BY w.id FOR UPDATE;\n", ""),
    Mutant("what is held is not freed", "40_settle.sql", "held_nusd = w.held_nusd - d.amount, ", ""),
    Mutant("a hold can be settled again", "40_settle.sql", "WHEN r.state = 'assumed' THEN 'late' ELSE 'again' END", "ELSE 'closed' END"),
    Mutant("the sweep releases", "50_sweep.sql", "coalesce(sum((g.value ->> 'amount')::bigint), 0)::bigint AS actual", "0::bigint AS actual"),
    Mutant("a cheaper rung meets a budget that blocks", "30_reserve.sql",
           "    CONTINUE WHEN (v_asked.rungs -> 0 ->> 'amount')::bigint > greatest(v_block, CASE WHEN v_block IS NOT NULL THEN 0 END);\n", ""),
    Mutant("budgets of tags are passed over", "30_reserve.sql",
           "SELECT i.item, i.tenant_id, i.zone, 'tag', t.value, ''", "SELECT i.item, i.tenant_id, i.zone, 'tags', t.value, ''"),
    Mutant("marks of legs are passed over", "50_sweep.sql", "WHERE r.sent & (1::bigint << (g.ord - 1)::int) <> 0) l", "WHERE g.ord = 1) l"),
    Mutant("the day sums take one entry of many", "05_guards.sql", "sum(b.amount_nusd), count(*)", "max(b.amount_nusd), count(*)"),
    Mutant("one's own budget does not replace everybody's", "30_reserve.sql",
           "   WHERE NOT (k.scope = 'end_user' AND k.subject = '' AND k.is_own)\n", ""),
    Mutant("the highest cap is forgotten", "30_reserve.sql", "greatest(w.cap_high_nusd, n.cap, w.spent_nusd + w.held_nusd)", "n.cap"),
    Mutant("overruns are not counted", "40_settle.sql", ", overrun_nusd = w.overrun_nusd + d.overrun", ""),
    Mutant("a late settle counts every time", "40_settle.sql", "c.kind = 'overrun' OR c.reason = 'late settle'", "false"),
    Mutant("a hold may be settled by another tenant", "40_settle.sql",
           "CASE WHEN r.tenant_id IS DISTINCT FROM (i.value ->> 'tenant')::uuid THEN 'unknown'\n                WHEN row_number",
           "CASE WHEN row_number"),
    Mutant("holds are not locked before they are closed", "40_settle.sql",
           "  SELECT 1 FROM billing_reservation r WHERE r.id = ANY (p_ids) ORDER BY r.id FOR UPDATE\n", "  SELECT 1\n"),
)  # fmt: skip


def run(*, quick: bool, say: Say) -> list[Line]:
    killed: dict[str, str] = {}
    survivors: list[str] = []
    tried = MUTANTS[:4] if quick else MUTANTS
    with prepared() as made:
        for name, check in CHECKS.items():  # a check that finds something in the sound ledger would prove nothing
            found = check(made)
            if found:
                raise SystemExit(f"the check '{name}' fails without a mutant: {found}")
        for mutant in tried:
            install(made, mutated(mutant))
            try:
                killer = next((name for name, check in CHECKS.items() if check(made)), None)
            finally:
                install(made, (SQL / mutant.file).read_text())
                forget(made)
            if killer:
                killed[mutant.name] = killer
            else:
                survivors.append(mutant.name)
            say(f"mutants: {mutant.name}: {f'killed by {killer}' if killer else 'SURVIVED'}")
    by = {name: sum(killer == name for killer in killed.values()) for name in CHECKS}
    shown = ", ".join(f"{count} by {name}" for name, count in by.items() if count)
    return [
        Line("mutants: survivors", " ".join([f"{len(survivors)} of {len(tried)}", *survivors]), "target 0", met=not survivors),
        Line("mutants: killed", f"{len(killed)}: {shown}"),
    ]


def mutated(mutant: Mutant) -> str:
    text = (SQL / mutant.file).read_text()
    if text.count(mutant.find) != 1:
        raise SystemExit(f"The mutant '{mutant.name}' does not fit {mutant.file} any more: its text is there {text.count(mutant.find)} times.")
    return text.replace(mutant.find, mutant.replace)


def install(made: Site, text: str) -> None:
    """Put a file's functions in place, as migrate does."""
    with psycopg.connect(made.dsn.replace("postgres:@", f"{embedded.OWNER}:@"), autocommit=True) as owner:
        owner.execute(text.replace("{app_role}", embedded.APP).encode())


def forget(made: Site) -> None:
    """What a mutant wrote must not be found again by the checks of the next one."""
    with psycopg.connect(made.dsn, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        for table in ("costentry", "dayrollup", "reservation", "budgetmark", "budgetwindow", "budget", "quarantinedmodel"):
            superuser.execute(f"DELETE FROM billing_{table}".encode())


def _machine(made: Site) -> str | None:
    return walk(made, steps=STEPS, book_every=1, derandomize=True)[0]


def _race(made: Site) -> str | None:
    """Threads reserve and settle in one budget, two of them each hold: nothing is over, nothing is booked twice, no error."""
    tenant, budget, limit = _tenant_of(made), uuid.uuid4(), 500
    app = made.dsn.replace("postgres:@", f"{embedded.APP}:@")
    errors: list[str] = []
    with psycopg.connect(made.dsn, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO billing_budget (id, tenant_id, name, scope, subject, period, limit_nusd, action, soft_marks, is_paused, created_at)"
            " VALUES (%s, %s, '', 'tag', 'race', 'total', %s, 'block', '{}', false, now())", [budget, tenant, limit],
        )  # fmt: skip

    def racer() -> None:
        try:
            with psycopg.connect(app, autocommit=True) as one, psycopg.connect(app, autocommit=True) as two:
                for _ in range(RESERVES_EACH):
                    hold = _asked(tenant, tag="race")
                    (answer,) = _call(one, "billing_reserve", hold)
                    if "rung" in answer:
                        entry = {**LEG, "amount": 1, "leg": 0, "kind": "settled"}
                        done = {"id": hold["id"], "tenant": tenant, "state": "settled", "entries": [entry]}
                        both = [threading.Thread(target=_call, args=(connection, "billing_settle", done)) for connection in (one, two)]
                        for thread in both:
                            thread.start()
                        for thread in both:
                            thread.join()
        except psycopg.Error as wrong:
            errors.append(f"{type(wrong).__name__}: {wrong.diag.message_primary}")

    racers = [threading.Thread(target=racer) for _ in range(RACERS)]
    for thread in racers:
        thread.start()
    for thread in racers:
        thread.join()
    with psycopg.connect(made.dsn, autocommit=True) as owner:
        row = owner.execute("SELECT spent_nusd, held_nusd FROM billing_budgetwindow WHERE budget_id = %s", [budget]).fetchone()
        entries = owner.execute("SELECT count(*) FROM billing_costentry WHERE tags @> '{race}'").fetchone()
        owner.execute("UPDATE billing_budget SET ended_at = now(), is_paused = true WHERE id = %s", [budget])
    assert row is not None
    assert entries is not None
    if errors:
        return errors[0]
    if row[0] > limit or row[1] != 0 or entries[0] != row[0]:
        return f"spent {row[0]}, held {row[1]}, {entries[0]} entries of a budget of {limit}"
    return None


def _foreign(made: Site) -> str | None:
    """A tenant settles a hold that is not its own."""
    tenant = _tenant_of(made)
    with psycopg.connect(made.dsn.replace("postgres:@", f"{embedded.APP}:@"), autocommit=True) as app:
        hold = _asked(tenant, tag="foreign")
        _call(app, "billing_reserve", hold)
        entry = {**LEG, "amount": 1, "leg": 0, "kind": "settled"}
        said = _call(app, "billing_settle", {"id": hold["id"], "tenant": uuid.uuid4(), "state": "settled", "entries": [entry]})
        _call(app, "billing_settle", {"id": hold["id"], "tenant": tenant, "state": "settled", "entries": [entry]})
    return None if said == ["unknown"] else f"answered {said}"


CHECKS: dict[str, Callable[[Site], str | None]] = {"the tenants' wall": _foreign, "the race": _race, "the state machine": _machine}
LEG = {"step": "draft", "provider": "bench", "model": "small", "price_version": "", "amount": 5}


def _asked(tenant: uuid.UUID, *, tag: str) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(), "tenant": tenant, "zone": "UTC", "owner": "mutants", "ttl_s": 600, "end_user": None, "end_user_name": None,
        "api_key": None, "tier": None, "tags": [tag], "unpriced": False, "labels": {"tags": [tag]}, "rungs": [{"amount": 5, "legs": [LEG]}],
    }


def _tenant_of(made: Site) -> uuid.UUID:
    with psycopg.connect(made.dsn, autocommit=True) as owner:
        row = owner.execute("SELECT id FROM tenants_tenant WHERE slug = 'bench'").fetchone()
    assert row is not None
    found: uuid.UUID = row[0]
    return found


def _call(connection: psycopg.Connection, function: str, item: dict[str, Any]) -> list[Any]:
    rows = connection.execute(f"SELECT * FROM {function}(%s)".encode(), [Jsonb([item], dumps=msgspec.json.encode)]).fetchall()
    return [answer for _, answer in rows]

