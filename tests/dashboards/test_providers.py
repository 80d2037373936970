"""Providers: credentials go in and never come out, addresses are guarded, and a check says what works."""

import re
from typing import Any

import httpx
import pytest
from django.test import Client

from cascade.models import CatalogModel, ProviderConnection
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import logged_in, person_of, session_of
from tests.stage import Stage

SECRET = "sk-canary-credential-1234"
GIVEN = {"name": "mine", "provider": "openai", "credential": SECRET, "is_active": "on"}


@pytest.fixture
def client(cast: Cast) -> Client:
    return logged_in(person_of(cast, "operator"))


def only(cast: Cast) -> ProviderConnection:
    with tenant_scope(cast.acme.id):
        return ProviderConnection.objects.get()


def test_a_credential_goes_in_and_is_shown_to_nobody(client: Client, cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        assert client.post("/o/acme/providers/new/", GIVEN).status_code == 302
    made = only(cast)
    assert made.credential.reveal() == SECRET
    for path in ("providers/", f"providers/?sel={made.pk}", f"providers/{made.pk}/edit/", "audit/"):
        told = (client if path != "audit/" else logged_in(person_of(cast, "owner"))).get(f"/o/acme/{path}").content.decode()
        assert SECRET not in told, path
    assert "…1234" in client.get("/o/acme/providers/").content.decode()
    assert SECRET not in caplog.text


def test_an_empty_credential_keeps_the_old_one_and_another_address_wipes_it(client: Client, cast: Cast) -> None:
    client.post("/o/acme/providers/new/", GIVEN)
    edit = f"/o/acme/providers/{only(cast).pk}/edit/"
    seen = client.get(edit).context["seen"]
    client.post(edit, {"provider": "openai", "seen": seen})
    assert (only(cast).is_active, only(cast).credential.reveal()) == (False, SECRET)
    seen = client.get(edit).context["seen"]
    client.post(edit, {"provider": "openai", "base_url": "https://api.example.com/v1", "is_active": "on", "seen": seen})
    assert (only(cast).base_url, bool(only(cast).credential)) == ("https://api.example.com/v1", False)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"base_url": "http://169.254.169.254/v1"}, "public"), ({"base_url": "ftp://example.com"}, "http"), ({"name": "Not A Slug"}, "valid"),
        ({"provider": "nobody"}, "valid choice"), ({"credential": "with space"}, "printable ASCII"),
    ],
)  # fmt: skip
def test_what_cannot_be_connected_to_is_refused_and_leaves_nothing(client: Client, cast: Cast, wrong: dict[str, Any], told: str) -> None:
    answer = client.post("/o/acme/providers/new/", {**GIVEN, **wrong})
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert SECRET not in answer.content.decode()
    with tenant_scope(cast.acme.id):
        assert not ProviderConnection.objects.exists()


def test_a_provider_that_models_need_stays(client: Client, cast: Cast) -> None:
    client.post("/o/acme/providers/new/", GIVEN)
    with tenant_scope(cast.acme.id):
        model = CatalogModel.objects.create(name="m", connection=only(cast))
    page = client.post(f"/o/acme/providers/{only(cast).pk}/delete/", follow=True)
    assert "Models are reached by it (m)" in page.content.decode()
    with tenant_scope(cast.acme.id):
        model.delete()
    assert "mine is deleted." in client.post(f"/o/acme/providers/{only(cast).pk}/delete/", follow=True).content.decode()


def test_a_check_asks_the_provider_and_says_what_came_of_it(live_cast: Stage) -> None:
    with tenant_scope(live_cast.cast.acme.id):
        row = ProviderConnection.objects.get(name="script")
    slug = live_cast.cast.acme.slug
    cookies = {"sessionid": session_of(live_cast, "operator"), "csrftoken": "a" * 32}
    with httpx.Client(base_url=live_cast.site.url, cookies=cookies, timeout=60, follow_redirects=True) as browser:
        page = browser.post(f"/o/{slug}/providers/{row.pk}/check/", data={"csrfmiddlewaretoken": "a" * 32})
    assert page.status_code == 200
    assert "script works: " in page.text, re.findall('class="message[^>]*>([^<]*)', page.text)
