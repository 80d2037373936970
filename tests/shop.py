"""A shop whose calls are booked and stay, for tests that correct them over connections beside Django's."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from billing.engine.money import to_nusd
from billing.engine.pricing import Usage, cost_nusd
from billing.models import Budget, BudgetWindow, CostEntry, ModelPrice
from billing.pricebook import price_of
from billing.services import add_price
from tenants.scoping import tenant_scope
from tests import database
from tests.cast import Cast
from tests.rest import Rest


class Shop:
    """acme, with what it booked. Amounts are nano-USD, `at` is how long ago a call was made."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.tenant = cast, cast.acme
        self.now = datetime.now(UTC)
        self.admin = Rest(cast.acme_admin_key)

    def ago(self, **time: float) -> datetime:
        return self.now - timedelta(**time)

    def price(self, usd_in: str, usd_out: str, *, since: datetime, model: str = "mini", **fields: Any) -> ModelPrice:
        with tenant_scope(self.tenant.id):
            rates = {"input_nusd": to_nusd(usd_in), "output_nusd": to_nusd(usd_out)}
            return add_price(price=ModelPrice(model=model, valid_from=since, source="test", **{**rates, **fields}))

    def budget(self, limit: int, **fields: Any) -> Budget:
        with tenant_scope(self.tenant.id):
            return Budget.objects.create(**{"scope": "tenant", "period": "total", "action": "block", **fields}, limit_nusd=limit)

    def call(
        self, *, price: ModelPrice | None = None, kind: str = "settled", asked: int = 0, said: int = 0, cached: int = 0, amount: int | None = None,
        held: int | None = None, user: uuid.UUID | None = None, key: uuid.UUID | None = None, at: datetime | None = None, model: str = "mini",
        provider: str = "openai",
        **fields: Any,
    ) -> uuid.UUID:
        """Book one call, and return the id of its hold. Its amount is that of its tokens, unless it is said."""
        if amount is None:
            usage = Usage(input_tokens=asked, output_tokens=said, cached_input_tokens=cached)
            amount = cost_nusd(usage=usage, price=price_of(price)) if price else 0
        leg = {"step": "draft", "provider": provider, "model": model, "price_version": str(price.id) if price else ""}
        hold = str(uuid.uuid4())
        bound = max(amount, held or 0)
        reserve = {
            "id": hold, "tenant": str(self.tenant.id), "zone": "UTC", "owner": "a test", "ttl_s": 600, "end_user": str(user) if user else None,
            "end_user_name": None, "api_key": str(key) if key else None, "tier": None, "tags": [], "unpriced": False, "labels": {"tags": []},
            "rungs": [{"amount": bound, "legs": [{**leg, "amount": bound}]}],
        }  # fmt: skip
        tokens = {"input_tokens": asked, "output_tokens": said, "cached_input_tokens": cached}
        entry = {**leg, "leg": 0, "kind": kind, "amount": amount, "outcome": "accepted", **tokens, **fields}
        state = kind if kind in ("voided", "assumed") else "settled"
        settle = {"id": hold, "tenant": str(self.tenant.id), "state": state, "entries": [entry]}
        with psycopg.connect(database.owner_dsn(), autocommit=True) as owner:
            (answer,) = owner.execute("SELECT answer FROM billing_reserve(%s::jsonb)", [json.dumps([reserve])]).fetchone() or ()
            assert "rung" in answer, answer
            if at is not None:
                owner.execute("UPDATE billing_reservation SET created_at = %s WHERE id = %s", [at, hold])
            assert owner.execute("SELECT status FROM billing_settle(%s::jsonb)", [json.dumps([settle])]).fetchone() == ("closed",)
        return uuid.UUID(hold)

    def settle_late(self, hold: uuid.UUID, *, amount: int, asked: int, said: int) -> None:
        """The answer of a call that was assumed comes after all."""
        (first,) = self.entries(hold)
        entry = {
            "leg": 0, "kind": "settled", "amount": amount, "step": first.step, "provider": first.provider, "model": first.model,
            "price_version": first.price_version, "input_tokens": asked, "output_tokens": said,
        }  # fmt: skip
        settle = {"id": str(hold), "tenant": str(self.tenant.id), "state": "settled", "entries": [entry]}
        with psycopg.connect(database.owner_dsn(), autocommit=True) as owner:
            assert owner.execute("SELECT status FROM billing_settle(%s::jsonb)", [json.dumps([settle])]).fetchone() == ("late",)

    def booked(self, hold: uuid.UUID) -> int:
        """What all entries of a hold sum to."""
        return sum(entry.amount_nusd for entry in self.entries(hold))

    def entries(self, hold: uuid.UUID | None = None) -> list[CostEntry]:
        with tenant_scope(self.tenant.id):
            rows = CostEntry.objects.filter(reservation_id=hold) if hold else CostEntry.objects.all()
            return list(rows.order_by("id"))

    def corrections(self) -> list[CostEntry]:
        return [entry for entry in self.entries() if entry.reference]

    def spent(self) -> list[tuple[int, int]]:
        """Spent and overrun of each window."""
        with tenant_scope(self.tenant.id):
            return [(window.spent_nusd, window.overrun_nusd) for window in BudgetWindow.objects.order_by("id")]
