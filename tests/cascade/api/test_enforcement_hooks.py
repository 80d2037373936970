"""Hooks over REST: what is refused, secrets that are shown once, rolled and lost, and trying one out."""

from typing import Any

import pytest
from django.db import connection

from cascade.hook_changes import change_hook, create_hook
from cascade.models import EnforcementHook
from tenants.scoping import tenant_scope
from tenants.services import OVERLAPS
from tenants.signing import roll_secret
from tenants.webhooks import new_webhook_secret
from tests.cascade.conftest import add_hook
from tests.cast import Cast
from tests.live import wait_until
from tests.rest import Rest
from tests.stage import Stage
from tests.webhooks import Receiver, verified


def unreadable(hook: EnforcementHook) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cascade_enforcementhook SET secret = 'lost' WHERE id = %s", [hook.pk])


class TestSecrets:
    def test_one_that_cannot_be_read_is_said_and_cured_by_rolling_it(self, live_cast: Stage, receiver: Receiver) -> None:
        hook, _ = add_hook(live_cast, receiver.url)
        with tenant_scope(live_cast.cast.acme.id):
            unreadable(hook)
        wait_until(lambda: live_cast.ask().cascadeflow["budget_warnings"] != [])
        assert "its signing secret cannot be read: roll it" in live_cast.ask().cascadeflow["budget_warnings"][0]
        with tenant_scope(live_cast.cast.acme.id):
            roll_secret(row=hook, overlap=OVERLAPS["24h"], now=hook.created_at)
        wait_until(lambda: live_cast.ask().cascadeflow["budget_warnings"] == [])

    def test_a_change_beside_a_roll_keeps_the_new_secret(self, cast: Cast) -> None:
        with tenant_scope(cast.acme.id):
            hook, _ = create_hook(values={"name": "policy", "url": "https://acme.example/check?team=a"})
            read_before = EnforcementHook.objects.get()
            _, rolled = roll_secret(row=hook, overlap=OVERLAPS["1h"], now=hook.created_at)
            change_hook(hook=read_before, changes={"timeout_ms": 100})
            stored = EnforcementHook.objects.get()
        assert (stored.secret.reveal(), stored.timeout_ms, stored.old_secret_until is not None) == (rolled, 100, True)


HOOK = {"name": "policy", "url": "https://acme.example/check"}


class TestRest:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"url": "http://169.254.169.254/latest"}, "url"), ({"url": "https://10.0.0.1/"}, "url"), ({"url": "ftp://acme.example"}, "url"),
            ({"url": "https://user:pw@acme.example/"}, "url"), ({"url": "https://acme.example/#x"}, "url"), ({"url": ""}, "url"),
            ({"url": "https://acme.example/?a=<b>"}, "url"), ({"url": f"https://acme.example/{'x' * 500}"}, "url"), ({"url": 7.5}, "url"),
            ({"url": "http://acme.example/"}, "url"), ({"url": None}, "url"), ({"name": "Not A Slug"}, "name"), ({"name": "x" * 65}, "name"),
            ({"secret": "hunter2"}, "secret"), ({"secret": "whsec_" + "QUJD" * 40}, "secret"), ({"timeout_ms": 49}, "timeout_ms"),
            ({"timeout_ms": 2001}, "timeout_ms"), ({"timeout_ms": "soon"}, "timeout_ms"), ({"tiers": ["nope"]}, "tiers"),
            ({"tiers": "free"}, "tiers"), ({"tiers": [7]}, "tiers"), ({"is_active": "perhaps"}, "is_active"),
            ({"old_secret_until": "2027-01-01T00:00:00Z"}, "old_secret_until"),
            ({"surprise": 1}, "surprise"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_told_by_field_and_no_secret_is_repeated(
        self, cast: Cast, settings: Any, changes: dict[str, Any], field: str
    ) -> None:
        settings.ALLOW_PRIVATE_ENDPOINTS = []
        answer = Rest(cast.acme_admin_key).send("post", "enforcement-hooks/", {**HOOK, **changes})
        assert answer.status_code == 400, answer.content
        assert [name.split(".")[0] for name in answer.json()["errors"]] == [field]
        assert b"hunter2" not in answer.content
        with tenant_scope(cast.acme.id):
            assert not EnforcementHook.objects.exists()

    def test_ones_own_secret_is_taken_and_cannot_be_patched(self, cast: Cast) -> None:
        acme, own = Rest(cast.acme_admin_key), new_webhook_secret()
        made = acme.make("enforcement-hooks/", **HOOK, secret=own, tiers=["free", "enterprise"])
        assert (made["secret"], made["tiers"]) == (own, ["enterprise", "free"])
        path = f"enforcement-hooks/{made['id']}/"
        assert acme.send("patch", path, {"secret": new_webhook_secret()}).status_code == 400
        assert acme.send("patch", path, {"tiers": ["nope"]}).status_code == 400
        assert acme.send("post", f"{path}roll/", {"overlap": "9y"}).status_code == 400
        assert acme.send("post", "enforcement-hooks/", HOOK).status_code in (400, 409)
        assert acme.send("delete", path).status_code == 204

    def test_five_are_the_most(self, cast: Cast) -> None:
        acme = Rest(cast.acme_admin_key)
        for number in range(5):
            acme.make("enforcement-hooks/", **{**HOOK, "name": f"policy-{number}"})
        sixth = acme.send("post", "enforcement-hooks/", HOOK)
        assert (sixth.status_code, sixth.json()["code"]) == (409, "too_many_hooks")

    def test_a_secret_is_shown_once_and_rolled(self, live_cast: Stage, receiver: Receiver) -> None:
        acme = Rest(live_cast.cast.acme_admin_key)
        made = acme.make("enforcement-hooks/", name="policy", url=receiver.url, tiers=["pro"], timeout_ms=750)
        assert made["secret"].startswith("whsec_")
        path = f"enforcement-hooks/{made['id']}/"
        assert "secret" not in acme.get(path).json()
        rolled = acme.send("post", f"{path}roll/", {"overlap": "24h"})
        assert rolled.status_code == 201
        assert rolled.json()["secret"] != made["secret"]
        assert rolled.json()["old_secret_until"]
        assert acme.send("patch", path, {"is_active": False}).json()["is_active"] is False

    def test_trying_one_out_asks_it_and_tells_what_it_said(self, live_cast: Stage, receiver: Receiver, settings: Any) -> None:
        settings.ALLOW_PRIVATE_ENDPOINTS = ["127.0.0.0/8"]
        acme = Rest(live_cast.cast.acme_admin_key)
        made = acme.make("enforcement-hooks/", name="policy", url=receiver.url)
        receiver.reply = {"action": "degrade", "reason": "trial", "models": ["b", "a"]}
        told = acme.send("post", f"enforcement-hooks/{made['id']}/test/").json()
        assert (told["is_ok"], told["action"], told["reason"], told["models"], told["problem"]) == (True, "degrade", "trial", ["a", "b"], None)
        assert receiver.context["user_id"] == "test"
        assert verified(*receiver.asked[-1], secret=made["secret"])
        receiver.status = 404
        told = acme.send("post", f"enforcement-hooks/{made['id']}/test/").json()
        assert (told["is_ok"], told["action"], told["problem"]) == (False, None, "it answered with the status 404 instead of 200")
