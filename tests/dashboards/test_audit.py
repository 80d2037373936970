"""The audit log in the console: who changed what, before and after; and the last changes beside what was changed."""

import csv
import io
from typing import Any

import pytest

from billing.engine.money import to_nusd
from billing.models import Budget
from tenants.actors import Actor, ActorKind, Door
from tenants.audit import acting
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import budget_of, logged_in, person_of
from tests.rest import Rest


@pytest.fixture
def budget(cast: Cast) -> Budget:
    """Set by a key, raised by the operator in the console."""
    made = Rest(cast.acme_admin_key).make("budgets/", name="Ours", scope="tenant", period="monthly", limit="5")
    operator = logged_in(person_of(cast, "operator"))
    answer = operator.post("/o/acme/budgets/bulk/", {"action": "limit", "id": made["id"], "limit": "7", "preview": "1"})
    seen = answer.context["seen"]
    operator.post("/o/acme/budgets/bulk/", {"action": "limit", "id": made["id"], "limit": "7", "seen": seen})
    with tenant_scope(cast.acme.id):
        found: Budget = Budget.objects.get(pk=made["id"])
    assert found.limit_nusd == to_nusd("7")
    return found


def page(cast: Cast, query: str = "", *, role: str = "finance") -> str:
    text: str = logged_in(person_of(cast, role)).get(f"/o/acme/audit/{query}").content.decode()
    return text


def test_it_says_who_raised_a_limit_from_what_to_what_and_where(cast: Cast, budget: Budget) -> None:
    text = page(cast, "?what=budget&action=changed")
    assert "operator@example.com" in text
    assert "<b>limit</b> 5 → 7" in text
    assert "Console" in text
    assert f"/o/acme/budgets/?sel={budget.pk}" in text
    assert "API key" not in text.partition("<tbody>")[2]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?kind=api_key&what=budget", 1), ("?door=console&what=budget", 1), ("?thing={pk}", 2), ("?q=operator@&what=budget", 1),
        ("?what=budget&since=2026-01-01", 2), ("?what=budget&until=2020-01-01", 0), ("?what=budget&action=deleted", 0),
    ],
)  # fmt: skip
def test_filters_narrow_it(cast: Cast, budget: Budget, query: str, count: int) -> None:
    assert page(cast, query.format(pk=budget.pk)).count("<tr data-row") == count


def test_pages_follow_each_other_without_a_gap(cast: Cast) -> None:
    for number in range(60):
        budget_of(cast, scope="tag", subject=f"team={number}", name=f"b{number}")
    client = logged_in(person_of(cast, "owner"))
    first = client.get("/o/acme/audit/?what=budget")
    second = client.get("/o/acme/audit/", {"what": "budget", "after": first.context["after"]})
    shown = [one["row"].pk for answer in (first, second) for one in answer.context["shown"]]
    assert len(shown) == len(set(shown)) == 60


def test_the_file_has_a_line_for_each_field_and_nothing_that_a_spreadsheet_would_carry_out(cast: Cast, budget: Budget) -> None:
    with tenant_scope(cast.acme.id), acting(Actor(kind=ActorKind.USER, door=Door.CONSOLE, name="=cmd|' /C calc'!A0")):
        Budget.objects.filter(pk=budget.pk).update(limit_nusd=to_nusd("9"))
    answer = logged_in(person_of(cast, "finance")).get("/o/acme/audit/file/?what=budget&action=changed")
    assert answer["content-disposition"].startswith('attachment; filename="acme-audit-')
    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(line["Who"], line["Field"], line["Before"], line["After"]) for line in lines] == [
        ("'=cmd|' /C calc'!A0", "limit", "7", "9"), ("operator@example.com", "limit", "5", "7"),
    ]  # fmt: skip


def test_a_role_that_may_not_take_files_away_is_offered_none(cast: Cast, budget: Budget) -> None:
    assert "/audit/file/" in page(cast)
    assert logged_in(person_of(cast, "operator")).get("/o/acme/audit/file/").status_code == 403


@pytest.mark.parametrize(("role", "is_told"), [("owner", True), ("finance", True), ("operator", False)])
def test_the_last_changes_stand_beside_a_budget_for_who_may_read_the_log(cast: Cast, budget: Budget, role: str, *, is_told: bool) -> None:
    client = logged_in(person_of(cast, role))
    for path in (f"budgets/?sel={budget.pk}", f"budgets/{budget.pk}/edit/"):
        text: Any = client.get(f"/o/acme/{path}").content.decode()
        assert ("operator@example.com</b> changed it" in text) is is_told, path
        assert ("limit</b> 5 → 7" in text) is is_told
