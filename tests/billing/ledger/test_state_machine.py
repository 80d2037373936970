"""Any sequence of calls leaves the ledger as tiny models say, and no invariant broken."""

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests import database
from tests.billing.ledger.conftest import Till
from tests.billing.ledger.machine import LedgerMachine, Stage


def test_no_sequence_of_calls_leads_the_ledger_away_from_its_model(till: Till) -> None:
    with psycopg.connect(database.app_dsn(), autocommit=True) as app, psycopg.connect(database.owner_dsn(), autocommit=True) as owner:
        Stage.app, Stage.owner, Stage.book_every, Stage.steps = app, owner, 5, 0
        run_state_machine_as_test(
            LedgerMachine,
            settings=settings(max_examples=75, stateful_step_count=40, deadline=None, database=None, suppress_health_check=list(HealthCheck)),
        )
    assert Stage.steps >= 2000
