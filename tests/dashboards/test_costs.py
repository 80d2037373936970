"""The cost explorer: one dimension from the day sums, two and filters from the entries, the table, and the file."""

from importlib import import_module
from typing import Any

import pytest
from django.test import Client

from billing import reports
from billing.models import ModelPrice
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run, logged_in, person_of
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
    assert heading == "Day,Tag,Cost in USD"
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
