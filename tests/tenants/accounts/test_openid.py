"""An identity provider that vouches for people: a real one over HTTP, small, with proof keys (PKCE)."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken

from tenants.models import AuditEntry, Membership, User
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.people import Browser, give_second_factor, logged_in
from tests.tenants.accounts.test_invitations import invited

CLIENT = "cascadeflow"
SECRET = "a secret of the client"


class Provider(ThreadingHTTPServer):
    """Says of whoever comes what `person` says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.person: dict[str, Any] = {}
        self.challenge = ""


class Answer(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        if self.path.endswith("/.well-known/openid-configuration"):
            url = self.server.url
            places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "me"}
            self.send({"issuer": url, **{name: f"{url}/{path}" for name, path in places.items()}})
        elif self.path == "/me" and self.headers["authorization"] == "Bearer ticket":
            self.send(self.server.person)
        else:
            self.send({}, status=404)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        verifier = form.get("code_verifier", [""])[0]
        proved = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=") == self.server.challenge
        if form["code"] == ["code"] and form["client_secret"] == [SECRET] and proved:
            self.send({"access_token": "ticket", "token_type": "Bearer"})
        else:
            self.send({"error": "invalid_grant"}, status=400)

    def send(self, body: Any, *, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    server = Provider()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    app = {"provider_id": "sso", "name": "Acme SSO", "client_id": CLIENT, "secret": SECRET, "settings": {"server_url": server.url}}
    ours = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {**ours, "APPS": [app]}}
    yield server
    server.shutdown()
    server.server_close()


def come(provider: Provider, browser: Browser, *, next: str = "", state: str | None = None, **person: Any) -> Any:
    """Log in through the provider, which says this of the person. Returns our answer to their way back."""
    provider.person = {"sub": "1", "name": "Somebody", **person}
    away = browser.post(f"/oidc/sso/login/?next={next}" if next else "/oidc/sso/login/")
    asked = parse_qs(urlsplit(away.headers["location"]).query)
    assert away.headers["location"].startswith(f"{provider.url}/authorize?")
    assert (asked["client_id"], asked["code_challenge_method"]) == ([CLIENT], ["S256"])
    provider.challenge = asked["code_challenge"][0]
    return browser.get("/oidc/sso/login/callback/", {"code": "code", "state": state or asked["state"][0]})


def test_a_member_comes_in_by_a_verified_address(cast: Cast, provider: Provider) -> None:
    browser = Browser()
    assert b"Log in with Acme SSO" in browser.get("/login/").content
    assert come(provider, browser, email="Olga@example.com", email_verified=True).headers["location"] == "/"
    assert browser.get("/o/acme/").status_code == 200
    assert SocialAccount.objects.get().user == cast.olga
    assert not SocialToken.objects.exists()


@pytest.mark.parametrize("verified", [False, None, "no", 0])
def test_an_address_that_nobody_verified_opens_nothing(cast: Cast, provider: Provider, verified: Any) -> None:
    invited(cast.acme)
    for email in ("olga@example.com", "nina@example.com"):
        browser = Browser()
        come(provider, browser, email=email, email_verified=verified)
        assert browser.get("/o/acme/").status_code == 302
    assert not SocialAccount.objects.exists()
    assert not User.objects.filter(email="nina@example.com").exists()


def test_whoever_was_invited_gets_their_account_and_no_other(cast: Cast, provider: Provider) -> None:
    invited(cast.acme, role="finance")
    browser = Browser()
    assert come(provider, browser, email="nina@example.com", email_verified=True).status_code == 302
    assert browser.get("/o/acme/").status_code == 200
    assert browser.get("/o/globex/").status_code == 404
    nina = User.objects.get(email="nina@example.com")
    assert not nina.has_usable_password()
    with tenant_scope(cast.acme.id):
        assert Membership.objects.get(user=nina).role == "finance"
        assert AuditEntry.objects.filter(object_type="membership")[0].actor_name == "nina@example.com"


def test_strangers_are_not_let_in(cast: Cast, provider: Provider) -> None:
    browser = Browser()
    answer = come(provider, browser, email="stranger@example.com", email_verified=True)
    told = browser.get(answer.headers["location"]) if answer.status_code == 302 else answer
    assert b"closed" in told.content.lower()
    assert not User.objects.filter(email="stranger@example.com").exists()


def test_a_second_factor_is_asked_for_here_too(cast: Cast, provider: Provider) -> None:
    give_second_factor(cast.olga)
    browser = Browser()
    answer = come(provider, browser, email="olga@example.com", email_verified=True)
    assert answer.headers["location"].startswith("/account/second-factor/authenticate/")
    assert browser.get("/o/acme/").status_code == 302


def test_a_way_back_that_was_not_begun_here_leads_nowhere(cast: Cast, provider: Provider) -> None:
    browser = Browser()
    come(provider, browser, email="olga@example.com", email_verified=True, state="of somebody else")
    assert browser.get("/o/acme/").status_code == 302


def test_nobody_is_sent_to_another_site_afterwards(cast: Cast, provider: Provider) -> None:
    answer = come(provider, Browser(), next="https://evil.example/", email="olga@example.com", email_verified=True)
    assert answer.headers["location"] == "/"


def test_a_person_who_is_logged_in_takes_over_nobody(cast: Cast, provider: Provider) -> None:
    finn = logged_in(cast.finn)
    come(provider, finn, email="olga@example.com", email_verified=True)
    assert not SocialAccount.objects.filter(user=cast.finn).exists()


def test_without_a_provider_there_is_no_such_way(cast: Cast) -> None:
    assert b"Log in with Acme" not in Browser().get("/login/").content
    assert Browser().post("/oidc/sso/login/").status_code == 404
