"""The base of all views and serializers: one tenant, one transaction, nothing taken on trust."""

import uuid
from typing import Any

import pytest
from django.db import connection
from rest_framework import serializers

from cascade.api.serializers import CatalogModelSerializer
from cascade.models import CatalogModel, ProviderConnection
from tenants.api.base import TenantModelSerializer
from tenants.models import EndUser, Tier
from tenants.scoping import OutsideTenantScope, platform_scope, tenant_scope
from tests.cast import Cast
from tests.rest import Rest


@pytest.fixture
def acme(cast: Cast) -> Rest:
    return Rest(cast.acme_admin_key)


def link(tenant_id: uuid.UUID) -> ProviderConnection:
    with tenant_scope(tenant_id):
        return ProviderConnection.objects.create(name="link", provider="simulated")


class TestForeignKeys:
    """Leak two of stock DRF: a ModelSerializer accepts another tenant's primary key."""

    def test_another_tenants_row_is_refused_like_one_that_never_was(self, cast: Cast, acme: Rest) -> None:
        theirs, mine = link(cast.globex.id), link(cast.acme.id)
        foreign = acme.send("post", "models/", {"name": "m", "connection": str(theirs.pk)})
        never = str(uuid.uuid4())
        random = acme.send("post", "models/", {"name": "m", "connection": never})
        assert foreign.status_code == random.status_code == 400
        assert foreign.content.replace(str(theirs.pk).encode(), never.encode()) == random.content
        made = acme.make("models/", name="m", connection=str(mine.pk))
        moved = acme.send("patch", f"models/{made['id']}/", {"connection": str(theirs.pk)})
        assert (moved.status_code, list(moved.json()["errors"])) == (400, ["connection"])

    def test_the_field_keeps_to_the_tenant_even_where_the_manager_shows_all(self, cast: Cast) -> None:
        theirs = link(cast.globex.id)

        class Stock(serializers.ModelSerializer[CatalogModel]):
            class Meta:
                model = CatalogModel
                fields = ["name", "connection"]

        body = {"name": "m", "connection": str(theirs.pk)}
        with platform_scope():
            assert Stock(data=body).is_valid(), "this is the leak that the base closes"
            with pytest.raises(OutsideTenantScope):
                CatalogModelSerializer(data=body).is_valid()
        with tenant_scope(cast.acme.id):
            assert not (wanted := CatalogModelSerializer(data=body)).is_valid()
            assert list(wanted.errors) == ["connection"]

    @pytest.mark.parametrize("value", [17, ["a"], {"id": "x"}, "not-an-id", "x" * 5000, True])
    def test_what_is_no_id_at_all_is_told_so(self, acme: Rest, value: Any) -> None:
        answer = acme.send("post", "models/", {"name": "m", "connection": value})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["connection"])


class TestFields:
    def test_unknown_fields_are_named_and_so_are_the_known(self, acme: Rest) -> None:
        answer = acme.send("post", "tiers/", {"name": "gold", "titel": "Gold"})
        assert answer.status_code == 400
        assert answer.json()["errors"] == {"titel": ["There is no such field. You can set: name, requests_per_minute, title, tokens_per_minute."]}

    def test_mass_assignment_changes_nothing(self, cast: Cast, acme: Rest) -> None:
        before = acme.get(f"end-users/{cast.ann.pk}/").json()
        hostile = {"id": str(uuid.uuid4()), "tenant": str(cast.globex.id), "tenant_id": str(cast.globex.id), "external_id": "gus",
        "created_at": "2020-01-01"}
        for name, value in hostile.items():
            answer = acme.send("patch", f"end-users/{cast.ann.pk}/", {name: value, "is_blocked": True})
            assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])
        assert acme.get(f"end-users/{cast.ann.pk}/").json() == before

    @pytest.mark.parametrize("body", [[], "text", 7, None, [{"name": "gold"}]])
    def test_a_body_that_is_no_object_is_refused(self, acme: Rest, body: Any) -> None:
        assert acme.send("post", "tiers/", body).status_code == 400

    def test_a_field_that_may_be_said_once_is_refused_later(self, acme: Rest) -> None:
        tier = acme.make("tiers/", name="gold", title="Gold")
        answer = acme.send("patch", f"tiers/{tier['id']}/", {"name": "silver"})
        assert "cannot be changed later" in answer.json()["errors"]["name"][0]
        assert acme.send("patch", f"tiers/{tier['id']}/", {"title": "Or"}).json()["title"] == "Or"


class TestTransactions:
    def test_an_error_rolls_everything_back(self, cast: Cast, acme: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
        original = TenantModelSerializer.save

        def save_and_fail(self: Any, **kwargs: Any) -> None:
            original(self, **kwargs)
            raise RuntimeError

        monkeypatch.setattr(TenantModelSerializer, "save", save_and_fail)
        assert acme.send("post", "tiers/", {"name": "gold"}).status_code == 500
        with tenant_scope(cast.acme.id):
            assert not Tier.objects.filter(name="gold").exists()

    def test_a_name_that_is_taken_is_a_conflict_and_the_next_request_works(self, acme: Rest) -> None:
        answer = acme.send("post", "tiers/", {"name": "pro"})
        assert (answer.status_code, answer.json()["code"]) == (409, "exists_already")
        assert answer.json()["errors"] == {"name": ["There is one with this name already: change that one, or choose another name."]}
        assert acme.send("post", "tiers/", {"name": "gold"}).status_code == 201

    def test_what_the_database_checks_at_the_end_still_gets_an_answer(self, cast: Cast, acme: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
        with tenant_scope(cast.globex.id):
            foreign = Tier.objects.get()

        def point_abroad(self: Any, instance: EndUser, validated_data: Any) -> EndUser:
            EndUser.objects.filter(pk=instance.pk).update(tier_id=foreign.pk)
            return instance

        monkeypatch.setattr("tenants.api.serializers.EndUserSerializer.update", point_abroad)
        answer = acme.send("patch", f"end-users/{cast.ann.pk}/", {"is_blocked": True})
        assert (answer.status_code, answer.json()["code"]) == (409, "refers_to_nothing")

    def test_the_scope_ends_with_the_request(self, acme: Rest) -> None:
        acme.get("tiers/")
        with pytest.raises(OutsideTenantScope):
            Tier.objects.count()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('app.tenant_id', true)")
            assert cursor.fetchone()[0] in (None, "")


class TestPages:
    def test_pages_follow_each_other_without_gap_or_repetition(self, acme: Rest) -> None:
        for number in range(7):
            acme.make("tiers/", name=f"tier-{number}")
        seen, address = [], "tiers/?limit=3"
        while address:
            answer = acme.get(address).json()
            seen += [tier["name"] for tier in answer["results"]]
            address = answer["next"]
        assert seen == sorted(seen)
        assert len(seen) == len(set(seen)) == 10

    @pytest.mark.parametrize("limit", ["0", "-1", "201", "abc", "1e3", "", "9" * 30, "٣"])
    def test_a_limit_that_is_none_is_told_so(self, acme: Rest, limit: str) -> None:
        answer = acme.get("tiers/", {"limit": limit})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["limit"])

    @pytest.mark.parametrize("cursor", ["x", "cD1hJTAw", "cD1ub3QtYS11dWlk", "bz0tMQ==", "💥", "A" * 3000])
    @pytest.mark.parametrize("path", ["api-keys/", "cost-entries/", "tiers/"])
    def test_a_cursor_that_is_none_is_never_an_error_of_ours(self, acme: Rest, path: str, cursor: str) -> None:
        answer = acme.get(path, {"cursor": cursor})
        assert answer.status_code in (200, 400)
        if answer.status_code == 400:
            assert "cursor" in answer.json()["errors"]

    def test_a_misspelt_filter_is_refused_and_the_known_ones_named(self, acme: Rest) -> None:
        answer = acme.get("end-users/", {"externalid": "ann"})
        assert answer.status_code == 400
        assert "external_id" in answer.json()["errors"]["externalid"][0]
