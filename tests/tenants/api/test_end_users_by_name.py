"""End users by the tenant's own name: set before their first call, and changed afterwards."""

import threading
from typing import Any

import pytest
from django.db import connection

from tenants.end_users import end_user_id
from tenants.models import EndUser, Tenant, Tier
from tenants.scoping import tenant_scope
from tests.cast import Cast, make_key
from tests.rest import Rest


@pytest.fixture
def acme(cast: Cast) -> Rest:
    return Rest(cast.acme_admin_key)


def put(rest: Rest, name: str, body: Any = None) -> Any:
    query = {"external_id": name} if name is not None else {}
    return rest.put("end-users/lookup/", {} if body is None else body, format="json", query_params=query)


def version_of(tenant: Tenant) -> int:
    with tenant_scope(tenant.id):
        return Tenant.objects.get(pk=tenant.pk).end_users_version


def test_whoever_is_not_known_is_created_with_the_id_that_their_calls_will_have(cast: Cast, acme: Rest) -> None:
    made = put(acme, "jane+shop@example.com", {"tier": "pro"})
    assert made.status_code == 201
    told = made.json()
    assert (told["external_id"], told["tier"], told["is_blocked"]) == ("jane+shop@example.com", "pro", False)
    assert told["id"] == str(end_user_id(salt=bytes(cast.acme.end_user_salt), external_id="jane+shop@example.com"))
    assert acme.get("end-users/lookup/", {"external_id": "jane+shop@example.com"}).json() == told
    assert acme.get(f"end-users/{told['id']}/").json() == told


def test_sending_it_again_changes_nothing_and_a_change_raises_the_version_once(cast: Cast, acme: Rest) -> None:
    put(acme, "jane", {"tier": "pro"})
    before = version_of(cast.acme)
    again = put(acme, "jane", {"tier": "pro"})
    assert (again.status_code, again.json()["tier"], version_of(cast.acme)) == (200, "pro", before)
    assert put(acme, "jane", {"tier": "free"}).json()["tier"] == "free"
    assert version_of(cast.acme) == before + 1
    assert put(acme, "jane", {"is_blocked": True}).json()["is_blocked"] is True
    assert version_of(cast.acme) == before + 2


def test_what_is_left_out_stays_as_it_is(acme: Rest) -> None:
    assert put(acme, "ann", {"is_blocked": True}).json()["tier"] == "free"
    told = put(acme, "ann", {"tier": "pro"}).json()
    assert (told["tier"], told["is_blocked"]) == ("pro", True)
    assert put(acme, "ann", {"tier": None}).json()["tier"] is None
    assert put(acme, "new", {}).json()["tier"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tier": "platinum"}, "tier"), ({"tier": ""}, "tier"), ({"tier": 7}, "tier"), ({"tier": ["pro"]}, "tier"), ({"tier": "x" * 9000}, "tier"),
        ({"tier": "pro", "is_blocked": "perhaps"}, "is_blocked"), ({"is_blocked": None}, "is_blocked"), ({"external_id": "other"}, "external_id"),
        ({"id": "x"}, "id"), ({"role": "pro"}, "role"),
    ],
)
def test_what_cannot_be_is_told_by_field_and_nobody_is_created(cast: Cast, acme: Rest, body: Any, field: str) -> None:
    answer = put(acme, "jane", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert acme.get("end-users/lookup/", {"external_id": "jane"}).status_code == 404


def test_an_unknown_tier_is_named_with_what_to_do(acme: Rest) -> None:
    assert "There is no tier platinum. Create it first" in put(acme, "jane", {"tier": "platinum"}).json()["detail"]


@pytest.mark.parametrize("body", [[], "pro", 7, [{"tier": "pro"}]])
def test_a_body_that_is_no_object_is_refused(acme: Rest, body: Any) -> None:
    assert put(acme, "jane", body).status_code == 400


@pytest.mark.parametrize("name", [None, "", "  ", "a\x00", "line\nbreak", "\x7f", "x" * 256, "é" * 256])
@pytest.mark.parametrize("method", ["get", "put"])
def test_a_name_that_no_call_could_carry_is_refused(acme: Rest, method: str, name: Any) -> None:
    query = {"external_id": name} if name is not None else {}
    answer = acme.generic(method, "end-users/lookup/", "{}", content_type="application/json", query_params=query)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["external_id"])


def test_a_name_that_is_given_twice_is_refused(acme: Rest) -> None:
    answer = acme.put("end-users/lookup/?external_id=ann&external_id=ben", {"tier": "pro"}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["external_id"])


def test_the_longest_name_fits(acme: Rest) -> None:
    assert put(acme, "é" * 255, {"tier": "pro"}).status_code == 201


def test_another_tenants_people_and_tiers_are_not_met(cast: Cast, acme: Rest) -> None:
    assert put(acme, "gus", {"tier": "pro"}).status_code == 201
    with tenant_scope(cast.globex.id):
        Tier.objects.create(name="gold")
        assert EndUser.objects.get(external_id="gus").tier.name == "free"  # type: ignore[union-attr]
    assert put(acme, "gus", {"tier": "gold"}).status_code == 400


@pytest.mark.parametrize("scope", ["invoke", "read"])
def test_only_a_key_that_may_change_configuration_sets_a_tier(cast: Cast, scope: str) -> None:
    with tenant_scope(cast.acme.id):
        key = make_key(scope)
    assert put(Rest(key), "ann", {"tier": "pro"}).status_code == 403


def test_the_limit_of_new_end_users_an_hour_does_not_count_it(cast: Cast, acme: Rest) -> None:
    assert acme.send("patch", "tenant/settings/", {"new_end_users_per_hour": 1}).status_code == 200
    assert [put(acme, f"new-{number}", {"tier": "pro"}).status_code for number in range(3)] == [201] * 3


def test_an_id_is_not_put_and_a_name_is_not_patched(cast: Cast, acme: Rest) -> None:
    assert acme.send("put", f"end-users/{cast.ann.pk}/", {"tier": "pro"}).status_code == 405
    assert acme.send("patch", "end-users/lookup/?external_id=ann", {"tier": "pro"}).status_code == 405


def test_of_many_at_once_one_creates_and_none_fails(committed_cast: Cast, django_db_blocker: Any) -> None:
    statuses: list[int] = []
    together = threading.Barrier(8)

    def one() -> None:
        with django_db_blocker.unblock():
            together.wait(10)
            statuses.append(put(Rest(committed_cast.acme_admin_key), "jane", {"tier": "pro"}).status_code)
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(statuses) == [200] * 7 + [201]
