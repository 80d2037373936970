"""What every test may lean on: the database, the cast, and a site that really runs."""

import os
from collections.abc import Iterator

import pytest
from django.db import connection

from tests import database, live
from tests.cast import Cast, make_cast, retire
from tests.live import ScriptedProvider, Server
from tests.shop import Shop
from tests.stage import Stage, breaks, staged

os.environ.setdefault("HTTPS", "off")
os.environ["LEDGER_MEMORY"] = ""  # copies of one template are one ledger to it


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: pytest.FixtureRequest, worker_id: str) -> Iterator[None]:
    with django_db_blocker.unblock():
        database.prepare(worker_id)
        yield


@pytest.fixture
def cast(db: None) -> Cast:
    """The cast, in a transaction that is rolled back."""
    return make_cast()


@pytest.fixture
def committed_cast(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[Cast]:
    """The cast in tenants of its own that stay: for tests that use the database over connections beside Django's."""
    with django_db_blocker.unblock():
        cast = make_cast(suffix=os.urandom(4).hex())
    yield cast
    with django_db_blocker.unblock():
        retire(cast)


@pytest.fixture
def shop(committed_cast: Cast, django_db_blocker: pytest.FixtureRequest) -> Iterator[Shop]:
    """A tenant whose calls are booked and stay: whatever a test corrects there, the ledger stays whole."""
    with django_db_blocker.unblock():
        before = breaks()
        yield Shop(committed_cast)
        assert breaks() - before == set()
        connection.close()


@pytest.fixture(scope="session")
def live_site(django_db_setup: None) -> Iterator[Server]:
    """The site as uvicorn serves it, on this worker's database."""
    with live.site() as server:
        yield server


@pytest.fixture(scope="session")
def upstream() -> Iterator[Server]:
    """bench/upstream.py: bills like a provider, and fails on demand."""
    with live.upstream() as server:
        yield server


@pytest.fixture(scope="session")
def scripted() -> Iterator[ScriptedProvider]:
    with live.scripted_provider() as provider:
        yield provider


@pytest.fixture
def live_cast(
    live_site: Server, upstream: Server, scripted: ScriptedProvider, django_db_blocker: pytest.FixtureRequest
) -> Iterator[Stage]:
    """The cast in tenants of its own on the live site."""
    with django_db_blocker.unblock(), staged(site=live_site, upstream=upstream, scripted=scripted) as stage:
        yield stage
