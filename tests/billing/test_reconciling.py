"""A provider's usage file and the book: each gap has its kind, and what was a guess is corrected to the nano-dollar, once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from billing import ledger, reconciling
from billing.engine.usage_files import read_usage
from billing.models import ModelPrice, Reconciliation
from billing.reconciling import Comparison, approve, compare_with_book, keep, post_corrections
from cascade.catalog import catalog_of
from cascade.models import CatalogModel, ProviderConnection
from tenants.errors import Conflict
from tenants.scoping import tenant_scope
from tests.shop import Shop

HEAD = "date,model,user,requests,prompt_tokens,completion_tokens\n"


class Desk:
    """acme's connection "openai" with its models, and the files that the provider sends."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.ann, self.ben = str(shop.cast.ann.pk), str(shop.cast.ben.pk)
        self.yesterday = shop.ago(days=1).replace(hour=12)
        self.day = self.yesterday.date().isoformat()
        self.price: ModelPrice = shop.price("0.15", "0.60", since=shop.ago(days=90))
        with tenant_scope(shop.tenant.id):
            self.connection = ProviderConnection.objects.create(name="openai", provider="openai")
        self.add_model("mini", "gpt-4o-mini")

    def add_model(self, name: str, upstream: str) -> None:
        with tenant_scope(self.shop.tenant.id):
            CatalogModel.objects.create(name=name, upstream_name=upstream, connection=self.connection)

    def call(self, *, user: str | None = None, **fields: Any) -> UUID:
        return self.shop.call(**{"price": self.price, "at": self.yesterday, "user": UUID(user) if user else None, **fields})

    def row(self, requests: int, asked: int, said: int, *, user: str = "", model: str = "gpt-4o-mini", day: str | None = None) -> str:
        return f"{day or self.day},{model},{user},{requests},{asked},{said}\n"

    def compare(self, *rows: str, head: str = HEAD) -> Comparison:
        with tenant_scope(self.shop.tenant.id):
            return compare_with_book(read_usage([head, *rows]).groups, catalog=catalog_of("openai"))

    def keep(self, *rows: str, digest: str = "a") -> tuple[Reconciliation, Comparison | None]:
        with tenant_scope(self.shop.tenant.id):
            return keep(read_usage([HEAD, *rows]), catalog=catalog_of("openai"), digest=digest * 64, file_name="usage.csv", actor="finn")

    def post(self, row: Reconciliation) -> list[str]:
        with tenant_scope(self.shop.tenant.id):
            approve(row, actor="finn", now=self.shop.now)
            return post_corrections(row, catalog=catalog_of("openai"), now=self.shop.now)

    def booked(self) -> int:
        return sum(entry.amount_nusd for entry in self.shop.entries())


@pytest.fixture
def desk(shop: Shop) -> Desk:
    return Desk(shop)


def kinds(comparison: Comparison) -> Mapping[tuple[str, str], tuple[str, ...]]:
    return {(gap.model, gap.user): gap.kinds for gap in comparison.gaps}


def test_each_kind_of_gap_is_told_per_day_model_and_user(desk: Desk) -> None:
    desk.add_model("max", "gpt-4o")
    desk.call(user=desk.ann, asked=10, said=20)
    desk.call(user=desk.ben, kind="assumed", amount=900_000)
    desk.call(kind="voided", amount=0, held=500_000, is_unverified=True)
    desk.call(user=desk.ann, model="max", kind="voided", amount=0)  # refused before a token: nothing to compare
    desk.call(user=desk.ben, model="max", asked=5, said=5)
    found = desk.compare(
        desk.row(1, 10, 20, user=desk.ann), desk.row(1, 7, 9, user=desk.ben), desk.row(1, 3, 4), desk.row(2, 9, 9, user="someone-else"),
        desk.row(4, 1, 1, user=desk.ann, model="o9-unknown"),
    )  # fmt: skip
    assert kinds(found) == {
        ("gpt-4o-mini", desk.ann): ("equal",), ("gpt-4o-mini", desk.ben): ("assumed_too_high",), ("gpt-4o-mini", ""): ("failure_billed",),
        ("gpt-4o-mini", "someone-else"): ("outside",), ("o9-unknown", desk.ann): ("outside",), ("gpt-4o", desk.ben): ("not_listed",),
    }  # fmt: skip
    assert found.summary()["adjustments"] == 2


def test_corrections_are_posted_on_approval_alone_and_lead_to_the_providers_sum(desk: Desk) -> None:
    desk.shop.budget(10_000_000)
    certain = desk.call(user=desk.ann, asked=142, said=125)
    guesses = [desk.call(user=desk.ann, kind="assumed", amount=amount) for amount in (900_000, 700_000)]
    guesses.append(desk.call(user=desk.ann, kind="estimated", asked=500, said=512))
    guesses.append(desk.call(user=desk.ann, kind="voided", amount=0, held=400_000, is_unverified=True))
    row, comparison = desk.keep(desk.row(5, 142 + 1_003, 125 + 707, user=desk.ann))
    assert comparison is not None
    assert desk.shop.corrections() == []
    assert desk.post(row) == []
    assert desk.booked() == (142 + 1_003) * 150 + (125 + 707) * 600
    assert desk.shop.spent()[0] == (desk.booked(), 0)
    assert len(desk.shop.entries(certain)) == 1
    lines = [desk.shop.entries(hold) for hold in guesses]
    counted = [(entry.input_tokens, entry.output_tokens) for entries in lines for entry in entries]
    assert (sum(asked for asked, _ in counted), sum(said for _, said in counted)) == (1_003, 707)
    correction = lines[0][-1]
    assert (correction.actor, correction.price_version) == ("finn", str(desk.price.id))
    assert correction.reason.startswith(f"usage file of openai, {desk.day} to {desk.day}: ")
    assert correction.reference.startswith(f"reconciliation {row.id} after ")
    assert (row.approved_by, row.posted_at, row.adjusted_nusd) == ("finn", desk.shop.now, sum(entry.amount_nusd for entry in desk.shop.corrections()))
    again = desk.compare(desk.row(5, 142 + 1_003, 125 + 707, user=desk.ann))
    assert (kinds(again), again.targets) == ({("gpt-4o-mini", desk.ann): ("equal",)}, [])


def test_the_same_file_is_one_row_and_once_posted_does_nothing(desk: Desk) -> None:
    desk.call(kind="assumed", amount=900_000)
    first, _ = desk.keep(desk.row(1, 10, 10))
    desk.call(kind="assumed", amount=800_000)
    second, comparison = desk.keep(desk.row(1, 10, 10))
    assert (second.id, second.booked_nusd, first.booked_nusd) == (first.id, 1_700_000, 900_000)
    assert comparison is not None
    desk.post(second)
    before = desk.booked()
    third, nothing = desk.keep(desk.row(1, 10, 10))
    assert (third.id, nothing, desk.booked()) == (first.id, None, before)
    with pytest.raises(Conflict, match="posted already"):
        desk.post(third)


def test_a_posting_that_died_half_way_is_resumed_and_counts_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    holds = [desk.call(kind="assumed", amount=900_000 + number) for number in range(250)]
    row, _ = desk.keep(desk.row(250, 25_001, 30_003))
    real = ledger.post_adjustments

    def dies(*, dsn: str, adjustments: Any) -> Any:
        real(dsn=dsn, adjustments=adjustments[:120])
        raise ConnectionError("the database went away")

    monkeypatch.setattr(reconciling, "post_adjustments", dies)
    with pytest.raises(ConnectionError):
        desk.post(row)
    assert len(desk.shop.corrections()) == 120
    monkeypatch.undo()
    resumed, comparison = desk.keep(desk.row(250, 25_001, 30_003))
    assert comparison is not None
    assert (resumed.id, resumed.posted_at, len(comparison.targets)) == (row.id, None, 130)
    assert desk.post(resumed) == []
    assert len(desk.shop.corrections()) == 250
    assert desk.booked() == 25_001 * 150 + 30_003 * 600
    assert resumed.adjusted_nusd == desk.booked() - sum(900_000 + number for number in range(len(holds)))


def test_a_later_file_of_the_same_days_corrects_the_corrections(desk: Desk) -> None:
    hold = desk.call(kind="assumed", amount=900_000)
    desk.post(desk.keep(desk.row(1, 10, 10))[0])
    assert desk.shop.booked(hold) == 7_500
    desk.post(desk.keep(desk.row(1, 20, 10), digest="b")[0])
    assert desk.shop.booked(hold) == 9_000
    assert len(desk.shop.entries(hold)) == 3


def test_names_of_dated_snapshots_and_several_names_of_one_model_are_one_group(desk: Desk) -> None:
    desk.add_model("small", "gpt-4o-mini")
    desk.add_model("dated", "gpt-4o-mini-2024-07-18")
    for model in ("mini", "small", "dated"):
        desk.shop.price("0.15", "0.60", since=desk.shop.ago(days=90), model=model)
        desk.call(model=model, asked=10, said=10)
    found = desk.compare(desk.row(2, 20, 20, model="gpt-4o-mini-2024-07-18"), desk.row(1, 10, 10))
    assert kinds(found) == {("gpt-4o-mini", ""): ("equal",)}
    assert kinds(desk.compare(desk.row(3, 30, 30, model="gpt-4o-mini-audio")))["gpt-4o-mini-audio", ""] == ("outside",), "no prefix is guessed"


def test_openais_export_names_no_end_users_so_a_model_is_one_group(desk: Desk) -> None:
    desk.call(user=desk.ann, asked=10, said=10)
    desk.call(user=desk.ben, kind="assumed", amount=900_000)
    second = int(desk.yesterday.timestamp())
    head = "start_time,model,user_id,num_model_requests,input_tokens,output_tokens,input_cached_tokens\n"
    found = desk.compare(f"{second},gpt-4o-mini-2024-07-18,user-of-olga,2.0,30,30,15\n", head=head)
    assert (kinds(found), found.names_users) == ({("gpt-4o-mini", ""): ("assumed_too_high",)}, False)
    assert [target.usage.cached_input_tokens for target in found.targets] == [15]


def test_calls_of_other_days_connections_and_tenants_are_left_alone(desk: Desk) -> None:
    desk.call(kind="assumed", amount=100, at=desk.shop.ago(days=3))
    desk.call(kind="assumed", amount=100, provider="groq")
    found = desk.compare(desk.row(1, 1, 1))
    assert kinds(found) == {("gpt-4o-mini", ""): ("outside",)}


def test_each_call_has_the_price_that_held_when_it_was_made(desk: Desk) -> None:
    noon = desk.yesterday
    desk.call(kind="assumed", amount=500_000, at=noon.replace(hour=9))
    dear = desk.shop.price("1.50", "6.00", since=noon)
    desk.call(kind="assumed", amount=500_000, at=noon.replace(hour=15), price=dear)
    row, _ = desk.keep(desk.row(2, 20, 20))
    desk.post(row)
    assert desk.booked() == 10 * 150 + 10 * 600 + 10 * 1_500 + 10 * 6_000


def test_what_was_booked_at_a_price_that_is_another_by_now_is_told(desk: Desk) -> None:
    desk.call(asked=10, said=10)
    desk.shop.price("0.15", "0.50", since=desk.shop.ago(days=90))
    found = desk.compare(desk.row(1, 10, 10))
    assert (kinds(found), found.gaps[0].difference_nusd) == ({("gpt-4o-mini", ""): ("price",)}, -1_000)


def test_more_calls_than_a_request_may_read_are_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "PAGE", 2)
    for _ in range(5):
        desk.call(asked=1, said=1)
    with tenant_scope(desk.shop.tenant.id), pytest.raises(Conflict, match=r"manage\.py reconcile"):
        compare_with_book(read_usage([HEAD, desk.row(5, 5, 5)]).groups, catalog=catalog_of("openai"), most_lines=4)
    assert kinds(desk.compare(desk.row(5, 5, 5))) == {("gpt-4o-mini", ""): ("equal",)}


def test_an_answer_that_came_late_is_certain(desk: Desk) -> None:
    hold = desk.call(kind="assumed", amount=900_000)
    desk.shop.settle_late(hold, amount=7_500, asked=10, said=10)
    found = desk.compare(desk.row(1, 10, 10))
    assert (kinds(found), found.targets) == ({("gpt-4o-mini", ""): ("equal",)}, [])
