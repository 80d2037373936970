"""Presets over REST: the built-in ones to read, a tenant's own as versions."""

from typing import Any

import pytest

from cascade.engine.presets import BUILT_IN_PRESETS, preset_from_definition
from tests.cast import Cast
from tests.rest import Rest

DEFINITION = {"strategies": [{"domain": "general", "steps": [{"name": "draft", "models": ["@draft"]},
{"name": "up", "models": ["@strong"]}]}]}


@pytest.fixture
def acme(cast: Cast) -> Rest:
    return Rest(cast.acme_admin_key)


def with_step(**change: Any) -> dict[str, Any]:
    return {"strategies": [{"domain": "general", "steps": [{"name": "draft", "models": ["@draft"], **change}]}]}


def test_the_five_built_in_ones_come_first_and_their_definitions_can_be_used_again(acme: Rest) -> None:
    acme.make("presets/", name="a-own", title="Own", definition=DEFINITION)
    listed = acme.get("presets/").json()["results"]
    assert [preset["name"] for preset in listed] == [*BUILT_IN_PRESETS, "a-own"]
    for preset in listed[:5]:
        assert preset["is_built_in"]
        assert preset_from_definition(preset["definition"], name=preset["name"], version="1").strategies
        assert acme.get(f"presets/{preset['name']}/").json() == preset
        acme.make("presets/", name=f"my-{preset['name']}"[:64], definition=preset["definition"])


@pytest.mark.parametrize(("method", "tail", "body"), [("patch", "", {"title": "x"}), ("post", "versions/", {"definition": DEFINITION})])
def test_the_built_in_ones_cannot_be_changed(acme: Rest, method: str, tail: str, body: Any) -> None:
    answer = acme.send(method, f"presets/medical_ai/{tail}", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "built_in")
    assert acme.get("presets/medical_ai/versions/").json()["results"] == []
    assert acme.send("post", "presets/", {"name": "medical_ai", "definition": DEFINITION}).json()["code"] == "name_taken"


def test_versions_are_numbered_and_calls_use_the_newest(acme: Rest) -> None:
    made = acme.make("presets/", name="own", title="Own", definition=DEFINITION)
    assert (made["version"], made["is_built_in"]) == ("1", False)
    second = acme.make("presets/own/versions/", definition=with_step(threshold=0.9))
    assert second["number"] == 2
    assert second["definition"]["strategies"][0]["steps"][0]["threshold"] == 0.9
    assert acme.get("presets/own/").json()["version"] == "2"
    assert acme.get("presets/own/").json()["definition"] == second["definition"]
    assert [version["number"] for version in acme.get("presets/own/versions/").json()["results"]] == [2, 1]
    assert acme.send("patch", "presets/own/", {"title": "Renamed"}).json()["title"] == "Renamed"
    assert "cannot be changed later" in acme.send("patch", "presets/own/", {"definition": DEFINITION}).json()["errors"]["definition"][0]
    assert acme.send("post", "presets/", {"name": "own", "definition": DEFINITION}).json()["code"] == "name_taken"


def test_two_tenants_may_use_one_name(cast: Cast, acme: Rest) -> None:
    acme.make("presets/", name="own", definition=DEFINITION)
    Rest(cast.globex_admin_key).make("presets/", name="own", title="Globex", definition=with_step(threshold=0.1))
    assert acme.get("presets/own/").json()["title"] == ""


@pytest.mark.parametrize(
    "definition",
    [
        {}, {"strategies": []}, {"strategies": "general"},
        {"strategies": [{"domain": "code", "steps": [{"name": "d", "models": ["@draft"]}]}]},
        {**DEFINITION, "colour": "red"}, {**DEFINITION, "name": "other"}, {**DEFINITION, "version": "9"},
        with_step(models=[]), with_step(threshold=1.5),
        with_step(threshold=-0.1), with_step(timeout_s=0), with_step(timeout_s=1e300), with_step(timeout_s=-1), with_step(max_tokens=0),
        with_step(max_tokens=10**30), with_step(kind="check"), with_step(validator="lenient"), with_step(name=""), with_step(name="x" * 65),
        {"strategies": [{"domain": "general", "steps": [{"name": "d", "models": ["@draft"]}] * 9}]},
        {"strategies": DEFINITION["strategies"] * 2},
        {"strategies": [*DEFINITION["strategies"], {"domain": "Not A Name", "steps": [{"name": "d", "models": ["@draft"]}]}]},
        [], "text", None, 7,
    ],
)  # fmt: skip
def test_definitions_that_cannot_be_run_are_refused_and_leave_nothing(acme: Rest, definition: Any) -> None:
    answer = acme.send("post", "presets/", {"name": "own", "definition": definition})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["definition"]
    assert len(answer.json()["detail"]) > 12
    assert acme.get("presets/own/").status_code == 404
