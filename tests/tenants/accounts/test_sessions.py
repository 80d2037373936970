"""Sessions: seen, ended one by one or all others at once, and dead when the password changes."""

from datetime import UTC, datetime, timedelta

import time_machine
from allauth.usersessions.models import UserSession

from tenants.models import AuditEntry
from tenants.scoping import tenant_scope
from tests.cast import PASSWORD, Cast
from tests.people import Browser, logged_in

CHANGE = {"oldpassword": PASSWORD, "password1": "another long one 77", "password2": "another long one 77"}


def test_a_person_sees_where_they_are_logged_in(cast: Cast) -> None:
    laptop, phone = logged_in(cast.olga), logged_in(cast.olga, address="2001:db8:1:2::3")
    page = laptop.get("/account/sessions/").content.decode()
    assert page.count("Mozilla/5.0 (Test)") == 2
    assert "203.0.113.0/24" in page
    assert "2001:db8:1::/48" in page
    assert "203.0.113.77" not in page
    assert phone.get("/o/acme/").status_code == 200


def test_one_that_was_ended_opens_nothing_any_more(cast: Cast) -> None:
    laptop, thief = logged_in(cast.olga), logged_in(cast.olga, address="198.51.100.3")
    stolen = UserSession.objects.get(ip="198.51.100.3")
    assert laptop.post(f"/account/sessions/{stolen.pk}/end/").status_code == 302
    assert thief.get("/o/acme/").headers["location"].startswith("/login/")
    assert laptop.get("/o/acme/").status_code == 200


def test_all_others_end_at_once(cast: Cast) -> None:
    laptop, *others = [logged_in(cast.olga, address=f"198.51.100.{number}") for number in range(3)]
    laptop.post("/account/sessions/others/end/")
    assert laptop.get("/o/acme/").status_code == 200
    assert [other.get("/o/acme/").status_code for other in others] == [302, 302]


def test_nobody_ends_anothers_session(cast: Cast) -> None:
    olga, finn = logged_in(cast.olga), logged_in(cast.finn, address="198.51.100.3")
    his = UserSession.objects.get(user=cast.finn)
    assert olga.post(f"/account/sessions/{his.pk}/end/").status_code == 404
    olga.post("/account/sessions/others/end/")
    assert finn.get("/o/acme/").status_code == 200
    assert olga.get("/account/sessions/1/end/").status_code == 405


def test_a_new_password_ends_all_but_the_session_that_set_it(cast: Cast) -> None:
    laptop, thief = logged_in(cast.olga), logged_in(cast.olga, address="198.51.100.3")
    laptop.prove()
    assert laptop.post("/account/password/change/", CHANGE).status_code == 302
    assert laptop.get("/o/acme/").status_code == 200
    assert thief.get("/o/acme/").status_code == 302


def test_logging_out_ends_it_on_the_server(cast: Cast) -> None:
    laptop = logged_in(cast.olga)
    kept = laptop.cookies["sessionid"].value
    laptop.post("/logout/")
    laptop.cookies["sessionid"] = kept
    assert laptop.get("/o/acme/").status_code == 302


def test_when_it_was_last_seen_is_noted_every_few_minutes(cast: Cast) -> None:
    laptop = logged_in(cast.olga)
    begun = UserSession.objects.get().last_seen_at
    laptop.get("/o/acme/")
    assert UserSession.objects.get().last_seen_at == begun
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        laptop.get("/o/acme/")
    assert UserSession.objects.get().last_seen_at > begun


def test_what_people_change_about_their_way_in_is_told_to_their_tenants(cast: Cast) -> None:
    laptop = logged_in(cast.olga)
    laptop.prove()
    laptop.post("/account/password/change/", CHANGE)
    thief = Browser(address="198.51.100.3")
    for _ in range(5):
        thief.enter(cast.finn, "wrong")
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        for _ in range(5):
            thief.enter(cast.finn, "wrong")
    with tenant_scope(cast.acme.id):
        told = [(entry.action, entry.object_name, entry.ip) for entry in AuditEntry.objects.filter(object_type="user")]
        assert "long one" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert told == [("locked out", "finn@example.com", "198.51.100.0/24"), ("password changed", "olga@example.com", "203.0.113.0/24")]
    with tenant_scope(cast.globex.id):
        assert not AuditEntry.objects.filter(object_type="user").exists()
