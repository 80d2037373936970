"""A preset alone is enough to answer: the engine without rows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cascade.engine.agent import CascadeAgent
from cascade.engine.errors import InvalidRequest
from cascade.engine.plans import CascadeRequest
from cascade.engine.presets import BUILT_IN_PRESETS, PRESET_CODE_SPECIALIST, PRESET_MEDICAL_AI, PRESET_PRODUCTION_READY, CascadePreset
from cascade.engine.providers.registry import SUPPORTED_PROVIDERS
from cascade.engine.providers.simulated import SimulatedProvider
from cascade.engine.strategies import CascadeStep, DomainCascadeStrategy
from tests.cascade.engine.plans import model

ROOT = Path(__file__).parents[3]
ASKED = CascadeRequest(messages=[{"role": "user", "content": "Which questions do customers ask?"}], max_tokens=1_000)


def test_the_example_of_the_page_runs_as_it_stands_and_without_django() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/algorithms/cascade.md").read_text(), re.DOTALL)
    script = f"{example}\nimport sys\nprint('django' in sys.modules)\n"
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, env={}).stdout.splitlines()
    name, accepted, bound = told[0].split()
    assert (name, accepted) in {("simulated-mini", "True"), ("simulated-large", "False")}
    assert int(bound) > 0
    assert told[1].startswith("[simulated] ")
    assert told[-1] == "False"


@pytest.mark.parametrize("preset", BUILT_IN_PRESETS.values(), ids=lambda preset: preset.name)
@pytest.mark.parametrize("provider", [*SUPPORTED_PROVIDERS, "simulated"])
def test_every_preset_plans_with_the_models_of_every_provider(preset: CascadePreset, provider: str) -> None:
    plan = CascadeAgent(config=preset.to_agent_config(provider=provider), providers={}).plan(ASKED)
    assert (plan.preset, plan.unpriced_models) == (preset.name, ())
    assert all("no model is marked as 'checker'" in skipped for skipped in plan.skipped), "the strong model checks"
    assert {step.model.provider for step in plan.steps} == {provider}
    assert plan.baseline is not None


@pytest.mark.asyncio
async def test_it_answers_and_the_draft_costs_what_the_list_says() -> None:
    agent = CascadeAgent(config=PRESET_PRODUCTION_READY.to_agent_config(), providers={"simulated": SimulatedProvider(latency_scale=0)})
    plan = agent.plan(ASKED)
    assert [step.model.name for step in plan.steps] == ["simulated-mini", "simulated-large"]
    assert plan.steps[0].bound_nusd - plan.steps[0].input_bound_tokens * 150 == 1_000 * 600, "the worked number"
    result = await agent.execute(plan)
    assert result.error is None
    assert result.completion is not None


def test_own_models_take_the_parts_and_other_presets_can_be_asked_by_name() -> None:
    models = (model("tiny", 1), model("middle", 5), model("huge", 50))
    agent = CascadeAgent(config=PRESET_CODE_SPECIALIST.to_agent_config(models=models), providers={})
    assert [step.model.name for step in agent.plan(ASKED).steps] == ["tiny", "huge"]
    asked = CascadeRequest(messages=ASKED.messages, model="medical_ai")
    assert [step.model.name for step in agent.plan(asked).steps] == ["tiny", "huge", "huge", "huge"]
    own = CascadePreset(name="own", strategies=(DomainCascadeStrategy(domain="general", steps=(CascadeStep(name="only", models=("middle",)),)),))
    assert CascadeAgent(config=own.to_agent_config(models=models), providers={}).plan(ASKED).policy_version == "own@builtin-1"


def test_what_retired_is_left_out_when_the_day_is_said() -> None:
    last = SUPPORTED_PROVIDERS["vertex_ai"].default_draft_model.retired_on
    assert last is not None
    steps = [
        len(CascadeAgent(config=PRESET_PRODUCTION_READY.to_agent_config(provider="vertex_ai", today=today), providers={}).plan(ASKED).steps)
        for today in ("", "2026-12-01", last)
    ]
    assert steps == [2, 2, 1]


def test_an_unknown_provider_is_told_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="supported are anthropic, cohere"):
        PRESET_MEDICAL_AI.to_agent_config(provider="acme-ai")
