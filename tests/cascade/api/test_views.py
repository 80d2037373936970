"""Connections, models, policies and domain rules over REST."""

from typing import Any

import pytest
from django.db import connection as database

from cascade.models import ProviderConnection
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest

SECRET = "sk-CANARY-0123456789"
LINK = {"name": "main", "provider": "openai"}


@pytest.fixture
def acme(cast: Cast) -> Rest:
    return Rest(cast.acme_admin_key)


class TestConnections:
    def test_a_credential_goes_in_and_never_comes_out(self, cast: Cast, acme: Rest) -> None:
        answer = acme.send("post", "providers/", {**LINK, "credential": SECRET})
        made = answer.json()
        assert (made["has_credential"], made["credential_last4"]) == (True, "6789")
        texts = [answer.content, acme.get("providers/").content, acme.get(f"providers/{made['id']}/").content]
        texts.append(acme.send("patch", f"providers/{made['id']}/", {"name": "renamed"}).content)
        assert not any(SECRET.encode() in text or b'"credential":' in text for text in texts)
        with tenant_scope(cast.acme.id):
            assert ProviderConnection.objects.get().credential.reveal() == SECRET
            with database.cursor() as cursor:
                cursor.execute("SELECT credential FROM cascade_providerconnection")
                assert SECRET.encode() not in bytes(cursor.fetchone()[0])

    @pytest.mark.parametrize("move", [{"base_url": "https://elsewhere.example/v1"}, {"provider": "groq"}])
    def test_moving_it_wipes_the_credential_unless_a_new_one_comes_along(self, acme: Rest, move: Any) -> None:
        made = acme.make("providers/", **LINK, credential=SECRET)
        path = f"providers/{made['id']}/"
        assert acme.send("patch", path, {"name": "renamed", "is_active": False}).json()["has_credential"]
        assert acme.send("patch", path, {"base_url": "", "provider": "openai"}).json()["has_credential"], "nothing moved"
        assert not acme.send("patch", path, move).json()["has_credential"]
        back = acme.send("patch", path, {"base_url": "", "provider": "openai", "credential": "sk-another-0123456789"}).json()
        assert back["has_credential"]

    def test_short_credentials_show_nothing_of_themselves(self, acme: Rest) -> None:
        made = acme.make("providers/", **LINK, credential="sk-12345")
        assert (made["has_credential"], made["credential_last4"]) == (True, "")

    @pytest.mark.parametrize(
        "url",
        ["ftp://x", "https://", "https://user:pass@host/", "https://host/?key=1", "https://host/#x", "http://169.254.169.254/latest",
        "http://10.0.0.1/v1",
         "http://[::ffff:10.0.0.1]/", "http://[fe80::1]/", "javascript:alert(1)", "https://ho st/", "x" * 501, 7, None, "http://0.0.0.0/",
         "https://hôst/"],
    )
    def test_addresses_that_cannot_be_are_refused(self, acme: Rest, url: Any) -> None:
        answer = acme.send("post", "providers/", {**LINK, "base_url": url})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["base_url"])

    @pytest.mark.parametrize("credential", ["with space", "line\r\nbreak: x", "ключ", "x" * 4097, 12, None, []])
    def test_credentials_that_cannot_stand_in_a_header_are_refused(self, acme: Rest, credential: Any) -> None:
        answer = acme.send("post", "providers/", {**LINK, "credential": credential})
        if credential == 12:
            assert answer.status_code == 201  # a number is taken as its digits, like everywhere
        else:
            assert (answer.status_code, list(answer.json()["errors"])) == (400, ["credential"])

    def test_unknown_providers_and_the_simulated_one_where_it_is_off_are_refused(self, acme: Rest, settings: Any) -> None:
        assert "Supported" in acme.send("post", "providers/", {**LINK, "provider": "acme-ai"}).json()["errors"]["provider"][0]
        settings.SIMULATED_PROVIDER = False
        assert "switched off" in acme.send("post", "providers/", {**LINK, "provider": "simulated"}).json()["errors"]["provider"][0]

    def test_one_that_models_need_is_not_deleted(self, acme: Rest) -> None:
        made = acme.make("providers/", **LINK)
        model = acme.make("models/", name="mini", connection=made["id"])
        answer = acme.send("delete", f"providers/{made['id']}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "connection_in_use")
        assert "mini" in answer.json()["detail"]
        assert acme.send("delete", f"models/{model['id']}/").status_code == 204
        assert acme.send("delete", f"providers/{made['id']}/").status_code == 204


class TestModels:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": ""}, "name"), ({"part": "boss"}, "part"), ({"capabilities": ["flying"]}, "capabilities.0"),
            ({"context_tokens": 0}, "context_tokens"),
            ({"context_tokens": 2**31}, "context_tokens"), ({"max_output_tokens": -1}, "max_output_tokens"),
            ({"max_output_tokens": 1.5}, "max_output_tokens"),
            ({"retired_on": "2026-13-01"}, "retired_on"), ({"cap_parameter": "x" * 33}, "cap_parameter"),
            ({"context_tokens": True}, "context_tokens"),
        ],
    )
    def test_what_cannot_be_is_told_by_field(self, acme: Rest, change: Any, field: str) -> None:
        link = acme.make("providers/", **LINK)["id"]
        answer = acme.send("post", "models/", {"name": "mini", "connection": link, **change})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])

    def test_they_are_filtered_by_connection_and_part(self, acme: Rest) -> None:
        link = acme.make("providers/", **LINK)["id"]
        mini = acme.make("models/", name="mini", connection=link, part="draft", capabilities=["tools", "json", "tools"])
        assert mini["capabilities"] == ["json", "tools"]
        acme.make("models/", name="max", connection=link, part="strong")
        assert [model["name"] for model in acme.get("models/", {"part": "draft", "connection": link}).json()["results"]] == ["mini"]


class TestPolicies:
    def test_a_policy_names_its_tier_and_its_most_in_usd(self, acme: Rest) -> None:
        made = acme.make("tier-policies/", tier="free", max_cost="0.02", allowed_models=["mini"], preset="cost_optimized_saas",
        min_quality=0.5)
        assert (made["tier"], made["max_cost"], made["min_quality"]) == ("free", "0.02", 0.5)
        assert acme.send("patch", f"tier-policies/{made['id']}/", {"max_cost": None}).json()["max_cost"] is None
        assert "tier" in acme.send("patch", f"tier-policies/{made['id']}/", {"tier": "pro"}).json()["errors"]
        nobody = acme.send("patch", f"tier-policies/{made['id']}/", {"fallback": "nobody"})
        assert "no model of this name" in nobody.json()["errors"]["fallback"][0]
        assert acme.send("post", "tier-policies/", {"tier": "free"}).status_code == 409

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"tier": "platinum"}, "tier"), ({"max_cost": 0.5}, "max_cost"), ({"max_cost": "-1"}, "max_cost"),
            ({"min_quality": 1.1}, "min_quality"),
            ({"min_quality": "NaN"}, "min_quality"), ({"min_quality": "inf"}, "min_quality"), ({"min_quality": True}, "min_quality"),
            ({"max_steps": 0}, "max_steps"), ({"max_steps": 99_999}, "max_steps"), ({"max_tokens": -5}, "max_tokens"),
            ({"preset": "no-such"}, "preset"),
            ({"allowed_models": ["x" * 201]}, "allowed_models.0"), ({"denied_models": "mini"}, "denied_models"),
            ({"allowed_models": ["m"] * 501}, "allowed_models"),
        ],
    )
    def test_what_cannot_be_is_told_by_field(self, acme: Rest, change: Any, field: str) -> None:
        answer = acme.send("post", "tier-policies/", {"tier": "pro", **change})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


class TestDomainRules:
    def test_they_are_made_changed_found_and_deleted(self, acme: Rest) -> None:
        made = acme.make("domain-rules/", domain="law", phrase="tort", weight=2.5)
        acme.make("domain-rules/", domain="tax", phrase="VAT")
        assert acme.send("patch", f"domain-rules/{made['id']}/", {"weight": -1, "is_enabled": False}).json()["weight"] == -1
        assert [rule["phrase"] for rule in acme.get("domain-rules/", {"domain": "law"}).json()["results"]] == ["tort"]
        assert acme.send("post", "domain-rules/", {"domain": "law", "phrase": "tort"}).json()["code"] == "exists_already"
        assert acme.send("delete", f"domain-rules/{made['id']}/").status_code == 204

    @pytest.mark.parametrize("weight", [10.1, -11, "NaN", "inf", "-inf", "heavy", True, None, 1e300])
    def test_weights_have_bounds(self, acme: Rest, weight: Any) -> None:
        answer = acme.send("post", "domain-rules/", {"domain": "law", "phrase": "tort", "weight": weight})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["weight"])

    @pytest.mark.parametrize("phrase", ["", "   ", None, "x" * 201, ["tort"]])
    def test_phrases_say_something(self, acme: Rest, phrase: Any) -> None:
        answer = acme.send("post", "domain-rules/", {"domain": "law", "phrase": phrase})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["phrase"])
