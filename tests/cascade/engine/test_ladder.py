"""The ladder: each rung costs less than the one before, keeps what makes an answer safe, and uses only what the tier allows."""

from typing import Any

import pytest

from billing.engine.pricing import Price
from cascade.engine.domains import DomainDetector
from cascade.engine.ladder import SHORTEST, ladder
from cascade.engine.planning import make_plan
from cascade.engine.plans import CascadePlan, CascadeRequest
from cascade.engine.presets import AgentConfig
from cascade.engine.tiers import TierAwareRouter, TierModelPolicy
from cascade.engine.values import ModelConfig

DETECTOR = DomainDetector()


def model(name: str, rate: int | None, **fields: Any) -> ModelConfig:
    """A model at `rate` dollars per million tokens, in and out."""
    price = None if rate is None else Price(version=name, input_nusd=rate * 10**9, output_nusd=rate * 10**9)
    return ModelConfig(name=name, provider="p", upstream_name=name, price=price, **fields)


def rungs(*models: ModelConfig, request: CascadeRequest | None = None, policy: TierModelPolicy | None = None) -> list[CascadePlan]:
    config = AgentConfig(
        models={each.name: each for each in (model("mini", 1), model("large", 20), *models)},
        parts={"draft": "mini", "strong": "large", "checker": "mini"}, detector=DETECTOR, today="2026-01-01",
        router=TierAwareRouter(policies={policy.tier: policy} if policy else {}),
    )  # fmt: skip
    asked = request or CascadeRequest(messages=[{"role": "user", "content": "Where is my order?"}], max_tokens=2000)
    return list(ladder(make_plan(asked, config=config), config=config))


def names(found: list[CascadePlan]) -> list[str]:
    return [plan.rung for plan in found]


def answering(plan: CascadePlan) -> list[tuple[str, int]]:
    return [(step.model.name, step.max_tokens) for step in plan.steps if step.kind == "answer"]


def test_each_rung_costs_less_and_says_why() -> None:
    found = rungs(model("middle", 5), model("small", 3))
    assert names(found) == ["best", "cheaper_path", "shorter_answers", "draft_only", "short_draft"]
    costs = [plan.max_cost_nusd for plan in found]
    assert costs == sorted(set(costs), reverse=True)
    assert [answering(plan) for plan in found] == [
        [("mini", 2000), ("large", 2000)], [("mini", 2000), ("middle", 2000)], [("mini", 1000), ("middle", 1000)], [("mini", 2000)], [("mini", 256)],
    ]  # fmt: skip
    assert found[0].degraded is None
    assert found[1].degraded == "middle in place of large: the budget does not bear the best path"
    assert all(plan.degraded for plan in found[1:])


def test_the_last_answer_of_a_rung_is_not_judged_and_the_ones_before_are() -> None:
    best, cheaper, _, draft, _ = rungs(model("middle", 5))
    assert [step.validator for step in best.steps] == [step.validator for step in cheaper.steps] == ["balanced", None]
    assert [step.validator for step in draft.steps] == [None]


@pytest.mark.parametrize(
    "unfit",
    [
        model("middle", None), model("middle", 5, is_quarantined=True), model("middle", 5, retired_on="2020-01-01"), model("middle", 21),
        model("middle", 1), model("middle", 5, capabilities=frozenset()),
    ],
)  # fmt: skip
def test_no_model_is_put_in_that_could_not_serve_or_is_no_cheaper(unfit: ModelConfig) -> None:
    request = CascadeRequest(
        messages=[{"role": "user", "content": "As JSON."}], max_tokens=2000, parameters={"response_format": {"type": "json_object"}}
    )
    found = rungs(unfit, request=request)
    assert "cheaper_path" not in names(found)
    assert all(name != "middle" for plan in found for name, _ in answering(plan))


def test_the_tiers_policy_binds_on_every_rung() -> None:
    policy = TierModelPolicy(tier="free", denied_models=frozenset({"middle"}))
    request = CascadeRequest(messages=[{"role": "user", "content": "Where is my order?"}], max_tokens=2000, tier="free")
    found = rungs(model("middle", 5), request=request, policy=policy)
    assert {name for plan in found for name, _ in answering(plan)} == {"mini", "large"}


def test_a_model_that_was_asked_by_name_gives_way_to_the_next_cheaper_one() -> None:
    request = CascadeRequest(messages=[{"role": "user", "content": "Where is my order?"}], model="large", max_tokens=2000)
    found = rungs(model("middle", 5), request=request)
    assert names(found) == ["best", "cheaper_path", "shorter_answers", "short_draft"]
    assert answering(found[1]) == [("middle", 2000)]


def test_checks_stay_on_every_rung() -> None:
    request = CascadeRequest(messages=[{"role": "user", "content": "Dose of ibuprofen?"}], domain="medical", max_tokens=2000)
    for plan in rungs(model("middle", 5), request=request):
        assert [step.name for step in plan.steps if step.kind == "check"] == ["fact_check", "safety_check"]


def test_short_answers_are_not_cut_below_the_shortest() -> None:
    request = CascadeRequest(messages=[{"role": "user", "content": "Where is my order?"}], max_tokens=300)
    found = rungs(request=request)
    assert names(found) == ["best", "shorter_answers", "draft_only", "short_draft"]
    assert {tokens for plan in found[1:2] for _, tokens in answering(plan)} == {SHORTEST}
    tiny = rungs(request=CascadeRequest(messages=[{"role": "user", "content": "Where is my order?"}], max_tokens=100))
    assert names(tiny) == ["best", "draft_only"]
