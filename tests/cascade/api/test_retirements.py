"""Models that retire soon: told where they are listed, and where a preset is written and published. Nothing is refused for it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from cascade import config
from cascade.models import CatalogModel
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest

TODAY = date(2026, 11, 26)
SOON, LATER, GONE = (TODAY + timedelta(days=days) for days in (12, 31, -1))
RETIRES = "'old' retires on 2026-12-08 and is left out from then on: use 'best'."


@pytest.fixture(autouse=True)
def today() -> Any:
    with time_machine.travel(datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=9), tick=False):
        yield


@pytest.fixture
def acme(cast: Cast) -> Rest:
    """Acme drafts with a model that retires soon, and has its replacement."""
    rest = Rest(cast.acme_admin_key)
    link = rest.make("providers/", name="main", provider="openai")["id"]
    rest.make("models/", name="old", connection=link, upstream_name="gpt-4o", part="draft", retired_on=str(SOON))
    rest.make("models/", name="best", connection=link, upstream_name="gpt-5.6-terra", part="strong", retired_on=str(LATER))
    rest.make("models/", name="gone", connection=link, retired_on=str(GONE))
    rest.make("models/", name="steady", connection=link)
    return rest


def definition(*models: str, baseline: str = "steady") -> dict[str, Any]:
    steps = [{"name": "draft", "models": models, "validator": "balanced"}, {"name": "escalate", "models": ["steady"]}]
    return {"baseline": baseline, "strategies": [{"domain": "general", "steps": steps}]}


def test_the_list_says_how_many_days_are_left_and_what_takes_its_place(acme: Rest) -> None:
    told = {row["name"]: (row["retires_in_days"], row["replacement"], row["warning"]) for row in acme.get("models/").json()["results"]}
    assert told == {
        "old": (12, "best", RETIRES),
        "best": (31, None, None),
        "gone": (-1, None, "'gone' was retired on 2026-11-25 and is left out: name another model."),
        "steady": (None, None, None),
    }


def test_what_is_told_is_not_taken(acme: Rest) -> None:
    row = acme.get("models/", {"name": "old"}).json()["results"][0]
    answer = acme.send("patch", f"models/{row['id']}/", {"retires_in_days": 400, "warning": None})
    assert set(answer.json()["errors"]) == {"retires_in_days", "warning"}


def test_the_days_before_are_the_operators_choice(acme: Rest, settings: Any) -> None:
    settings.RETIREMENT_WARNING_DAYS = 5
    told = {row["name"]: row["warning"] for row in acme.get("models/").json()["results"]}
    assert (told["old"], bool(told["gone"])) == (None, True)


def test_a_preset_is_published_and_its_warnings_are_in_each_reply(acme: Rest) -> None:
    made = acme.make("presets/", name="own", definition=definition("old", "@draft", "steady", baseline="gone"))
    expected = ["'gone' was retired on 2026-11-25 and is left out: name another model. Used by the baseline.", f"{RETIRES} Used by general.draft."]
    assert made["warnings"] == expected
    assert acme.make("presets/own/versions/", definition=definition("steady"))["warnings"] == []
    saved = acme.send("patch", "presets/own/draft/", {"definition": definition("old"), "revision": 0}).json()
    assert (saved["problems"], saved["warnings"]) == ([], [f"{RETIRES} Used by general.draft."])
    assert acme.get("presets/own/draft/").json()["warnings"] == saved["warnings"]
    assert acme.make("presets/own/publish/", revision=1)["warnings"] == saved["warnings"]
    assert acme.make("presets/own/rollback/", to=2)["warnings"] == []
    assert [row["warnings"] for row in acme.get("presets/own/versions/").json()["results"]] == [[], saved["warnings"], [], expected]
    assert acme.get("presets/own/").json()["warnings"] == []


def test_the_built_in_presets_say_it_of_the_models_that_have_their_parts(acme: Rest) -> None:
    told = {row["name"]: row["warnings"] for row in acme.get("presets/").json()["results"]}
    assert told["cost_optimized_saas"] == [f"{RETIRES} Used by general.draft."]
    assert told["medical_ai"] == [f"{RETIRES} Used by medical.draft, general.draft."]


def test_a_model_under_its_old_name_counts_as_the_one_that_answers_to_it(acme: Rest) -> None:
    row = acme.get("models/", {"name": "best"}).json()["results"][0]
    acme.send("patch", f"models/{row['id']}/", {"retired_on": str(SOON)})
    (warning,) = acme.make("presets/", name="own", definition=definition("gpt-4.1"))["warnings"]
    assert warning.startswith("'best' retires on 2026-12-08")


def test_a_draft_that_cannot_be_read_has_problems_and_no_warnings(acme: Rest) -> None:
    acme.make("presets/", name="own", definition=definition("steady"))
    saved = acme.send("patch", "presets/own/draft/", {"definition": {"strategies": "old"}, "revision": 0}).json()
    assert (bool(saved["problems"]), saved["warnings"]) == (True, [])


def test_another_tenants_retirement_is_nobody_elses_business(acme: Rest, cast: Cast) -> None:
    globex = Rest(cast.globex_admin_key)
    link = globex.make("providers/", name="main", provider="openai")["id"]
    globex.make("models/", name="old", connection=link, part="draft")
    assert globex.make("presets/", name="own", definition=definition("old", "@draft"))["warnings"] == []


@pytest.mark.parametrize(
    ("at", "next_at"),
    [
        ("2026-11-26T09:00", "2026-11-27T00:00"),  # the warning of what retires in 31 days begins
        ("2026-11-27T09:00", "2026-12-08T00:00"),
        ("2026-12-08T00:00", "2026-12-27T00:00"),
        ("2026-12-27T00:00", None),
    ],
)
def test_a_configuration_is_read_again_where_a_warning_begins_and_where_a_model_retires(
    acme: Rest, cast: Cast, at: str, next_at: str | None
) -> None:
    found = config.load(tenant_id=cast.acme.id, now=datetime.fromisoformat(f"{at}+00:00"))
    assert found.changes_at == (datetime.fromisoformat(f"{next_at}+00:00") if next_at else None)
    with tenant_scope(cast.acme.id):
        assert found.agent.models.keys() == set(CatalogModel.objects.values_list("name", flat=True))
