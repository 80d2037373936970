"""What runs saved, as rows of a FOCUS file: they cost nothing, keep the specification's rules, and sum to the savings statement."""

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cascade.models import CascadeRun
from cascade.savings import savings_statement
from tenants.scoping import tenant_scope
from tests.billing.exports.test_focus import check, rows_of
from tests.billing.exports.test_formats import written
from tests.shop import Shop


@pytest.fixture
def runs(shop: Shop) -> Shop:
    """Two runs of a day, of which one cost more than its baseline, a degraded one, and those that are in no statement."""
    facts: dict[str, Any] = {
        "preset": "p", "policy_version": "p@1", "domain": "code", "domain_confidence": 0.9, "complexity": "simple", "latency_ms": 1,
        "started_at": datetime(2026, 8, 3, 23, 59, 59, tzinfo=UTC), "status": "served", "tier": "pro", "baseline_model": "large",
    }  # fmt: skip
    ann = shop.cast.ann.id
    with tenant_scope(shop.tenant.id):
        for changes in (
            {"baseline_nusd": 1_000_000_007, "cost_nusd": 4, "end_user_id": ann, "tags": ["team=growth"]}, {"baseline_nusd": 3, "cost_nusd": 1_003},
            {"baseline_nusd": 10, "cost_nusd": 1, "status": "degraded", "tier": "free", "baseline_model": ""},
            {"baseline_nusd": 999, "status": "shadow"}, {"baseline_nusd": 999, "status": "failed"}, {"baseline_nusd": None, "cost_nusd": 999},
            {"baseline_nusd": 999, "started_at": datetime(2026, 9, 1, tzinfo=UTC)},
        ):  # fmt: skip
            CascadeRun.objects.create(id=uuid.uuid4(), **{**facts, **changes})
    return shop


def sums(rows: list[dict[str, str]]) -> tuple[int, int]:
    return (
        int(sum(Decimal(row["x_BaselineCost"] or 0) for row in rows) * 10**9), int(sum(Decimal(row["x_SavingsAmount"] or 0) for row in rows) * 10**9)
    )


def test_baselines_are_rows_without_a_cost_that_sum_to_the_savings_statement(runs: Shop, tmp_path: Path) -> None:
    rows = rows_of(runs, tmp_path)
    for row in rows:
        check(row)
    with tenant_scope(runs.tenant.id):
        saved = savings_statement(start_at=datetime(2026, 8, 1, tzinfo=UTC), end_at=datetime(2026, 9, 1, tzinfo=UTC))
    assert sums(rows) == (saved.baseline_nusd, saved.saved_nusd) == (1_000_000_020, 1_000_000_020 - 1_008)
    assert {(row["EffectiveCost"], row["x_EntryKind"], row["ProviderName"]) for row in rows} == {("0.0", "baseline", "CascadeFlow")}
    assert sorted((row["x_TierName"], row["x_BaselineModel"]) for row in rows) == [("free", ""), ("pro", "large")]
    assert {row["ChargePeriodStart"] for row in rows} == {"2026-08-03T00:00:00Z"}


@pytest.mark.parametrize(
    ("wanted", "baseline"),
    [({"filters": {"tier": "free"}}, 10), ({"filters": {"tag": "team=growth"}}, 1_000_000_007), ({"filters": {"model": "mini"}}, 0)],
)
def test_they_are_narrowed_like_the_rest_and_left_out_where_no_whole_run_is(
    runs: Shop, tmp_path: Path, wanted: dict[str, Any], baseline: int
) -> None:  # fmt: skip
    assert sums(rows_of(runs, tmp_path, **wanted))[0] == baseline
    notes = written(runs, tmp_path / "file", what="focus", **wanted).manifest["notes"]
    assert any("no whole runs" in note for note in notes) == (baseline == 0)


def test_they_are_split_by_end_users_and_tags_where_that_is_asked_for(runs: Shop, tmp_path: Path) -> None:
    rows = rows_of(runs, tmp_path, users=True, tag_keys=("team",))
    assert [(row["x_UserId"], json.loads(row["Tags"]).get("team")) for row in rows if row["x_UserId"]] == [(str(runs.cast.ann.id), "growth")]
    assert sums(rows)[0] == 1_000_000_020
