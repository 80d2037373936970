"""Logging in, in the presence of people who should not: guessing, fixing sessions, forging forms, luring elsewhere, asking who exists."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from tenants.models import User
from tenants.scoping import platform_scope
from tests.cast import PASSWORD, Cast
from tests.people import Browser, link_in, logged_in, posted


def test_a_person_lands_in_their_tenant(cast: Cast) -> None:
    browser = Browser()
    assert browser.enter(cast.olga).headers["location"] == "/"
    assert browser.get("/").headers["location"] == "/o/acme/"
    assert b"Acme Inc." in browser.get("/o/acme/").content


def test_a_session_that_somebody_fixed_beforehand_is_worth_nothing(cast: Cast) -> None:
    browser = Browser()
    browser.get("/login/")
    session = browser.session
    session["planted"] = True
    session.save()
    fixed = session.session_key
    browser.cookies["sessionid"] = fixed
    browser.enter(cast.olga)
    assert browser.cookies["sessionid"].value != fixed
    assert not Session.objects.filter(session_key=fixed).exists()
    thief = Browser()
    thief.cookies["sessionid"] = fixed
    assert thief.get("/o/acme/").status_code == 302


def test_the_cookie_is_kept_from_scripts_and_other_sites(cast: Cast) -> None:
    browser = logged_in(cast.olga)
    cookie = browser.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert int(cookie["max-age"]) == 12 * 3600


FORMS = [
    "/login/", "/logout/", "/account/password/reset/", "/account/again/", "/account/password/change/", "/account/second-factor/authenticate/",
    "/account/sessions/others/end/", "/o/acme/members/invite/",
]  # fmt: skip
PAGES = [
    "/login/", "/account/password/reset/", "/account/password/change/", "/account/second-factor/", "/account/second-factor/totp/activate/",
    "/account/second-factor/webauthn/add/", "/account/second-factor/recovery-codes/", "/account/sessions/", "/account/again/", "/logout/",
    "/account/connections/", "/o/acme/members/", "/invitations/nonsense/",
]  # fmt: skip
LURES = ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "https:evil.example", "\tjavascript:1"]


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_our_token_is_refused(cast: Cast, path: str) -> None:
    browser = Browser(checks_csrf=True)
    browser.force_login(cast.olga, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.post(path, {"login": cast.olga.email, "password": PASSWORD}).status_code == 403


@pytest.mark.parametrize("lure", LURES)
def test_nobody_is_sent_to_another_site(cast: Cast, lure: str) -> None:
    browser = Browser()
    page = browser.get("/login/", {"next": lure}).content.decode()
    assert "evil.example" not in re.sub(r'name="next"[^>]*', "", page)
    assert browser.enter(cast.olga, next=lure).headers["location"] == "/"
    proof = browser.post(f"/account/again/?next={lure}", {"password": PASSWORD, "next": lure})
    assert "evil" not in proof.headers.get("location", "")
    assert "javascript" not in proof.headers.get("location", "")
    assert Browser().post("/logout/", {"next": lure}).headers["location"] in ("/", "/login/")


def test_the_page_that_was_asked_for_comes_after_the_login(cast: Cast) -> None:
    assert Browser().enter(cast.olga, next="/o/acme/members/").headers["location"] == "/o/acme/members/"


class TestWhoExists:
    def test_a_wrong_password_and_an_unknown_address_read_alike(self, cast: Cast) -> None:
        wrong = Browser().enter(cast.olga, "no").content.decode()
        unknown = Browser(address="198.51.100.1").enter(User(email="nobody@example.com"), "no").content.decode()

        def same(page: str) -> str:
            return re.sub(r'value="[^"]*"', "", page)

        assert same(wrong) == same(unknown)

    def test_asking_for_a_new_password_tells_nothing(self, cast: Cast) -> None:
        known = Browser().post("/account/password/reset/", {"email": "olga@example.com"})
        unknown = Browser().post("/account/password/reset/", {"email": "nobody@example.com"})
        assert (known.status_code, known.headers["location"]) == (unknown.status_code, unknown.headers["location"])
        assert [message.to for message in posted()] == [["olga@example.com"]]

    def test_sign_up_is_closed_to_everybody(self, cast: Cast) -> None:
        for email in ("olga@example.com", "new@example.com"):
            answer = Browser().post("/account/signup/", {"email": email, "password1": "a long enough one 1"})
            assert b"closed" in answer.content.lower()
        assert not User.objects.filter(email="new@example.com").exists()


class TestGuessing:
    def test_an_address_is_locked_after_too_many_tries_also_for_the_right_password(self, cast: Cast) -> None:
        browser = Browser()
        for _ in range(12):
            browser.enter(cast.olga, "wrong")
        assert browser.enter(cast.olga).status_code != 302
        assert logged_in(cast.finn, address="198.51.100.9").get("/o/acme/").status_code == 200

    def test_guesses_from_many_networks_are_stopped_too(self, cast: Cast) -> None:
        tried = [Browser(address=f"198.51.100.{number}").enter(cast.olga, "wrong") for number in range(30)]
        assert tried
        assert Browser(address="192.0.2.1").enter(cast.olga).status_code != 302

    def test_a_letter_of_another_case_is_no_new_address(self, cast: Cast) -> None:
        browser = Browser()
        for number in range(12):
            browser.post("/login/", {"login": "OLGA@example.com" if number % 2 else "olga@example.com", "password": "wrong"})
        assert browser.enter(cast.olga).status_code != 302


class TestNewPassword:
    def ask(self, cast: Cast) -> str:
        Browser().post("/account/password/reset/", {"email": "olga@example.com"})
        return link_in(posted()[-1].body)

    def test_a_link_sets_a_new_password_once_and_ends_all_sessions(self, cast: Cast) -> None:
        old = logged_in(cast.olga)
        assert old.get("/o/acme/").status_code == 200
        link, browser = self.ask(cast), Browser()
        form = browser.get(link)
        assert form.status_code == 302, "the key moves out of the address"
        answer = browser.post(form.headers["location"], {"password1": "another long one 77", "password2": "another long one 77"})
        assert answer.status_code == 302
        assert old.get("/o/acme/").status_code == 302
        cast.olga.refresh_from_db()
        assert cast.olga.check_password("another long one 77")
        again = Browser()
        page = again.get(link)
        assert page.status_code == 200
        assert b"password1" not in page.content

    def test_a_link_that_was_altered_sets_nothing(self, cast: Cast) -> None:
        link = self.ask(cast)
        assert b"password1" not in Browser().get(link[:-4] + "abc/").content

    def test_a_weak_password_is_refused(self, cast: Cast) -> None:
        browser = Browser()
        form = browser.get(self.ask(cast)).headers["location"]
        assert browser.post(form, {"password1": "short", "password2": "short"}).status_code == 200
        cast.olga.refresh_from_db()
        assert cast.olga.check_password(PASSWORD)


class TestPages:
    @pytest.mark.parametrize("path", PAGES)
    def test_no_page_needs_what_the_policy_forbids(self, cast: Cast, path: str) -> None:
        browser: Client = logged_in(cast.olga)
        browser.prove()  # type: ignore[attr-defined]
        for client in (browser, Browser()):
            answer = client.get(path, follow=True, secure=True)
            page = answer.content.decode()
            assert "'unsafe" not in answer.headers["content-security-policy"]
            assert " style=" not in page
            assert "<style" not in page
            assert not re.search(r"\son\w+=", page)
            for script in re.findall(r"<script([^>]*)>", page):
                assert "src=" in script or 'type="application/json"' in script, script

    def test_scripts_of_passkeys_come_from_our_own_files(self, cast: Cast) -> None:
        page = Browser().get("/login/").content.decode()
        sources = re.findall(r'<script[^>]*src="([^"]+)"', page)
        assert sources
        assert all(source.startswith("/static/") for source in sources)


def test_a_tenant_that_is_switched_off_is_not_found(cast: Cast) -> None:
    browser = logged_in(cast.olga)
    with platform_scope():
        cast.acme.is_active = False
        cast.acme.save()
    assert browser.get("/o/acme/").status_code == 404
