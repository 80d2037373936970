"""Views that people keep: opened as they were left, shared or private, and one of them the first page."""

import pytest
from django.test import Client

from dashboards.models import SavedView
from dashboards.views import saved
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import logged_in, person_of

GIVEN = {"name": "Pro by model", "page": "costs", "query": "group=model&f=tier:pro&range=28d&sel=x&after=y"}
KEPT = "/o/acme/costs/?group=model&f=tier%3Apro&range=28d"


@pytest.fixture
def client(cast: Cast) -> Client:
    return logged_in(person_of(cast, "finance"))


def view_of(cast: Cast) -> SavedView:
    with tenant_scope(cast.acme.id):
        return SavedView.objects.get()


def names(client: Client) -> list[str]:
    return [one["view"].name for one in client.get("/o/acme/views/").context["found"]]


def test_a_view_is_kept_with_what_its_address_asks_for_and_not_where_one_was(client: Client, cast: Cast) -> None:
    offered = client.get("/o/acme/views/", {"page": "costs", "query": GIVEN["query"]})
    assert b"Keep this view of cost explorer" in offered.content
    assert client.post("/o/acme/views/", GIVEN)["location"] == KEPT
    page = client.get("/o/acme/views/")
    assert KEPT.replace("&", "&amp;") in page.content.decode()


def test_others_see_it_when_it_is_shared_and_change_it_never(client: Client, cast: Cast) -> None:
    client.post("/o/acme/views/", GIVEN)
    other = logged_in(person_of(cast, "viewer"))
    assert names(other) == []
    client.post(f"/o/acme/views/{view_of(cast).pk}/share/")
    assert names(other) == ["Pro by model"]
    for act in ("share", "home", "delete"):
        assert other.post(f"/o/acme/views/{view_of(cast).pk}/{act}/").status_code == 404
    assert view_of(cast).is_shared


def test_one_of_them_is_the_first_page(client: Client, cast: Cast) -> None:
    for name in ("a", "b"):
        client.post("/o/acme/views/", {**GIVEN, "name": name})
    with tenant_scope(cast.acme.id):
        a, b = SavedView.objects.order_by("name")
    for view in (a, b):
        client.post(f"/o/acme/views/{view.pk}/home/")
        assert client.get("/")["location"] == KEPT
    client.post(f"/o/acme/views/{b.pk}/home/")
    assert client.get("/")["location"] == "/o/acme/"


@pytest.mark.parametrize("wrong", [{"name": ""}, {"page": "settings"}, {"page": ""}, {"query": "f=" + "x" * 3000}, {"name": "n" * 101}])
def test_what_cannot_be_kept_is_refused(client: Client, cast: Cast, wrong: dict[str, str]) -> None:
    assert client.post("/o/acme/views/", {**GIVEN, **wrong}).status_code == 422
    with tenant_scope(cast.acme.id):
        assert not SavedView.objects.exists()


def test_a_name_is_given_once_and_there_is_a_most(client: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    client.post("/o/acme/views/", GIVEN)
    assert client.post("/o/acme/views/", GIVEN).status_code == 422
    monkeypatch.setattr(saved, "MOST", 1)
    page = client.post("/o/acme/views/", {**GIVEN, "name": "another"})
    assert "You keep 1 views already" in page.content.decode()


def test_a_view_is_deleted(client: Client, cast: Cast) -> None:
    client.post("/o/acme/views/", GIVEN)
    client.post(f"/o/acme/views/{view_of(cast).pk}/delete/")
    assert names(client) == []
