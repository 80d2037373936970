"""Enforcement callbacks as an operator would write them, for the site of test_enforcement.py."""

import time

from billing.engine.enforcement import EnforcementAction, EnforcementContext, EnforcementDecision


def by_name(context: EnforcementContext) -> EnforcementDecision | EnforcementAction | None:
    """Decides by the end user's name, so that a test says what it wants."""
    match context.user_id:
        case "refused":
            return EnforcementDecision(EnforcementAction.BLOCK, "contract ended")
        case "slow":
            time.sleep(1.2)
        case "broken":
            raise RuntimeError("sk-secret")
    return None


async def careful(context: EnforcementContext) -> str:
    return "warn" if context.user_id == "watched" else "allow"
