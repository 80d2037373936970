"""Months over REST: closed, looked at again, and opened again by a key that an owner made."""

from datetime import UTC, datetime

import pytest

from tenants.models import ApiKey, Membership, User
from tenants.scoping import tenant_scope
from tests.months import move
from tests.shop import Shop


@pytest.fixture
def called(shop: Shop) -> Shop:
    price = shop.price("0.15", "0.60", since=shop.ago(days=200))
    move(shop.call(price=price, asked=1000, said=100), to=datetime(2026, 8, 15, 12, tzinfo=UTC))
    return shop


def test_a_month_is_closed_and_the_next_one_is_named(called: Shop) -> None:
    before = called.admin.get("month-closes/open/").json()
    assert (before[0]["month"], before[0]["is_over"], before[0]["obstacles"], before[-1]["is_over"]) == ("2026-08", True, {}, False)
    made = called.admin.make("month-closes/", month="2026-08", reason="on time")
    assert (made["month"], made["usage"], made["closing"], made["reason"], len(made["hash"])) == ("2026-08-01", "0.00021", "0.00021", "on time", 64)
    assert made["actor"].startswith("API key")
    assert called.admin.get("month-closes/open/").json()[0]["month"] == "2026-09"
    assert [row["id"] for row in called.admin.get("month-closes/?month=2026-08-01").json()["results"]] == [made["id"]]
    verified = called.admin.send("post", "month-closes/verify/").json()
    assert verified == {"closed_months": 1, "last_hash": made["hash"], "differences": []}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400), ({"month": "2026-8"}, 400), ({"month": 202608}, 400), ({"month": "2026-13"}, 400),
        ({"month": "2026-08", "in_spite_of": ["all"]}, 400), ({"month": "2026-08", "in_spite_of": "unpriced"}, 400),
        ({"month": "2026-08", "reason": "x" * 501}, 400), ({"month": "2026-08", "force": True}, 400), ([], 400), ({"month": "2099-01"}, 409),
    ],
)  # fmt: skip
def test_what_is_no_wish_for_a_close_is_refused(called: Shop, body: object, status: int) -> None:
    assert called.admin.send("post", "month-closes/", body).status_code == status
    assert called.admin.get("month-closes/").json()["results"] == []


def test_a_month_is_opened_again_only_by_a_key_that_an_owner_made(called: Shop) -> None:
    made = called.admin.make("month-closes/", month="2026-08")
    path = f"month-closes/{made['id']}/reopen/"
    assert called.admin.send("post", path, {}).status_code == 400
    assert called.admin.send("post", path, {"reason": "a late bill"}).json()["code"] == "needs_an_owner"
    with tenant_scope(called.tenant.id):
        owner = User.objects.create(email=f"owner-{called.tenant.slug}@example.com")
        Membership.objects.create(user=owner, role="owner")
        ApiKey.objects.filter(scopes__contains=["admin"]).update(created_by=owner)
    opened = called.admin.send("post", path, {"reason": "a late bill"}).json()
    assert opened["reopened_because"] == "a late bill"
    assert called.admin.send("post", path, {"reason": "again"}).json()["code"] == "not_closed"
