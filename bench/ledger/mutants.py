"""Seeded bugs in the ledger's SQL: each must be found by a named check, or the checks prove nothing."""

from collections import Counter

import psycopg

from bench.ledger.checks import CHECKS
from bench.ledger.lines import Line, Say
from bench.ledger.seeded import MUTANTS, Mutant
from bench.ledger.steps import prepared
from bench.site import ROOT, Site
from cascadeflow_site import embedded

SQL = ROOT / "billing/ledger/sql"
QUICK_EVERY = 8
SHOWN = 160


def run(*, quick: bool, say: Say) -> list[Line]:
    killed: Counter[str] = Counter()
    survivors: list[str] = []
    texts = {mutant.name: mutated(mutant) for mutant in MUTANTS}  # all of them, before the first one is tried
    tried = MUTANTS[::QUICK_EVERY] if quick else MUTANTS
    with prepared() as made:
        for name, check in CHECKS.items():  # a check that finds something in the sound ledger would prove nothing
            if found := check(made):
                raise RuntimeError(f"the check '{name}' fails without a mutant: {found}")
        for mutant in tried:
            install(made, texts[mutant.name])
            try:
                killer, found = _killer(made, first=mutant.by)
            finally:
                install(made, (SQL / mutant.file).read_text())
                forget(made)
            if killer:
                killed[killer] += 1
            else:
                survivors.append(mutant.name)
            say(f"mutants: {mutant.name}: {f'killed by {killer}, {found[:SHOWN]}' if killer else 'SURVIVED'}")
    what = f"of {len(tried)} seeded bugs"
    return [
        Line("mutants: survivors", f"{len(survivors)} {what}{': ' if survivors else ''}{'; '.join(survivors)}", "target 0", met=not survivors),
        Line("mutants: killed", f"{killed.total()} {what}: {', '.join(f'{count} by {name}' for name, count in killed.most_common())}"),
    ]


def _killer(made: Site, *, first: str) -> tuple[str | None, str]:
    """The check that finds something, and what it found."""
    for name in (first, *(other for other in CHECKS if other != first)):
        if found := CHECKS[name](made):
            return name, " ".join(found.split())
    return None, ""


def mutated(mutant: Mutant) -> str:
    text = (SQL / mutant.file).read_text()
    if text.count(mutant.find) != 1:
        raise RuntimeError(f"The mutant '{mutant.name}' does not fit {mutant.file} any more: its text is there {text.count(mutant.find)} times.")
    return text.replace(mutant.find, mutant.replace)


def install(made: Site, text: str) -> None:
    """Put a file's functions in place, as migrate does."""
    with psycopg.connect(made.dsn.replace("postgres:@", f"{embedded.OWNER}:@"), autocommit=True) as owner:
        owner.execute(text.replace("{app_role}", embedded.APP).encode())


def forget(made: Site) -> None:
    """What a mutant wrote must not be found again by the checks of the next one."""
    with psycopg.connect(made.dsn, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        for table in ("costentry", "dayrollup", "reservation", "idempotencykey", "budgetmark", "budgetwindow", "budget", "quarantinedmodel"):
            superuser.execute(f"DELETE FROM billing_{table}".encode())
        superuser.execute("DELETE FROM tenants_ratebucket")
