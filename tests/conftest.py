"""What every test may lean on: the database, the cast, and a site that really runs."""

import os
from collections.abc import Iterator

import pytest

from tests import database
from tests.cast import Cast, make_cast

os.environ.setdefault("HTTPS", "off")


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
def committed_cast(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Cast:
    """The cast in tenants of its own that stay: for tests that use the database over connections beside Django's."""
    with django_db_blocker.unblock():
        return make_cast(suffix=os.urandom(4).hex())
