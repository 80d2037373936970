"""What another weight of a rule would have made of a prompt: the same as reading it anew, but without the prompt."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cascade.engine.domain_replay import domain_under
from cascade.engine.domains import MOST_RULES_KEPT, DomainDetector, KeywordRule

WEIGHTS = st.floats(min_value=-10, max_value=10).map(lambda weight: round(weight, 3))
WORDS = st.lists(st.sampled_from(["blip", "blips", "contract", "python", "integral", "patient", "and", "hello"]), max_size=12)


def detector_with(rule: KeywordRule) -> DomainDetector:
    others = (KeywordRule("legal", "contract", 2.0), KeywordRule("code", "python", 3.0), KeywordRule("medical", "patient", 2.0))
    return DomainDetector(rules=(*others, rule))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=WORDS, then=WEIGHTS, now=WEIGHTS, was_on=st.booleans(), domain=st.sampled_from(["legal", "code", "shipping"]))
def test_a_replayed_weight_decides_as_reading_the_prompt_anew_would(words: list[str], then: float, now: float, was_on: bool, domain: str) -> None:
    prompt = " ".join(words)
    match = detector_with(KeywordRule("legal", "blip", then, enabled=was_on, id="r1")).detect(prompt)
    kept = match.evidence
    assert (kept is None) == ("blip" not in words and "blips" not in words)
    if kept is not None:
        scores, met = msgspec.to_builtins((kept.scores, kept.met["r1"]))
        anew = detector_with(KeywordRule(domain, "blip", now, id="r1")).detect(prompt)
        if anew.confidence - anew.runner_up_confidence > 0.001:  # equals are decided by the order of domains, which a new domain ends
            assert domain_under(scores, met, domain=domain, weight=now) == anew.domain


def test_without_rules_of_ones_own_no_evidence_is_kept() -> None:
    assert DomainDetector().detect("Sign the contract").evidence is None


def test_a_rule_that_is_switched_off_decides_nothing_and_is_counted() -> None:
    match = detector_with(KeywordRule("legal", "python", 10.0, enabled=False, id="r1")).detect("python")
    assert match.domain == DomainDetector().detect("python").domain
    assert match.evidence is not None
    assert match.evidence.met == {"r1": ("legal", 1, 0.0)}


def test_of_many_rules_that_are_met_the_weightiest_are_kept() -> None:
    words = [f"word{number}" for number in range(30)]
    detector = DomainDetector(rules=[KeywordRule("legal", word, float(number) / 10, id=word) for number, word in enumerate(words)])
    kept = detector.detect(" ".join(words)).evidence
    assert kept is not None
    assert set(kept.met) == set(words[-MOST_RULES_KEPT:])
    assert dict(kept.scores)["legal"] == sum(range(30)) / 10, "all of them decided"


def test_the_worked_number() -> None:
    assert domain_under([("general", 1.5), ("legal", 6.0)], ("legal", 1, 6.0), domain="legal", weight=1.0) == "general"
