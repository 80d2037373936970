"""The second factor: guessed, used again, left out, asked for."""

import time

import pytest
import time_machine
from allauth.mfa.models import Authenticator

from tenants.models import AuditEntry, User
from tenants.scoping import platform_scope, tenant_scope
from tests.cast import Cast
from tests.people import Browser, code_of, give_second_factor, has_factor, logged_in, make_owner

AUTHENTICATE = "/account/second-factor/authenticate/"


def half_way(user: User, **options: str) -> Browser:
    browser = Browser(**options)
    assert browser.enter(user).headers["location"].startswith(AUTHENTICATE)
    return browser


def test_the_password_alone_opens_nothing(cast: Cast) -> None:
    give_second_factor(cast.olga)
    browser = half_way(cast.olga)
    for path in ("/o/acme/", "/account/sessions/", "/account/second-factor/totp/deactivate/"):
        assert browser.get(path).headers["location"].startswith(("/login/", AUTHENTICATE, "/account/again/")), path


def test_the_right_code_opens_and_works_once(cast: Cast) -> None:
    secret = give_second_factor(cast.olga)
    code = code_of(secret)
    first, second = half_way(cast.olga), half_way(cast.olga)
    assert first.post(AUTHENTICATE, {"code": code}).headers["location"] == "/"
    assert first.get("/o/acme/").status_code == 200
    assert second.post(AUTHENTICATE, {"code": code}).status_code == 200, "a code that was seen over somebody's shoulder"
    assert second.get("/o/acme/").status_code == 302


def test_codes_of_long_ago_and_of_later_are_refused(cast: Cast) -> None:
    secret = give_second_factor(cast.olga)
    for steps in (-3, 3):
        assert half_way(cast.olga).post(AUTHENTICATE, {"code": code_of(secret, steps=steps)}).status_code == 200


def test_guessing_codes_locks_also_the_right_one_and_from_everywhere(cast: Cast) -> None:
    secret = give_second_factor(cast.olga)
    browsers = [half_way(cast.olga, address=f"198.51.100.{number}") for number in range(3)]
    for number in range(12):
        browsers[number % 3].post(AUTHENTICATE, {"code": f"{number:06}"})
    for browser in (*browsers, half_way(cast.olga, address="192.0.2.7")):
        assert browser.post(AUTHENTICATE, {"code": code_of(secret)}).status_code != 302


def test_the_lock_counts_for_longer_than_the_rate_limit(cast: Cast) -> None:
    secret = give_second_factor(cast.olga)
    begun = time.time()
    for window in range(3):
        with time_machine.travel(begun + window * 301, tick=True):
            browser = half_way(cast.olga)
            for number in range(5):
                answer = browser.post(AUTHENTICATE, {"code": f"{number:06}"})
    assert answer.status_code in (200, 429)
    with time_machine.travel(begun + 3 * 301, tick=True):
        assert half_way(cast.olga).post(AUTHENTICATE, {"code": code_of(secret)}).status_code != 302


def test_a_recovery_code_works_once(cast: Cast) -> None:
    give_second_factor(cast.olga)
    code = Authenticator.objects.get(user=cast.olga, type=Authenticator.Type.RECOVERY_CODES).wrap().get_unused_codes()[0]
    assert half_way(cast.olga).post(AUTHENTICATE, {"code": code}).status_code == 302
    assert half_way(cast.olga).post(AUTHENTICATE, {"code": code}).status_code == 200


def test_its_secret_lies_encrypted(cast: Cast) -> None:
    secret = give_second_factor(cast.olga)
    stored = Authenticator.objects.get(user=cast.olga, type=Authenticator.Type.TOTP)
    assert secret not in str(stored.data)
    assert stored.data["secret"].startswith("gAAAA")


def test_taking_it_away_needs_a_fresh_proof(cast: Cast) -> None:
    secret = give_second_factor(cast.olga)
    browser = half_way(cast.olga)
    browser.post(AUTHENTICATE, {"code": code_of(secret)})
    answer = browser.post("/account/second-factor/totp/deactivate/")
    assert answer.headers["location"].startswith("/account/again/")
    assert has_factor(cast.olga)
    browser.prove()
    browser.post("/account/second-factor/totp/deactivate/")
    assert not has_factor(cast.olga)


def test_an_app_is_set_up_with_a_code_of_its_own(cast: Cast) -> None:
    browser = logged_in(cast.olga)
    browser.prove()
    browser.get("/account/second-factor/totp/activate/")
    secret = browser.session["mfa.totp.secret"]
    assert browser.post("/account/second-factor/totp/activate/", {"code": "000000"}).status_code == 200
    assert browser.post("/account/second-factor/totp/activate/", {"code": code_of(secret)}).status_code == 302
    assert has_factor(cast.olga)


class TestATenantThatAsksForIt:
    @pytest.fixture(autouse=True)
    def asked(self, cast: Cast) -> None:
        with platform_scope():
            cast.acme.second_factor_required = True
            cast.acme.save()

    def test_members_without_one_set_it_up_first(self, cast: Cast) -> None:
        browser = logged_in(cast.olga)
        for path in ("/o/acme/", "/o/acme/members/"):
            assert browser.get(path).headers["location"] == "/account/second-factor/"
        assert b"second factor" in browser.get("/account/second-factor/").content
        give_second_factor(cast.olga)
        assert browser.get("/o/acme/").status_code == 200

    def test_recovery_codes_alone_are_none(self, cast: Cast) -> None:
        give_second_factor(cast.olga)
        browser = logged_in(cast.finn)
        Authenticator.objects.filter(user=cast.olga).exclude(type=Authenticator.Type.RECOVERY_CODES).delete()
        assert browser.get("/o/acme/").status_code == 302
        assert logged_in(cast.olga).get("/o/acme/").status_code == 302

    def test_others_are_asked_for_none(self, cast: Cast) -> None:
        owner = make_owner(cast.globex)
        assert logged_in(owner).get("/o/globex/").status_code == 200

    def test_that_it_is_asked_for_is_told_in_the_log(self, cast: Cast) -> None:
        with tenant_scope(cast.acme.id):
            entry = AuditEntry.objects.filter(object_type="tenant", action="changed")[0]
        assert entry.changes == {"second_factor_required": {"before": False, "after": True}}


def test_owners_alone_say_whether_it_is_asked_for(cast: Cast) -> None:
    owner, olga = logged_in(make_owner(cast.acme)), logged_in(cast.olga)
    path = "/o/acme/members/second-factor/"
    olga.prove()
    assert olga.post(path, {"required": "yes"}).status_code == 403
    assert owner.post(path, {"required": "yes"}).headers["location"].startswith("/account/again/")
    owner.prove()
    owner.post(path, {"required": "yes"})
    assert olga.get("/o/acme/").status_code == 302
    assert owner.get("/o/acme/members/").headers["location"] == "/account/second-factor/"


def test_staff_needs_one_where_the_installation_says_so(cast: Cast, settings: object) -> None:
    settings.STAFF_SECOND_FACTOR = True  # type: ignore[attr-defined]
    browser = logged_in(cast.root)
    assert browser.get("/admin/").headers["location"] == "/account/second-factor/"
    give_second_factor(cast.root)
    assert browser.get("/admin/").status_code == 200


def test_superusers_take_one_away_from_whoever_lost_it_and_see_no_secret(cast: Cast) -> None:
    secret = give_second_factor(cast.olga)
    root, stored = logged_in(cast.root), Authenticator.objects.get(user=cast.olga, type=Authenticator.Type.TOTP)
    page = root.get(f"/admin/mfa/authenticator/{stored.pk}/change/").content.decode()
    assert "olga@example.com" in page
    assert secret not in page
    assert stored.data["secret"] not in page
    assert root.post(f"/admin/mfa/authenticator/{stored.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not has_factor(cast.olga)


def test_the_admin_has_no_door_of_its_own(cast: Cast) -> None:
    give_second_factor(cast.root)
    browser = Browser()
    assert browser.get("/admin/login/?next=/admin/").headers["location"] == "/login/?next=/admin/"
    browser.post("/admin/login/", {"username": cast.root.email, "password": "correct horse battery staple"})
    assert browser.get("/admin/").status_code == 302
    assert logged_in(cast.olga).get("/admin/login/").status_code == 403
