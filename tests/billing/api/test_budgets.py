"""Budgets over REST."""

import uuid
from typing import Any

import pytest

from tests.cast import Cast
from tests.rest import Rest

DAILY = {"scope": "tenant", "period": "daily", "limit": "10.50"}


@pytest.fixture
def acme(cast: Cast) -> Rest:
    return Rest(cast.acme_admin_key)


def test_a_budget_is_set_in_usd_and_comes_back_so(acme: Rest) -> None:
    made = acme.make("budgets/", **DAILY)
    assert made["limit"] == "10.5"
    assert (made["action"], made["soft_marks"], made["subject"], made["is_paused"]) == ("block", [50, 80, 100], "", False)
    changed = acme.send("patch", f"budgets/{made['id']}/", {"limit": "0.000000001", "action": "warn", "soft_marks": [90, 10, 90]}).json()
    assert (changed["limit"], changed["action"], changed["soft_marks"]) == ("0.000000001", "warn", [10, 90])


@pytest.mark.parametrize(
    "limit",
    ["", "ten", "1,5", "-1", "-0.01", "1e3", "1e999", "NaN", "Infinity", "0.0000000001", "9" * 30, "9999999999", 0.1, True, None, [], {},
    " ", "１",
     "1_000", "0x10", "1.0000000000000000000000000000000000000001", "+1"],
)
def test_amounts_that_are_none_are_refused_by_field(acme: Rest, limit: Any) -> None:
    answer = acme.send("post", "budgets/", {**DAILY, "limit": limit})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["limit"]


@pytest.mark.parametrize("limit", ["0", "0.15", "9223372036.854775807", 7])
def test_amounts_that_fit_are_kept_exactly(acme: Rest, limit: Any) -> None:
    assert acme.make("budgets/", **{**DAILY, "limit": limit})["limit"] == str(limit)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"period": "daily", "limit": "1"}, "scope"), ({**DAILY, "scope": "planet"}, "scope"), ({**DAILY, "period": "hourly"}, "period"),
        ({**DAILY, "action": "explode"}, "action"), ({**DAILY, "soft_marks": [0]}, "soft_marks.0"),
        ({**DAILY, "soft_marks": [101]}, "soft_marks.0"),
        ({**DAILY, "soft_marks": "50"}, "soft_marks"), ({**DAILY, "soft_marks": list(range(1, 12))}, "soft_marks"),
        ({**DAILY, "name": "x" * 201}, "name"),
        ({**DAILY, "limit_nusd": 5}, "limit_nusd"), ({**DAILY, "tenant": str(uuid.uuid4())}, "tenant"),
        ({**DAILY, "is_paused": "perhaps"}, "is_paused"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_by_field(acme: Rest, body: Any, field: str) -> None:
    answer = acme.send("post", "budgets/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


class TestSubjects:
    @pytest.mark.parametrize(
        ("scope", "subject"),
        [("tenant", "ann"), ("tier", ""), ("tier", "platinum"), ("api_key", ""), ("api_key", "shop"), ("api_key", str(uuid.UUID(int=64))),
        ("tag", ""),
         ("tag", "  "), ("tag", "x" * 256), ("end_user", "x" * 256)],
    )
    def test_that_do_not_fit_the_scope_are_refused(self, acme: Rest, scope: str, subject: str) -> None:
        answer = acme.send("post", "budgets/", {**DAILY, "scope": scope, "subject": subject})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["subject"])

    @pytest.mark.parametrize(
        ("scope", "subject"), [("tenant", ""), ("tier", "pro"), ("end_user", ""), ("end_user", "not seen yet"), ("tag", "batch")]
    )
    def test_that_fit_are_kept(self, acme: Rest, scope: str, subject: str) -> None:
        assert acme.make("budgets/", **DAILY | {"scope": scope, "subject": subject})["subject"] == subject

    def test_a_key_is_named_by_its_id_and_must_be_ones_own(self, cast: Cast, acme: Rest) -> None:
        mine = acme.make("api-keys/", name="shop")["id"]
        theirs = Rest(cast.globex_admin_key).make("api-keys/", name="shop")["id"]
        assert acme.make("budgets/", **DAILY | {"scope": "api_key", "subject": mine.upper()})["subject"] == mine
        foreign, random = (acme.send("post", "budgets/", {**DAILY, "scope": "api_key", "subject": key}) for key in (theirs,
        str(uuid.uuid4())))
        assert foreign.status_code == random.status_code == 400
        assert foreign.content == random.content

    def test_a_tier_must_be_ones_own(self, cast: Cast) -> None:
        globex = Rest(cast.globex_admin_key)
        assert globex.send("post", "budgets/", {**DAILY, "scope": "tier", "subject": "pro"}).status_code == 400


class TestLife:
    def test_scope_subject_and_period_are_said_once(self, acme: Rest) -> None:
        made = acme.make("budgets/", **DAILY)
        for name, value in (("scope", "tag"), ("subject", "x"), ("period", "total")):
            answer = acme.send("patch", f"budgets/{made['id']}/", {name: value})
            assert "cannot be changed later" in answer.json()["errors"][name][0]

    def test_two_of_one_kind_are_a_conflict_until_one_has_ended(self, acme: Rest) -> None:
        made = acme.make("budgets/", **DAILY)
        assert acme.send("post", "budgets/", DAILY).json()["code"] == "exists_already"
        acme.make("budgets/", **DAILY | {"action": "warn"})
        assert acme.send("delete", f"budgets/{made['id']}/").status_code == 204
        acme.make("budgets/", **DAILY)

    def test_one_that_was_deleted_stays_as_history(self, acme: Rest) -> None:
        made = acme.make("budgets/", **DAILY)
        for _ in range(2):
            assert acme.send("delete", f"budgets/{made['id']}/").status_code == 204
        ended = acme.get(f"budgets/{made['id']}/").json()
        assert ended["ended_at"]
        assert ended["is_paused"]
        assert acme.get("budgets/").json()["results"] == []
        assert [row["id"] for row in acme.get("budgets/", {"include_ended": "true"}).json()["results"]] == [made["id"]]
        again = acme.send("patch", f"budgets/{made['id']}/", {"is_paused": False})
        assert (again.status_code, again.json()["code"]) == (409, "budget_ended")
        assert acme.send("patch", f"budgets/{made['id']}/", {"ended_at": None}).status_code == 400
