"""Models and their prices: which have none, a price of one's own, and what was booked priced anew."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from billing.engine.money import to_nusd
from billing.models import ModelPrice, PlatformPrice
from cascade.models import CatalogModel, ProviderConnection
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import logged_in, person_of
from tests.rest import book
from tests.shop import Shop

PRICE = {"input_nusd": "1", "output_nusd": "2", "source": "contract"}


@pytest.fixture
def models(cast: Cast) -> dict[str, CatalogModel]:
    """"own" has a price of its own, "listed" the platform's, "bare" none."""
    PlatformPrice.objects.create(provider="openai", model="up-listed", input_nusd=to_nusd("3"), output_nusd=to_nusd("4"), source="list")
    with tenant_scope(cast.acme.id):
        connection = ProviderConnection.objects.create(name="up", provider="openai")
        rows = {
            name: CatalogModel.objects.create(name=name, upstream_name="up-listed" if name == "listed" else "", connection=connection)
            for name in ("own", "listed", "bare")
        }
        ModelPrice.objects.create(model="own", input_nusd=to_nusd("1"), output_nusd=to_nusd("2"), source="test")
        book(cast.acme, model="own", amount_nusd=5 * 10**9)
    return rows


@pytest.fixture
def client(cast: Cast) -> Client:
    return logged_in(person_of(cast, "owner"))


def listed(client: Client, **asked: Any) -> list[str]:
    return [one["row"].name for one in client.get("/o/acme/models/", asked).context["shown"]]


def test_each_model_is_listed_with_the_price_in_force_and_what_it_cost(client: Client, models: dict[str, CatalogModel]) -> None:
    page = client.get("/o/acme/models/")
    shown = {one["row"].name: one for one in page.context["shown"]}
    assert [shown[name]["price"].input_nusd if shown[name]["price"] else None for name in ("own", "listed", "bare")] == [10**9, 3 * 10**9, None]
    assert (shown["own"]["is_own"], shown["listed"]["is_own"]) == (True, False)
    assert shown["own"]["spend"].cost_nusd == 5 * 10**9
    assert b"no price" in page.content
    assert listed(client, priced="no") == ["bare"]
    assert listed(client, priced="own") == ["own"]
    assert listed(client, q="list") == ["listed"]


def test_models_without_a_price_come_first_on_all_pages(client: Client, models: dict[str, CatalogModel], cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        names = [f"m{number:02}" for number in range(70)]
        CatalogModel.objects.bulk_create(CatalogModel(name=name, connection=models["bare"].connection) for name in names)
        ModelPrice.objects.bulk_create(ModelPrice(model=name, input_nusd=1, output_nusd=1, source="test") for name in names[::2])
    first = client.get("/o/acme/models/")
    second = listed(client, after=first.context["after"])
    assert [one["row"].name for one in first.context["shown"]] + second == ["bare", *names[1::2], "listed", *names[::2], "own"]


def test_a_price_of_ones_own_takes_the_place_of_none(client: Client, models: dict[str, CatalogModel], cast: Cast) -> None:
    answer = client.post(f"/o/acme/models/{models['bare'].pk}/price/", {**PRICE, "cached_input_nusd": "0.5"})
    assert answer["location"] == f"/o/acme/models/?sel={models['bare'].pk}"
    with tenant_scope(cast.acme.id):
        price = ModelPrice.objects.get(model="bare")
    assert (price.input_nusd, price.output_nusd, price.cached_input_nusd) == (10**9, 2 * 10**9, 10**9 // 2)
    assert (price.reasoning_nusd, price.request_nusd) == (None, 0)
    assert b"no price" not in client.get("/o/acme/models/?q=bare").content


@pytest.mark.parametrize("wrong", [{"input_nusd": "much"}, {"input_nusd": "-1"}, {"output_nusd": ""}, {"source": ""}, {"valid_from": "yesterday"}])
def test_a_price_that_makes_no_sense_is_refused(client: Client, models: dict[str, CatalogModel], cast: Cast, wrong: dict[str, str]) -> None:
    answer = client.post(f"/o/acme/models/{models['bare'].pk}/price/", {**PRICE, **wrong})
    assert answer.status_code == 422
    with tenant_scope(cast.acme.id):
        assert not ModelPrice.objects.filter(model="bare").exists()


def test_finance_sets_prices_and_an_operator_does_not(cast: Cast, models: dict[str, CatalogModel]) -> None:
    url = f"/o/acme/models/{models['bare'].pk}/price/"
    assert logged_in(cast.finn).post(url, PRICE).status_code == 302
    assert logged_in(person_of(cast, "operator")).post(url, PRICE).status_code == 403


def test_a_model_is_made_changed_and_deleted(client: Client, models: dict[str, CatalogModel], cast: Cast) -> None:
    tokens = {"context_tokens": "1000", "max_output_tokens": "100"}
    given = {"connection": str(models["own"].connection_id), "capabilities": ["tools"], "part": "draft", **tokens}
    assert client.post("/o/acme/models/new/", {**given, "name": "fresh"}).status_code == 302
    with tenant_scope(cast.acme.id):
        made = CatalogModel.objects.get(name="fresh")
    assert (made.part, made.capabilities, made.context_tokens) == ("draft", ["tools"], 1000)
    twice = client.post("/o/acme/models/new/", {**given, "name": "other"})
    assert twice.status_code == 422
    assert b"Another model has this part" in twice.content
    assert client.post(f"/o/acme/models/{made.pk}/delete/").status_code == 302
    with tenant_scope(cast.acme.id):
        assert not CatalogModel.objects.filter(name="fresh").exists()


def test_what_was_booked_is_priced_anew_as_corrections_after_a_look(shop: Shop) -> None:
    client = logged_in(person_of(shop.cast, "owner"))
    slug = shop.tenant.slug
    wrong = shop.price("1", "1", since=shop.ago(days=2))
    for _ in range(3):
        shop.call(price=wrong, asked=1000, said=1000)
    with tenant_scope(shop.tenant.id):
        connection = ProviderConnection.objects.create(name="up", provider="simulated")
        model = CatalogModel.objects.create(name="mini", connection=connection)
    since = (shop.now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    answer = client.post(f"/o/{slug}/models/{model.pk}/price/", {**PRICE, "valid_from": since})
    page = client.get(answer["location"])
    assert (page.context["total"]["differing"], page.context["total"]["difference_nusd"]) == (3, 3 * 1000 * 1000)
    assert "Post 3 corrections" in page.content.decode()
    client.post(answer["location"], {"reason": "the contract says so"})
    assert [(entry.amount_nusd, entry.reason) for entry in shop.corrections()] == [(1_000_000, "the contract says so")] * 3
    assert "There is nothing to correct." in client.get(answer["location"]).content.decode()
