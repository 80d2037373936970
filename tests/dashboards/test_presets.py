"""Presets in the console: copied, drafted, published, rolled back and rolled out, each through the services."""

from typing import Any

import pytest
from django.test import Client

from cascade.engine.presets import BUILT_IN_PRESETS, BUILT_IN_VERSION, PRESET_COST_OPTIMIZED_SAAS, preset_from_definition
from cascade.models import Preset, PresetDraft, PresetRollout, PresetVersion
from cascade.publishing import create_preset, definition_of
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run, logged_in, person_of

STEPS = {
    "shape": "2", "baseline": "@strong", "d0-domain": "general", "d0s0-name": "draft", "d0s0-kind": "answer", "d0s0-models": "@draft",
    "d0s0-validator": "fast", "d0s0-threshold": "0.8", "d0s1-name": "escalate", "d0s1-kind": "answer", "d0s1-models": "@strong, other",
}  # fmt: skip


@pytest.fixture
def operator(cast: Cast) -> Client:
    return logged_in(cast.olga)


@pytest.fixture
def preset(cast: Cast) -> Preset:
    with tenant_scope(cast.acme.id):
        return create_preset(name="ours", title="Our own", definition=definition_of(PRESET_COST_OPTIMIZED_SAAS)).preset


def drafted(client: Client, **changes: str) -> Any:
    return client.post("/o/acme/presets/ours/draft/", {**STEPS, "revision": "0", "do": "save", **changes})


def draft(cast: Cast) -> PresetDraft:
    with tenant_scope(cast.acme.id):
        return PresetDraft.objects.get()


def versions(cast: Cast) -> list[PresetVersion]:
    with tenant_scope(cast.acme.id):
        return list(PresetVersion.objects.order_by("number"))


def test_the_built_in_presets_are_shown_and_cannot_be_edited(cast: Cast, operator: Client) -> None:
    page = operator.get("/o/acme/presets/").content.decode()
    assert all(name in page for name in BUILT_IN_PRESETS)
    assert operator.get("/o/acme/presets/medical_ai/draft/").status_code == 404
    assert operator.post("/o/acme/presets/medical_ai/rollback/", {"to": "1"}).status_code == 404


def test_a_preset_shows_what_its_versions_came_to_together(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.acme.id):
        add_run(cast, policy_version="production_ready@1", cost_nusd=10**9)
        add_run(cast, policy_version="production_ready@2", cost_nusd=2 * 10**9)
        add_run(cast, policy_version="direct:mini", preset="", cost_nusd=10**9)
    shown = {one.content.name: one for one in operator.get("/o/acme/presets/").context["built_in"]}
    assert (shown["production_ready"].sums.runs, shown["production_ready"].sums.cost_nusd) == (2, 3 * 10**9)
    assert "$3.00" in operator.get("/o/acme/presets/production_ready/").content.decode()


def test_a_built_in_preset_is_copied_to_be_edited(cast: Cast, operator: Client) -> None:
    page = operator.post("/o/acme/presets/medical_ai/copy/", {"name": "clinic", "title": "For the clinic"}, follow=True)
    (first,) = versions(cast)
    copied = preset_from_definition(first.definition, name="clinic", version=BUILT_IN_VERSION)
    assert copied.strategies == BUILT_IN_PRESETS["medical_ai"].strategies
    assert b"clinic is made, as version 1" in page.content
    assert operator.post("/o/acme/presets/medical_ai/copy/", {"name": "clinic"}).status_code == 422
    assert operator.post("/o/acme/presets/medical_ai/copy/", {"name": "No Name"}).status_code == 422


def test_a_developer_drafts_and_an_operator_publishes_with_a_note(cast: Cast, operator: Client, preset: Preset) -> None:
    developer = logged_in(person_of(cast, "developer"))
    assert drafted(developer).status_code == 302
    assert draft(cast).definition["strategies"][0]["steps"][1]["models"] == ["@strong", "other"]
    page = operator.get("/o/acme/presets/ours/draft/").content
    assert b"You have no model called other" in page
    assert b'client.chat.completions.create(model="ours", messages=messages)' in page
    assert b"The saved draft as JSON" in page
    assert b"what-if/?days=7&amp;thresholds-0-domain=&amp;thresholds-0-score=0.8" in page
    assert b"what-if/" not in developer.get("/o/acme/presets/ours/draft/").content
    assert developer.post("/o/acme/presets/ours/publish/", {"revision": "1"}).status_code == 403
    assert b"Published" in operator.post("/o/acme/presets/ours/publish/", {"revision": "1", "note": "Why not"}, follow=True).content
    assert [(one.number, one.note, one.published_by) for one in versions(cast)][1] == (2, "Why not", "Olga")


@pytest.mark.parametrize(
    ("act", "names"),
    [("down:0:0", ["escalate", "draft"]), ("up:0:1", ["escalate", "draft"]), ("drop:0:0", ["escalate"]), ("add:0", ["draft", "escalate", ""]),
     ("up:0:0", ["draft", "escalate"]), ("down:0:7", ["draft", "escalate"]), ("up:9:9", ["draft", "escalate"]), ("nonsense", ["draft", "escalate"])],
)  # fmt: skip
def test_a_button_moves_adds_and_removes_steps(cast: Cast, operator: Client, preset: Preset, act: str, names: list[str]) -> None:
    drafted(operator, do=act)
    assert [step["name"] for step in draft(cast).definition["strategies"][0]["steps"]] == names
    assert operator.get("/o/acme/presets/ours/draft/").status_code == 200


def test_domains_are_added_and_removed_and_a_draft_with_problems_says_them(cast: Cast, operator: Client, preset: Preset) -> None:
    drafted(operator, do="add-domain")
    assert [strategy["domain"] for strategy in draft(cast).definition["strategies"]] == ["general", ""]
    drafted(operator, do="drop-domain:0", revision="1")
    page = operator.get("/o/acme/presets/ours/draft/").content
    assert b"To be mended first" in page
    operator.post("/o/acme/presets/ours/publish/", {"revision": "2"})
    assert len(versions(cast)) == 1


@pytest.mark.parametrize(
    "wrong", [{"d0s0-threshold": "nan"}, {"d0s0-threshold": "2"}, {"d0s0-kind": "sing"}, {"d0s0-max_tokens": "9" * 30}, {"baseline": ""},
              {"shape": "99,99"}, {"shape": "\u0661"}, {"d0s0-name": "\x00"}], ids=range(8),
)  # fmt: skip
def test_what_cannot_be_a_step_is_not_saved(cast: Cast, operator: Client, preset: Preset, wrong: dict[str, str]) -> None:
    page = drafted(operator, **wrong)
    with tenant_scope(cast.acme.id):
        saved = PresetDraft.objects.first()
    assert (page.status_code == 422 and saved is None) or saved.definition["strategies"] == []  # type: ignore[union-attr]


def test_the_second_of_two_editors_of_a_draft_sees_the_difference(cast: Cast, operator: Client, preset: Preset) -> None:
    drafted(operator, **{"d0s0-threshold": "0.7"})
    page = drafted(operator, **{"d0s0-threshold": "0.9"})
    assert page.status_code == 409
    assert page.context["conflict"] == [("general, draft, threshold", "0.7", "0.9")]
    assert drafted(operator, **{"d0s0-threshold": "0.9", "revision": str(page.context["revision"])}).status_code == 302


def test_a_draft_of_another_form_is_told_and_can_be_thrown_away(cast: Cast, operator: Client, preset: Preset) -> None:
    with tenant_scope(cast.acme.id):
        PresetDraft.objects.create(preset=preset, base=1, definition={"strategies": "none"})
    assert b"the editor cannot show" in operator.get("/o/acme/presets/ours/draft/").content
    assert operator.get("/o/acme/presets/ours/compare/").status_code == 200
    operator.post("/o/acme/presets/ours/discard/", {"revision": "1"})
    with tenant_scope(cast.acme.id):
        assert not PresetDraft.objects.exists()


def test_an_older_version_comes_back_as_the_newest(cast: Cast, operator: Client, preset: Preset) -> None:
    drafted(operator)
    operator.post("/o/acme/presets/ours/publish/", {"revision": "1"})
    assert b"0.8" in operator.get("/o/acme/presets/ours/compare/?old=1&new=2").content
    operator.post("/o/acme/presets/ours/rollback/", {"to": "1", "expected": "2", "note": "Too dear"})
    assert (versions(cast)[2].restores, versions(cast)[2].definition) == (1, versions(cast)[0].definition)
    page = operator.post("/o/acme/presets/ours/rollback/", {"to": "2", "expected": "2"}, follow=True)
    assert b"is the newest, not 2" in page.content
    assert len(versions(cast)) == 3


def test_a_preset_is_rolled_out_to_a_share(cast: Cast, operator: Client) -> None:
    operator.post("/o/acme/presets/medical_ai/rollout/", {"share": "25", "shadow": "on"})
    with tenant_scope(cast.acme.id):
        row = PresetRollout.objects.get()
    assert (row.preset, row.share, row.shadow, row.changed_by) == ("medical_ai", 25, True, "Olga")
    page = operator.post("/o/acme/presets/medical_ai/rollout/", {"share": "100", "shadow": "on"}, follow=True)
    assert b"lower the share" in page.content
    assert b"whole percentage" in operator.post("/o/acme/presets/medical_ai/rollout/", {"share": "101"}, follow=True).content
    assert operator.post("/o/acme/presets/nobodys/rollout/", {"share": "1"}).status_code == 404


@pytest.mark.parametrize("part", ["", "copy/", "draft/", "compare/", "rollout/"])
def test_another_tenants_preset_is_not_found(cast: Cast, operator: Client, part: str) -> None:
    with tenant_scope(cast.globex.id):
        create_preset(name="theirs", title="", definition=definition_of(PRESET_COST_OPTIMIZED_SAAS))
    assert operator.get(f"/o/acme/presets/theirs/{part}").status_code == 404
    assert operator.post("/o/acme/presets/theirs/publish/", {"revision": "1"}).status_code == 404
