import psycopg
import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from tenants.models import ApiKey, EndUser, Tier
from tenants.scoping import OutsideTenantScope, platform_scope, tenant_scope
from tests import database
from tests.cast import Cast


def test_a_manager_outside_a_scope_raises(cast: Cast) -> None:
    with pytest.raises(OutsideTenantScope, match="tenant_scope"):
        EndUser.objects.count()


def test_a_scope_shows_its_own_tenant_alone(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        assert {user.external_id for user in EndUser.objects.all()} == {"ann", "ben"}
    with tenant_scope(cast.globex.id):
        assert {user.external_id for user in EndUser.objects.all()} == {"gus"}


def test_row_level_security_alone_hides_other_tenants(cast: Cast) -> None:
    with tenant_scope(cast.acme.id), connection.cursor() as cursor:
        cursor.execute("SELECT external_id FROM tenants_enduser ORDER BY 1")
        assert [name for (name,) in cursor.fetchall()] == ["ann", "ben"]


def test_without_a_scope_the_database_shows_nothing(cast: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tenants_enduser")
        assert cursor.fetchone() == (0,)


def test_a_nested_scope_returns_to_the_outer_one(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        with tenant_scope(cast.globex.id):
            assert EndUser.objects.get().external_id == "gus"
        assert EndUser.objects.count() == 2
        with pytest.raises(ValueError), tenant_scope(cast.globex.id):
            raise ValueError
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM tenants_enduser")
            assert cursor.fetchone() == (2,)


def test_the_platform_sees_all_tenants(cast: Cast) -> None:
    with platform_scope():
        assert EndUser.objects.filter(tenant__in=[cast.acme, cast.globex]).count() == 3


def test_a_row_of_another_tenant_cannot_be_written(cast: Cast) -> None:
    with tenant_scope(cast.acme.id), pytest.raises(OutsideTenantScope):
        Tier.objects.create(tenant=cast.globex, name="gold")
    with tenant_scope(cast.acme.id), pytest.raises(OutsideTenantScope):
        Tier.objects.bulk_create([Tier(tenant=cast.globex, name="gold")])
    insert = "INSERT INTO tenants_tier (id, tenant_id, name, title) VALUES (gen_random_uuid(), %s, 'gold', '')"
    with tenant_scope(cast.acme.id), connection.cursor() as cursor, pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        cursor.execute(insert, [cast.globex.id])


def test_a_foreign_key_into_another_tenant_is_refused_by_the_database(cast: Cast) -> None:
    with tenant_scope(cast.globex.id):
        foreign_tier = Tier.objects.get()
    with tenant_scope(cast.acme.id), transaction.atomic():
        EndUser.objects.filter(external_id="ann").update(tier_id=foreign_tier.id)
        with pytest.raises(IntegrityError):
            connection.check_constraints()
        transaction.set_rollback(True)


def test_a_change_of_configuration_raises_the_tenants_version(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        cast.acme.refresh_from_db()
        before = cast.acme.config_version
        Tier.objects.create(name="gold")
        cast.acme.refresh_from_db()
        assert cast.acme.config_version == before + 1


def test_the_applications_role_cannot_touch_the_tables_themselves(cast: Cast) -> None:
    with psycopg.connect(database.app_dsn()) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("ALTER TABLE tenants_enduser DISABLE ROW LEVEL SECURITY")


def test_keys_are_kept_as_digests(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for key in ApiKey.objects.all():
            assert cast.acme_key not in str(vars(key))
