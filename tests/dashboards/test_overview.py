import re
from datetime import UTC, datetime

from django.test import Client

from billing.models import Budget
from billing.quarters import sum_quarters
from tenants.scoping import tenant_scope
from tests.cast import PASSWORD, Cast
from tests.dashboards.scene import add_run, logged_in
from tests.rest import book


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


def test_without_a_call_the_overview_says_how_to_make_one(cast: Cast) -> None:
    page = logged_in(cast.finn).get("/o/acme/").content.decode()
    assert "No call was made yet." in page
    assert "$0.00" not in page


def test_the_overview_adds_up_what_was_booked_and_what_was_saved(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for amount in (2_000_000_000, 500_000_000):
            run = book(cast.acme, model="mini", amount_nusd=amount, end_user=cast.ann.id)
            add_run(cast, id=run, cost_nusd=amount, baseline_nusd=5_000_000_000, draft_accepted=amount < 10**9)
    with tenant_scope(cast.globex.id):
        book(cast.globex, model="CANARY", amount_nusd=7_000_000_000)
    page = logged_in(cast.finn).get("/o/acme/").content.decode()
    for told in ("$2.50", "$7.50", "75.0 % of $10.00", "50.0 %", "$1.25", ">ann</a>", ">mini</a>"):
        assert told in page
    assert "CANARY" not in page


def test_the_overview_says_which_budgets_need_attention(cast: Cast) -> None:
    with tenant_scope(cast.globex.id):
        Budget.objects.create(name="CANARY globex", scope="tenant", period="daily", limit_nusd=10**9)
    with tenant_scope(cast.acme.id):
        Budget.objects.create(scope="end_user", period="daily", limit_nusd=250_000_000, action="degrade")
        book(cast.acme, amount_nusd=240_000_000, end_user=cast.ann.id)
    page = logged_in(cast.finn).get("/o/acme/attention/").content.decode()
    assert "Each end user, daily is nearly used up" in page
    assert "96 % of $0.25, daily. When it is reached, calls take cheaper paths." in page
    assert "CANARY" not in page


def test_the_last_24_hours_are_told_by_the_hour(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, model="mini", amount_nusd=1_500_000_000)
    sum_quarters(now=datetime.now(UTC))
    page = logged_in(cast.finn).get("/o/acme/?range=24h").content.decode()
    assert "Cost per hour by model" in page
    assert "$1.50" in page


def test_every_page_forbids_foreign_and_inline_scripts(cast: Cast) -> None:
    for answer in (Client().get("/login/"), logged_in(cast.olga).get("/o/acme/")):
        assert "default-src 'none'" in answer["content-security-policy"]
        assert "unsafe" not in answer["content-security-policy"]
        assert not re.search(rb"<script(?![^>]*(src=|application/json))", answer.content)
        assert b"style=" not in answer.content
