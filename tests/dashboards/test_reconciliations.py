"""Providers' files in the console: compared, looked at, signed for by finance."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from billing.models import Reconciliation
from cascade.models import ProviderConnection
from tenants.scoping import tenant_scope
from tests.dashboards.test_reports import member
from tests.shop import Shop

HEAD = "date,model,user,requests,prompt_tokens,completion_tokens"


@pytest.fixture
def assumed(shop: Shop) -> str:
    """A call that was assumed at 1,000,000 nano-USD; what the provider says of it: 10 tokens in, 100 out, 61,500."""
    with tenant_scope(shop.tenant.id):
        ProviderConnection.objects.create(name="openai", provider="openai")
    price = shop.price("0.15", "0.60", since=shop.ago(days=9))
    shop.call(price=price, kind="assumed", amount=1_000_000, held=1_000_000)
    return f"{datetime.now(UTC):%Y-%m-%d},mini,,1,10,100"


def bring(shop: Shop, client: Client, *lines: str, provider: str = "openai") -> Any:
    file = SimpleUploadedFile("usage.csv", "\n".join([HEAD, *lines, ""]).encode(), content_type="text/csv")
    return client.post(f"/o/{shop.tenant.slug}/reports/reconciliations/", {"provider": provider, "file": file}, follow=True)


def test_finance_brings_a_file_sees_the_gaps_and_signs(shop: Shop, assumed: str) -> None:
    client = member(shop, "finance")
    shown = bring(shop, client, assumed)
    assert "To be corrected" in shown.content.decode()
    assert shop.corrections() == []
    with tenant_scope(shop.tenant.id):
        row = Reconciliation.objects.get()
    url = f"/o/{shop.tenant.slug}/reports/reconciliations/{row.pk}/"
    assert "Sign, and post" not in member(shop, "operator").get(url).content.decode()
    text = client.post(url, follow=True).content.decode()
    assert "All corrections are posted." in text
    assert f"Signed by finance-of-{shop.tenant.slug}@example.com" in text
    assert sum(entry.amount_nusd for entry in shop.entries()) == 61_500
    assert "posted already" in client.post(url, follow=True).content.decode()


def test_what_is_no_usage_file_is_told_line_by_line_and_not_kept(shop: Shop, assumed: str) -> None:
    client = member(shop, "finance")
    answer = bring(shop, client, "soon,mini,,1,1,1", "2026-11-01,mini,,1,x,1")
    assert answer.status_code == 422
    assert "line 2" in answer.content.decode()
    assert bring(shop, client, assumed, provider="azure").status_code == 422
    assert client.post(f"/o/{shop.tenant.slug}/reports/reconciliations/", {"provider": "openai"}).status_code == 422
    with tenant_scope(shop.tenant.id):
        assert not Reconciliation.objects.exists()
