"""A round does the work of every tenant in its own scope; who fails is left out, and told at the end."""

import uuid

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from tenants.models import Tenant, Tier
from tenants.rounds import RoundIncomplete, active_tenants, go_round
from tenants.scoping import current_tenant_id, platform_scope
from tests.cast import Cast


def both(cast: Cast) -> list[tuple[object, str]]:
    return [(cast.acme.id, "Europe/Berlin"), (cast.globex.id, "UTC")]


def test_each_tenant_is_worked_for_in_its_own_scope_with_its_zone(cast: Cast) -> None:
    seen = []

    def work(zone: str) -> int:
        seen.append((current_tenant_id(), zone))
        return Tier.objects.count()

    with platform_scope():
        tiers = Tier.objects.filter(tenant__in=[cast.acme, cast.globex]).count()
    assert go_round(both(cast), work) == tiers
    assert seen == both(cast)


def test_one_that_fails_writes_nothing_and_stops_no_other(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    def work(_zone: str) -> int:
        Tier.objects.create(name="new")
        if current_tenant_id() == cast.acme.id:
            raise ArithmeticError("acme's numbers")
        return 1

    with pytest.raises(RoundIncomplete, match=f"failed for 1 tenants, such as {cast.acme.id}"):
        go_round(both(cast), work)
    with platform_scope():
        assert [tier.tenant_id for tier in Tier.objects.filter(name="new")] == [cast.globex.id]
    assert "acme's numbers" in caplog.text


def test_one_that_was_deleted_meanwhile_is_no_failure(cast: Cast) -> None:
    def work(_zone: str) -> int:
        Tier.objects.create(name="new")
        if current_tenant_id() == gone:
            raise ArithmeticError("nobody is there")
        return 1

    gone = uuid.uuid4()
    assert go_round([(gone, "UTC"), *both(cast)], work) == 2


def test_a_job_whose_time_is_up_ends_at_once(cast: Cast) -> None:
    done = []

    def work(_zone: str) -> int:
        done.append(current_tenant_id())
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        go_round(both(cast), work)
    assert done == [cast.acme.id]


def test_tenants_that_are_switched_off_are_in_no_round(cast: Cast) -> None:
    with platform_scope():
        Tenant.objects.filter(pk=cast.acme.pk).update(is_active=False)
    assert cast.acme.id not in dict(active_tenants())
    assert cast.globex.id in dict(active_tenants())
