import re
from datetime import UTC, datetime, timedelta

from django.test import Client

from billing.alerting import BudgetNearlyExhausted, raise_alert
from billing.models import Budget
from billing.quarters import sum_quarters
from cascade.models import CatalogModel, ProviderConnection
from tenants.scoping import tenant_scope
from tests.cast import PASSWORD, Cast
from tests.dashboards.scene import add_run, anomaly_of, budget_of, logged_in, person_of
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
    for told in ("$2.50", "$7.50", "75.0 % of $10.00", "50.0 %", "$1.25"):
        assert told in page
    dearest = logged_in(cast.finn).get("/o/acme/top/", HTTP_HX_REQUEST="true").content.decode()
    for told in (">ann</a>", ">mini</a>"):
        assert told in dearest
    assert "CANARY" not in page + dearest
    assert ">ann</a>" in logged_in(cast.finn).get("/o/acme/top/").content.decode(), "a page of its own where no script runs"


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


def test_a_short_history_has_a_reason_in_place_of_a_forecast(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=10**9)
    page = logged_in(cast.finn).get("/o/acme/").content.decode()
    assert "Nothing has been spent yet." in page
    assert "expected" not in page.partition("<dl class=\"kpis\">")[2].partition("</dl>")[0]


def test_an_open_anomaly_stands_on_the_chart_and_needs_attention(cast: Cast) -> None:
    row = anomaly_of(cast, started_at=datetime.now(UTC), dimension="end_user", value=str(cast.ann.id))
    anomaly_of(cast, tenant=cast.globex)
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=10**9)
    client = logged_in(cast.finn)
    figure = client.get("/o/acme/").context["figure"]
    (marks,) = [trace for trace in figure["data"] if trace.get("meta") == "anomaly"]
    assert [url for url in marks["customdata"] if url] == [f"/o/acme/anomalies/{row.pk}/"]
    assert [y for y in marks["y"] if y is not None] == [1.0]
    page = client.get("/o/acme/attention/", HTTP_HX_REQUEST="true").content.decode()
    assert "+$124.00: ann" in page
    assert page.count("<li>") == 1
    assert "<html" not in page


def test_a_budget_that_was_foreseen_to_run_out_needs_attention_until_its_limit_is_raised(cast: Cast) -> None:
    now = datetime.now(UTC)
    budget = budget_of(cast, limit_nusd=100 * 10**9, action="block")
    with tenant_scope(cast.acme.id):
        event = BudgetNearlyExhausted(
            budget=budget.pk, scope="tenant", period="monthly", action="block", start_at=now, end_at=now + timedelta(days=5),
            limit_nusd=100 * 10**9, spent_nusd=10**9, runs_out_at=now + timedelta(days=2), earliest_at=now + timedelta(days=1),
        )
        raise_alert(event=event, now=now)
    client = logged_in(cast.finn)
    page = client.get("/o/acme/attention/").content.decode()
    assert "Whole organisation, monthly runs out" in page or "Everything, monthly runs out" in page
    assert "or not at all. Then calls are refused." in page
    with tenant_scope(cast.acme.id):
        Budget.objects.filter(pk=budget.pk).update(limit_nusd=500 * 10**9)
    assert "runs out" not in client.get("/o/acme/attention/").content.decode()


def test_a_model_without_a_price_leads_to_its_panel_and_the_form_for_one(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        connection = ProviderConnection.objects.create(name="up", provider="simulated")
        model = CatalogModel.objects.create(name="unpriced-mini", connection=connection)
        book(cast.acme, model="unpriced-mini", price_version="")
    client = logged_in(cast.finn)
    path = f"/o/acme/models/?sel={model.pk}"
    assert f'href="{path}"' in client.get("/o/acme/attention/").content.decode()
    page = client.get(path)
    assert f'action="/o/acme/models/{model.pk}/price/"' in page.content.decode()
    client.post(f"/o/acme/models/{model.pk}/price/", {"input_nusd": "1", "output_nusd": "2", "source": "their list"})
    assert client.get(path).context["panel"]["price_form"] is None
    assert logged_in(person_of(cast, "viewer")).get(path).context["panel"]["price_form"] is None
