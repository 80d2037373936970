"""A channel from its form to a signed message that a real receiver gets."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from billing.models import AlertChannel, AlertDelivery, AlertMessage
from tenants.encryption import Secret
from tenants.scoping import tenant_scope
from tests.browser.conftest import AXE, Visit
from tests.stage import Stage
from tests.webhooks import Receiver, receiving, verified

Opened = Callable[..., Visit]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as kept:
        yield kept


def test_a_webhook_made_in_the_browser_gets_a_signed_test(visit: Opened, live_cast: Stage, receiver: Receiver) -> None:
    page = visit("operator").go("alerts/")
    page.get_by_role("link", name="New channel").first.click()
    page.get_by_label("Kind").select_option("webhook")
    page.get_by_label("Name", exact=True).fill("status hook")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Save").click()
    secret = page.locator("code.secret").inner_text()
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("button", name="Send a test").click()
    page.get_by_text("The test arrived: 200 OK").wait_for()
    ((headers, body),) = receiver.asked
    assert verified(headers, body, secret=secret)
    assert secret not in page.content()
    page.get_by_role("cell", name="200 OK").first.wait_for()


def test_a_receiver_that_is_broken_is_told_of(visit: Opened, live_cast: Stage, receiver: Receiver) -> None:
    receiver.status = 500
    with tenant_scope(live_cast.cast.acme.id):
        AlertChannel.objects.create(name="broken", kind="slack", address=Secret(receiver.url))
    page = visit("operator").go("alerts/")
    page.get_by_role("link", name="broken").click()
    page.get_by_role("button", name="Send a test").click()
    page.get_by_text("The test did not arrive: it answered with the status 500").wait_for()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_pages_of_alerts_are_whole(visit: Opened, live_cast: Stage, theme: str, width: int) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make test` installs it (clients/package-lock.json).")
    now = datetime.now(UTC)
    with tenant_scope(live_cast.cast.acme.id):
        channel = AlertChannel.objects.create(name="ops", kind="webhook", address=Secret("https://example.com/x"), secret=Secret("whsec_x"))
        rule = channel.rules.create(kinds=["anomaly"])
        message = AlertMessage.objects.create(channel=channel, event="alert.test", state="sent", due_at=now, created_at=now)
        delivery = AlertDelivery.objects.create(message=message, channel=channel, attempt=1, at=now, is_ok=True, status_code=200, milliseconds=180)
    somebody = visit(theme=theme, width=width)
    for path in (
        f"alerts/?sel={channel.pk}", "alerts/new/", f"alerts/{channel.pk}/edit/", f"alerts/rules/?sel={rule.pk}", "alerts/rules/new/",
        f"alerts/deliveries/?sel={delivery.pk}",
    ):  # fmt: skip
        page = somebody.go(path)
        assert somebody.violations() == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
