"""The demo: asked for with one click, told on every page, deleted with one click, and never anybody else's."""

import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from cascade.samples.filling import fill_waiting
from tenants.models import Demo, Membership, Role, Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import logged_in, person_of

BANNER = "Nothing here was spent."


@pytest.fixture
def owner(cast: Cast) -> Client:
    return logged_in(person_of(cast, "owner"))


def demos() -> list[Tenant]:
    with platform_scope():
        return list(Tenant.objects.filter(is_demo=True))


def test_it_is_offered_where_there_is_nothing_to_look_at_to_those_who_may(cast: Cast, owner: Client) -> None:
    for path in ("", "start/", "demo/"):
        assert b"Load demo data" in owner.get(f"/o/acme/{path}").content
    operator = logged_in(person_of(cast, "operator"))
    assert not any(b"Load demo data" in operator.get(f"/o/acme/{path}").content for path in ("", "start/"))


def test_one_click_makes_it_another_one_opens_the_same(cast: Cast, owner: Client) -> None:
    answer = owner.post("/o/acme/demo/")
    (demo,) = demos()
    assert answer["location"] == owner.post("/o/acme/demo/")["location"] == f"/o/{demo.slug}/demo/"
    assert demos() == [demo]
    page = owner.get("/o/acme/start/").content.decode()
    assert "Load demo data" not in page
    assert f'href="/o/{demo.slug}/demo/">Open your demo' in page
    assert BANNER not in page
    assert "Owner, sample data" in page  # in the switch of organisations
    assert owner.get("/")["location"] == "/o/acme/"  # nobody lands in a demo
    assert b"Your demo is being made" in owner.post(f"/o/{demo.slug}/demo/").content
    assert demos() == [demo]


def test_it_says_how_far_it_is_and_then_opens_its_overview(cast: Cast, owner: Client) -> None:
    owner.post("/o/acme/demo/")
    (demo,) = demos()
    assert "This demo is not filled yet" in owner.get(f"/o/{demo.slug}/").content.decode()
    part = owner.get(f"/o/{demo.slug}/demo/progress/", headers={"hx-request": "true"})
    assert "Waiting for the worker…" in part.content.decode()
    fill_waiting(now=datetime.now(UTC), days=2)
    part = owner.get(f"/o/{demo.slug}/demo/progress/", headers={"hx-request": "true"})
    assert part["hx-redirect"] == f"/o/{demo.slug}/"
    assert owner.get(f"/o/{demo.slug}/demo/")["location"] == f"/o/{demo.slug}/"
    page = owner.get(f"/o/{demo.slug}/").content.decode()
    assert BANNER in page
    assert "user_1000" in owner.get(f"/o/{demo.slug}/top/").content.decode()
    assert "user_1000" not in owner.get("/o/acme/costs/?group=end_user").content.decode()


def test_one_that_could_not_be_filled_says_so_and_can_be_deleted(cast: Cast, owner: Client) -> None:
    owner.post("/o/acme/demo/")
    (demo,) = demos()
    with tenant_scope(demo.pk):
        Demo.objects.update(state=Demo.State.FAILED)
    page = owner.get(f"/o/{demo.slug}/demo/").content.decode()
    assert "It could not be filled" in page
    assert "hx-trigger=\"load delay" not in page
    owner.post(f"/o/{demo.slug}/demo/delete/")
    assert demos() == []


def test_the_banner_is_on_every_page_of_the_menu_and_offers_the_end_to_owners_alone(cast: Cast, owner: Client) -> None:
    owner.post("/o/acme/demo/")
    (demo,) = demos()
    with tenant_scope(demo.pk):
        Membership.objects.create(user=person_of(cast, "viewer"), role=Role.VIEWER)
    links = set(re.findall(rf'href="(/o/{demo.slug}/[a-z]*/?)"', owner.get(f"/o/{demo.slug}/").content.decode()))
    assert len(links) > 15
    for link in links - {f"/o/{demo.slug}/members/"}:  # which asks for the password again
        page = owner.get(link).content.decode()
        assert BANNER in page, link
        assert "Delete the demo" in page, link
    seen = logged_in(person_of(cast, "viewer")).get(f"/o/{demo.slug}/").content.decode()
    assert BANNER in seen
    assert "Delete the demo" not in seen


def test_it_is_deleted_by_its_owner_and_by_nobody_else_and_what_is_real_is_not_found(cast: Cast, owner: Client) -> None:
    owner.post("/o/acme/demo/")
    (demo,) = demos()
    person = person_of(cast, "viewer")
    with tenant_scope(demo.pk):
        Membership.objects.create(user=person, role=Role.VIEWER)
    assert logged_in(person).post(f"/o/{demo.slug}/demo/delete/").status_code == 403
    assert logged_in(cast.olga).post(f"/o/{demo.slug}/demo/delete/").status_code == 404
    assert logged_in(cast.olga).get(f"/o/{demo.slug}/").status_code == 404
    assert owner.post("/o/acme/demo/delete/").status_code == 404
    assert owner.get(f"/o/{demo.slug}/demo/delete/").status_code == 405
    assert demos() == [demo]
    assert "The demo is deleted" in owner.post(f"/o/{demo.slug}/demo/delete/", follow=True).content.decode()
    assert demos() == []
    assert owner.get(f"/o/{demo.slug}/").status_code == 404
    assert "demo" in owner.get("/o/acme/audit/?thing=demo").content.decode()
