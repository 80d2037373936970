"""What differs between two presets."""

import msgspec
import pytest

from cascade.engine.differences import Difference, differences
from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.engine.strategies import DomainCascadeStrategy
from tests.cascade.engine.plans import CHECK, DRAFT, ESCALATE, preset

HOUSE = preset(DRAFT, ESCALATE)


@pytest.mark.parametrize("name", BUILT_IN_PRESETS)
def test_a_preset_does_not_differ_from_itself_under_another_name_and_version(name: str) -> None:
    found = BUILT_IN_PRESETS[name]
    assert differences(found, msgspec.structs.replace(found, name="other", version="7", title="Other")) == ()


def test_a_changed_field_names_domain_step_and_field() -> None:
    stricter = preset(msgspec.structs.replace(DRAFT, threshold=0.9, models=("mini", "middle")), ESCALATE)
    assert differences(HOUSE, stricter) == (
        Difference(path="general.draft.models", change="changed", old=("mini",), new=("mini", "middle")),
        Difference(path="general.draft.threshold", change="changed", old=None, new=0.9),
    )


def test_steps_and_strategies_that_come_and_go_are_told_whole() -> None:
    legal = DomainCascadeStrategy(domain="legal", steps=(ESCALATE,))
    more = preset(DRAFT, CHECK, ESCALATE, strategies=(*preset(DRAFT, CHECK, ESCALATE).strategies, legal), baseline="middle")
    added = differences(HOUSE, more)
    assert [(found.path, found.change) for found in added] == [("baseline", "changed"), ("general.safety", "added"), ("legal", "added")]
    assert added[1].new["instruction"] == "Is it safe?"
    assert [(found.path, found.change) for found in differences(more, HOUSE)] == [
        ("baseline", "changed"), ("general.safety", "removed"), ("legal", "removed"),
    ]  # fmt: skip


def test_another_order_is_told_as_such() -> None:
    (found,) = differences(HOUSE, preset(ESCALATE, DRAFT))
    assert found == Difference(path="general", change="reordered", old=["draft", "escalate"], new=["escalate", "draft"])
