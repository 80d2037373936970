"""Runs that were made, over REST."""

import uuid

import pytest

from cascade.models import CascadeRun
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest, book


@pytest.fixture
def run(cast: Cast) -> uuid.UUID:
    with tenant_scope(cast.acme.id):
        identity = book(cast.acme, end_user=cast.ann.pk)
        CascadeRun.objects.create(
            id=identity, status="served", end_user_id=cast.ann.pk, tier="free", preset="production_ready",
            policy_version="production_ready@builtin-1",
            domain="general", domain_confidence=0.9, complexity="simple", model_used="gpt-mini", draft_accepted=True, cost_nusd=96_300,
            baseline_nusd=1_605_000, latency_ms=812.5, steps=[{"step": "draft", "score": 0.91}], tags=["batch"],
            started_at="2026-11-01T10:00:00Z",
        )
    return identity


def test_a_run_shows_its_steps_and_its_cost_entries(cast: Cast, run: uuid.UUID) -> None:
    shown = Rest(cast.acme_admin_key).get(f"runs/{run}/").json()
    assert (shown["cost"], shown["cost_nusd"], shown["baseline"]) == ("0.0000963", 96_300, "0.001605")
    assert shown["steps"] == [{"step": "draft", "score": 0.91}]
    (entry,) = shown["entries"]
    assert (entry["reservation_id"], entry["amount"], entry["kind"]) == (str(run), "0.0000963", "settled")


def test_the_list_leaves_the_entries_out(cast: Cast, run: uuid.UUID) -> None:
    (row,) = Rest(cast.acme_admin_key).get("runs/").json()["results"]
    assert row["id"] == str(run)
    assert "entries" not in row


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"end_user": "ann"}, 1), ({"end_user": "ben"}, 0), ({"status": "served"}, 1), ({"domain": "code"}, 0),
        ({"draft_accepted": "true"}, 1),
        ({"started_after": "2026-11-01T10:00:00Z"}, 1), ({"started_before": "2026-11-01T10:00:00Z"}, 0),
        ({"model_used": "gpt-mini", "tier": "free"}, 1),
    ],
)
def test_filters(cast: Cast, run: uuid.UUID, filters: dict[str, str], found: int) -> None:
    assert len(Rest(cast.acme_admin_key).get("runs/", filters).json()["results"]) == found
