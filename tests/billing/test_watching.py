"""The ledger is looked at by tasks: a broken one is told its tenant and our staff, and so is that it was mended."""

from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from msgspec.structs import replace

from billing import watching
from billing.invariants import INVARIANTS, counts
from billing.models import Alert
from tenants.scoping import platform_scope, tenant_scope
from tests.billing.alerting.conftest import NOON
from tests.billing.test_invariants import TAMPERINGS, healthy, superuser  # noqa: F401 - fixtures
from tests.cast import Cast


def alerts_of(tenant_id: Any) -> list[Alert]:
    with tenant_scope(tenant_id):
        return list(Alert.objects.filter(kind="ledger_broken").order_by("raised_at"))


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_each_break_is_counted_for_the_tenant_whose_it_is(
    superuser: BaseDatabaseWrapper, healthy: dict[str, object], tampering: str  # noqa: F811
) -> None:
    name, statements = TAMPERINGS[tampering]
    (invariant,) = (one for one in INVARIANTS if one.name == name)
    before = dict(counts(invariant, patience_s=30))
    with superuser.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement, healthy if "%(" in statement else None)
    after = counts(invariant, patience_s=30)
    changed = {tenant for tenant in after if after[tenant] != before.get(tenant)}
    assert changed, tampering
    assert changed <= {healthy["tenant"], healthy["other"]}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[Any, int]]:
    """What the invariants would find, by name: the queries themselves are tried above."""
    found: dict[str, dict[Any, int]] = {}
    monkeypatch.setattr(watching, "counts", lambda invariant, patience_s: found.get(invariant.name, {}))
    return found


def test_a_tenant_is_told_of_its_own_ledger_once_until_it_is_mended(cast: Cast, broken: dict[str, dict[Any, int]]) -> None:
    broken["I2"] = {cast.acme.pk: 3}
    assert watching.watch_ledger(now=NOON, is_whole=False) == 1
    assert watching.watch_ledger(now=NOON.replace(hour=15), is_whole=False) == 1
    (alert,) = alerts_of(cast.acme.pk)
    assert (alert.state, alert.severity, alert.facts["invariants"][0]["rows"]) == ("open", "critical", 3)
    assert alerts_of(cast.globex.pk) == []
    broken.clear()
    watching.watch_ledger(now=NOON.replace(hour=16), is_whole=False)
    assert alerts_of(cast.acme.pk)[0].state == "resolved"


def test_a_quick_look_does_not_say_that_what_it_did_not_look_at_is_mended(cast: Cast, broken: dict[str, dict[Any, int]]) -> None:
    broken["I1"] = {cast.acme.pk: 1}
    assert watching.watch_ledger(now=NOON, is_whole=False) == 0
    assert watching.watch_ledger(now=NOON, is_whole=True) == 1
    watching.watch_ledger(now=NOON, is_whole=False)
    assert alerts_of(cast.acme.pk)[0].state == "open"
    broken.clear()
    watching.watch_ledger(now=NOON, is_whole=True)
    assert alerts_of(cast.acme.pk)[0].state == "resolved"


def test_an_invariant_that_takes_too_long_is_logged_and_says_nothing(cast: Cast, caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    (slow,) = (replace(one, query="SELECT id AS tenant_id, pg_sleep(5) FROM tenants_tenant") for one in INVARIANTS if one.name == "I2")
    monkeypatch.setattr(watching, "INVARIANTS", (slow,))
    monkeypatch.setattr(watching, "QUICK_S", 0.2)
    assert watching.watch_ledger(now=NOON, is_whole=False) == 0
    assert "I2 could not be checked in time" in caplog.text
    with platform_scope():
        assert Alert.objects.filter(kind="ledger_broken").count() == 0
