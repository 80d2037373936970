"""A key that nobody uses is told once, and again when it was used and forgotten anew."""

from datetime import UTC, datetime, timedelta

from billing.models import Alert
from billing.unused_keys import UNUSED_AFTER, watch_keys
from tenants.models import ApiKey
from tenants.scoping import tenant_scope
from tests.cast import Cast

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LONG_AGO = NOW - UNUSED_AFTER - timedelta(days=1)


def alerts() -> list[tuple[str, str]]:
    return list(Alert.objects.filter(kind="key_unused").order_by("raised_at").values_list("subject", "state"))


def test_a_key_that_is_not_used_is_told_once_until_it_is_used_again(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        ApiKey.objects.update(last_used_at=NOW)
        key = ApiKey.objects.order_by("created_at")[0]
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=LONG_AGO)
        assert [watch_keys(now=NOW), watch_keys(now=NOW + timedelta(days=1))] == [1, 0]
        assert alerts() == [(str(key.pk), "open")]
        Alert.objects.filter(kind="key_unused").update(state="resolved")  # somebody has seen to it, and leaves the key
        assert watch_keys(now=NOW + timedelta(days=2)) == 0
        used_at = NOW + timedelta(days=3)
        ApiKey.objects.update(last_used_at=used_at)
        assert watch_keys(now=used_at + UNUSED_AFTER + timedelta(days=1)) == ApiKey.objects.filter(revoked_at=None).count()
        assert len([one for one in alerts() if one[0] == str(key.pk)]) == 2
    with tenant_scope(cast.globex.id):
        assert alerts() == []


def test_what_was_told_of_a_key_is_over_when_it_is_used_revoked_or_ended(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        keys = list(ApiKey.objects.order_by("created_at")[:1])
        ApiKey.objects.exclude(pk=keys[0].pk).update(revoked_at=NOW)
        for change in ({"last_used_at": NOW}, {"expires_at": NOW}, {"revoked_at": NOW}):
            Alert.objects.all().delete()
            ApiKey.objects.filter(pk=keys[0].pk).update(last_used_at=LONG_AGO, expires_at=None, revoked_at=None)
            assert watch_keys(now=NOW) == 1
            ApiKey.objects.filter(pk=keys[0].pk).update(**change)
            assert watch_keys(now=NOW) == 0
            assert alerts() == [(str(keys[0].pk), "resolved")], change


def test_a_key_that_was_never_used_counts_from_when_it_was_made(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        ApiKey.objects.update(last_used_at=None)
        assert watch_keys(now=datetime.now(UTC)) == 0
        made = ApiKey.objects.filter(revoked_at=None).count()
        assert watch_keys(now=datetime.now(UTC) + UNUSED_AFTER + timedelta(hours=1)) == made
