"""End users in the console: found, moved to a tier, blocked, limited, erased, and why their calls are refused."""

import base64
import json
import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.models import Budget
from tenants.models import AuditEntry, EndUser, Erasure, Tier
from tenants.scoping import tenant_scope
from tests.cast import Cast, make_end_user
from tests.dashboards.scene import add_run, budget_of, logged_in, person_of
from tests.rest import book


@pytest.fixture
def operator(cast: Cast) -> Client:
    return logged_in(cast.olga)


def names(page: Any) -> list[str]:
    return [one["row"].external_id for one in page.context["shown"]]


def fresh(cast: Cast, user: EndUser) -> EndUser:
    with tenant_scope(cast.acme.id):
        return EndUser.objects.select_related("tier").get(pk=user.pk)


def tier_named(cast: Cast, name: str) -> Tier:
    with tenant_scope(cast.acme.id):
        return Tier.objects.get(name=name)


def add_users(cast: Cast, *external_ids: str) -> None:
    with tenant_scope(cast.acme.id):
        EndUser.objects.bulk_create(EndUser(id=uuid.uuid4(), external_id=name, tier=None) for name in external_ids)


def test_the_list_says_who_there_is_what_they_cost_and_when_they_came_last(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=2_500_000_000, end_user=cast.ann.id)
    page = operator.get("/o/acme/users/")
    assert names(page) == ["ann", "ben"]
    ann, ben = (one["recent"] for one in page.context["shown"])
    assert (ann.cost_nusd, len(ann.trend), ben.cost_nusd, ben.last_on) == (2_500_000_000, 28, 0, None)
    assert ann.last_on is not None
    assert b"$2.50" in page.content


def test_pages_go_by_key_in_the_order_of_names(cast: Cast, operator: Client) -> None:
    add_users(cast, *(f"person-{number:02}" for number in range(60)), "Zoe")
    first = operator.get("/o/acme/users/")
    second = operator.get("/o/acme/users/", {"after": first.context["after"]})
    found = names(first) + names(second)
    assert found == sorted(found)
    assert len(found) == 63


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "an"}, ["ann", "anna"]), ({"q": "nn"}, []), ({"q": "100%"}, ["100%_sure"]), ({"q": "100_"}, []), ({"q": "Ünal"}, ["Ünal"]),
        ({"state": "blocked"}, ["Ünal"]), ({"state": "made up"}, ["100%_sure", "ann", "anna", "ben", "Ünal"]),
        ({"tier": "none"}, ["100%_sure", "anna", "Ünal"]),
        ({"tier": "made up"}, []), ({"tier": str(uuid.UUID(int=7))}, []),
    ],
)  # fmt: skip
def test_people_are_found_by_how_their_name_begins_by_tier_and_by_block(
    cast: Cast, operator: Client, asked: dict[str, str], found: list[str]
) -> None:  # fmt: skip
    add_users(cast, "anna", "100%_sure", "Ünal")
    with tenant_scope(cast.acme.id):
        EndUser.objects.filter(external_id="Ünal").update(is_blocked=True)
    assert names(operator.get("/o/acme/users/", asked)) == found


def test_people_are_found_by_tier_and_by_our_id(cast: Cast, operator: Client) -> None:
    assert names(operator.get("/o/acme/users/", {"tier": str(tier_named(cast, "pro").pk)})) == ["ben"]
    assert names(operator.get("/o/acme/users/", {"q": str(cast.ben.pk)})) == ["ben"]


def test_a_search_and_a_deep_page_read_a_range_of_the_index_under_row_level_security(cast: Cast, operator: Client) -> None:
    add_users(cast, *(f"person-{number:04}" for number in range(300)))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off")  # as it is where there are millions: what is left to be seen is that the index serves
    after = operator.get("/o/acme/users/", {"q": "person-02"}).context["after"]
    for asked in ({"q": "person-02"}, {"after": after}):
        plan = plan_of(cast, operator, asked)
        assert re.search(r"using end_users_by_name.*\n\s+Index Cond: .*external_id", plan), plan


def plan_of(cast: Cast, client: Client, asked: dict[str, str]) -> str:
    """How the database finds the rows of a list."""
    with CaptureQueriesContext(connection) as captured:
        client.get("/o/acme/users/", asked)
    (query,) = [query["sql"] for query in captured if 'FROM "tenants_enduser"' in query["sql"] and "LIMIT 51" in query["sql"]]
    with tenant_scope(cast.acme.id), connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + query.replace("%", "%%"), None)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_the_panel_tells_the_facts_and_leads_on(cast: Cast, operator: Client) -> None:
    page = operator.get(f"/o/acme/users/?sel={cast.ann.pk}").content.decode()
    for told in (
        str(cast.ann.pk), f"costs/?f=end_user:{cast.ann.pk}", f"runs/?user={cast.ann.pk}", "budgets/new/?scope=end_user&amp;end_user=ann",
        f"users/{cast.ann.pk}/standing/", "Erase", "Block",
    ):  # fmt: skip
        assert told in page, told
    seen = logged_in(person_of(cast, "viewer")).get(f"/o/acme/users/?sel={cast.ann.pk}").content.decode()
    assert not any(told in seen for told in ("New budget", "Erase", "Block</button>", "/data/", "/edit/"))


def test_a_new_budget_for_a_person_is_filled_in_with_their_name(cast: Cast, operator: Client) -> None:
    add_users(cast, "x&y=+z")
    with tenant_scope(cast.acme.id):
        person = EndUser.objects.get(external_id="x&y=+z")
    page = operator.get(f"/o/acme/users/?sel={person.pk}").content.decode()
    link = page.split('href="/o/acme/budgets/new/', 1)[1].partition('"')[0].replace("&amp;", "&")
    form = operator.get(f"/o/acme/budgets/new/{link}").context["form"]
    assert (form["scope"].value(), form["end_user"].value()) == ("end_user", "x&y=+z")


def test_why_calls_are_refused_is_told_with_each_budget_that_applies(cast: Cast, operator: Client) -> None:
    own = budget_of(cast, scope="end_user", subject="ann", limit_nusd=1, action="block", name="tiny")
    budget_of(cast, scope="tenant", limit_nusd=10**12, action="warn", name="large")
    page = operator.get(f"/o/acme/users/{cast.ann.pk}/standing/?whole=1").content.decode()
    assert "tiny" in page
    assert "large" in page
    assert f"budgets/?sel={own.pk}" in page
    assert operator.get(f"/o/acme/users/{uuid.uuid4()}/standing/").status_code == 404


def test_a_block_is_set_and_lifted_and_who_only_looks_cannot(cast: Cast, operator: Client) -> None:
    path = f"/o/acme/users/{cast.ann.pk}/block/"
    assert b"blocked" in operator.post(path, {"blocked": "1"}, follow=True).content
    assert fresh(cast, cast.ann).is_blocked
    assert "The end user is blocked" in operator.get(f"/o/acme/users/{cast.ann.pk}/standing/?whole=1").content.decode()
    operator.post(path, {"blocked": "1"})
    assert fresh(cast, cast.ann).is_blocked, "said twice is said once"
    operator.post(path, {"blocked": "0"})
    assert not fresh(cast, cast.ann).is_blocked
    for role in ("finance", "viewer", "developer"):
        assert logged_in(person_of(cast, role)).post(path).status_code == 403
    assert not fresh(cast, cast.ann).is_blocked


def test_the_form_moves_one_person_and_shows_what_another_editor_did(cast: Cast, operator: Client) -> None:
    path, pro = f"/o/acme/users/{cast.ann.pk}/edit/", str(tier_named(cast, "pro").pk)
    seen = operator.get(path).context["seen"]
    operator.post(path, {"tier": pro, "seen": seen})
    assert str(fresh(cast, cast.ann).tier) == "pro"
    late = operator.post(path, {"tier": "none", "is_blocked": "on", "seen": seen})
    assert late.status_code == 409
    assert ("Tier", "free", "pro") in late.context["conflict"]
    operator.post(path, {"tier": "none", "is_blocked": "on", "seen": late.context["seen"]})
    assert (fresh(cast, cast.ann).tier, fresh(cast, cast.ann).is_blocked) == (None, True)


@pytest.mark.parametrize("tier", ["", "made up", str(uuid.UUID(int=7)), "foreign"])
def test_a_tier_that_is_none_of_ones_own_is_refused(cast: Cast, operator: Client, tier: str) -> None:
    with tenant_scope(cast.globex.id):
        foreign = str(Tier.objects.get(name="free").pk)
    path = f"/o/acme/users/{cast.ann.pk}/edit/"
    page = operator.post(path, {"tier": foreign if tier == "foreign" else tier, "seen": operator.get(path).context["seen"]})
    assert page.status_code == 422
    assert str(fresh(cast, cast.ann).tier) == "free"


def test_what_changes_is_in_the_audit_log_without_the_name(cast: Cast, operator: Client) -> None:
    operator.post(f"/o/acme/users/{cast.ann.pk}/block/", {"blocked": "1"})
    page = logged_in(person_of(cast, "owner")).get(f"/o/acme/users/?sel={cast.ann.pk}")
    entry = page.context["last_changes"][0]
    assert (entry.differences, entry.door) == ([("is blocked", "no", "yes")], "Console")


def test_an_erasure_is_confirmed_by_the_name(cast: Cast, operator: Client) -> None:
    budget, path = budget_of(cast, scope="end_user", subject="ann", name="of ann"), f"/o/acme/users/{cast.ann.pk}/erase/"
    assert b"Nobody was erased" in operator.post(path, {"name": "ben"}, follow=True).content
    assert b"Nobody was erased" in operator.post(path, {"blocked": "1"}, follow=True).content
    assert fresh(cast, cast.ann)
    page = operator.post(path, {"name": "ann"}, follow=True)
    assert b"The end user is erased" in page.content
    assert names(page) == ["ben"]
    with tenant_scope(cast.acme.id):
        note = Erasure.objects.get()
        assert (note.end_user_id, note.actor) == (cast.ann.pk, "olga@example.com")
        assert Budget.objects.get(pk=budget.pk).subject == str(cast.ann.pk)
    assert operator.post(path, {"name": "ann"}).status_code == 404


def test_what_is_stored_about_a_person_is_a_file_for_those_who_may_erase(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=1_000, end_user=cast.ann.id)
    file = operator.post(f"/o/acme/users/{cast.ann.pk}/data/")
    assert file["content-disposition"] == f'attachment; filename="end-user-{cast.ann.pk}.json"'
    assert "no-store" in file["cache-control"]
    stored = json.loads(file.content)
    assert stored["end_user"]["external_id"] == "ann"
    assert len(stored["cost_entries"]) == 1
    for role in ("finance", "viewer", "developer"):
        assert logged_in(person_of(cast, role)).post(f"/o/acme/users/{cast.ann.pk}/data/").status_code == 403
    with tenant_scope(cast.acme.id):
        taken = AuditEntry.objects.get(object_type="end_user", action="read")
    assert (taken.object_id, "ann" in str(taken.changes)) == (str(cast.ann.pk), False)


def test_other_screens_lead_to_the_person(cast: Cast, operator: Client) -> None:
    budget = budget_of(cast, scope="end_user", subject="ann", name="of ann")
    link = f"/o/acme/users/?sel={cast.ann.pk}"
    with tenant_scope(cast.acme.id):
        add_run(cast)
        book(cast.acme, amount_nusd=1_000, end_user=cast.ann.id)
    for path in (f"budgets/?sel={budget.pk}", "palette/?q=ann", "runs/", "costs/?group=end_user"):
        assert link in operator.get(f"/o/acme/{path}").content.decode(), path
    assert link not in logged_in(person_of(cast, "developer")).get(f"/o/acme/budgets/?sel={budget.pk}").content.decode()


def test_people_of_another_tenant_are_found_by_nothing(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.globex.id):
        make_end_user(cast.globex, "only-of-globex", Tier.objects.get(name="free"))
    for asked in ({"q": "gus"}, {"q": "only"}, {"q": str(cast.gus.pk)}):
        assert names(operator.get("/o/acme/users/", asked)) == []
    assert operator.get(f"/o/acme/users/{cast.gus.pk}/standing/").status_code == 404
    for path in ("block", "erase", "edit", "data"):
        assert operator.post(f"/o/acme/users/{cast.gus.pk}/{path}/", {"name": "gus"}).status_code == 404


def bulk(client: Client, **said: Any) -> Any:
    return client.post("/o/acme/users/bulk/", said)


def tiers_of(cast: Cast) -> dict[str, str]:
    with tenant_scope(cast.acme.id):
        return {row.external_id: str(row.tier) for row in EndUser.objects.select_related("tier")}


def test_names_of_any_length_and_script_lead_to_the_next_page(cast: Cast, operator: Client) -> None:
    add_users(cast, *(f"{number:02}" + "\U0001f600" * 250 for number in range(60)))
    first = operator.get("/o/acme/users/")
    second = operator.get("/o/acme/users/", {"after": first.context["after"]})
    assert len(set(names(first) + names(second))) == 62


def test_a_key_of_half_a_character_begins_at_the_first_page(cast: Cast, operator: Client) -> None:
    after = base64.urlsafe_b64encode(json.dumps(["\ud800", str(uuid.UUID(int=1))]).encode()).decode().rstrip("=")
    assert names(operator.get("/o/acme/users/", {"after": after})) == ["ann", "ben"]


def test_as_many_as_one_change_takes_are_moved_at_once(cast: Cast, operator: Client) -> None:
    add_users(cast, *(f"person-{number:04}" for number in range(1000)))
    pro = str(tier_named(cast, "pro").pk)
    preview = bulk(operator, action="move", all="on", tier="none", to=pro, preview="1")
    done = bulk(operator, action="move", id=preview.context["ids"], to=pro, seen=preview.context["seen"])
    assert done.status_code == 302
    assert sum(tier == "pro" for tier in tiers_of(cast).values()) == 1001


def test_tiers_of_one_title_are_told_apart(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.acme.id):
        Tier.objects.update(title="The tier")
    preview = bulk(operator, action="move", id=[cast.ann.pk], to=str(tier_named(cast, "pro").pk), preview="1")
    assert [plan.state for plan in preview.context["plans"]] == ["change"]


def test_many_people_are_moved_to_a_tier_after_a_preview_and_back_again(cast: Cast, operator: Client) -> None:
    pro, chosen = str(tier_named(cast, "pro").pk), [cast.ann.pk, cast.ben.pk]
    preview = bulk(operator, action="move", id=chosen, to=pro, preview="1")
    assert sorted((plan.label, plan.state) for plan in preview.context["plans"]) == [("ann", "change"), ("ben", "same")]
    assert tiers_of(cast) == {"ann": "free", "ben": "pro"}
    done = operator.post("/o/acme/users/bulk/", {"action": "move", "id": chosen, "to": pro, "seen": preview.context["seen"]}, follow=True)
    assert b"Move tier: 1 changed." in done.content
    assert b"Undo" in done.content
    assert tiers_of(cast) == {"ann": "pro", "ben": "pro"}
    assert b"Taken back: 1." in operator.post("/o/acme/users/undo/", follow=True).content
    assert tiers_of(cast) == {"ann": "free", "ben": "pro"}


def test_people_without_a_tier_are_without_one_again_and_who_moved_since_stays(cast: Cast, operator: Client) -> None:
    add_users(cast, "cy", "di")
    pro = str(tier_named(cast, "pro").pk)
    preview = bulk(operator, action="move", all="on", tier="none", to=pro, preview="1")
    assert preview.context["count"] == 2
    bulk(operator, action="move", id=preview.context["ids"], to=pro, seen=preview.context["seen"])
    assert tiers_of(cast) == {"ann": "free", "ben": "pro", "cy": "pro", "di": "pro"}
    with tenant_scope(cast.acme.id):
        EndUser.objects.filter(external_id="di").update(tier=Tier.objects.get(name="free"))
    assert b"Taken back: 1. 1 were changed meanwhile" in operator.post("/o/acme/users/undo/", follow=True).content
    assert tiers_of(cast) == {"ann": "free", "ben": "pro", "cy": "None", "di": "free"}


def test_a_tier_that_was_deleted_since_is_not_given_back(cast: Cast, operator: Client) -> None:
    pro = str(tier_named(cast, "pro").pk)
    preview = bulk(operator, action="move", id=[cast.ann.pk], to=pro, preview="1")
    bulk(operator, action="move", id=[cast.ann.pk], to=pro, seen=preview.context["seen"])
    with tenant_scope(cast.acme.id):
        Tier.objects.get(name="free").delete()
    assert b"There is no such tier any more" in operator.post("/o/acme/users/undo/", follow=True).content
    assert tiers_of(cast)["ann"] == "pro"


def test_a_preview_of_many_asks_few_questions(cast: Cast, operator: Client) -> None:
    add_users(cast, *(f"person-{number:03}" for number in range(200)))
    with CaptureQueriesContext(connection) as captured:
        preview = bulk(operator, action="move", all="on", to=str(tier_named(cast, "pro").pk), preview="1")
    assert preview.context["count"] == 202
    assert len(captured) < 40


def test_who_may_not_change_people_moves_nobody(cast: Cast) -> None:
    client, pro = logged_in(cast.finn), str(tier_named(cast, "pro").pk)
    assert bulk(client, action="move", id=[cast.ann.pk], to=pro, preview="1").status_code == 403
    assert b"Move tier" not in client.get("/o/acme/users/").content


def test_all_that_match_tells_how_many_without_counting_further_than_a_change_takes(cast: Cast, operator: Client) -> None:
    assert b"all 2 that match" in operator.get("/o/acme/users/").content
    add_users(cast, *(f"person-{number:04}" for number in range(410)))
    page = operator.get("/o/acme/users/", {"q": "person"})
    assert b"all 410 that match" in page.content
    assert b"all 410 that match" in operator.get("/o/acme/users/", {"q": "person", "after": page.context["after"]}).content
    add_users(cast, *(f"person-x{number:04}" for number in range(600)))
    with CaptureQueriesContext(connection) as captured:
        page = operator.get("/o/acme/users/", {"q": "person"})
    assert b"1,000 of more than 1,000 that match" in page.content
    counts = [query["sql"] for query in captured if "COUNT(" in query["sql"] and "tenants_enduser" in query["sql"]]
    assert len(counts) == 1
    assert "LIMIT 1001" in counts[0]
