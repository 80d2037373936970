from django.test import Client

from billing.models import Budget
from tenants.scoping import tenant_scope
from tests.cast import PASSWORD, Cast


def logged_in(person: object) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")  # type: ignore[arg-type]
    return client


def test_a_stranger_is_sent_to_the_login(cast: Cast) -> None:
    answer = Client().get("/o/acme/")
    assert answer.status_code == 302
    assert answer["location"] == "/login/?next=/o/acme/"


def test_a_person_logs_in_with_email_and_password_and_lands_in_their_tenant(cast: Cast) -> None:
    client = Client()
    answer = client.post("/login/", {"login": "olga@example.com", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == "/o/acme/"
    assert b"Acme Inc." in answer.content


def test_a_wrong_password_is_refused_without_saying_which_part_was_wrong(cast: Cast) -> None:
    wrong = Client().post("/login/", {"login": "olga@example.com", "password": "no"})
    unknown = Client().post("/login/", {"login": "nobody@example.com", "password": "no"})
    assert b"do not match" in wrong.content
    assert b"do not match" in unknown.content


def test_another_tenants_console_is_not_found(cast: Cast) -> None:
    assert logged_in(cast.olga).get("/o/globex/").status_code == 404
    assert logged_in(cast.olga).get("/o/no-such-tenant/").status_code == 404


def test_staff_without_a_membership_enters_no_tenant(cast: Cast) -> None:
    assert logged_in(cast.root).get("/o/acme/").status_code == 404
    assert b"No account yet" in logged_in(cast.root).get("/").content


def test_the_overview_shows_the_tenants_own_budgets(cast: Cast) -> None:
    with tenant_scope(cast.globex.id):
        Budget.objects.create(name="CANARY globex", scope="tenant", period="daily", limit_nusd=10**9)
    with tenant_scope(cast.acme.id):
        Budget.objects.create(scope="end_user", period="daily", limit_nusd=250_000_000, action="degrade")
    page = logged_in(cast.finn).get("/o/acme/").content.decode()
    assert "Each end user, daily" in page
    assert "$0.25" in page
    assert "Degrade: cheaper models" in page
    assert "CANARY" not in page


def test_every_page_forbids_foreign_and_inline_scripts(cast: Cast) -> None:
    for answer in (Client().get("/login/"), logged_in(cast.olga).get("/o/acme/")):
        assert "default-src 'none'" in answer["content-security-policy"]
        assert "unsafe" not in answer["content-security-policy"]
        assert b"<script>" not in answer.content
        assert b"style=" not in answer.content
