"""The example of docs/guides/stripe.md on a live site: whoever pays is served under what they pay for."""

import os
from collections.abc import Iterator

import httpx
import pytest

from tenants.models import EndUser, Tenant
from tenants.scoping import tenant_scope
from tests.guides.conftest import running_webhook
from tests.guides.stripe_account import StripeAccount, signature
from tests.live import Server, free_port, wait_until
from tests.stage import Stage

HTTP = httpx.Client(timeout=20)


class Webhook:
    """The endpoint with the account that tells it, the stage on which the calls are made, and a person who never called."""

    def __init__(self, server: Server, account: StripeAccount, stage: Stage, user: str) -> None:
        self.server, self.account, self.stage, self.user = server, account, stage, user

    def deliver(self, body: str) -> int:
        return deliver(self.server, body, signature(body))

    def tell(self, kind: str, subscription: str) -> int:
        return self.deliver(self.account.event(kind, subscription))

    @property
    def tier(self) -> str | None:
        """Of the person's row; None where there is no row, and where it has none."""
        with tenant_scope(self.stage.cast.acme.id):
            found = EndUser.objects.select_related("tier").filter(external_id=self.user).first()
            return found.tier.name if found and found.tier else None

    def serves_under(self, tier: str) -> None:
        wait_until(lambda: self.stage.ask(user=self.user).cascadeflow["user_tier"] == tier, what=self.server.log, seconds=3)


@pytest.fixture(scope="module")
def running(stage: Stage) -> Iterator[tuple[Server, StripeAccount]]:
    account = StripeAccount()
    with running_webhook(account, url=stage.site.url, key=stage.cast.acme_admin_key) as server:
        yield server, account


@pytest.fixture
def webhook(stage: Stage, running: tuple[Server, StripeAccount]) -> Webhook:
    return Webhook(*running, stage, f"auth0|jane+{os.urandom(4).hex()}")


def deliver(server: Server, body: str, header: str | None) -> int:
    headers = {"stripe-signature": header} if header else {}
    return HTTP.post(server.url, content=body.encode(), headers=headers).status_code


def test_a_subscription_serves_its_end_user_from_the_first_call_on_until_it_ends(webhook: Webhook) -> None:
    account = webhook.account
    customer = account.customer(webhook.user)
    subscription = account.subscribe(customer, "pro_monthly")
    assert webhook.tell("created", subscription) == 200
    assert webhook.stage.ask(user=webhook.user).cascadeflow["user_tier"] == "pro"
    second = account.subscribe(customer, "enterprise_yearly")
    assert webhook.tell("created", second) == 200
    webhook.serves_under("enterprise")
    for ended in (subscription, second):
        account.change(ended, status="canceled")
    assert webhook.tell("deleted", subscription) == 200
    webhook.serves_under("free")


def test_an_event_that_comes_twice_changes_nothing_the_second_time(webhook: Webhook) -> None:
    body = webhook.account.event("created", webhook.account.subscribe(webhook.account.customer(webhook.user), "pro_monthly"))
    assert webhook.deliver(body) == 200
    before = version_of(webhook)
    assert webhook.deliver(body) == 200
    assert (webhook.tier, version_of(webhook)) == ("pro", before)


def version_of(webhook: Webhook) -> int:
    with tenant_scope(webhook.stage.cast.acme.id):
        return Tenant.objects.get(pk=webhook.stage.cast.acme.id).end_users_version


def test_an_old_event_that_comes_late_does_not_bring_back_what_has_ended(webhook: Webhook) -> None:
    account = webhook.account
    subscription = account.subscribe(account.customer(webhook.user), "pro_monthly")
    created = account.event("created", subscription)
    account.change(subscription, status="canceled")
    assert webhook.tell("deleted", subscription) == 200
    assert webhook.deliver(created) == 200
    assert webhook.tier is None


def test_the_end_of_an_old_subscription_that_is_told_late_does_not_take_the_new_one(webhook: Webhook) -> None:
    account, customer = webhook.account, webhook.account.customer(webhook.user)
    old = account.subscribe(customer, "enterprise_yearly")
    account.change(old, status="canceled")
    assert webhook.tell("created", account.subscribe(customer, "pro_monthly")) == 200
    assert webhook.tell("deleted", old) == 200
    assert webhook.tier == "pro"


def test_of_several_subscriptions_and_prices_the_best_counts(webhook: Webhook) -> None:
    account, customer = webhook.account, webhook.account.customer(webhook.user)
    account.subscribe(customer, "pro_monthly")
    account.subscribe(customer, "seats", "enterprise_yearly")
    assert webhook.tell("created", account.subscribe(customer, "pro_yearly", None)) == 200
    assert webhook.tier == "enterprise"


def test_a_price_that_nobody_named_gives_no_tier_and_is_told_to_the_log(webhook: Webhook) -> None:
    account, customer = webhook.account, webhook.account.customer(webhook.user)
    old = account.subscribe(customer, "pro_monthly")
    assert webhook.tell("created", old) == 200
    assert webhook.tier == "pro"
    account.change(old, status="canceled")
    assert webhook.tell("created", account.subscribe(customer, "pro_monthly_2027")) == 200
    webhook.serves_under("free")
    assert "pays for the price 'pro_monthly_2027', which TIER_OF_PRICE does not name" in webhook.server.log()


def test_the_tier_stays_while_stripe_tries_to_collect_and_is_not_given_before_the_first_payment(webhook: Webhook) -> None:
    subscription = webhook.account.subscribe(webhook.account.customer(webhook.user), "pro_monthly", status="incomplete")
    tiers = {}
    for status in ("incomplete", "trialing", "past_due", "unpaid", "active", "paused"):
        webhook.account.change(subscription, status=status)
        assert webhook.tell("updated", subscription) == 200
        tiers[status] = webhook.tier
    assert tiers == {"incomplete": None, "trialing": "pro", "past_due": "pro", "unpaid": None, "active": "pro", "paused": None}


def test_a_change_at_stripe_between_reading_and_writing_is_not_lost(webhook: Webhook) -> None:
    subscription = webhook.account.subscribe(webhook.account.customer(webhook.user), "pro_monthly")
    body = webhook.account.event("created", subscription)
    webhook.account.after_listing.append(lambda: webhook.account.change(subscription, status="canceled"))
    assert webhook.deliver(body) == 200
    assert webhook.tier is None


def test_a_customer_that_was_deleted_at_stripe_loses_the_tier(webhook: Webhook) -> None:
    account, customer = webhook.account, webhook.account.customer(webhook.user)
    subscription = account.subscribe(customer, "pro_monthly", user_id=webhook.user)
    assert webhook.tell("created", subscription) == 200
    assert webhook.tier == "pro"
    account.delete_customer(customer)
    account.change(subscription, status="canceled")
    assert webhook.tell("deleted", subscription) == 200
    assert webhook.tier is None


def test_who_pays_for_a_tier_without_a_user_id_is_not_forgotten(webhook: Webhook) -> None:
    account, customer = webhook.account, webhook.account.customer()
    subscription = account.subscribe(customer, "pro_monthly")
    assert webhook.tell("created", subscription) == 503
    assert f"{customer} pays for a tier, but neither its metadata nor that of {subscription} has a user_id" in webhook.server.log()
    account.customers[customer]["metadata"]["user_id"] = webhook.user
    assert webhook.tell("created", subscription) == 200
    assert webhook.tier == "pro"


def test_a_customer_of_something_else_and_other_events_are_none_of_its_business(webhook: Webhook) -> None:
    account = webhook.account
    subscription = account.subscribe(account.customer(), "yearbook")
    assert webhook.tell("created", subscription) == 200
    account.asked.clear()
    assert webhook.deliver(account.event("created", subscription).replace("customer.subscription.created", "invoice.paid")) == 200
    assert account.asked == []


def test_stripe_is_asked_to_send_again_what_could_not_be_done(webhook: Webhook) -> None:
    account = webhook.account
    body = account.event("created", account.subscribe(account.customer(webhook.user), "pro_monthly"))
    account.is_down = True
    assert webhook.deliver(body) == 503
    assert webhook.tier is None
    account.is_down = False
    assert webhook.deliver(body) == 200
    assert webhook.tier == "pro"
    lost = account.subscribe(account.customer("walt"), "lost")
    assert webhook.tell("created", lost) == 503
    assert "There is no tier no-such-tier" in webhook.server.log()


def test_what_stripe_did_not_sign_just_now_is_refused_unread(stripe_account: StripeAccount) -> None:
    with running_webhook(stripe_account, url=f"http://127.0.0.1:{free_port()}", key="cfk_live_nobodys") as server:
        body = stripe_account.event("created", stripe_account.subscribe(stripe_account.customer("jane"), "pro_monthly"))
        large = "x" * 1_000_001
        refused = {
            "unsigned": (body, None), "empty": (body, ""), "garbage": (body, "t=now,v1=00"),
            "of another endpoint": (body, signature(body, secret="whsec_x")), "of another scheme": (body, signature(body).replace("v1=", "v0=")),
            "too old": (body, signature(body, age_s=301)), "made younger": (body, signature(body, age_s=301).replace("t=1", "t=2")),
            "tampered": (body.replace("cus_1", "cus_2"), signature(body)), "written anew": (body.replace("\n", ""), signature(body)),
            "no JSON": ("{", signature("{")), "too large": (large, signature(large)),
        }  # fmt: skip
        assert {name: deliver(server, *sent) for name, sent in refused.items()} == dict.fromkeys(refused, 400)
        assert httpx.get(server.url).status_code == 400
        assert stripe_account.asked == []
        assert deliver(server, body, signature(body, age_s=240)) == 503, "there is no CascadeFlow behind it here"
        assert stripe_account.asked != []
