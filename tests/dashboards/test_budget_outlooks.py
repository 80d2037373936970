"""When budgets run out: beside the list, in the panel, and where alerts lead."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from django.test import Client

from billing.engine.forecasting.prediction import Estimate
from dashboards.views.budget_outlooks import room_for
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import budget_of, logged_in, person_of
from tests.rest import book

PART = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def client(cast: Cast) -> Client:
    return logged_in(cast.finn)


def spend(cast: Cast, amount_nusd: int) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=amount_nusd, end_user=cast.ann.id)


def test_where_too_little_is_known_it_says_so(cast: Cast, client: Client) -> None:
    budget = budget_of(cast, action="block")
    assert "Nothing was spent in the running window" in client.get(f"/o/acme/budgets/{budget.pk}/outlook/").content.decode()
    spend(cast, 10**9)
    page = client.get(f"/o/acme/budgets/{budget.pk}/outlook/", **PART).content.decode()
    assert "a forecast needs 3" in page or "Nothing has been spent yet" in page
    assert "<html" not in page


def test_what_has_run_out_stops_calls_now(cast: Cast, client: Client) -> None:
    budget = budget_of(cast, action="block", limit_nusd=10**9)
    spend(cast, 10**9)
    assert "now</span>" in client.get("/o/acme/budgets/ahead/", **PART).content.decode()
    page = client.get(f"/o/acme/budgets/{budget.pk}/outlook/", **PART).content.decode()
    assert "it has run out" in page
    assert "<dt>Calls stop</dt><dd>now</dd>" in page


def test_a_budget_that_will_not_last_is_offered_a_limit_that_does(cast: Cast, client: Client) -> None:
    budget = budget_of(cast, limit_nusd=12_500 * 10**9)
    at_end = Estimate(expected_nusd=12_980 * 10**9, low_nusd=12_310 * 10**9, high_nusd=13_660 * 10**9)
    assert room_for(at_end, budget.limit_nusd) == 13_700 * 10**9
    assert room_for(at_end, 13_000 * 10**9) is None
    assert room_for(None, budget.limit_nusd) is None
    page = logged_in(cast.olga).get(f"/o/acme/budgets/{budget.pk}/edit/?limit=13700&action=warn&is_paused=1").context["form"]
    assert page["limit"].value() == "13700"
    assert (page["action"].value(), page["is_paused"].value()) == (budget.action, False), "a link fills in the limit alone"


def test_a_budget_at_risk_may_degrade_instead_and_a_link_suggests_no_more_than_that(cast: Cast, client: Client) -> None:
    budget = budget_of(cast, action="block", limit_nusd=10**9)
    spend(cast, 10**9)
    path = f"/o/acme/budgets/{budget.pk}/edit/?action=degrade"
    assert f'href="{path}"' in logged_in(cast.olga).get(f"/o/acme/budgets/{budget.pk}/outlook/", **PART).content.decode()
    assert logged_in(cast.olga).get(path).context["form"]["action"].value() == "degrade"
    assert path not in client.get(f"/o/acme/budgets/{budget.pk}/outlook/", **PART).content.decode(), "finance changes limits alone"


def test_it_says_which_share_of_last_weeks_runs_it_would_have_had_no_room_for(cast: Cast) -> None:
    viewer = logged_in(person_of(cast, "viewer"))
    budget = budget_of(cast, action="warn", limit_nusd=3 * 10**9)
    for _ in range(4):
        spend(cast, 10**9)
    piece = re.search(rf'/o/acme/budgets/{budget.pk}/preview/runs/[^"]*', viewer.get(f"/o/acme/budgets/?sel={budget.pk}").content.decode())
    assert piece is not None
    page = viewer.get(unescape(piece[0]), **PART).content.decode()
    assert "Last week it had no room for <b>1 of 4</b> runs (25.0 %): warned." in page


def test_the_chart_marks_where_the_curve_meets_the_limit(cast: Cast, client: Client) -> None:
    budget = budget_of(cast, action="warn", limit_nusd=10**9)
    spend(cast, 2 * 10**9)
    layout = client.get(f"/o/acme/budgets/{budget.pk}/outlook/").context["figure"]["layout"]
    limit, mark = layout["annotations"]
    assert (limit["text"], mark["text"].strip().startswith("Ran out "), mark["x"]) == ("Limit", True, layout["shapes"][1]["x0"])


def test_a_paused_budget_runs_out_never(cast: Cast, client: Client) -> None:
    budget = budget_of(cast, name="quiet", is_paused=True)
    spend(cast, 10**9)
    assert str(budget.pk) not in client.get("/o/acme/budgets/ahead/", **PART).content.decode()


def test_the_address_of_an_alert_leads_to_the_budget_beside_its_list(cast: Cast, client: Client) -> None:
    budget = budget_of(cast, name="ours")
    answer = client.get(f"/o/acme/budgets/{budget.pk}/")
    assert answer["location"] == f"/o/acme/budgets/?sel={budget.pk}"
    with tenant_scope(cast.acme.id):
        budget.ended_at = datetime.now(UTC)
        budget.save()
    assert client.get(f"/o/acme/budgets/{budget.pk}/").status_code == 404
