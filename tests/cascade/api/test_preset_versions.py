"""Versions of presets over REST: drafted by several people, published, compared, rolled back; history is never edited."""

from typing import Any

import pytest

from cascade.models import PresetVersion
from tenants.models import Tenant
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest


def definition(**draft: Any) -> dict[str, Any]:
    steps = [{"name": "draft", "models": ["@draft"], "validator": "balanced", **draft}, {"name": "escalate", "models": ["@strong"]}]
    return {"strategies": [{"domain": "general", "steps": steps}]}


@pytest.fixture
def acme(cast: Cast) -> Rest:
    """Acme with the preset "own" at version 2."""
    rest = Rest(cast.acme_admin_key)
    rest.make("presets/", name="own", definition=definition(threshold=0.5))
    rest.make("presets/own/versions/", definition=definition(threshold=0.6), note="Too many escalations")
    return rest


def problem(answer: Any, status: int = 409) -> tuple[str, str]:
    assert answer.status_code == status, answer.content
    told = answer.json()
    return told["code"], told["detail"]


def save(acme: Rest, *, revision: int, **more: Any) -> Any:
    return acme.send("patch", "presets/own/draft/", {"definition": definition(threshold=0.7), "revision": revision, **more})


class TestVersions:
    def test_one_version_is_shown_as_it_was_published(self, acme: Rest) -> None:
        first, second = (acme.get(f"presets/own/versions/{number}/").json() for number in (1, 2))
        assert (first["number"], first["restores"], first["note"]) == (1, None, "")
        assert (second["note"], second["definition"]["strategies"][0]["steps"][0]["threshold"]) == ("Too many escalations", 0.6)
        assert second["published_by"].startswith("API key ")

    @pytest.mark.parametrize("number", ["0", "3", "-1", "two", "9" * 30, "1.0", "%C2%B2"])
    def test_one_that_is_none_is_not_found(self, acme: Rest, number: str) -> None:
        assert acme.get(f"presets/own/versions/{number}/").status_code == 404

    def test_whoever_expects_another_version_to_be_the_newest_is_told_of_the_one_that_came(self, acme: Rest) -> None:
        code, detail = problem(acme.send("post", "presets/own/versions/", {"definition": definition(), "expected": 1}))
        assert code == "version_changed"
        assert "Version 2 of 'own' is the newest, not 1" in detail
        assert acme.make("presets/own/versions/", definition=definition(), expected=2)["number"] == 3

    def test_steps_of_one_name_and_retries_of_what_is_not_judged_are_refused_together(self, acme: Rest) -> None:
        bad = definition(retries_on_quality=-1)
        bad["strategies"][0]["steps"] += [{"name": "draft", "models": ["@draft"]}, {"name": "again", "models": ["@draft"], "retries_on_quality": 1}]
        wrong = acme.send("post", "presets/own/versions/", {"definition": bad}).json()["errors"]["definition"]
        assert len(wrong) == 3
        assert "two steps called 'draft'" in wrong[0]

    @pytest.mark.parametrize("retries", [7, 10**9])
    def test_retries_count_as_steps(self, acme: Rest, retries: int) -> None:
        answer = acme.send("post", "presets/own/versions/", {"definition": definition(retries_on_quality=retries)})
        assert "its retries counted" in answer.json()["detail"]
        acme.make("presets/own/versions/", definition=definition(retries_on_quality=6))


class TestDraft:
    def test_it_is_saved_validated_compared_and_published_while_calls_use_the_newest_version(self, acme: Rest) -> None:
        began = save(acme, revision=0)
        assert began.status_code == 200
        assert {name: began.json()[name] for name in ("revision", "base", "problems", "unknown_models")} == {
            "revision": 1, "base": 2, "problems": [], "unknown_models": [],
        }  # fmt: skip
        assert acme.get("presets/own/").json()["version"] == "2", "a draft decides nothing"
        found = acme.get("presets/own/compare/?old=2&new=draft").json()
        assert found["differences"] == [{"path": "general.draft.threshold", "change": "changed", "old": 0.6, "new": 0.7}]
        published = acme.make("presets/own/publish/", revision=1, note="Stricter")
        assert (published["number"], published["note"], published["restores"]) == (3, "Stricter", None)
        assert acme.get("presets/own/").json()["version"] == "3"
        assert problem(acme.get("presets/own/draft/"))[0] == "no_draft", "it has become the version"

    def test_work_under_way_may_have_problems_and_is_not_published_with_them(self, acme: Rest) -> None:
        wrong = acme.send("patch", "presets/own/draft/", {"definition": {"strategies": [], "colour": 1}, "revision": 0}).json()
        assert len(wrong["problems"]) == 1
        assert problem(acme.get("presets/own/compare/?old=1&new=draft"))[0] == "draft_invalid"
        assert acme.send("post", "presets/own/publish/", {"revision": 1}).status_code == 400
        assert acme.get("presets/own/").json()["version"] == "2"
        assert acme.get("presets/own/draft/").json()["definition"] == {"strategies": [], "colour": 1}

    def test_models_that_nobody_has_are_named(self, acme: Rest) -> None:
        unknown = {**definition(models=["nobody", "@draft"]), "baseline": "gone"}
        told = acme.send("patch", "presets/own/draft/", {"definition": unknown, "revision": 0})
        assert told.json()["unknown_models"] == ["gone", "nobody"]

    def test_two_people_cannot_undo_each_others_work(self, acme: Rest) -> None:
        assert save(acme, revision=0).json()["revision"] == 1
        for stale in (0, 2):
            code, detail = problem(save(acme, revision=stale))
            assert (code, "at revision 1" in detail) == ("draft_changed", True)
        assert save(acme, revision=1).json()["revision"] == 2
        for operation in ("publish", "discard"):
            assert problem(acme.send("post", f"presets/own/{operation}/", {"revision": 1}))[0] == "draft_changed"
        assert acme.get("presets/own/draft/").json()["revision"] == 2

    def test_what_was_published_meanwhile_must_be_looked_at_first(self, acme: Rest) -> None:
        save(acme, revision=0)
        acme.make("presets/own/versions/", definition=definition(threshold=0.9))
        assert problem(acme.send("post", "presets/own/publish/", {"revision": 1}))[0] == "version_changed"
        assert save(acme, revision=1, base=3).json()["base"] == 3
        assert acme.make("presets/own/publish/", revision=2)["number"] == 4

    def test_it_is_thrown_away(self, acme: Rest) -> None:
        save(acme, revision=0)
        assert acme.send("post", "presets/own/discard/", {"revision": 1}).status_code == 204
        assert problem(acme.get("presets/own/draft/"))[0] == "no_draft"
        assert save(acme, revision=0).json()["revision"] == 1

    @pytest.mark.parametrize(
        "body",
        [
            {}, {"definition": {}}, {"revision": 0}, {"definition": [], "revision": 0}, {"definition": {}, "revision": -1},
            {"definition": {}, "revision": "one"}, {"definition": {}, "revision": 10**12}, {"definition": {}, "revision": 0, "base": 0},
            {"definition": {}, "revision": 0, "base": 3}, {"definition": {}, "revision": 0, "colour": "red"},
            {"definition": {"x": "y" * 100_001}, "revision": 0},
        ],
    )  # fmt: skip
    def test_bodies_that_make_no_sense_are_refused_and_leave_nothing(self, acme: Rest, body: Any) -> None:
        answer = acme.send("patch", "presets/own/draft/", body)
        assert answer.status_code == 400
        assert len(answer.json()["detail"]) > 12
        assert acme.get("presets/own/draft/").status_code == 409


class TestRollback:
    def test_it_publishes_an_older_content_as_the_next_version_and_says_so(self, acme: Rest) -> None:
        restored = acme.make("presets/own/rollback/", to=1, note="Version 2 escalated too much", expected=2)
        assert (restored["number"], restored["restores"]) == (3, 1)
        assert restored["definition"] == acme.get("presets/own/versions/1/").json()["definition"]
        assert acme.get("presets/own/compare/?old=1&new=3").json()["differences"] == []
        assert [version["number"] for version in acme.get("presets/own/versions/").json()["results"]] == [3, 2, 1]

    @pytest.mark.parametrize(
        ("body", "code"),
        [({"to": 2}, "is_newest"), ({"to": 9}, "no_such_version"), ({"to": 1, "expected": 1}, "version_changed")],
    )
    def test_what_cannot_be_rolled_back_says_why(self, acme: Rest, body: dict[str, int], code: str) -> None:
        assert problem(acme.send("post", "presets/own/rollback/", body))[0] == code
        assert acme.get("presets/own/").json()["version"] == "2"

    @pytest.mark.parametrize("body", [{}, {"to": 0}, {"to": "one"}, {"to": 10**12}, {"to": 1, "from": 2}, {"to": 1, "note": "x" * 501}])
    def test_bodies_that_make_no_sense_are_refused(self, acme: Rest, body: Any) -> None:
        assert acme.send("post", "presets/own/rollback/", body).status_code == 400


class TestCompare:
    def test_it_says_what_to_send(self, acme: Rest) -> None:
        assert set(acme.get("presets/own/compare/?old=1").json()["errors"]) == {"new"}
        for which in ("9", "0", "zero", "-1", "9" * 40, "\N{SUPERSCRIPT TWO}"):
            assert problem(acme.get("presets/own/compare/", {"old": "1", "new": which}))[0] == "no_such_version"
        assert problem(acme.get("presets/own/compare/?old=1&new=draft"))[0] == "no_draft"


@pytest.mark.parametrize("operation", ["get draft", "patch draft", "get compare", "post publish", "post rollback", "post discard"])
def test_a_built_in_preset_has_one_version_and_no_draft(acme: Rest, operation: str) -> None:
    method, _, tail = operation.partition(" ")
    assert problem(acme.send(method, f"presets/medical_ai/{tail}/", None if method == "get" else {"revision": 0}))[0] == "built_in"


def test_what_is_published_is_never_edited(cast: Cast, acme: Rest) -> None:
    before = stored(cast.acme)
    save(acme, revision=0)
    acme.make("presets/own/publish/", revision=1)
    acme.make("presets/own/rollback/", to=1)
    assert stored(cast.acme)[: len(before)] == before
    assert len(stored(cast.acme)) == 4


def stored(tenant: Tenant) -> list[dict[str, Any]]:
    with tenant_scope(tenant.id):
        return list(PresetVersion.objects.order_by("number").values())
