"""The ledger's functions against a tiny model of them: any sequence of calls, by Hypothesis."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bench.ledger.lines import Line, Say, zero
from bench.site import Site, site
from cascadeflow_site import embedded
from tests.billing.ledger.machine import LedgerMachine, Stage

TARGET, STEPS_EACH = 100_000, 50


def run(*, quick: bool, say: Say) -> list[Line]:
    target = 5_000 if quick else TARGET
    with prepared() as made:
        failure, steps = walk(made, steps=target, say=say)
        broken = made.manage("check_ledger").returncode
    if failure:
        say(f"steps: {failure}")
    return [
        Line("state machine: steps", f"{steps:,}", f"target >= {target:,}", met=steps >= target),
        zero("state machine: failures", int(bool(failure)) + int(broken != 0), of=steps, what="steps"),
    ]


@contextmanager
def prepared() -> Iterator[Site]:
    """A database with one tenant, which the machine copies."""
    with site() as made:
        made.provision({"tenants": [{"slug": "bench", "tiers": [{"name": "free"}]}]})
        yield made


def walk(made: Site, *, steps: int, book_every: int = 10, say: Say | None = None, derandomize: bool = False) -> tuple[str | None, int]:
    """Walk about so many steps; returns what went wrong, or None, and how many steps were taken."""
    app_dsn = made.dsn.replace("postgres:@", f"{embedded.APP}:@")
    Stage.steps, Stage.book_every = 0, book_every
    with psycopg.connect(app_dsn, autocommit=True) as app, psycopg.connect(made.dsn, autocommit=True) as owner:
        Stage.app, Stage.owner = app, owner
        while Stage.steps < steps:
            before = Stage.steps
            left = steps - Stage.steps
            try:
                run_state_machine_as_test(
                    LedgerMachine,
                    settings=settings(
                        max_examples=min(200, left // STEPS_EACH + 1), stateful_step_count=STEPS_EACH, deadline=None, database=None,
                        phases=[Phase.generate], derandomize=derandomize, suppress_health_check=list(HealthCheck), print_blob=False,
                    ),
                )
            except (AssertionError, psycopg.Error, ExceptionGroup) as wrong:
                return f"{type(wrong).__name__}: {str(wrong)[:200]}", Stage.steps
            if say:
                say(f"state machine: {Stage.steps:,} steps")
            if Stage.steps == before:
                break
    return None, Stage.steps
