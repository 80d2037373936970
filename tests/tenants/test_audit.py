"""The audit log: what the database writes of itself, what it hides, and that nobody alters it."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import IntegrityError, InternalError, ProgrammingError, connection, transaction

from billing.jobs import Job, run_job
from billing.models import Budget
from cascade.models import ProviderConnection
from tenants.actors import Actor, ActorKind, Door, masked_ip
from tenants.audit import acting, record
from tenants.encryption import Secret
from tenants.models import AuditEntry, EndUser, Membership, Tenant, Tier
from tenants.scoping import platform_scope, tenant_scope
from tests import database
from tests.cast import Cast

OLGA = Actor(kind=ActorKind.USER, door=Door.CONSOLE, name="olga@example.com", operation="edit tier", request_id="request-1", ip="203.0.113.0/24")


def newest(tenant: Tenant) -> AuditEntry:
    with tenant_scope(tenant.id):
        return AuditEntry.objects.all()[0]


def test_a_change_is_logged_with_who_where_and_both_values(cast: Cast) -> None:
    with acting(OLGA), tenant_scope(cast.acme.id):
        tier = Tier.objects.get(name="pro")
        tier.title, tier.requests_per_minute = "Professional", 60
        tier.save()
    entry = newest(cast.acme)
    assert (entry.actor_kind, entry.actor_name, entry.door, entry.operation) == ("user", "olga@example.com", "console", "edit tier")
    assert (entry.request_id, entry.ip) == ("request-1", "203.0.113.0/24")
    assert (entry.action, entry.object_type, entry.object_id, entry.object_name) == ("changed", "tier", str(tier.pk), "pro")
    assert entry.changes == {"title": {"before": "", "after": "Professional"}, "requests_per_minute": {"before": None, "after": 60}}


def test_a_statement_that_no_code_of_ours_wraps_is_logged_too(cast: Cast) -> None:
    with acting(OLGA), tenant_scope(cast.acme.id):
        Tier.objects.filter(name="pro").update(title="By a statement")
    assert newest(cast.acme).changes["title"]["after"] == "By a statement"


def test_saving_without_a_change_leaves_no_entry(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        before = AuditEntry.objects.count()
        Tier.objects.get(name="pro").save()
        assert AuditEntry.objects.count() == before


def test_an_entry_is_rolled_back_with_its_change(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        before = AuditEntry.objects.count()
        with transaction.atomic():
            Tier.objects.create(name="gold")
            transaction.set_rollback(True)
        assert AuditEntry.objects.count() == before


def test_secrets_are_said_to_have_changed_and_no_more(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        ProviderConnection.objects.create(name="link", provider="openai", credential=Secret("sk-CANARY-123456"))
        made = newest(cast.acme)
        assert made.changes["credential"] == {"before": None, "after": "changed"}
        assert "CANARY" not in str(made.changes)


def test_amounts_are_told_in_usd_and_what_is_long_by_its_length(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        budget = Budget.objects.create(scope="tenant", period="daily", limit_nusd=5_000_000_000)
        budget.limit_nusd = 10_500_000_000
        budget.save()
        entry = newest(cast.acme)
        assert entry.changes == {"limit": {"before": "5", "after": "10.5"}}
        assert entry.object_name == "tenant daily block"
        with connection.cursor() as cursor:
            cursor.execute("SELECT tenants_audit_value('definition', to_jsonb(repeat('x', 5000)))")
            assert "5002 characters" in cursor.fetchone()[0]


def test_nobody_is_named_who_may_have_to_be_forgotten(cast: Cast) -> None:
    with acting(OLGA), tenant_scope(cast.acme.id):
        user = EndUser.objects.get(external_id="ann")
        user.is_blocked = True
        user.save()
        Budget.objects.create(scope="end_user", subject="ann", name="Ann's", period="daily", limit_nusd=1)
        user.delete()
        entries = list(AuditEntry.objects.filter(actor_name="olga@example.com"))
    assert [entry.action for entry in entries] == ["deleted", "created", "changed"]
    assert not [entry for entry in entries if "ann" in str((entry.changes, entry.object_name)).lower()]
    assert entries[0].object_id == str(cast.ann.pk)


def test_the_log_is_only_added_to_by_the_application_and_by_the_owner_of_the_tables(committed_cast: Cast) -> None:
    for dsn in (database.app_dsn(), database.owner_dsn()):
        with psycopg.connect(dsn, autocommit=True) as hand:
            hand.execute("SELECT set_config('app.platform', 'on', false)")
            for attempt in ("UPDATE tenants_auditentry SET actor_name = 'x'", "DELETE FROM tenants_auditentry", "TRUNCATE tenants_auditentry"):
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException)):
                    hand.execute(attempt)


def test_a_hand_at_the_database_is_told_as_one(committed_cast: Cast) -> None:
    with psycopg.connect(database.owner_dsn(), autocommit=True) as hand:
        hand.execute("UPDATE tenants_tier SET title = 'by hand' WHERE tenant_id = %s AND name = 'pro'", [committed_cast.acme.id])
    entry = newest(committed_cast.acme)
    assert (entry.actor_kind, entry.door, entry.changes["title"]["after"]) == ("database", "database", "by hand")


def test_nobody_writes_into_another_tenants_log(cast: Cast) -> None:
    with pytest.raises((ProgrammingError, InternalError)), tenant_scope(cast.acme.id), connection.cursor() as cursor:
        cursor.execute("SELECT tenants_write_audit(%s, 'x', 'x', 'x', 'x', '{}')", [cast.globex.id])


def test_another_tenants_entries_are_not_seen(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        assert not AuditEntry.objects.exclude(tenant_id=cast.acme.id).exists()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM tenants_auditentry WHERE tenant_id <> %s", [cast.acme.id])
            assert cursor.fetchone() == (0,)


def test_what_changes_no_row_is_recorded_by_name(cast: Cast) -> None:
    with acting(OLGA), tenant_scope(cast.acme.id):
        record(action="exported", object_type="report", object_id="costs", changes={"rows": (None, 12)})
    entry = newest(cast.acme)
    assert (entry.action, entry.actor_name, entry.changes) == ("exported", "olga@example.com", {"rows": {"before": None, "after": 12}})


def test_whoever_acts_within_acts_no_more_outside(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        with acting(OLGA):
            Tier.objects.create(name="gold")
        Tier.objects.create(name="silver")
        names = dict(AuditEntry.objects.filter(object_type="tier", action="created").values_list("object_name", "actor_name"))
    assert (names["gold"], names["silver"]) == ("olga@example.com", "a command of ours")


def test_a_statement_that_fails_is_told_as_it_is(cast: Cast) -> None:
    with pytest.raises(IntegrityError), tenant_scope(cast.acme.id), acting(OLGA):
        Tier.objects.create(name="pro")


def test_a_job_is_told_by_its_name(committed_cast: Cast) -> None:
    def work(_now: datetime) -> None:
        with tenant_scope(committed_cast.acme.id):
            Tier.objects.create(name="by-a-job")

    assert run_job(Job(name=f"test.{committed_cast.acme.slug}", work=work, every=timedelta(hours=1), limit_s=5), now=datetime.now(UTC))
    entry = newest(committed_cast.acme)
    assert (entry.actor_kind, entry.door, entry.actor_name) == ("job", "job", f"test.{committed_cast.acme.slug}")


def test_a_membership_is_told_by_the_persons_address(cast: Cast) -> None:
    with platform_scope():
        member = Membership.objects.get(user=cast.finn)
        member.role = "owner"
        member.save()
    entry = newest(cast.acme)
    assert (entry.object_type, entry.object_name) == ("membership", "finn@example.com")
    assert entry.changes == {"role": {"before": "finance", "after": "owner"}}


@pytest.mark.parametrize(
    ("address", "kept"),
    [("203.0.113.77", "203.0.113.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"), ("nonsense", ""), (None, ""), ("", "")],
)
def test_of_an_address_the_network_is_kept(address: str | None, kept: str) -> None:
    assert masked_ip(address) == kept
