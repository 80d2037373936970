"""The page that leads to the first call, and what belongs to no screen."""

import json
from html import unescape

import pytest
from django.test import Client

from cascade.models import CatalogModel, ProviderConnection
from dashboards.views import start
from tenants.models import ApiKey, Tenant
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run, budget_of, logged_in, person_of


def test_a_key_is_shown_once_and_filled_into_the_snippets(cast: Cast) -> None:
    client = logged_in(person_of(cast, "developer"))
    with tenant_scope(cast.acme.id):
        before = ApiKey.objects.count()
    page = client.post("/o/acme/start/")
    secret = page.context["secret"]
    assert page.content.decode().count(secret) >= 4
    assert page["cache-control"] == "no-store"
    with tenant_scope(cast.acme.id):
        assert ApiKey.objects.count() == before + 1
    assert secret not in client.get("/o/acme/start/").content.decode()


def test_the_page_turns_green_with_the_first_call(cast: Cast) -> None:
    client = logged_in(person_of(cast, "owner"))
    assert b"Waiting for your first call" in client.get("/o/acme/start/first/").content
    with tenant_scope(cast.acme.id):
        add_run(cast)
    page = client.get("/o/acme/start/first/").content.decode()
    assert "Received: mini, $0.004, saved 60.0 %." in page
    assert "hx-get" not in page


def in_menu(client: Client) -> bool:
    return 'href="/o/acme/start/"' in client.get("/o/acme/keys/").content.decode()


def test_the_page_leaves_the_menu_when_all_of_it_is_done(cast: Cast) -> None:
    client, colleague = logged_in(cast.olga), logged_in(person_of(cast, "developer"))
    page = client.get("/o/acme/start/").content.decode()
    assert 'href="/o/acme/providers/new/"' in page
    assert 'href="/o/acme/providers/new/"' not in colleague.get("/o/acme/start/").content.decode(), "a developer may not add one"
    with tenant_scope(cast.acme.id):
        connection = ProviderConnection.objects.create(name="up", provider="simulated")
    assert 'href="/o/acme/models/new/"' in client.get("/o/acme/start/").content.decode()
    with tenant_scope(cast.acme.id):
        CatalogModel.objects.create(name="mini", connection=connection)
        add_run(cast)
    client.get("/o/acme/start/")
    assert in_menu(client), "a budget is missing"
    budget_of(cast)
    assert "not in the menu any more" in client.get("/o/acme/start/").content.decode()
    assert (in_menu(client), in_menu(colleague)) == (False, False)


def test_somebody_leaves_the_page_for_later_and_the_palette_still_finds_it(cast: Cast) -> None:
    client = logged_in(cast.olga)
    assert in_menu(client)
    assert client.post("/o/acme/start/later/")["location"] == "/o/acme/"
    assert not in_menu(client)
    assert b"/o/acme/start/" in client.get("/o/acme/palette/?q=start").content
    page = client.get("/o/acme/start/").content.decode()
    assert 'aria-current="page"' in page
    assert "start/later/" not in page
    with tenant_scope(cast.globex.id):
        assert Tenant.objects.get(pk=cast.globex.id).started_at is None
    assert logged_in(person_of(cast, "viewer")).post("/o/acme/start/later/").status_code == 403


def test_the_snippet_for_n8n_is_a_node_that_can_be_pasted(cast: Cast) -> None:
    page = logged_in(cast.olga).get("/o/acme/start/").content.decode()
    text = unescape(page.partition("<h3>n8n</h3><pre data-snippet>")[2].partition("</pre>")[0])
    (node,) = json.loads(text)["nodes"]
    assert node["parameters"]["url"].endswith("/v1/chat/completions")
    assert json.loads(node["parameters"]["jsonBody"])["model"] == "production_ready"


def test_the_theme_is_in_the_page_before_anything_is_drawn(cast: Cast) -> None:
    client = logged_in(cast.olga)
    assert b'data-theme="auto"' in client.get("/o/acme/").content
    answer = client.post("/preferences/", {"theme": "dark", "next": "/o/acme/runs/"})
    assert answer["location"] == "/o/acme/runs/"
    assert b'data-theme="dark"' in client.get("/o/acme/").content
    assert client.post("/preferences/", {"theme": "x", "next": "https://evil.example/"})["location"] == "/"
    client.logout()
    client.cookies["theme"] = "dark"
    assert b'data-theme="dark"' in client.get("/login/").content


def test_the_switch_of_tenants_keeps_the_page(cast: Cast) -> None:
    from tenants.models import Membership, Role

    person = person_of(cast, "owner")
    with tenant_scope(cast.globex.id):
        Membership.objects.create(user=person, role=Role.VIEWER)
    page = logged_in(person).get("/o/acme/costs/?group=tier").content.decode()
    assert 'href="/o/globex/costs/?group=tier"' in page


def test_a_page_that_is_not_there_says_so(cast: Cast) -> None:
    answer = logged_in(cast.olga).get("/o/acme/nowhere/")
    assert answer.status_code == 404
    assert b"There is nothing here" in answer.content


def test_an_error_of_ours_has_an_id_that_the_log_has_too(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(start, "_first_call", lambda: 1 / 0)
    client = Client(raise_request_exception=False)
    client.force_login(person_of(cast, "owner"), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/o/acme/start/first/")
    assert answer.status_code == 500
    assert answer["x-request-id"] in answer.content.decode()
    assert answer["x-request-id"] in caplog.text
    piece = client.get("/o/acme/start/first/", HTTP_HX_REQUEST="true")
    assert piece.status_code == 500
    assert b"<html" not in piece.content
    assert "This part failed" in piece.content.decode()
    assert piece["x-request-id"] in piece.content.decode()
