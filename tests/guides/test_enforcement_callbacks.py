"""The code that the guide shows, run as it stands there."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from billing.engine.enforcement import EnforcementAction, EnforcementContext
from cascade.hooks import body_of
from cascadeflow_site.embedded import BASE
from tenants.webhooks import new_webhook_secret, signed_headers

GUIDE = (BASE / "docs/guides/enforcement-callbacks.md").read_text()


def shown(number: int) -> dict[str, Any]:
    """What the guide's Python block of this number defines."""
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)[number], names)
    return names


def context(**fields: Any) -> EnforcementContext:
    given: dict[str, Any] = {
        "run_id": UUID(int=1), "asked_at": datetime.now(UTC), "tenant": "acme", "user_id": "ann", "user_tier": "trial", "api_key_id": UUID(int=2),
        "domain": "code", "complexity": "simple", "preset": "", "models": ["us-large"], "available_models": ["eu-small", "us-large"],
        "estimated_nusd": 1,
    }  # fmt: skip
    return EnforcementContext(**{**given, **fields})


def test_the_rule_of_the_guide_decides_as_it_says() -> None:
    rule = shown(0)["trial"]
    assert rule(context()) is None
    assert rule(context(tags=["eu-only"])).models == ["eu-small"]
    assert rule.__globals__["EnforcementAction"] is EnforcementAction


def test_the_check_of_the_guide_takes_what_we_sign_and_nothing_else() -> None:
    check, secret, body = shown(1)["is_from_cascadeflow"], new_webhook_secret(), body_of(context())
    headers = signed_headers(message_id="enf_1", body=body, secrets=[new_webhook_secret(), secret], at=datetime.now(UTC))
    assert check(headers, body, secret)
    assert not check(headers, body + b" ", secret)
    assert not check(headers, body, new_webhook_secret())
    old = signed_headers(message_id="enf_1", body=body, secrets=[secret], at=datetime(2026, 1, 1, tzinfo=UTC))
    assert not check(old, body, secret)
    for name in headers:
        assert not check({**headers, name: ""}, body, secret)
        assert not check({**headers, name: "\u00e9"}, body, secret)
        assert not check({other: value for other, value in headers.items() if other != name}, body, secret)


@pytest.mark.parametrize("field", ["run_id", "user_tier", "available_models", "estimated_cost", "used_percent", "budgets"])
def test_what_the_guide_shows_is_what_is_sent(field: str) -> None:
    assert f'"{field}"' in GUIDE
    assert f'"{field}"'.encode() in body_of(context())
