"""GET /v1/models: what may be named in `model`."""

import openai
import pytest

from tests.stage import Stage


def test_models_are_listed_with_auto_and_the_presets_first(live_cast: Stage) -> None:
    listed = list(live_cast.openai.models.list())
    names = [model.id for model in listed]
    assert names[:6] == ["auto", "code_specialist", "cost_optimized_saas", "enterprise_grade", "medical_ai", "production_ready"]
    assert {"demo-mini", "demo-large", "steady"} <= set(names[6:])
    owners = {model.id: model.owned_by for model in listed}
    assert (owners["auto"], owners["steady"], owners["demo-mini"]) == ("cascadeflow", "up", "simulated")
    assert {model.object for model in listed} == {"model"}


@pytest.mark.parametrize("name", ["auto", "production_ready", "steady"])
def test_one_model_can_be_looked_up(live_cast: Stage, name: str) -> None:
    assert live_cast.openai.models.retrieve(name).id == name


def test_a_model_with_a_slash_in_its_name_can_be_looked_up_and_called(live_cast: Stage) -> None:
    live_cast.add_models("up", {"meta/llama-3.1": live_cast.upstream_name("steady")})
    assert live_cast.openai.models.retrieve("meta/llama-3.1").id == "meta/llama-3.1"
    assert live_cast.ask("meta/llama-3.1").model == "meta/llama-3.1"


def test_a_model_that_is_not_there_is_404_and_says_where_to_look(live_cast: Stage) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        live_cast.openai.models.retrieve("gpt-9")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert "GET /v1/models" in missing.value.message


def test_another_tenants_models_are_not_listed_nor_found(live_cast: Stage) -> None:
    globex = live_cast.client(live_cast.cast.globex_key)
    assert "steady" not in [model.id for model in globex.models.list()]
    with pytest.raises(openai.NotFoundError):
        globex.models.retrieve("steady")
    with pytest.raises(openai.NotFoundError):
        globex.chat.completions.create(model="steady", messages=[{"role": "user", "content": "hi"}])
