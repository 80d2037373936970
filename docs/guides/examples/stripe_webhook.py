"""Stripe says who pays; this webhook gives each end user the tier that they pay for. docs/guides/stripe.md tells how to set it up.

An event may come twice, late, or after a newer one. So it only says whose subscriptions to look at; what they are now, Stripe is asked.
Stripe sends an event again until it is answered with 2xx, so that is said when the tier is set and not before.
"""

import logging
import os
from collections.abc import Iterable
from typing import Any
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx
import stripe

log = logging.getLogger("stripe_webhook")
SECRET = os.environ["STRIPE_WEBHOOK_SECRET"]
TIER_OF_PRICE = dict(pair.strip().split("=") for pair in os.environ["TIER_OF_PRICE"].split(","))
"""The lookup key of each price and its tier, the best tier last: who has several subscriptions is served by the best."""
PAYING = {"active", "trialing", "past_due"}
"""past_due: Stripe still tries to collect. Without it here, the first payment that fails ends the tier."""
LARGEST_EVENT = 1_000_000

stripe_api = stripe.StripeClient(
    os.environ["STRIPE_API_KEY"], http_client=stripe.RequestsClient(timeout=5),
    base_addresses={"api": os.environ.get("STRIPE_API_BASE", "https://api.stripe.com")},
)  # fmt: skip
cascadeflow = httpx.Client(
    base_url=os.environ["CASCADEFLOW_URL"], headers={"authorization": f"Bearer {os.environ['CASCADEFLOW_ADMIN_KEY']}"}, timeout=5
)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    status, message = answer_to(environ)
    start_response(status, [("content-type", "text/plain; charset=utf-8")])
    return [message.encode()]


def answer_to(environ: WSGIEnvironment) -> tuple[str, str]:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not 0 < length <= LARGEST_EVENT:
            raise ValueError
        body = environ["wsgi.input"].read(length)  # the raw bytes: the signature is over them
        event = stripe_api.construct_event(body, environ.get("HTTP_STRIPE_SIGNATURE"), SECRET, tolerance=300)
    except (ValueError, stripe.SignatureVerificationError):
        return "400 Bad Request", "This is no event that Stripe signed for this endpoint in the last five minutes.\n"
    if not event.type.startswith("customer.subscription."):
        return "200 OK", "Nothing to do.\n"
    try:
        follow(event.data.object.to_dict())
    except Exception:
        log.exception("%s is not done, so Stripe will send it again", event.id)
        return "503 Service Unavailable", "Not done. Send it again.\n"
    return "200 OK", "Done.\n"


def follow(subscription: dict[str, Any]) -> None:
    """Give the end user the tier of what the customer pays for now.

    Another process may be at the same customer with an older view, and write last. So after each write Stripe is asked again:
    whoever writes last sees that nothing changed since.
    """
    customer = stripe_api.v1.customers.retrieve(subscription["customer"]).to_dict()
    user = (customer.get("metadata") or {}).get("user_id") or subscription["metadata"].get("user_id")
    if not user:
        if any(item["price"]["lookup_key"] in TIER_OF_PRICE for item in subscription["items"]["data"]):
            raise LookupError(f"{customer['id']} pays for a tier, but neither its metadata nor that of {subscription['id']} has a user_id")
        return  # a customer of something else that you sell
    tier = paid_tier(customer)
    set_tier(user, tier)
    while (now := paid_tier(customer)) != tier:
        tier = now
        set_tier(user, tier)


def paid_tier(customer: dict[str, Any]) -> str | None:
    """Return the best tier that the customer pays for at this moment, or None."""
    if customer.get("deleted"):
        return None
    found = []
    for subscription in stripe_api.v1.subscriptions.list({"customer": customer["id"], "limit": 100}).auto_paging_iter():
        if subscription.status in PAYING:
            found += [item.price.lookup_key for item in subscription["items"].auto_paging_iter()]
    for unknown in set(found) - TIER_OF_PRICE.keys():
        log.warning("%s pays for the price %r, which TIER_OF_PRICE does not name", customer["id"], unknown)
    return next((tier for price, tier in reversed(TIER_OF_PRICE.items()) if price in found), None)


def set_tier(user: str, tier: str | None) -> None:
    """None takes the tier away: your default tier serves them then. Sent twice, it changes nothing."""
    answer = cascadeflow.put("/api/v1/end-users/lookup/", params={"external_id": user}, json={"tier": tier})
    if answer.is_error:
        raise RuntimeError(f"CascadeFlow answered {answer.status_code}: {answer.text}")
    log.info("%s is in the tier %s", user, tier)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    make_server("127.0.0.1", int(os.environ.get("PORT", "8001")), app).serve_forever()
