"""Usage files over REST: sent, looked at, approved; a bad one, a stranger's, one too many times."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cascade.models import ProviderConnection
from tenants.models import Scope
from tenants.scoping import tenant_scope
from tests.cast import Cast, make_key
from tests.rest import Rest
from tests.shop import Shop

HEAD = "date,model,user,requests,prompt_tokens,completion_tokens"


@pytest.fixture
def admin(shop: Shop) -> Rest:
    with tenant_scope(shop.tenant.id):
        ProviderConnection.objects.create(name="openai", provider="openai")
    return shop.admin


def send(client: Rest, *lines: str, provider: str = "openai") -> Any:
    return client.generic("POST", f"reconciliations/?provider={provider}", "\n".join([HEAD, *lines, ""]), content_type="text/csv")


def one_assumed(shop: Shop) -> str:
    """A call that was assumed at 1,000,000 nano-USD; what the provider says of it: 10 tokens in, 100 out, 61,500."""
    price = shop.price("0.15", "0.60", since=shop.ago(days=9))
    shop.call(price=price, kind="assumed", amount=1_000_000, held=1_000_000)
    return f"{datetime.now(UTC):%Y-%m-%d},mini,,1,10,100"


def test_a_file_is_compared_first_and_posted_on_approval_once(shop: Shop, admin: Rest) -> None:
    line = one_assumed(shop)
    shown = send(admin, line)
    assert shown.status_code == 201, shown.content
    row = shown.json()
    assert (row["provider_amount"], row["booked_amount"]) == ("0.0000615", "0.001")
    assert row["gaps"][0]["adjustments"] == 1
    assert row["gaps"][0]["words"]
    assert shop.corrections() == []
    posted = admin.send("post", f"reconciliations/{row['id']}/approve/").json()
    assert (posted["refused"], posted["adjusted"]) == ([], "-0.0009385")
    assert posted["approved_by"].startswith("API key ")
    assert send(admin, line).status_code == 200
    admin.send("post", f"reconciliations/{row['id']}/approve/")
    assert sum(entry.amount_nusd for entry in shop.entries()) == 61_500


def test_every_wrong_line_is_told_and_nothing_is_kept(shop: Shop, admin: Rest) -> None:
    told = send(admin, "soon,mini,,1,1,1", "2026-11-01,mini,,1,x,1")
    assert told.status_code == 400
    assert "line 2" in told.content.decode()
    assert "line 3" in told.content.decode()
    assert send(admin, "2026-11-01,mini,,1,1,1", provider="azure").status_code in (400, 404, 409)
    assert admin.generic("POST", "reconciliations/", "{}", content_type="application/json").status_code == 400
    assert admin.generic("POST", "reconciliations/?provider=openai", "\xff\x00", content_type="text/csv").status_code == 400
    assert admin.get("reconciliations/").json()["results"] == []


def test_globex_sees_nothing_of_it(shop: Shop, admin: Rest, cast: Cast) -> None:
    row = send(admin, one_assumed(shop)).json()
    with tenant_scope(cast.globex.id):
        stranger = Rest(make_key(Scope.READ, Scope.ADMIN))
    assert stranger.get(f"reconciliations/{row['id']}/").status_code == 404
    assert stranger.send("post", f"reconciliations/{row['id']}/approve/").status_code == 404
    assert shop.corrections() == []


def test_a_key_that_may_only_read_neither_sends_nor_approves(shop: Shop, admin: Rest) -> None:
    row = send(admin, one_assumed(shop)).json()
    with tenant_scope(shop.tenant.id):
        reader = Rest(make_key(Scope.READ))
    assert reader.get(f"reconciliations/{row['id']}/").status_code == 200
    assert send(reader, "2026-11-01,mini,,1,1,1").status_code == 403
    assert reader.send("post", f"reconciliations/{row['id']}/approve/").status_code == 403
