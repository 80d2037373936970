"""Domain rules in the console: made, changed and ended through the service, and prompts tried without anything being kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from cascade.models import DomainRule
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run, logged_in, person_of

NEW = {"domain": "legal", "phrase": "frobnicator", "weight": "2.5", "is_enabled": "on"}
PART = {"HX-Request": "true"}


@pytest.fixture
def operator(cast: Cast) -> Client:
    return logged_in(cast.olga)


def rules(cast: Cast) -> list[DomainRule]:
    with tenant_scope(cast.acme.id):
        return list(DomainRule.objects.all())


def add_rule(cast: Cast, **fields: Any) -> DomainRule:
    with tenant_scope(cast.acme.id):
        return DomainRule.objects.create(**{"domain": "legal", "phrase": "frobnicator", "weight": 6.0, **fields})


def test_a_new_rule_is_in_the_list(cast: Cast, operator: Client) -> None:
    page = operator.post("/o/acme/rules/new/", NEW, follow=True)
    (made,) = rules(cast)
    assert (made.domain, made.phrase, made.weight, made.is_enabled) == ("legal", "frobnicator", 2.5, True)
    assert b"frobnicator" in page.content


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"phrase": "?!"}, "punctuation alone"), ({"weight": "nan"}, "Enter a number"), ({"weight": "11"}, "less than or equal to 10"),
        ({"domain": "No Name"}, "lower-case letters"), ({"phrase": "x" * 201}, "at most 200"), ({"phrase": ""}, "required"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_rule_is_told_and_nothing_is_made(cast: Cast, operator: Client, changes: dict[str, str], told: str) -> None:
    page = operator.post("/o/acme/rules/new/", {**NEW, **changes})
    assert page.status_code == 422
    assert told in page.content.decode()
    assert rules(cast) == []


def test_a_second_rule_for_a_phrase_is_refused_whatever_its_case(cast: Cast, operator: Client) -> None:
    add_rule(cast)
    page = operator.post("/o/acme/rules/new/", {**NEW, "phrase": "Frobnicator"})
    assert "already: change that one" in page.content.decode()


def test_the_second_of_two_editors_sees_what_the_first_has_changed(cast: Cast, operator: Client) -> None:
    rule = add_rule(cast)
    path = f"/o/acme/rules/{rule.pk}/edit/"
    seen = operator.get(path).context["seen"]
    operator.post(path, {**NEW, "weight": "1", "seen": seen})
    page = operator.post(path, {**NEW, "weight": "3", "seen": seen})
    assert page.status_code == 409
    assert page.context["conflict"] == [("Weight", "6", "1")]


def test_a_rule_is_deleted(cast: Cast, operator: Client) -> None:
    page = operator.post(f"/o/acme/rules/{add_rule(cast).pk}/delete/", follow=True)
    assert b"no longer speaks for legal" in page.content
    assert rules(cast) == []


@pytest.mark.parametrize("headers", [PART, {}])
def test_a_prompt_is_read_with_the_tenants_own_rules(cast: Cast, headers: dict[str, str]) -> None:
    add_rule(cast)
    page = logged_in(person_of(cast, "viewer")).post("/o/acme/rules/test/", {"prompt": "<b>The Frobnicator</b>"}, headers=headers)
    assert page.context["reading"].match.domain == "legal"
    assert b"<mark>Frobnicator</mark>" in page.content
    assert b"<b>The" not in page.content


@pytest.mark.parametrize("prompt", ["(a+)+$" * 2000, "a" * 20_000, "\u202e" * 5000, "((((" * 4000], ids=range(4))
def test_hostile_prompts_are_read_like_others(cast: Cast, operator: Client, prompt: str) -> None:
    assert operator.post("/o/acme/rules/test/", {"prompt": prompt}, headers=PART).context["reading"]


@pytest.mark.parametrize("prompt", ["", "x" * 20_001, "\x00"], ids=["empty", "too long", "null"])
def test_a_prompt_that_cannot_be_read_is_refused_in_words(cast: Cast, operator: Client, prompt: str) -> None:
    assert operator.post("/o/acme/rules/test/", {"prompt": prompt}).status_code == 422
    assert b'role="alert"' in operator.post("/o/acme/rules/test/", {"prompt": prompt}, headers=PART).content


def test_labelled_lines_are_compared_pasted_or_from_a_file(cast: Cast, operator: Client) -> None:
    lines = "medical, Prescribe 5 mg\nlegal\tPrescribe 5 mg, or sue\n"
    pasted = operator.post("/o/acme/rules/batch/", {"lines": lines}, headers=PART)
    sent = operator.post("/o/acme/rules/batch/", {"file": SimpleUploadedFile("lines.csv", lines.encode())})
    for page in (pasted, sent):
        assert (page.context["confusion"].right, page.context["confusion"].total) == (1, 2)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"lines": "legal, x\n" * 201}, "201 lines"), ({"lines": ""}, "Paste lines"), ({"lines": "no label here"}, "Line 1"),
        ({"lines": "legal,  "}, "has no prompt"), ({"file": SimpleUploadedFile("x", b"\xff\xfe\x00")}, "not UTF-8"),
        ({"file": SimpleUploadedFile("x", b"x" * 400_001)}, "larger than 400 kB"),
    ],
)  # fmt: skip
def test_lines_that_cannot_be_compared_are_refused_in_words(cast: Cast, operator: Client, said: dict[str, Any], told: str) -> None:
    page = operator.post("/o/acme/rules/batch/", said)
    assert page.status_code == 422
    assert told in page.content.decode()


def met(cast: Cast, rule: DomainRule, *, domain: str, legal: float, words: int = 1, cost_nusd: int = 4_000_000) -> None:
    """A run that met the rule: general had 2 nats."""
    evidence = {"scores": [["general", 2.0], ["legal", legal]], "met": {str(rule.pk): ["legal", words, rule.weight]}}
    with tenant_scope(cast.acme.id):
        add_run(cast, domain=domain, domain_evidence=evidence, cost_nusd=cost_nusd)


def test_the_list_says_how_many_runs_met_a_rule(cast: Cast, operator: Client) -> None:
    rule, other = add_rule(cast), add_rule(cast, phrase="gewgaw")
    met(cast, rule, domain="legal", legal=6.0)
    met(cast, rule, domain="legal", legal=6.0)
    with tenant_scope(cast.acme.id):
        DomainRule.objects.filter(pk=other.pk).update(created_at=datetime.now(UTC) - timedelta(days=8))
    page = operator.get("/o/acme/rules/")
    assert {one["row"].phrase: one["runs"] for one in page.context["shown"]} == {"frobnicator": 2, "gewgaw": 0}
    assert page.content.decode().count("never met") == 1


def test_another_weight_says_which_runs_it_would_have_moved_and_about_what_that_costs(cast: Cast, operator: Client) -> None:
    rule = add_rule(cast)
    met(cast, rule, domain="legal", legal=6.0, cost_nusd=6_000_000)
    met(cast, rule, domain="legal", legal=9.0, cost_nusd=6_000_000)
    with tenant_scope(cast.acme.id):
        add_run(cast, domain="general", cost_nusd=2_000_000)
    page = operator.get(f"/o/acme/rules/{rule.pk}/replay/", {**NEW, "weight": "1"}, headers=PART)
    found = page.context["replay"]
    assert (found.met, [(one.before, one.after, one.runs) for one in found.moved]) == (2, [("legal", "general", 1)])
    assert found.difference_nusd == -4_000_000
    off = operator.get(f"/o/acme/rules/{rule.pk}/replay/", {"domain": "legal", "phrase": "frobnicator", "weight": "6"}).context["replay"]
    assert [(one.after, one.runs) for one in off.moved] == [("general", 1)]
    same = operator.get(f"/o/acme/rules/{rule.pk}/replay/", {**NEW, "weight": "6"})
    assert same.context["replay"].moved == []
    assert "as it was" in same.content.decode()


def test_a_developer_sees_which_runs_would_move_and_not_what_they_cost(cast: Cast, operator: Client) -> None:
    rule = add_rule(cast)
    met(cast, rule, domain="legal", legal=6.0)
    address = f"/o/acme/rules/{rule.pk}/replay/"
    told = {role: logged_in(person_of(cast, role)).get(address, {**NEW, "weight": "1"}).content for role in ("viewer", "developer")}
    assert all(b"Would be" in page for page in told.values())
    assert {role: b"Cost, about" in page for role, page in told.items()} == {"viewer": True, "developer": False}


def test_a_rule_asked_about_with_nonsense_or_another_phrase_answers_in_words(cast: Cast, operator: Client) -> None:
    rule = add_rule(cast)
    met(cast, rule, domain="legal", legal=6.0)
    address = f"/o/acme/rules/{rule.pk}/replay/"
    assert b"has no past" in operator.get(address, {**NEW, "phrase": "gewgaw"}).content
    assert operator.get(address, {"weight": "nan"}).status_code == 422
    assert operator.get(address).status_code == 200
    with tenant_scope(cast.globex.id):
        foreign = DomainRule.objects.create(domain="legal", phrase="frobnicator")
    assert operator.get(f"/o/acme/rules/{foreign.pk}/replay/").status_code == 404
