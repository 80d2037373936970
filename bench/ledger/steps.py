"""The ledger's functions against tiny models of them: any sequence of calls, by Hypothesis."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import hypothesis
import psycopg
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec import Struct

from bench.ledger.lines import Line, Say, zero
from bench.site import Site, site
from cascadeflow_site import embedded
from tests.billing.ledger.machine import LedgerMachine, Stage

TARGET, STEPS_EACH, RUNS_A_SEED = 100_000, 50, 10
SHOWN = 1_000


class Walk(Struct):
    steps: int
    failure: str | None = None
    """What went wrong, and the seed that leads there again."""


def run(*, quick: bool, say: Say) -> list[Line]:
    target = 5_000 if quick else TARGET
    with prepared() as made:
        walked = walk(made, steps=target, seed=secrets.randbelow(2**32), say=say)
        checked = made.manage("check_ledger")
    if walked.failure:
        say(f"state machine: {walked.failure}")
    if checked.returncode:
        say(f"state machine, check_ledger: {checked.stdout}{checked.stderr}"[:SHOWN])
    return [
        Line("state machine: steps", f"{walked.steps:,}", f"target >= {target:,}", met=walked.steps >= target),
        zero("state machine: failures", int(walked.failure is not None) + int(checked.returncode != 0), of=walked.steps, what="steps"),
    ]


@contextmanager
def prepared() -> Iterator[Site]:
    """A database with one tenant, which the machine copies."""
    with site() as made:
        made.provision({"tenants": [{"slug": "bench", "tiers": [{"name": "free"}]}]})
        yield made


def walk(made: Site, *, steps: int, seed: int, book_every: int = 10, say: Say | None = None) -> Walk:
    """Walk at least so many steps, or until something goes wrong. Every `RUNS_A_SEED` runs have a seed of their own: `seed`, `seed` + 1, ..."""
    app_dsn = made.dsn.replace("postgres:@", f"{embedded.APP}:@")
    Stage.steps, Stage.book_every = 0, book_every
    with psycopg.connect(app_dsn, autocommit=True) as app, psycopg.connect(made.dsn, autocommit=True) as owner:
        Stage.app, Stage.owner = app, owner
        while Stage.steps < steps:
            before = Stage.steps
            runs = min(RUNS_A_SEED, (steps - before) // STEPS_EACH + 1)
            try:
                run_state_machine_as_test(hypothesis.seed(seed)(LedgerMachine), settings=_settings(runs))
            except Exception as wrong:  # whatever it is, the walk has not gone well
                return Walk(Stage.steps, f"{type(wrong).__name__} with seed {seed} and {runs} runs: {str(wrong)[:SHOWN]}")
            if say:
                say(f"state machine: {Stage.steps:,} steps")
            if Stage.steps == before:
                return Walk(before, "no further step can be taken")
            seed += 1
    return Walk(Stage.steps)


def _settings(runs: int) -> settings:
    return settings(
        max_examples=runs, stateful_step_count=STEPS_EACH, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
