"""Keys, end users and tiers over REST."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from tenants.models import ApiKey, Tenant
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def acme(cast: Cast) -> Rest:
    return Rest(cast.acme_admin_key)


class TestKeys:
    def test_a_new_key_shows_its_secret_once_and_works(self, acme: Rest) -> None:
        made = acme.make("api-keys/", name="shop", scopes=["read", "invoke"])
        assert made["key"].startswith(made["prefix"])
        assert made["key"].endswith(made["last4"])
        assert made["scopes"] == ["invoke", "read"]
        assert Rest(made["key"]).get("tiers/").status_code == 200
        for path in ("api-keys/", f"api-keys/{made['id']}/"):
            text = acme.get(path).content.decode()
            assert made["key"] not in text
            assert "digest" not in text

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "name"), ({"name": ""}, "name"), ({"name": "x" * 201}, "name"), ({"name": "k", "scopes": []}, "scopes"),
            ({"name": "k", "scopes": ["root"]}, "scopes.0"), ({"name": "k", "scopes": "admin"}, "scopes"),
            ({"name": "k", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"), ({"name": "k", "expires_at": "soon"}, "expires_at"),
            ({"name": "k", "digest": "00"}, "digest"), ({"name": "k", "key": "cfk_live_mine"}, "key"),
        ],
    )
    def test_what_cannot_be_is_told_by_field(self, acme: Rest, body: Any, field: str) -> None:
        answer = acme.send("post", "api-keys/", body)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])

    @pytest.mark.parametrize(("overlap", "length"), [("0s", 0), ("1h", 3600), ("24h", 86_400), ("7d", 604_800)])
    def test_rolling_makes_a_successor_and_ends_the_old_one_after_the_overlap(self, acme: Rest, overlap: str, length: int) -> None:
        with time_machine.travel(NOON, tick=False):
            old = acme.make("api-keys/", name="shop", scopes=["read"])
            new = acme.send("post", f"api-keys/{old['id']}/roll/", {"overlap": overlap})
            assert new.status_code == 201
            assert new.json()["rolled_from"] == old["id"]
            assert new.json()["scopes"] == ["read"]
            ends = NOON + timedelta(seconds=length)
            assert datetime.fromisoformat(acme.get(f"api-keys/{old['id']}/").json()["expires_at"]) == ends
            assert Rest(old["key"]).get("tiers/").status_code == (401 if overlap == "0s" else 200)
            again = acme.send("post", f"api-keys/{old['id']}/roll/", {"overlap": overlap})
            assert (again.status_code, again.json()["code"]) == (409, "key_not_active" if overlap == "0s" else "key_already_rolled")
        with time_machine.travel(ends + timedelta(seconds=1)):
            assert Rest(old["key"]).get("tiers/").json()["code"] == "expired_api_key"
            assert Rest(new.json()["key"]).get("tiers/").status_code == 200

    def test_a_successor_lives_as_long_as_the_old_key_was_given(self, cast: Cast, acme: Rest) -> None:
        with time_machine.travel(NOON, tick=False):
            old = acme.make("api-keys/", name="shop", expires_at="2026-12-23T12:00:00Z")
        with time_machine.travel(NOON + timedelta(days=20), tick=False):
            new = acme.send("post", f"api-keys/{old['id']}/roll/", {"overlap": "7d"}).json()
        assert datetime.fromisoformat(new["expires_at"]) == NOON + timedelta(days=50)
        with tenant_scope(cast.acme.id):
            assert ApiKey.objects.get(pk=old["id"]).expires_at == NOON + timedelta(days=27)

    @pytest.mark.parametrize("overlap", ["2h", "", None, 3600, "7D"])
    def test_overlaps_that_are_none_are_refused(self, acme: Rest, overlap: Any) -> None:
        key = acme.make("api-keys/", name="shop")
        answer = acme.send("post", f"api-keys/{key['id']}/roll/", {"overlap": overlap})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["overlap"])

    @pytest.mark.parametrize(("method", "tail", "status"), [("delete", "", 204), ("post", "revoke/", 200)])
    def test_a_revoked_key_is_refused_and_stays_in_the_list(self, acme: Rest, method: str, tail: str, status: int) -> None:
        key = acme.make("api-keys/", name="shop", scopes=["read"])
        for _ in range(2):
            assert acme.send(method, f"api-keys/{key['id']}/{tail}").status_code == status
        assert Rest(key["key"]).get("tiers/").json()["code"] == "revoked_api_key"
        shown = acme.get(f"api-keys/{key['id']}/").json()
        assert shown["revoked_at"]
        assert acme.send("post", f"api-keys/{key['id']}/roll/", {"overlap": "1h"}).json()["code"] == "key_not_active"
        assert acme.send("patch", f"api-keys/{key['id']}/", {"revoked_at": None}).status_code == 400

    def test_a_key_may_be_renamed_but_gets_no_further_rights(self, acme: Rest) -> None:
        key = acme.make("api-keys/", name="shop")
        assert acme.send("patch", f"api-keys/{key['id']}/", {"name": "till"}).json()["name"] == "till"
        assert acme.send("patch", f"api-keys/{key['id']}/", {"scopes": ["admin"]}).status_code == 400


class TestEndUsers:
    def test_they_are_found_by_name_and_by_the_beginning_of_it(self, cast: Cast, acme: Rest) -> None:
        assert [user["external_id"] for user in acme.get("end-users/").json()["results"]] == ["ann", "ben"]
        assert [user["external_id"] for user in acme.get("end-users/", {"search": "a"}).json()["results"]] == ["ann"]
        assert [user["external_id"] for user in acme.get("end-users/", {"external_id": "ben"}).json()["results"]] == ["ben"]
        assert [user["external_id"] for user in acme.get("end-users/", {"tier": "free"}).json()["results"]] == ["ann"]
        assert acme.get("end-users/lookup/", {"external_id": "ann"}).json()["id"] == str(cast.ann.pk)
        assert acme.get("end-users/", {"external_id": "a\x00"}).status_code == 400
        assert acme.get("end-users/lookup/").status_code == 400

    def test_looking_up_another_tenants_user_is_like_looking_up_nobody(self, acme: Rest) -> None:
        foreign, nobody = (acme.get("end-users/lookup/", {"external_id": name}) for name in ("gus", "nobody"))
        assert foreign.status_code == nobody.status_code == 404
        assert foreign.content == nobody.content

    def test_tier_and_block_are_changed_and_nothing_else(self, cast: Cast, acme: Rest) -> None:
        path = f"end-users/{cast.ann.pk}/"
        assert acme.send("patch", path, {"tier": "pro", "is_blocked": True}).json()["tier"] == "pro"
        assert acme.send("patch", path, {"tier": None}).json()["tier"] is None
        for tier in ("platinum", 7, ["pro"], "x" * 9000):
            answer = acme.send("patch", path, {"tier": tier})
            assert (answer.status_code, list(answer.json()["errors"])) == (400, ["tier"])
        assert acme.send("post", "end-users/", {"external_id": "new"}).status_code == 405


class TestTiers:
    def test_the_default_tier_is_not_deleted(self, acme: Rest) -> None:
        tiers = {tier["name"]: tier["id"] for tier in acme.get("tiers/").json()["results"]}
        answer = acme.send("delete", f"tiers/{tiers['free']}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert acme.send("delete", f"tiers/{tiers['pro']}/").status_code == 204
        ben = acme.get("end-users/lookup/", {"external_id": "ben"}).json()
        assert ben["tier"] is None

    @pytest.mark.parametrize("name", ["", "Gold", "a b", "-gold", "x" * 65, None, 7.5, ["gold"], "go\nld", "ｇold"])
    def test_names_are_plain(self, acme: Rest, name: Any) -> None:
        answer = acme.send("post", "tiers/", {"name": name})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["name"])


class TestSettings:
    def test_a_tenant_says_from_how_much_on_anomalies_are_told(self, acme: Rest, cast: Cast) -> None:
        before = acme.get("tenant/settings/").json()
        assert (before["anomaly_minimum"], before["anomaly_minimum_percent"]) == ("5", 30)
        said = acme.send("patch", "tenant/settings/", {"anomaly_minimum": "12.505", "anomaly_minimum_percent": 0}).json()
        assert (said["anomaly_minimum"], said["anomaly_minimum_percent"]) == ("12.505", 0)
        with tenant_scope(cast.acme.id):
            tenant = Tenant.objects.get(pk=cast.acme.id)
        assert (tenant.anomaly_minimum_nusd, tenant.anomaly_minimum_percent) == (12_505_000_000, 0)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"anomaly_minimum": "0"}, {"anomaly_minimum": "-5"}, {"anomaly_minimum": "NaN"}, {"anomaly_minimum": "Infinity"},
            {"anomaly_minimum": "1000001"}, {"anomaly_minimum": "0.0100000000001"}, {"anomaly_minimum": None}, {"anomaly_minimum": [5]},
            {"anomaly_minimum_percent": -1}, {"anomaly_minimum_percent": 1001}, {"anomaly_minimum_percent": None},
            {"anomaly_minimum_nusd": 1},
        ],
    )  # fmt: skip
    def test_what_is_no_amount_is_refused(self, acme: Rest, cast: Cast, wrong: dict[str, Any]) -> None:
        assert acme.send("patch", "tenant/settings/", wrong).status_code == 400
        with tenant_scope(cast.acme.id):
            assert Tenant.objects.get(pk=cast.acme.id).anomaly_minimum_nusd == 5_000_000_000
