"""Faults of decisions that are known from a library of this kind, each shown not to be ours.

Others of them are shown elsewhere: substring keywords in tests/cascade/engine/test_domains.py (`test_a_keyword_never_matches_inside_another_word`),
keywords with capitals there (`test_a_rule_with_capitals_matches_any_case`, `test_every_built_in_rule_can_match_its_own_phrase`), a pattern that
can never match in tests/cascade/engine/quality/test_validator.py (`test_a_function_signature_in_the_draft_is_seen`).
"""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from billing.engine.pricing import Price
from cascade.engine.complexity import COMPLEXITIES
from cascade.engine.domains import BUILT_IN_RULES, DomainDetector
from cascade.engine.execution import VALIDATORS
from cascade.engine.planning import make_plan
from cascade.engine.plans import CascadeRequest
from cascade.engine.presets import BUILT_IN_PRESETS, AgentConfig, CascadePreset
from cascade.engine.quality.thresholds import BASE, default_threshold
from cascade.engine.quality.validator import QualityValidator
from cascade.engine.quality.weights import PENALTIES, WEIGHTS
from cascade.engine.strategies import DomainCascadeStrategy, draft, escalate
from cascade.engine.tiers import TierAwareRouter, TierModelPolicy
from cascade.engine.values import Completion, Complexity, ModelConfig, ValidationResult

GOOD = "The pens bring 3 * 2 = 6 dollars and the books 4 * 5 = 20 dollars, so it earns 6 + 20 = 26 dollars.\n#### 26"
QUESTION = "A shop sells 3 pens for $2 each and 4 books for $5 each. How many dollars does it earn?"


def judge(text: str, *, prompt: str = QUESTION, domain: str = "math", complexity: Complexity = "simple", **more: Any) -> ValidationResult:
    completion = Completion(message={"role": "assistant", "content": text}, finish_reason="stop", usage=None)
    validator = more.pop("validator", None) or QualityValidator()
    return validator.validate(prompt=prompt, completion=completion, parameters={}, domain=domain, complexity=complexity, **more)


def constants() -> str:
    thresholds = [default_threshold(preset="balanced", domain="math", complexity=complexity) for complexity in COMPLEXITIES]
    return repr((BASE, WEIGHTS, PENALTIES, BUILT_IN_PRESETS, thresholds))


def test_thresholds_do_not_drift_with_what_was_accepted_and_agents_share_no_state() -> None:
    """Fault 18: "adaptive" thresholds changed the configuration of every agent that used it, from .25 to .50 after ten accepted drafts."""
    before, first = constants(), judge(GOOD, validator=VALIDATORS["balanced"])
    for _ in range(200):
        judge(GOOD, validator=VALIDATORS["balanced"])
        judge("I don't know.", validator=VALIDATORS["balanced"])
    assert constants() == before
    assert judge(GOOD, validator=VALIDATORS["balanced"]) == first == judge(GOOD)


@pytest.mark.parametrize(("lower", "higher"), [("trivial", "simple"), ("hard", "expert")])
def test_the_threshold_of_each_complexity_is_the_one_that_is_applied(lower: Complexity, higher: Complexity) -> None:
    """Fault 19: the value for "simple" was used for all; .99 configured for "moderate", .1 applied."""
    assert judge(GOOD, complexity=lower).threshold < judge(GOOD, complexity=higher).threshold
    for complexity in COMPLEXITIES:
        expected = default_threshold(preset="balanced", domain="math", complexity=complexity, kind="worked")
        assert judge(GOOD, complexity=complexity).threshold == expected


def test_a_threshold_of_0_99_rejects_a_draft_at_a_half() -> None:
    """Fault 19 again, from the preset to the decision."""
    preset = CascadePreset(name="careful", strategies=(DomainCascadeStrategy(domain="general", steps=(draft(threshold=0.99), escalate())),))
    step = plan(QUESTION, presets={"careful": preset}, model="careful").steps[0]
    assert step.threshold == 0.99
    found = judge(GOOD.replace("#### 26", ""), threshold=step.threshold)
    assert 0.4 < found.score < 0.99
    assert not found.accepted
    assert found.threshold == 0.99


def test_a_tiers_least_quality_binds_over_a_lower_threshold() -> None:
    preset = CascadePreset(name="lax", strategies=(DomainCascadeStrategy(domain="general", steps=(draft(threshold=0.1), escalate())),))
    policy = TierModelPolicy(tier="pro", min_quality=0.9)
    assert plan(QUESTION, presets={"lax": preset}, model="lax", policy=policy, tier="pro").steps[0].threshold == 0.9


def plan(
    prompt: str, *, presets: Mapping[str, CascadePreset], model: str, policy: TierModelPolicy | None = None, tier: str | None = None
) -> Any:
    price = Price(version="1", input_nusd=10**9, output_nusd=10**9)
    models = {name: ModelConfig(name=name, provider="p", upstream_name=name, price=price) for name in ("mini", "large")}
    config = AgentConfig(
        models=models, parts={"draft": "mini", "strong": "large"}, presets=presets, detector=DomainDetector(),
        router=TierAwareRouter(policies={policy.tier: policy} if policy else {}),
    )  # fmt: skip
    return make_plan(CascadeRequest(messages=[{"role": "user", "content": prompt}], model=model, tier=tier), config=config)


@pytest.mark.parametrize("harmless", ["I assume the mayor may address the summary", "What is the total? ", "What is the sum in total of it all? "])
def test_words_such_as_total_switch_no_check_off_and_lower_no_threshold(harmless: str) -> None:
    """Fault 31: any prompt with "what is" or "total" was in "math mode": hedging and length unchecked, threshold at most .55."""
    hedged = "Perhaps it might possibly be so, maybe, but it seems unclear and probably uncertain, I guess."
    plain, with_words = judge(hedged, prompt="Is it so?", domain="general"), judge(hedged, prompt=harmless, domain="general")
    assert {check.name for check in plain.checks} == {check.name for check in with_words.checks}
    hedging = next(check for check in with_words.checks if check.name == "hedging")
    assert hedging.score < 0.5
    assert with_words.threshold == plain.threshold


def test_substrings_of_words_are_no_evidence_for_a_domain() -> None:
    """Fault 31: "sum" in "assume", "add" in "address", "may" in "mayor"."""
    assert DomainDetector().detect("I assume the mayor may address them in summary.").domain == "general"


def test_nothing_is_compiled_while_a_call_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 33: 565 patterns in a cache of 512 were compiled anew on nearly every call, 10 ms of it."""
    detector, validator = DomainDetector(), QualityValidator(preset="strict")
    prompts = [QUESTION, "def f(x):\n    return x", "What dose? In at most 50 words.", "A. one\nB. two", "Is \u00a7 5 of the act valid?"]

    def refuse(*_: object) -> object:
        raise AssertionError("a pattern was compiled during a call")

    monkeypatch.setattr(re, "_compile", refuse)
    for prompt in prompts:
        domain = detector.detect(prompt).domain
        for text in (GOOD, "```python\ndef f(x):\n    return x\n```", "In short: yes.", '{"answer": "4"}'):
            judge(text, prompt=prompt, domain=domain, validator=validator)


def test_every_rule_of_every_domain_can_decide() -> None:
    """Fault 33: eleven keywords with capitals (OOP, ETL, CSV ...) could never match the lower-cased text."""
    detector = DomainDetector()
    for rule in BUILT_IN_RULES:
        if rule.weight >= 3:
            assert detector.detect(rule.phrase.upper()).matched, rule.phrase
