"""Members and their roles: who may change them, what holds at once, and who stays."""

import threading
import uuid
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from allauth.usersessions.models import UserSession
from django.db import connection

from tenants.errors import Conflict
from tenants.members import change_role, remove_member
from tenants.models import AuditEntry, Membership, Tenant, User
from tenants.scoping import tenant_scope
from tests.cast import PASSWORD, Cast
from tests.people import Browser, give_second_factor, logged_in, make_owner, posted


def member(tenant: Tenant, user: User) -> Membership:
    with tenant_scope(tenant.id):
        return Membership.objects.get(user=user)


@pytest.fixture
def owner(cast: Cast) -> Browser:
    browser = logged_in(make_owner(cast.acme))
    browser.prove()
    return browser


def test_the_last_owner_stays(cast: Cast) -> None:
    maria = member(cast.acme, make_owner(cast.acme))
    with tenant_scope(cast.acme.id):
        for change in (lambda: remove_member(member_id=maria.pk), lambda: change_role(member_id=maria.pk, role="viewer")):
            with pytest.raises(Conflict, match="last owner"):
                change()
        change_role(member_id=maria.pk, role="owner")
    second = make_owner(cast.acme, "tom")
    with tenant_scope(cast.acme.id):
        remove_member(member_id=maria.pk)
        with pytest.raises(Conflict):
            remove_member(member_id=Membership.objects.get(user=second).pk)


def test_of_two_owners_who_remove_each_other_at_once_one_stays(committed_cast: Cast) -> None:
    cast = committed_cast
    owners = [member(cast.acme, make_owner(cast.acme, name)) for name in ("maria", "tom")]
    together, refused = threading.Barrier(2), []

    def remove(identity: uuid.UUID) -> None:
        try:
            together.wait()
            with tenant_scope(cast.acme.id):
                remove_member(member_id=identity)
        except Conflict as conflict:
            refused.append(conflict)
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=[one.pk]) for one in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tenant_scope(cast.acme.id):
        assert Membership.objects.filter(role="owner").count() == 1
    assert len(refused) == 1


def test_a_new_role_holds_from_the_next_request_on(cast: Cast, owner: Browser) -> None:
    tom = make_owner(cast.acme, "tom")
    toms = logged_in(tom)
    assert toms.get("/o/acme/members/").status_code == 200
    owner.post(f"/o/acme/members/{member(cast.acme, tom).pk}/role/", {"role": "viewer"})
    refused = toms.get("/o/acme/members/")
    assert refused.status_code == 403
    assert b"You need the Owner role" in refused.content
    assert toms.get("/o/acme/").status_code == 200
    owner.post(f"/o/acme/members/{member(cast.acme, tom).pk}/remove/")
    assert toms.get("/o/acme/").status_code == 404
    with tenant_scope(cast.acme.id):
        newest = list(AuditEntry.objects.filter(object_type="membership")[:2])
    assert [(entry.action, entry.object_name, entry.actor_name) for entry in newest] == [
        ("deleted", "tom@acme.example", "maria@acme.example"), ("changed", "tom@acme.example", "maria@acme.example"),
    ]  # fmt: skip
    assert newest[0].operation == "remove_member"


def test_another_tenants_member_is_not_found_and_stays_as_they_are(cast: Cast, owner: Browser) -> None:
    theirs = member(cast.globex, make_owner(cast.globex, "greg"))
    never = uuid.uuid4()
    for path in ("role", "remove"):
        foreign = owner.post(f"/o/acme/members/{theirs.pk}/{path}/", {"role": "viewer"})
        unknown = owner.post(f"/o/acme/members/{never}/{path}/", {"role": "viewer"})
        assert foreign.status_code == unknown.status_code == 404
    assert owner.post(f"/o/globex/members/{theirs.pk}/remove/").status_code == 404
    assert member(cast.globex, theirs.user).role == "owner"
    assert b"greg" not in owner.get("/o/acme/members/").content


@pytest.mark.parametrize("who", ["olga", "finn"])
def test_nobody_below_an_owner_lets_anybody_in_or_raises_themselves(cast: Cast, who: str) -> None:
    user = getattr(cast, who)
    browser = logged_in(user)
    browser.prove()
    own = member(cast.acme, user)
    for path, body in (
        ("", {}), ("invite/", {"email": "x@example.com", "role": "owner"}), (f"{own.pk}/role/", {"role": "owner"}), (f"{own.pk}/remove/", {}),
    ):  # fmt: skip
        assert browser.post(f"/o/acme/members/{path}", body).status_code == 403
    assert member(cast.acme, user).role == own.role
    assert not posted()


def test_sensitive_acts_ask_for_a_fresh_proof_and_then_go_on(cast: Cast) -> None:
    browser = logged_in(make_owner(cast.acme))
    path = f"/o/acme/members/{member(cast.acme, cast.finn).pk}/role/"
    page = "/o/acme/members/"
    for sent_from, back in ((f"https://testserver{page}?x=1", page), ("https://evil.example/o/", "/"), ("javascript:alert(1)", "/"), ("", "/")):
        asked = browser.post(path, {"role": "viewer"}, HTTP_REFERER=sent_from)
        assert asked.headers["location"] == f"/account/again/?{urlencode({'next': back})}"
    assert member(cast.acme, cast.finn).role == "finance"
    assert browser.prove("wrong").status_code == 200
    assert member(cast.acme, cast.finn).role == "finance"
    proved = browser.post("/account/again/", {"password": PASSWORD, "next": page})
    assert proved.headers["location"] == page
    assert browser.post(path, {"role": "viewer"}).status_code == 302
    assert member(cast.acme, cast.finn).role == "viewer"


@pytest.mark.parametrize("role", ["root", "", "OWNER", "owner\x00", "staff"])
def test_a_role_that_is_none_is_given_to_nobody(cast: Cast, owner: Browser, role: str) -> None:
    finn = member(cast.acme, cast.finn)
    owner.post(f"/o/acme/members/{finn.pk}/role/", {"role": role})
    assert member(cast.acme, cast.finn).role == "finance"


def test_the_last_owner_is_told_why_they_stay(cast: Cast, owner: Browser) -> None:
    maria = User.objects.get(email="maria@acme.example")
    answer = owner.post(f"/o/acme/members/{member(cast.acme, maria).pk}/remove/", follow=True)
    assert b"last owner" in answer.content


def test_the_page_tells_of_each_member_the_second_factor_and_when_they_were_last_seen(cast: Cast, owner: Browser) -> None:
    give_second_factor(cast.olga)
    UserSession.objects.create(user=cast.olga, session_key="s", ip="127.0.0.1", user_agent="", last_seen_at=datetime(2026, 11, 26, 12, tzinfo=UTC))
    shown = {one["member"].user.email: one for one in owner.get("/o/acme/members/").context["members"]}
    assert [shown[person.email]["has_factor"] for person in (cast.olga, cast.finn)] == [True, False]
    assert shown[cast.olga.email]["seen_at"] == datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert shown[cast.finn.email]["seen_at"] is None
    assert cast.gus.external_id not in shown


def test_who_may_not_is_told_which_role_may_and_who_can_give_it(cast: Cast) -> None:
    make_owner(cast.acme)
    answer = logged_in(cast.olga).get("/o/acme/members/")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "You need the Owner role." in page
    assert "Owners: " in page
    assert "maria" in page.lower()
