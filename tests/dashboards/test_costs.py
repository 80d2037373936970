"""The cost explorer: one dimension from the day sums, two and filters from the entries, the table, and the file."""

import re
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from billing import reports
from billing.models import ModelPrice
from billing.quarters import sum_quarters
from tenants.models import ApiKey, Tier
from tenants.scoping import tenant_scope
from tests.cast import Cast, make_end_user
from tests.dashboards.scene import add_run, anomaly_of, logged_in, person_of
from tests.rest import book


@pytest.fixture
def client(cast: Cast) -> Client:
    with tenant_scope(cast.acme.id):
        for model, domain, amount, person in (("mini", "code", 3, cast.ann), ("mini", "legal", 1, cast.ben), ("large", "code", 6, cast.ann)):
            run = book(cast.acme, model=model, amount_nusd=amount * 10**9, end_user=person.id, domain=domain, tags=["=nightly"])
            add_run(cast, id=run, model_used=model, domain=domain, cost_nusd=amount * 10**9, baseline_nusd=10 * 10**9)
    with tenant_scope(cast.globex.id):
        book(cast.globex, model="CANARY", amount_nusd=10**12)
    return logged_in(cast.finn)


def rows(client: Client, **asked: Any) -> dict[str, int]:
    answer = client.get("/o/acme/costs/", {**asked, "whole": "1"})
    assert answer.status_code == 200
    assert b"CANARY" not in answer.content
    return {row["line"].label: row["line"].total // 10**9 for row in answer.context.get("rows") or ()}


def test_one_dimension_is_listed_dearest_first(client: Client) -> None:
    assert list(rows(client, group="model").items()) == [("large", 6), ("mini", 4)]
    assert rows(client, group="end_user") == {"ann": 9, "ben": 1}
    assert rows(client, group="tag") == {"=nightly": 10}


def test_two_dimensions_and_filters_are_read_from_the_entries(client: Client) -> None:
    assert rows(client, group="model", sub="domain") == {"large · code": 6, "mini · code": 3, "mini · legal": 1}
    assert rows(client, group="model", f=["domain:code"]) == {"large": 6, "mini": 3}
    assert rows(client, group="model", x=["domain:code"]) == {"mini": 1}
    assert rows(client, group="domain", f=["model:mini", "model:large", "end_user:ann"]) == {"code": 9}
    assert rows(client, group="model", f=["tag:=nightly"]) == {"large": 6, "mini": 4}
    assert rows(client, group="model", f=["domain:nothing"]) == {}


def test_what_is_read_from_the_calls_comes_after_its_page(client: Client) -> None:
    asked = {"group": "model", "sub": "domain"}
    page = client.get("/o/acme/costs/", asked).content.decode()
    assert 'hx-get="/o/acme/costs/?group=model&amp;sub=domain"' in page
    assert "whole=1" in page, "for who runs no script"
    assert "mini · code" not in page
    piece = client.get("/o/acme/costs/", asked, HTTP_HX_REQUEST="true").content.decode()
    assert "mini · code" in piece
    assert "<html" not in piece


def test_what_became_of_runs_is_told_by_their_traces_and_narrowed_by_what_a_run_has_one_of(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for status, amount, person in (("served", 2, cast.ann), ("served", 1, cast.ben), ("degraded", 4, cast.ann), ("shadow", 8, cast.ann)):
            add_run(cast, status=status, cost_nusd=amount * 10**9, end_user_id=person.id)
    with tenant_scope(cast.globex.id):
        add_run(cast, tenant=cast.globex, status="failed", cost_nusd=10**12)
    client = logged_in(cast.finn)
    assert rows(client, group="status") == {"Degraded": 4, "Served": 3}
    assert rows(client, group="status", f=["end_user:ann"]) == {"Degraded": 4, "Served": 2}
    page = client.get("/o/acme/costs/", {"group": "status", "metric": "runs", "f": ["end_user:ann", "model:mini"], "whole": "1"})
    assert {row["line"].label: row["line"].total for row in page.context["rows"]} == {"Degraded": 1, "Served": 1}
    assert "the filters by model do not narrow the chart" in page.content.decode()
    assert rows(client, group="status", sub="model", range="90d") == {"Degraded": 4, "Served": 3}


def test_under_filters_the_same_calls_of_the_days_before_are_compared_with(client: Client) -> None:
    today = timezone.now().astimezone(ZoneInfo("Europe/Berlin")).date()
    asked = {"group": "model", "f": "domain:code", "whole": "1", "range": "7d", "compare": "custom", "against": f"{today - timedelta(days=6)}"}
    page = client.get("/o/acme/costs/", asked)
    assert {row["line"].label: row["before"] for row in page.context["rows"]} == {"large": 6 * 10**9, "mini": 3 * 10**9}
    assert page.context["all"]["before"] == 9 * 10**9
    assert any(trace.get("meta") == "previous" for trace in page.context["figure"]["data"])


def test_numbers_of_all_runs_say_that_filters_do_not_narrow_them(client: Client) -> None:
    page = client.get("/o/acme/costs/", {"metric": "saved", "f": "domain:code", "whole": "1"}).content.decode()
    assert "the filters by domain do not narrow the chart" in page


def test_tags_of_one_key_can_be_told_apart_from_others(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for tags, amount in ((["team:core", "nightly"], 3), (["team=web"], 2), (["teams:none"], 1)):
            book(cast.acme, model="mini", amount_nusd=amount * 10**9, tags=tags)
    client = logged_in(cast.finn)
    assert rows(client, group="tag", tagkey="team") == {"team:core": 3, "team=web": 2}
    assert rows(client, group="model", sub="tag", tagkey="team") == {"mini · team:core": 3, "mini · team=web": 2}
    assert rows(client, group="tag", tagkey="\x00%'") == {}


def test_a_value_narrows_what_is_shown_and_keeps_the_filters_that_are_there(client: Client) -> None:
    page = client.get("/o/acme/costs/", {"group": "model", "f": "domain:code", "whole": "1"}).content.decode()
    assert "f=domain%3Acode&amp;whole=1&amp;f=model%3Amini" in page or "f=domain%3Acode&amp;f=model%3Amini" in page


def test_the_last_24_hours_are_told_by_the_hour_and_all_else_of_them_by_the_day(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, model="mini", domain="code", amount_nusd=1_500_000_000)
    sum_quarters(now=datetime.now(UTC))
    client = logged_in(cast.finn)
    page = client.get("/o/acme/costs/?range=24h&compare=previous")
    assert "Cost per hour by model" in page.content.decode()
    assert len(page.context["series"].points) == 24
    assert [row["line"].total for row in page.context["rows"]] == [1_500_000_000]
    by_day = client.get("/o/acme/costs/?range=24h&sub=domain&whole=1")
    assert "Told by the day" in by_day.content.decode()
    assert all(type(point) is date for point in by_day.context["series"].points)


def test_the_table_is_sorted_by_the_column_that_is_asked_for(client: Client) -> None:
    def first(sort: str) -> str:
        return client.get("/o/acme/costs/", {"group": "model", "sort": sort}).context["rows"][0]["line"].label

    assert [first(sort) for sort in ("", "name", "runs", "change", "'")] == ["large", "large", "mini", "large", "large"]


def test_a_value_leads_to_its_runs_and_all_are_added_up(client: Client, cast: Cast) -> None:
    page = client.get("/o/acme/costs/", {"group": "end_user"})
    asked = parse_qs(urlsplit(page.context["rows"][0]["runs_url"]).query)
    assert asked["user"] == [str(cast.ann.pk)]
    assert set(asked) == {"user", "from", "to"}, "those of the range, which are counted beside it"
    assert len(client.get(page.context["rows"][0]["runs_url"]).context["shown"]) == page.context["rows"][0]["runs"].runs
    assert page.context["all"]["total"] == 10 * 10**9
    assert page.context["all"]["input_tokens"] == sum(row["spent"].input_tokens for row in page.context["rows"])


def test_values_of_a_filter_are_offered_as_they_are_called(client: Client) -> None:
    def offered(**asked: str) -> list[str]:
        return re.findall(r'value="([^"]*)"', client.get("/o/acme/costs/values/", asked).content.decode())

    assert offered(dim="model", value="MI") == ["mini"]
    assert offered(dim="end_user", value="an") == ["ann"]
    assert offered(dim="tag", value="") == ["=nightly"]
    assert offered(dim="status", value="") == offered(dim="x", value="\x00") == offered() == []
    assert offered(dim="model", value="CANARY") == []


def test_an_anomaly_is_a_diamond_on_its_day(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, model="mini", amount_nusd=10**9)
        anomaly = anomaly_of(cast)
    answer = logged_in(cast.finn).get("/o/acme/costs/")
    (diamonds,) = [trace for trace in answer.context["figure"]["data"] if trace.get("meta") == "anomaly"]
    assert [url for url in diamonds["customdata"] if url] == [f"/o/acme/anomalies/{anomaly.pk}/"]


def test_a_filter_that_is_added_becomes_part_of_the_address(client: Client) -> None:
    answer = client.get("/o/acme/costs/", {"group": "model", "dim": "end_user", "value": "ann", "not": "1"})
    assert answer["location"] == "/o/acme/costs/?group=model&x=end_user%3Aann"
    assert rows(client, group="model", x=["end_user:ann"]) == {"mini": 1}


def test_what_is_too_much_to_read_is_told_and_the_page_stays(client: Client) -> None:
    page = client.get("/o/acme/costs/", {"range": "12m", "sub": "tier", "whole": "1"}).content.decode()
    assert "This is more than a page can wait for." in page
    assert "at most 92 days" in page


def test_a_question_that_takes_too_long_is_ended_and_the_page_goes_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("billing.reports.pivot")  # the package has a function of this name
    monkeypatch.setattr(module, "PATIENCE_MS", 20)
    monkeypatch.setitem(module.COLUMNS, "tier", "pg_sleep(0.2)::text || e.tier")
    page = client.get("/o/acme/costs/", {"sub": "tier", "whole": "1"})
    assert b"This is more than a page can wait for." in page.content


def test_the_table_tells_what_the_runs_of_each_value_did(client: Client) -> None:
    page = client.get("/o/acme/costs/", {"group": "model"})
    large, mini = (row["runs"] for row in page.context["rows"])
    assert (large.runs, large.saved_nusd, mini.runs, mini.saved_nusd) == (1, 4 * 10**9, 2, 16 * 10**9)


@pytest.mark.parametrize("metric", ["calls", "in", "out", "runs", "saved", "accepted", "per-run", "latency", "errors"])
def test_every_metric_has_a_chart(client: Client, metric: str) -> None:
    answer = client.get("/o/acme/costs/", {"metric": metric})
    assert answer.context["figure"]["data"]
    assert answer.status_code == 200


def test_the_file_holds_every_value_and_nothing_that_a_spreadsheet_would_carry_out(client: Client) -> None:
    answer = client.get("/o/acme/costs/", {"group": "tag", "format": "csv"})
    heading, *lines = answer.content.decode().splitlines()
    assert heading == "Day (Europe/Berlin),Tag,Cost in USD"
    assert [line.split(",")[1:] for line in lines] == [["'=nightly", "10"]]
    assert answer["content-disposition"].startswith('attachment; filename="acme-cost-')


def test_more_lines_than_the_limit_are_one(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for number in range(7):
            book(cast.acme, model=f"model-{number}", amount_nusd=(number + 1) * 10**9)
    page = logged_in(person_of(cast, "viewer")).get("/o/acme/costs/", {"limit": "5"})
    assert [line.label for line in page.context["series"].lines][-1] == "Other"
    assert page.context["series"].lines[-1].total == 3 * 10**9
    assert len(page.context["rows"]) == 7
    assert reports.OTHER not in page.content.decode()


def test_more_values_than_the_table_has_room_for_are_one_row_of_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.screens.explorer.MOST_ROWS", 1)
    page = client.get("/o/acme/costs/", {"group": "model", "sort": "change"})
    assert [(row["line"].label, row["spent"] is None, row["before"]) for row in page.context["rows"]][-1] == ("Other", True, None)


def test_customers_who_are_called_by_ids_are_found_by_them(cast: Cast) -> None:
    name = "5f0c1b1e-6a43-4a0e-9f1d-0d7c7a0f3a11"
    with tenant_scope(cast.acme.id):
        theirs = make_end_user(cast.acme, name, Tier.objects.get(name="free"))
        book(cast.acme, model="mini", amount_nusd=10**9, end_user=theirs.pk)
        add_run(cast, end_user_id=theirs.pk)
    client = logged_in(cast.finn)
    assert rows(client, group="model", f=[f"end_user:{name}"]) == rows(client, group="model", f=[f"end_user:{theirs.pk}"]) == {"mini": 1}
    (row,) = client.get("/o/acme/costs/", {"group": "end_user"}).context["rows"]
    for asked in (row["runs_url"], f"/o/acme/runs/?user={name}"):
        assert len(client.get(asked).context["shown"]) == 1


def test_keys_of_one_name_are_filtered_together_and_offered_once(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for number in range(2):
            key = ApiKey.objects.create(name="rolled", prefix=f"cfk_live_{number}", digest=bytes([number]) * 32, last4="abcd", scopes=["invoke"])
            book(cast.acme, model="mini", amount_nusd=10**9, api_key=key.pk)
    client = logged_in(cast.finn)
    assert rows(client, group="model", f=["api_key:rolled"]) == {"mini": 2}
    assert client.get("/o/acme/costs/values/?dim=api_key&value=roll").content.count(b"rolled") == 1


def test_what_was_changed_is_marked_on_its_day_and_told(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, model="mini", amount_nusd=2_000_000_000)
        ModelPrice.objects.create(model="mini", source="test", input_nusd=1, output_nusd=2)
    with tenant_scope(cast.globex.id):
        ModelPrice.objects.create(model="CANARY", source="test", input_nusd=1, output_nusd=2)
    answer = logged_in(cast.finn).get("/o/acme/costs/")
    (marks,) = [trace for trace in answer.context["figure"]["data"] if trace.get("meta") == "change"]
    assert marks["text"][-1] == "price of mini created"
    assert [y for y in marks["y"] if y is not None] == [0]
    page = answer.content.decode()
    assert "1 change of presets, prices, policies and rules" in page
    assert "CANARY" not in page
    assert "changes" not in logged_in(person_of(cast, "developer")).get("/o/acme/costs/").context
