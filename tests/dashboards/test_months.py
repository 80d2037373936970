"""Months in the console: closed by finance, looked at again, opened by an owner who says why."""

from datetime import UTC, date, datetime

import pytest
from django.test import Client

from billing.models import CloseOfMonth
from tenants.models import AuditEntry
from tenants.scoping import tenant_scope
from tests.dashboards.test_reports import called, member
from tests.months import move, tamper
from tests.shop import Shop

__all__ = ["called"]


def page(shop: Shop, client: Client) -> str:
    text: str = client.get(f"/o/{shop.tenant.slug}/reports/months/").content.decode()
    return text


def send(shop: Shop, client: Client, act: str, **fields: object) -> str:
    text: str = client.post(f"/o/{shop.tenant.slug}/reports/months/{act}/", fields, follow=True).content.decode()
    return text


def test_finance_closes_the_month_that_is_next(called: Shop) -> None:
    client = member(called, "finance")
    assert "Next to close: August 2026" in page(called, client)
    assert "Nothing stands in the way" in page(called, client)
    assert "August 2026 is closed." in send(called, client, "close", month="2026-08", reason="as every month")
    text = page(called, client)
    assert "Next to close: September 2026" in text
    assert "as every month" in text
    with tenant_scope(called.tenant.id):
        close = CloseOfMonth.objects.get()
        logged = AuditEntry.objects.filter(object_type="close_of_month", action="created").get()
    assert (close.month, close.usage_nusd, close.actor) == (date(2026, 8, 1), 420_000, f"finance-of-{called.tenant.slug}@example.com")
    assert (logged.actor_name, logged.door) == (close.actor, "console")
    assert bytes(close.hash).hex() in text


def test_what_stands_in_the_way_is_named_and_accepted_by_name_alone(called: Shop) -> None:
    move(called.call(asked=5, said=5, model="unknown"), to=datetime(2026, 8, 20, tzinfo=UTC))
    client = member(called, "finance")
    assert "no price was known for" in page(called, client)
    assert "have no price" in send(called, client, "close", month="2026-08")
    assert "have no price" in send(called, client, "close", month="2026-08", in_spite_of="nonsense")
    assert "August 2026 is closed." in send(called, client, "close", month="2026-08", in_spite_of="unpriced")


@pytest.mark.parametrize("month", ["", "2026-13", "x", "9999-12", "2026-10", f"{datetime.now(UTC):%Y-%m}"])
def test_no_other_month_can_be_closed(called: Shop, month: str) -> None:
    client = member(called, "finance")
    send(called, client, "close", month="2026-08")
    assert "is closed." not in send(called, client, "close", month=month)
    with tenant_scope(called.tenant.id):
        assert CloseOfMonth.objects.count() == 1


def test_only_an_owner_opens_a_month_again_and_says_why(called: Shop) -> None:
    finance, owner = member(called, "finance"), member(called, "owner")
    send(called, finance, "close", month="2026-08")
    assert "Only an owner" in send(called, finance, "reopen", month="2026-08", reason="a late bill")
    assert "Say why" in send(called, owner, "reopen", month="2026-08", reason=" ")
    assert "August 2026 is open again." in send(called, owner, "reopen", month="2026-08", reason="a late bill")
    assert "a late bill" in page(called, finance)
    assert "Next to close: August 2026" in page(called, finance)


def test_a_changed_entry_of_a_closed_month_is_found_and_named(called: Shop) -> None:
    client = member(called, "finance")
    send(called, client, "close", month="2026-08")
    assert "Every closed month is as it was sealed." in send(called, client, "verify")
    change = "UPDATE billing_costentry SET amount_nusd = amount_nusd + %s WHERE tenant_id = %s AND kind = 'settled'"
    tamper(change, 1, called.tenant.id)
    text = send(called, client, "verify")
    tamper(change, -1, called.tenant.id)
    assert "in closed months." in text
    assert "an entry was changed" in text


def test_who_may_not_close_a_month_is_offered_no_button(called: Shop) -> None:
    assert "No month is closed yet." in page(called, member(called, "viewer"))
    assert "Close August" not in page(called, member(called, "operator"))
