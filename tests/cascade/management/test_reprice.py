"""manage.py reprice: shows the effect, asks, posts, and leaves what has its price."""

import io

import pytest
from django.core.management import CommandError, call_command

from billing.models import PlatformPrice
from cascade.models import CatalogModel, ProviderConnection
from tenants.scoping import tenant_scope
from tests.shop import Shop


def run(shop: Shop, *arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("reprice", "--tenant", shop.tenant.slug, *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_it_shows_each_day_asks_and_posts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    old = shop.price("0.15", "0.60", since=shop.ago(days=30))
    holds = [shop.call(price=old, asked=142, said=125, at=shop.ago(days=days)) for days in (8, 2)]
    shop.call(price=old, kind="voided", amount=0)
    shop.price("0.15", "0.50", since=shop.ago(days=10))
    monkeypatch.setattr("builtins.input", lambda question: "n")
    with pytest.raises(CommandError, match="Nothing was changed"):
        run(shop, "--model", "mini")
    assert shop.corrections() == []
    lines = run(shop, "--model", "mini", "--yes", "--by", "finn", "--reason", "the list was wrong")
    days = sorted({str(entry.occurred_on) for hold in holds for entry in shop.entries(hold)})
    assert lines[0] == f"{days[0]} mini: 1 calls, booked 0.0000963, re-priced 0.0000838, difference -0.0000125 USD"
    assert lines[2] == "left alone: 1 calls, nothing billed"
    assert lines[-1] == "Posted 2 adjustments of -0.000025 USD in all."
    assert [(entry.actor, entry.reason) for entry in shop.corrections()] == [("finn", "the list was wrong")] * 2
    assert run(shop, "--model", "mini", "--yes")[-1] == "= nothing to adjust"


def test_a_platform_price_that_was_corrected_reaches_what_was_booked_by_it(shop: Shop) -> None:
    place = {"provider": "openai", "model": f"gpt-{shop.tenant.slug}", "source": "test"}
    PlatformPrice.objects.create(input_nusd=10**9, output_nusd=10**9, valid_from=shop.ago(days=9), valid_to=shop.ago(days=5), **place)
    PlatformPrice.objects.create(input_nusd=3 * 10**9, output_nusd=10**9, valid_from=shop.ago(days=5), **place)
    with tenant_scope(shop.tenant.id):
        connection = ProviderConnection.objects.create(name="openai", provider="openai")
        CatalogModel.objects.create(name="mini", upstream_name=place["model"], connection=connection)
    before, after = (shop.call(asked=10, said=0, amount=10_000, at=shop.ago(days=days)) for days in (6, 4))
    run(shop, "--model", "mini", "--yes", "--since", f"{shop.ago(days=20):%Y-%m-%d}")
    assert [shop.booked(hold) for hold in (before, after)] == [10_000, 30_000]
    own = shop.price("7", "1", since=shop.ago(days=5))
    run(shop, "--model", "mini", "--yes")
    assert (shop.booked(after), shop.entries(after)[-1].price_version) == (70_000, str(own.id))


def test_what_it_cannot_do_it_says(shop: Shop) -> None:
    with pytest.raises(CommandError, match="'mini' has no price in force"):
        run(shop, "--model", "mini")
    with pytest.raises(CommandError, match=r"no tenant is called 'initech'\. There are: "):
        call_command("reprice", "--tenant", "initech", "--model", "mini")
    assert run(shop, "--model", "mini", "--since", "2026-01-01")[-1] == "= nothing to adjust"
