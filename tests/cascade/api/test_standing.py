"""The preview says what the ledger would do: on which rung the next call stands."""


from billing.engine.money import to_nusd
from tests.stage import Stage


def standing(stage: Stage, **asked: object) -> dict[str, object]:
    with stage.http(stage.cast.acme_admin_key) as client:
        answer = client.get(f"/api/v1/end-users/{stage.cast.ann.pk}/standing/", params={"max_tokens": 2000, **asked})  # type: ignore[dict-item]
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


def test_without_budgets_it_is_the_best_path(live_cast: Stage) -> None:
    told = standing(live_cast)
    assert (told["rung"], told["explanation"], told["user_id"], told["tier"]) == ("best", "Every budget bears the best path.", "ann", "free")


def test_a_budget_that_degrades_is_met_by_the_rung_that_a_call_then_takes(live_cast: Stage) -> None:
    rungs = standing(live_cast, model="production_ready")["rungs"]
    assert isinstance(rungs, list)
    costs = [to_nusd(rung["worst_cost"]) for rung in rungs]
    assert costs == sorted(costs, reverse=True)
    for rung in rungs[1:]:
        budget = live_cast.add_budget(rung["worst_cost"], action="degrade", period="total", scope="end_user", subject="ann")
        told = standing(live_cast, model="production_ready")
        assert (told["rung"], told["explanation"]) == (rung["rung"], rung["why"])
        with live_cast.http(live_cast.cast.acme_admin_key) as client:
            client.delete(f"/api/v1/budgets/{budget.id}/")
    live_cast.add_budget("0.000000001", action="degrade", scope="end_user", subject="ann")
    told = standing(live_cast, model="production_ready")
    assert told["rung"] is None
    assert "would be refused" in str(told["explanation"])


def test_a_budget_that_blocks_is_not_met_by_a_cheaper_rung(live_cast: Stage) -> None:
    rungs = standing(live_cast)["rungs"]
    assert isinstance(rungs, list)
    live_cast.add_budget(rungs[1]["worst_cost"])
    assert standing(live_cast)["rung"] is None


def test_what_cannot_be_planned_says_so(live_cast: Stage) -> None:
    with live_cast.http(live_cast.cast.acme_admin_key) as client:
        unknown = client.get(f"/api/v1/end-users/{live_cast.cast.ann.pk}/standing/", params={"model": "no-such"})
        wrong = client.get(f"/api/v1/end-users/{live_cast.cast.ann.pk}/standing/", params={"prompt_bytes": "many"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "model_not_found")
    assert (wrong.status_code, list(wrong.json()["errors"])) == (400, ["prompt_bytes"])
