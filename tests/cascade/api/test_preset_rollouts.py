"""The rollout of a preset over REST: share and shadow, and the figures of each side."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from cascade.models import CascadeRun, PresetRollout
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest

DEFINITION = {"strategies": [{"domain": "general", "steps": [{"name": "draft", "models": ["@draft"]}]}]}


@pytest.fixture
def acme(cast: Cast) -> Rest:
    rest = Rest(cast.acme_admin_key)
    rest.make("presets/", name="own", definition=DEFINITION)
    return rest


def add_run(cast: Cast, arm: str, *, cost: int, accepted: bool | None = None, days: int = 0, **fields: Any) -> uuid.UUID:
    with tenant_scope(cast.acme.id):
        run = CascadeRun.objects.create(
            **{
                "id": uuid.uuid4(), "status": "served", "preset": "own", "policy_version": "own@1", "arm": arm, "domain": "general",
                "domain_confidence": 0.9, "complexity": "simple", "latency_ms": 100.0, "cost_nusd": cost, "baseline_nusd": 4000,
                "draft_accepted": accepted, "started_at": timezone.now() - timedelta(days=days, minutes=1), **fields,
            }
        )  # fmt: skip
        return run.pk


@pytest.mark.parametrize("name", ["own", "medical_ai"])
def test_a_preset_serves_everybody_until_somebody_says_otherwise(acme: Rest, name: str) -> None:
    told = acme.get(f"presets/{name}/rollout/").json()
    assert (told["preset"], told["share"], told["shadow"], told["changed_at"], told["arms"]) == (name, 100, False, None, [])
    changed = acme.send("patch", f"presets/{name}/rollout/", {"share": 25, "shadow": True}).json()
    assert (changed["share"], changed["shadow"]) == (25, True)
    assert changed["changed_by"].startswith("API key ")
    assert acme.send("patch", f"presets/{name}/rollout/", {"share": 50}).json()["shadow"] is True, "what is left out stays"
    assert acme.get(f"presets/{name}/rollout/").json()["share"] == 50


def test_where_everybody_is_served_there_is_nothing_to_shadow(acme: Rest) -> None:
    assert acme.send("patch", "presets/own/rollout/", {"shadow": True}).status_code == 400
    acme.send("patch", "presets/own/rollout/", {"share": 0, "shadow": True})
    answer = acme.send("patch", "presets/own/rollout/", {"share": 100})
    assert "switch the shadow off" in answer.json()["errors"]["shadow"][0]
    assert acme.get("presets/own/rollout/").json()["share"] == 0
    assert acme.send("patch", "presets/own/rollout/", {"share": 100, "shadow": False}).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"share": -1}, {"share": 101}, {"share": "half"}, {"share": 1.5}, {"shadow": "perhaps"}, {"percent": 5}, [], {"share": None}]
)
def test_bodies_that_make_no_sense_are_refused_and_leave_nothing(cast: Cast, acme: Rest, body: Any) -> None:
    answer = acme.send("patch", "presets/own/rollout/", body)
    assert answer.status_code == 400
    assert len(answer.json()["detail"]) > 12
    with tenant_scope(cast.acme.id):
        assert not PresetRollout.objects.exists()


@pytest.mark.parametrize("days", ["0", "32", "-1", "week", "1e3", ""])
def test_the_days_looked_back_are_bounded(acme: Rest, days: str) -> None:
    assert "1 to 31" in acme.get(f"presets/own/rollout/?days={days}").json()["errors"]["days"][0]


def test_each_side_has_its_figures_and_the_saving_its_interval(cast: Cast, acme: Rest) -> None:
    for cost, accepted in ((600, True), (600, True), (4600, False), (200, None)):
        add_run(cast, "cascade", cost=cost, accepted=accepted)
    served = [add_run(cast, "baseline", cost=cost, latency_ms=300.0) for cost in (4000, 3900, 4100)]
    for run, accepted in zip(served[:2], (True, False), strict=True):
        add_run(cast, "shadow", cost=600, accepted=accepted, status="shadow", shadow_of=run)
    add_run(cast, "baseline", cost=9999, status="failed", days=8)
    add_run(cast, "cascade", cost=9999, preset="other")
    told = acme.get("presets/own/rollout/").json()
    cascade, baseline, shadow = told["arms"]
    assert [each["arm"] for each in told["arms"]] == ["cascade", "baseline", "shadow"]
    assert (cascade["runs"], cascade["cost"], cascade["baseline_cost"]) == (4, "0.000006", "0.000016")
    assert (cascade["judged"], cascade["accepted"], cascade["escalation_rate"]) == (3, 2, 0.25)
    assert cascade["accepted_share"] == pytest.approx(2 / 3)
    assert (baseline["runs"], baseline["mean_latency_ms"], baseline["accepted_share"], baseline["escalation_rate"]) == (3, 300.0, None, 0.0)
    assert (shadow["runs"], shadow["accepted_share"], shadow["cost"]) == (2, 0.5, "0.0000012")
    assert told["measured_saving"]["percent"] == pytest.approx(100 * (1 - 1500 / 4000))
    assert told["measured_saving"]["low"] < told["measured_saving"]["percent"] < told["measured_saving"]["high"]
    projected = told["projected_saving"]
    assert (projected["runs"], projected["served_cost"], projected["cascade_cost"]) == (2, "0.0000079", "0.0000051")
    assert projected["saving_percentage"] == pytest.approx(100 * (1 - 5100 / 7900))
    assert acme.get("presets/own/rollout/?days=9").json()["arms"][1]["failed"] == 1


def test_another_tenants_runs_and_rollouts_count_for_nothing(cast: Cast, acme: Rest) -> None:
    add_run(cast, "cascade", cost=600, accepted=True)
    acme.send("patch", "presets/medical_ai/rollout/", {"share": 5})
    globex = Rest(cast.globex_admin_key)
    assert globex.get("presets/own/rollout/").status_code == 404
    told = globex.get("presets/medical_ai/rollout/").json()
    assert (told["share"], told["arms"]) == (100, [])
    globex.make("presets/", name="own", definition=DEFINITION)
    assert globex.get("presets/own/rollout/").json()["arms"] == []
