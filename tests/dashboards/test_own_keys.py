"""A developer sees what the keys that they made did, and nothing else; finance sees what runs cost, without their steps."""

import uuid
from datetime import UTC, datetime

import pytest
from django.test import Client

from cascade.models import CascadeRun
from tenants import services
from tenants.models import ApiKey
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run, logged_in, person_of
from tests.rest import book

NOW = datetime.now(UTC)


@pytest.fixture
def client(cast: Cast) -> Client:
    return logged_in(person_of(cast, "developer"))


def run_of(cast: Cast, key: ApiKey, *, model: str) -> CascadeRun:
    run = book(cast.acme, model=model, amount_nusd=2 * 10**9, end_user=cast.ann.id, api_key=key.pk)
    return add_run(cast, id=run, model_used=model, api_key_id=key.pk, cost_nusd=2 * 10**9)


@pytest.fixture
def runs(cast: Cast) -> tuple[CascadeRun, CascadeRun]:
    """The developer's run, and one of somebody else."""
    with tenant_scope(cast.acme.id):
        own, _ = services.issue_key(name="mine", scopes=["invoke"], expires_at=None, now=NOW, created_by=person_of(cast, "developer"))
        other, _ = services.issue_key(name="theirs", scopes=["invoke"], expires_at=None, now=NOW, created_by=cast.olga)
        return run_of(cast, own, model="mini"), run_of(cast, other, model="large")


def test_the_explorer_shows_a_developer_the_costs_of_their_own_keys(client: Client, runs: tuple[CascadeRun, CascadeRun]) -> None:
    page = client.get("/o/acme/costs/?whole=1")
    assert [row["line"].label for row in page.context["rows"]] == ["mini"]
    assert b"of the keys that you made" in page.content
    assert not page.context["run_metrics"]


def test_no_filter_widens_what_a_developer_sees(client: Client, runs: tuple[CascadeRun, CascadeRun]) -> None:
    for asked in (f"f=api_key:{runs[1].api_key_id}", "f=model:large", "x=model:mini", "group=api_key&f=api_key:theirs", "metric=runs"):
        page = client.get(f"/o/acme/costs/?{asked}&whole=1")
        assert "large" not in [row["line"].label for row in page.context["rows"]], asked


def test_a_developer_without_keys_sees_nothing(client: Client, cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        other, _ = services.issue_key(name="theirs", scopes=["invoke"], expires_at=None, now=NOW, created_by=cast.olga)
        run_of(cast, other, model="large")
    assert not client.get("/o/acme/costs/?whole=1").context["rows"]
    assert not client.get("/o/acme/runs/").context["shown"]


def test_a_developer_finds_their_own_runs_alone(client: Client, runs: tuple[CascadeRun, CascadeRun]) -> None:
    own, other = runs
    assert [one["row"].pk for one in client.get("/o/acme/runs/").context["shown"]] == [own.pk]
    assert "steps" in client.get(f"/o/acme/runs/{own.pk}/").context
    assert client.get(f"/o/acme/runs/{other.pk}/").status_code == 404
    assert b"Nothing" in client.get(f"/o/acme/palette/?q={other.pk}").content


def test_finance_sees_what_a_run_cost_and_not_its_steps(cast: Cast, runs: tuple[CascadeRun, CascadeRun]) -> None:
    page = logged_in(cast.finn).get(f"/o/acme/runs/{runs[0].pk}/?tab=steps")
    assert page.context["tab"] == "ledger"
    assert "steps" not in page.context


def test_everybody_lands_on_the_first_page_of_their_menu(cast: Cast) -> None:
    for role, wanted in (("owner", "/o/acme/"), ("developer", "/o/acme/costs/"), ("viewer", "/o/acme/")):
        assert logged_in(person_of(cast, role)).get("/")["location"] == wanted


def test_a_page_that_is_refused_leads_back_to_one_that_is_not(client: Client) -> None:
    answer = client.get("/o/acme/")
    assert answer.status_code == 403
    assert b'href="/o/acme/costs/"' in answer.content


def test_an_id_that_no_run_has_is_not_found(client: Client) -> None:
    assert client.get(f"/o/acme/runs/{uuid.uuid4()}/").status_code == 404
