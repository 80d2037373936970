"""The examples of the guides, run as their readers run them: each in a process of its own, with the variables that its guide names."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests import live
from tests.guides.issuer import Issuer
from tests.guides.local_http import served
from tests.guides.stripe_account import API_KEY, SECRET, StripeAccount
from tests.live import ScriptedProvider, Server, free_port
from tests.stage import Stage, staged

GUIDES = Path(__file__).parents[2] / "docs/guides"
EXAMPLES = GUIDES / "examples"
PRICES = "pro_monthly=pro, pro_yearly=pro, enterprise_yearly=enterprise, lost=no-such-tier"


@pytest.fixture(scope="module")
def stage(live_site: Server, upstream: Server, scripted: ScriptedProvider, django_db_blocker: Any) -> Iterator[Stage]:
    """One for all tests of a module, since an example takes seconds to start: each test has people of its own."""
    with django_db_blocker.unblock():
        with staged(site=live_site, upstream=upstream, scripted=scripted) as one:
            yield one
        connection.close()


@pytest.fixture
def stripe_account() -> StripeAccount:
    return StripeAccount()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as one:
        yield one


@contextlib.contextmanager
def serving_issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with served(issuer.answer) as issuer.url:
        yield issuer


def run_example(name: str, **environment: str) -> contextlib.AbstractContextManager[Server]:
    """Run an example until the block ends. What it answers without a body or a token says that it is up."""
    port = free_port()
    return live.serving([str(EXAMPLES / name)], port=port, ready="/", statuses=(400, 401), PORT=str(port), **environment)


@contextlib.contextmanager
def running_webhook(account: StripeAccount, *, url: str, key: str) -> Iterator[Server]:
    with served(account.answer) as stripe_url, run_example(
        "stripe_webhook.py", STRIPE_API_BASE=stripe_url, STRIPE_API_KEY=API_KEY, STRIPE_WEBHOOK_SECRET=SECRET, TIER_OF_PRICE=PRICES,
        CASCADEFLOW_URL=url, CASCADEFLOW_ADMIN_KEY=key,
    ) as server:  # fmt: skip
        yield server


def running_end_user(kind: str, issuer: Issuer, *, url: str, key: str, **environment: str) -> contextlib.AbstractContextManager[Server]:
    own = {
        "auth0": {"AUTH0_ISSUER": issuer.url, "AUTH0_AUDIENCE": "https://api.acme.example", "TIER_CLAIM": "https://acme.example/tier"},
        "firebase": {"FIREBASE_PROJECT": "acme-1", "FIREBASE_JWKS_URL": f"{issuer.url}/keys", "TIER_CLAIM": "tier"},
    }[kind]
    environment = {**own, "CASCADEFLOW_URL": url, "CASCADEFLOW_KEY": key, "CASCADEFLOW_MODEL": "steady", **environment}
    return run_example(f"{kind}_end_user.py", **environment)
