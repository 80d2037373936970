"""What a run that is stopped half way may serve: nothing that waits for its check."""

import pytest

from cascade.engine.agent import CascadeAgent
from cascade.engine.errors import LedgerAway
from cascade.engine.values import Completion, Usage
from tests.cascade.engine.plans import CHECK, DRAFT, ESCALATE, config, plan, preset
from tests.cascade.engine.test_tries import Scripted

GOOD = Completion(
    message={"role": "assistant", "content": "Your order left the warehouse on Tuesday and will be with you on Friday."}, finish_reason="stop",
    usage=Usage(input_tokens=1, output_tokens=1),
)  # fmt: skip


@pytest.mark.asyncio
async def test_an_answer_whose_check_may_not_be_sent_is_not_served() -> None:
    configured = config(preset(DRAFT, CHECK, ESCALATE))
    agent = CascadeAgent(config=configured, providers={"p": Scripted("p", GOOD)})
    planned = plan(configured)

    async def mark(leg: int) -> None:
        if planned.steps[leg].kind == "check":
            raise LedgerAway("the hold was closed while the call was running")

    result = await agent.execute(planned, before_leg=mark)
    assert [(step.name, step.status) for step in result.steps] == [("draft", "accepted")]
    assert isinstance(result.error, LedgerAway)
    assert result.completion is None
