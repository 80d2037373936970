"""Who may call: keys, scopes, blocked end users, accounts that are switched off."""

from datetime import timedelta

import openai
import pytest
from django.utils import timezone

from billing.models import Reservation
from cascade.models import CatalogModel, ProviderConnection
from tenants.authentication import caller_without_key
from tenants.keys import new_key
from tenants.models import ApiKey, EndUser, Scope, Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.cast import make_key
from tests.live import wait_until
from tests.stage import Stage


def refusal(stage: Stage, key: str) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as refused:
        stage.client(key).chat.completions.create(model="steady", messages=[{"role": "user", "content": "hi"}])
    assert refused.value.response.headers["x-request-id"]
    assert key not in refused.value.response.text, "a key is never repeated"
    return refused.value


def key_with(stage: Stage, *scopes: str, **fields: object) -> str:
    with tenant_scope(stage.cast.acme.id):
        key = make_key(*scopes)
        ApiKey.objects.filter(prefix=key[:17]).update(**fields)
    return key


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic YW5uOmFubg==", "Bearer sk-proj-123", "bearer cfk_live_tooShort"])
def test_a_call_without_a_key_of_ours_is_told_what_to_send(live_cast: Stage, authorization: str | None) -> None:
    with live_cast.http() as client:
        client.headers.pop("authorization")
        reply = client.post("/v1/chat/completions", json={}, headers={} if authorization is None else {"authorization": authorization})
    error = reply.json()["error"]
    assert (reply.status_code, error["type"]) == (401, "authentication_error")
    assert error["code"] == ("invalid_api_key" if authorization else "missing_api_key")
    assert "Authorization: Bearer cfk_live_" in error["message"]
    assert reply.headers["www-authenticate"] == "Bearer"


def test_a_key_that_is_well_formed_but_not_known_is_refused(live_cast: Stage) -> None:
    refused = refusal(live_cast, new_key())
    assert isinstance(refused, openai.AuthenticationError)
    assert refused.code == "invalid_api_key"


def test_a_mistyped_key_is_refused_by_its_checksum(live_cast: Stage) -> None:
    key = live_cast.cast.acme_key
    assert refusal(live_cast, key[:-1] + ("A" if key[-1] != "A" else "B")).code == "invalid_api_key"


def test_an_expired_key_is_refused_with_the_day_it_expired_on(live_cast: Stage) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    refused = refusal(live_cast, key_with(live_cast, expires_at=yesterday))
    assert (refused.status_code, refused.code) == (401, "expired_api_key")
    assert f"{yesterday:%Y-%m-%d}" in refused.message


def test_a_revoked_key_is_refused_within_about_a_second(live_cast: Stage) -> None:
    assert live_cast.ask("steady")
    with tenant_scope(live_cast.cast.acme.id):
        ApiKey.objects.filter(prefix=live_cast.cast.acme_key[:17]).update(revoked_at=timezone.now())
    wait_until(lambda: live_cast.post().status_code == 401, seconds=1.5)
    assert refusal(live_cast, live_cast.cast.acme_key).code == "revoked_api_key"


def test_a_key_without_the_scope_invoke_is_told_which_scope_it_lacks(live_cast: Stage) -> None:
    refused = refusal(live_cast, key_with(live_cast, Scope.READ))
    assert isinstance(refused, openai.PermissionDeniedError)
    assert refused.code == "missing_scope"
    assert "'invoke'" in refused.message


def test_the_keys_of_an_account_that_is_switched_off_are_refused(live_cast: Stage) -> None:
    with platform_scope():
        Tenant.objects.filter(id=live_cast.cast.acme.id).update(is_active=False)
    refused = refusal(live_cast, live_cast.cast.acme_key)
    assert (refused.status_code, refused.code) == (403, "tenant_inactive")


def test_the_keys_of_a_demo_call_nobody_though_it_has_models(live_cast: Stage) -> None:
    with platform_scope():
        demo = Tenant.objects.create(slug=f"demo-{live_cast.suffix}", name="Demo", is_demo=True)
    with tenant_scope(demo.pk):
        connection = ProviderConnection.objects.create(name="simulated", provider="simulated")
        CatalogModel.objects.create(name="steady", upstream_name="simulated-mini", connection=connection)
        key = make_key(Scope.INVOKE, Scope.READ)
    refused = refusal(live_cast, key)
    assert (refused.status_code, refused.code) == (403, "demo_calls_nobody")
    assert "organisation of your own" in refused.message
    assert caller_without_key(demo).is_demo, "nor does the playground"
    with tenant_scope(demo.pk):
        assert not Reservation.objects.exists()
    with live_cast.http(key) as client:
        assert client.get("/api/v1/budgets/").status_code == 200, "its numbers may be read"


def test_a_blocked_end_user_is_refused_and_costs_nothing(live_cast: Stage) -> None:
    with tenant_scope(live_cast.cast.acme.id):
        EndUser.objects.filter(id=live_cast.cast.ann.id).update(is_blocked=True)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        live_cast.ask("steady", user="ann")
    assert (refused.value.code, refused.value.param) == ("end_user_blocked", "user")
    assert live_cast.ask("steady", user="ben")
    assert len(live_cast.holds()) == 1


def test_a_key_of_globex_spends_nothing_of_acme(live_cast: Stage) -> None:
    with pytest.raises(openai.NotFoundError):
        live_cast.client(live_cast.cast.globex_key).chat.completions.create(model="steady", messages=[{"role": "user", "content": "hi"}])
    assert live_cast.holds() == []
