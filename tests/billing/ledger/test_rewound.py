"""A database that was restored from a backup is noticed, and budgets that block wait for somebody who answers for it."""

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from billing.ledger import Hold, Ledger, LedgerRewound
from billing.ledger.beats import BeatMemory
from tests import database
from tests.billing.ledger.conftest import Till


@pytest.fixture(autouse=True)
def whole_again(till: Till, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield
    till.owner.execute("UPDATE billing_ledgerstate SET rewound_at = NULL")


async def beat(ledger: Ledger) -> None:
    async with await psycopg.AsyncConnection.connect(database.app_dsn(), autocommit=True) as connection:
        await ledger._beat(connection)


@pytest_asyncio.fixture
async def remembering(till: Till, tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger(dsn=database.app_dsn(), memory=tmp_path / "beats")
    yield ledger
    await ledger.close()


def restore(till: Till) -> None:
    """What a restore does to the row: its count is one of days ago."""
    till.owner.execute("UPDATE billing_ledgerstate SET beats = beats - 5")


@pytest.mark.asyncio
async def test_a_ledger_that_lost_beats_refuses_where_a_budget_blocks_until_it_is_resumed(till: Till, remembering: Ledger) -> None:
    till.budget(100)
    await beat(remembering)
    assert isinstance(await remembering.reserve(till.asked(1)), Hold)
    restore(till)
    await beat(remembering)
    with pytest.raises(LedgerRewound):
        await remembering.reserve(till.asked(1))
    with pytest.raises(CommandError, match="--by NAME --reason TEXT"):
        await sync_to_async(call_command)("resume_ledger")
    said = io.StringIO()
    await sync_to_async(call_command)("resume_ledger", by="olga", reason="charged from the invoice", stdout=said)
    assert "admit calls again" in said.getvalue()
    await beat(remembering)
    assert isinstance(await remembering.reserve(till.asked(1)), Hold)
    kept = till.owner.execute("SELECT resumed_by, reason FROM billing_ledgerstate").fetchone()
    assert kept == {"resumed_by": "olga", "reason": "charged from the invoice"}


@pytest.mark.asyncio
async def test_calls_that_no_budget_blocks_go_on(till: Till, remembering: Ledger) -> None:
    till.budget(100, action="degrade")
    await beat(remembering)
    restore(till)
    await beat(remembering)
    assert isinstance(await remembering.reserve(till.asked(1)), Hold)


@pytest.mark.asyncio
async def test_a_process_that_starts_after_the_restore_knows_it_from_the_file(till: Till, remembering: Ledger, tmp_path: Path) -> None:
    till.budget(100)
    await beat(remembering)
    restore(till)
    later = Ledger(dsn=database.app_dsn(), memory=tmp_path / "beats")
    await beat(later)
    with pytest.raises(LedgerRewound):
        await later.reserve(till.asked(1))
    await later.close()


def test_a_file_of_another_ledger_or_of_garbage_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "beats"
    assert BeatMemory(path).recall() == (None, 0)
    path.parent.mkdir()
    path.write_text("not a ledger")
    assert BeatMemory(path).recall() == (None, 0)
    assert BeatMemory(None).recall() == (None, 0)


def test_a_whole_ledger_has_nothing_to_resume(till: Till) -> None:
    said = io.StringIO()
    call_command("resume_ledger", stdout=said)
    assert "The ledger is whole" in said.getvalue()
