"""API keys: who may make, roll and revoke which, and where a secret is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tenants import services
from tenants.models import ApiKey, AuditEntry, User
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import budget_of, logged_in, person_of
from tests.rest import book

GIVEN = {"name": "web shop", "scopes": ["invoke"]}


def key_of(cast: Cast, maker: User, **fields: Any) -> ApiKey:
    with tenant_scope(cast.acme.id):
        scopes = fields.pop("scopes", ["invoke"])
        key, _ = services.issue_key(name="theirs", scopes=scopes, expires_at=None, now=datetime.now(UTC), created_by=maker)
        ApiKey.objects.filter(pk=key.pk).update(**fields) if fields else None
        return key


def again(cast: Cast, key: ApiKey) -> ApiKey:
    with tenant_scope(cast.acme.id):
        return ApiKey.objects.get(pk=key.pk)


def test_a_new_key_is_shown_once_with_curl_and_kept_nowhere_else(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    client = logged_in(person_of(cast, "developer"))
    with caplog.at_level("INFO"):
        page = client.post("/o/acme/keys/new/", {**GIVEN, "requests_per_minute": "60", "life": "30"})
    secret = page.context["secret"]
    assert page["cache-control"] == "no-store"
    assert f"Authorization: Bearer {secret}" in page.content.decode().replace("&#x27;", "'")
    assert secret not in client.get("/o/acme/keys/").content.decode()
    assert secret not in str(dict(client.session))
    assert secret not in caplog.text
    with tenant_scope(cast.acme.id):
        key = ApiKey.objects.get(name="web shop")
        assert all(secret not in str(entry.__dict__) for entry in AuditEntry.objects.all())
    assert (key.scopes, key.requests_per_minute, key.tokens_per_minute) == (["invoke"], 60, None)
    assert key.created_by == person_of(cast, "developer")
    assert key.expires_at is not None
    assert abs(key.expires_at - key.created_at - timedelta(days=30)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "x" * 201}, {"scopes": []}, {"scopes": ["root"]}, {"requests_per_minute": "0"}, {"requests_per_minute": "9" * 30},
     {"tokens_per_minute": "-1"}, {"life": "99999"}, {"name": "nul\x00"}],
    ids=str,
)  # fmt: skip
def test_a_key_that_makes_no_sense_is_not_made(cast: Cast, wrong: dict[str, Any]) -> None:
    with tenant_scope(cast.acme.id):
        before = ApiKey.objects.count()
    page = logged_in(person_of(cast, "operator")).post("/o/acme/keys/new/", {**GIVEN, **wrong})
    assert page.status_code == 422
    with tenant_scope(cast.acme.id):
        assert ApiKey.objects.count() == before


def test_only_who_manages_all_keys_makes_one_that_changes_configuration(cast: Cast) -> None:
    refused = logged_in(person_of(cast, "developer")).post("/o/acme/keys/new/", {**GIVEN, "scopes": ["invoke", "admin"]})
    assert refused.status_code == 422
    made = logged_in(person_of(cast, "operator")).post("/o/acme/keys/new/", {**GIVEN, "scopes": ["invoke", "admin"]})
    assert made.status_code == 200
    assert made.context["secret"]


def test_a_developer_manages_only_the_keys_that_they_made(cast: Cast) -> None:
    developer = person_of(cast, "developer")
    own, other = key_of(cast, developer), key_of(cast, person_of(cast, "operator"))
    client = logged_in(developer)
    page = client.get("/o/acme/keys/").content.decode()
    assert f"sel={own.pk}" in page
    assert f"sel={other.pk}" not in page
    assert f"…{other.last4}" not in client.get(f"/o/acme/keys/?sel={other.pk}").content.decode()
    for act in ("roll", "revoke"):
        assert client.post(f"/o/acme/keys/{other.pk}/{act}/", {"overlap": "0s"}).status_code == 404
    assert again(cast, other).revoked_at is None
    client.post(f"/o/acme/keys/{own.pk}/revoke/")
    assert again(cast, own).revoked_at is not None
    assert f"sel={own.pk}" in logged_in(person_of(cast, "owner")).get("/o/acme/keys/").content.decode()


def test_a_developer_gets_no_new_secret_for_a_key_that_may_do_more_than_they_could_give(cast: Cast) -> None:
    developer = person_of(cast, "developer")
    key = key_of(cast, developer, scopes=["admin", "invoke"])
    assert logged_in(developer).post(f"/o/acme/keys/{key.pk}/roll/", {"overlap": "0s"}).status_code == 403
    assert again(cast, key).expires_at is None


@pytest.mark.parametrize(("overlap", "length"), [("0s", 0), ("1h", 1), ("24h", 24), ("7d", 168)])
def test_a_rolled_key_goes_on_for_the_overlap(cast: Cast, overlap: str, length: int) -> None:
    key = key_of(cast, person_of(cast, "operator"))
    before = datetime.now(UTC)
    page = logged_in(person_of(cast, "operator")).post(f"/o/acme/keys/{key.pk}/roll/", {"overlap": overlap})
    assert page["cache-control"] == "no-store"
    assert page.context["secret"].endswith(page.context["key"].last4)
    ends = again(cast, key).expires_at
    assert ends is not None
    assert timedelta(hours=length) <= ends - before < timedelta(hours=length, minutes=5)
    assert ("goes on working until" in page.content.decode()) is (length > 0)


def test_a_key_is_rolled_once_and_for_a_known_overlap(cast: Cast) -> None:
    client, key = logged_in(person_of(cast, "operator")), key_of(cast, person_of(cast, "operator"))
    assert b"say when the old key ends" in client.post(f"/o/acme/keys/{key.pk}/roll/", {"overlap": "8y"}, follow=True).content
    client.post(f"/o/acme/keys/{key.pk}/roll/", {"overlap": "24h"})
    page = client.post(f"/o/acme/keys/{key.pk}/roll/", {"overlap": "24h"}, follow=True).content.decode()
    assert "This key was rolled already" in page
    assert "Roll this key" not in page


def test_a_revoked_key_stays_in_the_list_and_can_be_done_nothing_with(cast: Cast) -> None:
    client, key = logged_in(person_of(cast, "operator")), key_of(cast, person_of(cast, "operator"))
    page = client.post(f"/o/acme/keys/{key.pk}/revoke/", follow=True).content.decode()
    assert "is revoked: calls with it are refused" in page
    assert "Revoke this key" not in page
    assert "no longer works" in client.post(f"/o/acme/keys/{key.pk}/roll/", {"overlap": "0s"}, follow=True).content.decode()


@pytest.mark.parametrize(
    ("days", "state"), [({"created_at": 91}, "unused"), ({"created_at": 91, "last_used_at": 1}, "active"), ({"last_used_at": 91}, "unused"),
                        ({"expires_at": 1}, "expired"), ({"expires_at": 1, "revoked_at": 1}, "revoked"), ({}, "active")],
)  # fmt: skip
def test_a_key_says_whether_it_is_in_use(cast: Cast, days: dict[str, int], state: str) -> None:
    now = datetime.now(UTC)
    key = key_of(cast, person_of(cast, "operator"), **{name: now - timedelta(days=ago) for name, ago in days.items()})
    client = logged_in(person_of(cast, "operator"))
    for asked in ("active", "unused", "expired", "revoked"):
        page = client.get("/o/acme/keys/", {"state": asked}).content.decode()
        assert (f"sel={key.pk}" in page) is (asked == state), asked


def test_the_panel_asks_the_database_little(cast: Cast) -> None:
    client, key = logged_in(person_of(cast, "owner")), key_of(cast, person_of(cast, "operator"))
    with CaptureQueriesContext(connection) as captured:
        page = client.get(f"/o/acme/keys/?sel={key.pk}")
    assert b"Roll this key" in page.content
    assert len([query for query in captured if "apikey" in query["sql"]]) <= 3


def test_a_key_says_how_its_budgets_stand_and_leads_to_a_new_one(cast: Cast) -> None:
    key = key_of(cast, cast.olga)
    other = key_of(cast, cast.olga)
    for subject, name in ((key.pk, "Web shop"), (other.pk, "Of another key")):
        budget_of(cast, scope="api_key", subject=str(subject), name=name, period="daily", action="block")
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=4 * 10**9, api_key=key.pk)
    page = logged_in(cast.olga).get("/o/acme/keys/", {"sel": str(key.pk)})
    text = " ".join(page.content.decode().split())
    for told in ("Web shop, ", "$4.00 of $10.00, 40 %. Block: calls are refused.", f"budgets/new/?scope=api_key&amp;api_key={key.pk}"):
        assert told in text, told
    assert "Of another key" not in text
    form = logged_in(cast.olga).get("/o/acme/budgets/new/", {"scope": "api_key", "api_key": str(key.pk)}).context["form"]
    assert (form["scope"].value(), form["api_key"].value()) == ("api_key", str(key.pk))
    developer = person_of(cast, "developer")
    theirs = key_of(cast, developer)
    text = logged_in(developer).get("/o/acme/keys/", {"sel": str(theirs.pk)}).content.decode()
    assert "No budget limits this key alone." in text
    assert "Set a budget" not in text
