"""A Stripe account with customers and subscriptions, which answers in Stripe's wire format, one row a page."""

import itertools
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from stripe import WebhookSignature

SECRET = "whsec_of_the_endpoint"
API_KEY = "sk_test_of_acme"


class StripeAccount:
    def __init__(self) -> None:
        self.customers: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.is_down = False
        self.after_listing: list[Callable[[], None]] = []
        """Each is done once, after a list of subscriptions was read and before it is answered."""
        self._numbers = itertools.count(1)

    # ---- What happens at Stripe
    def customer(self, user_id: str | None = None) -> str:
        identity = f"cus_{next(self._numbers)}"
        self.customers[identity] = {"id": identity, "object": "customer", "metadata": {"user_id": user_id} if user_id else {}}
        return identity

    def delete_customer(self, customer: str) -> None:
        self.customers[customer] = {"id": customer, "object": "customer", "deleted": True}

    def subscribe(self, customer: str, *prices: str | None, status: str = "active", **metadata: str) -> str:
        identity = f"sub_{next(self._numbers)}"
        items = [
            {
                "id": f"si_{next(self._numbers)}", "object": "subscription_item", "subscription": identity, "metadata": {}, "quantity": 1,
                "price": {"id": f"price_{next(self._numbers)}", "object": "price", "lookup_key": price, "metadata": {}},
            }
            for price in prices
        ]
        self.subscriptions[identity] = {
            "id": identity, "object": "subscription", "customer": customer, "status": status, "metadata": metadata,
            "items": _page(items, f"/v1/subscription_items?subscription={identity}"),
        }
        return identity

    def change(self, subscription: str, **fields: Any) -> None:
        self.subscriptions[subscription] = {**self.subscriptions[subscription], **fields}

    def event(self, kind: str, subscription: str) -> str:
        """The body of the event, with the subscription as it is now."""
        return json.dumps(
            {
                "id": f"evt_{next(self._numbers)}", "object": "event", "api_version": "2026-09-30.dahlia", "created": int(time.time()),
                "livemode": False, "type": f"customer.subscription.{kind}", "data": {"object": self.subscriptions[subscription]},
            },
            indent=2,
        )

    # ---- What it answers
    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> tuple[int, Any]:
        self.asked.append(path)
        if headers["authorization"] != f"Bearer {API_KEY}":
            return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
        if self.is_down:
            return 500, {"error": {"type": "api_error", "message": "An unknown error occurred"}}
        if path == "/v1/subscriptions":
            return 200, self._list(query)
        if path == "/v1/subscription_items":
            items = [item for found in self.subscriptions.values() for item in found["items"]["of_all"] if found["id"] == query["subscription"]]
            return 200, _page(items, path, after=query.get("starting_after"))
        customer = self.customers.get(path.removeprefix("/v1/customers/"))
        if customer is None:
            return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": f"No such object: {path}"}}
        return 200, customer

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        rows = [row for row in self.subscriptions.values() if row["customer"] == query["customer"] and row["status"] != "canceled"]
        page = _page(rows, "/v1/subscriptions", after=query.get("starting_after"))
        if self.after_listing:
            self.after_listing.pop(0)()
        return page


def _page(rows: list[dict[str, Any]], url: str, *, after: str | None = None) -> dict[str, Any]:
    start = next((number + 1 for number, row in enumerate(rows) if row["id"] == after), 0)
    return {"object": "list", "url": url, "data": rows[start : start + 1], "has_more": len(rows) > start + 1, "of_all": rows}


def signature(body: str, *, secret: str = SECRET, age_s: int = 0) -> str:
    return WebhookSignature.generate_signature_header(body, secret, int(time.time()) - age_s)
