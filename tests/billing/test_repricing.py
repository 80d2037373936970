"""A price that was wrong is corrected by adjustment entries: the effect first, never an edit, and nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from billing import repricing
from billing.repricing import Repricing, to_version
from tenants.scoping import tenant_scope
from tests.rest import Rest
from tests.shop import Shop


def post_all(shop: Shop, work: Repricing, **options: Any) -> list[repricing.Posted]:
    pages, after = [], None
    while True:
        with tenant_scope(shop.tenant.id):
            page = work.post(actor="finn", reason="the list was wrong", after=after)
        pages.append(page)
        after = page.next
        if after is None:
            return pages


def test_the_effect_is_shown_first_and_then_posted_as_adjustments(shop: Shop) -> None:
    budget_limit = 10_000_000
    shop.budget(budget_limit)
    old = shop.price("0.15", "0.60", since=shop.ago(days=30))
    early = shop.call(price=old, asked=142, said=125, at=shop.ago(days=20))
    late = [shop.call(price=old, asked=142, said=125, at=shop.ago(days=days)) for days in (9, 9, 2)]
    other = shop.call(price=old, asked=1, said=1, model="max")
    new = shop.price("0.15", "0.50", since=shop.ago(days=10))
    with tenant_scope(shop.tenant.id):
        effect = to_version(new).preview()
    assert effect.total == {"lines": 3, "differing": 3, "booked_nusd": 288_900, "repriced_nusd": 251_400, "difference_nusd": -37_500}
    assert [(day.lines, day.difference_nusd) for day in sorted(effect.days.values(), key=lambda day: day.day)] == [(2, -25_000), (1, -12_500)]
    assert shop.corrections() == []
    assert [(page.posted, page.posted_nusd) for page in post_all(shop, to_version(new))] == [(3, -37_500)]
    assert [shop.booked(hold) for hold in late] == [83_800] * 3
    assert [shop.booked(hold) for hold in (early, other)] == [96_300, 750]
    assert shop.spent()[0] == (3 * 83_800 + 96_300 + 750, 0)
    (correction,) = shop.entries(late[0])[1:]
    assert (correction.kind, correction.amount_nusd, correction.price_version) == ("adjustment", -12_500, str(new.id))
    assert (correction.actor, correction.reason) == ("finn", "the list was wrong")
    assert correction.reference.startswith(f"price {new.id} after ")


def test_posting_again_posts_nothing_and_another_version_only_the_difference(shop: Shop) -> None:
    old = shop.price("1", "1", since=shop.ago(days=3))
    hold = shop.call(price=old, asked=1_000, said=0)
    second = shop.price("2", "1", since=shop.ago(days=2))
    assert [page.posted for page in (*post_all(shop, to_version(second)), *post_all(shop, to_version(second)))] == [1, 0]
    third = shop.price("5", "1", since=shop.ago(days=2))
    (page,) = post_all(shop, to_version(third))
    assert (page.posted_nusd, shop.booked(hold)) == (3_000_000, 5_000_000)
    back = shop.price("2", "1", since=shop.ago(days=2))
    again = shop.price("5", "1", since=shop.ago(days=2))
    for version, amount in ((back, 2_000_000), (again, 5_000_000)):
        post_all(shop, to_version(version))
        assert shop.booked(hold) == amount


def test_each_kind_of_entry_is_priced_by_what_is_known_of_it(shop: Shop) -> None:
    old = shop.price("1", "2", since=shop.ago(days=3))
    estimated = shop.call(price=old, kind="estimated", asked=100, said=100)
    assumed = shop.call(price=old, kind="assumed", amount=5_000)
    voided = shop.call(price=old, kind="voided", amount=0, is_unverified=True)
    unpriced = shop.call(kind="settled", asked=100, said=0)
    unknown = shop.call(kind="assumed", amount=77)
    new = shop.price("2", "3", since=shop.ago(days=2))
    (page,) = post_all(shop, to_version(new))
    assert [shop.booked(hold) for hold in (estimated, assumed, voided, unpriced, unknown)] == [500_000, 10_000, 0, 200_000, 77]
    assert page.effect.left == {"nothing billed": 1, "bound cannot be scaled": 1}


def test_more_than_a_budget_has_room_for_is_an_overrun_and_less_gives_it_back(shop: Shop) -> None:
    shop.budget(1_500_000)
    old = shop.price("1", "1", since=shop.ago(days=3))
    shop.call(price=old, asked=1_000, said=0)
    dear, cheap = shop.price("2", "1", since=shop.ago(days=2)), shop.price("0.5", "1", since=shop.ago(days=1))
    book = {"model": "mini", "since": shop.ago(days=5)}
    post_all(shop, Repricing(book=repricing.PriceBook(own=[dear]), **book))
    assert shop.spent() == [(1_000_000, 1_000_000)]
    cheap.valid_from = shop.ago(days=5)
    post_all(shop, Repricing(book=repricing.PriceBook(own=[cheap]), **book))
    assert shop.spent() == [(500_000, 0)]


def test_large_months_go_page_by_page_and_a_run_that_died_is_resumed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repricing, "PAGE", 7)
    old = shop.price("1", "1", since=shop.ago(days=3))
    holds = [shop.call(price=old, asked=10, said=0) for _ in range(20)]
    work = to_version(shop.price("2", "1", since=shop.ago(days=2)))
    with tenant_scope(shop.tenant.id):
        assert work.preview(most=10).total["lines"] == 10
        assert not work.preview(most=10).is_complete
        assert (work.preview().total["lines"], work.preview().is_complete) == (20, True)
        half = work.post(actor="finn", reason="r")
    assert (half.read, half.posted, half.next is None) == (7, 7, False)
    pages = post_all(shop, work)
    assert [page.posted for page in pages] == [0, 7, 6]
    assert {shop.booked(hold) for hold in holds} == {20_000}
    assert pages[0].effect.left == {"same price": 7}


def test_rivals_post_each_correction_once(shop: Shop) -> None:
    old = shop.price("1", "1", since=shop.ago(days=3))
    holds = [shop.call(price=old, asked=10, said=0) for _ in range(40)]
    work = to_version(shop.price("2", "1", since=shop.ago(days=2)))

    def rival(_: int) -> int:
        try:
            return sum(page.posted for page in post_all(shop, work))
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(rival, range(3))) == 40
    assert {shop.booked(hold) for hold in holds} == {20_000}


def test_calls_of_another_tenant_stay_as_they_are(shop: Shop) -> None:
    old = shop.price("1", "1", since=shop.ago(days=3))
    hold = shop.call(price=old, asked=10, said=0)
    new = shop.price("2", "1", since=shop.ago(days=2))
    with tenant_scope(shop.cast.globex.id):
        page = to_version(new).post(actor="x", reason="y")
    assert (page.read, shop.booked(hold)) == (0, 10_000)


class TestRest:
    def test_a_repricing_is_looked_at_and_then_posted(self, shop: Shop) -> None:
        old = shop.price("0.15", "0.60", since=shop.ago(days=30))
        hold = shop.call(price=old, asked=142, said=125, at=shop.ago(days=2))
        made = shop.admin.make("prices/", model="mini", input="0.15", output="0.50", source="list of May", valid_from=shop.ago(days=10).isoformat())
        shown = shop.admin.get(f"prices/{made['id']}/repricing/").json()
        assert {name: shown[name] for name in ("model", "lines", "booked", "repriced", "difference", "left_alone", "is_complete", "until")} == {
            "model": "mini", "lines": 1, "booked": "0.0000963", "repriced": "0.0000838", "difference": "-0.0000125", "left_alone": {},
            "is_complete": True, "until": None,
        }  # fmt: skip
        assert [(day["lines"], day["difference"]) for day in shown["days"]] == [(1, "-0.0000125")]
        posted = shop.admin.send("post", f"prices/{made['id']}/repricing/", {}).json()
        assert posted == {"posted": 1, "adjusted": "-0.0000125", "changed": 0, "left_alone": {}, "done": True, "next": None}
        (correction,) = shop.entries(hold)[1:]
        assert correction.actor.startswith("API key test (cfk_")
        assert correction.reason.endswith("list of May")
        again = shop.admin.send("post", f"prices/{made['id']}/repricing/", {"reason": "once more"}).json()
        assert (again["posted"], again["left_alone"]) == (0, {"same price": 1})

    def test_many_lines_take_several_requests(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repricing, "PAGE", 3)
        monkeypatch.setattr("billing.api.repricing.MOST_POSTED", 6)
        monkeypatch.setattr("billing.api.repricing.MOST_SHOWN", 8)
        old = shop.price("1", "1", since=shop.ago(days=3))
        for _ in range(10):
            shop.call(price=old, asked=10, said=0)
        new = shop.price("2", "1", since=shop.ago(days=2))
        path = f"prices/{new.id}/repricing/"
        shown = shop.admin.get(path).json()
        assert (shown["lines"], shown["is_complete"]) == (8, False)
        first = shop.admin.send("post", path, {}).json()
        assert (first["posted"], first["done"]) == (6, False)
        second = shop.admin.send("post", path, {"cursor": first["next"]}).json()
        assert (second["posted"], second["done"], second["next"]) == (4, True, None)

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"cursor": "x"}, "cursor"), ({"cursor": f"2026-01-01T00:00:00~{UUID(int=0)}"}, "cursor"), ({"cursor": []}, "cursor"),
            ({"cursor": "x" * 101}, "cursor"), ({"reason": "x" * 501}, "reason"), ({"reason": ""}, "reason"), ({"reason": {}}, "reason"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_told_by_field(self, shop: Shop, body: Any, field: str) -> None:
        price = shop.price("1", "1", since=shop.ago(days=3))
        answer = shop.admin.send("post", f"prices/{price.id}/repricing/", body)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])

    def test_reading_keys_may_look_and_not_post(self, shop: Shop) -> None:
        price = shop.price("1", "1", since=shop.ago(days=3))
        assert Rest(shop.cast.acme_key).get(f"prices/{price.id}/repricing/").status_code == 403
        assert Rest(shop.cast.globex_admin_key).send("post", f"prices/{price.id}/repricing/", {}).status_code == 404
