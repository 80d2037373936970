"""Signatures as standardwebhooks.com has them."""

from datetime import UTC, datetime

import pytest

from tenants.webhooks import is_webhook_secret, new_webhook_secret, signed_headers

KNOWN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_example_of_the_standard_is_signed_as_the_standard_says() -> None:
    headers = signed_headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", body=b'{"test": 2432232314}', secrets=[KNOWN], at=datetime.fromtimestamp(1614265330, UTC)
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }  # fmt: skip


def test_while_a_secret_is_replaced_both_sign() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    new = new_webhook_secret()
    both = signed_headers(message_id="m", body=b"{}", secrets=[new, KNOWN], at=at)["webhook-signature"].split()
    assert both == [signed_headers(message_id="m", body=b"{}", secrets=[each], at=at)["webhook-signature"] for each in (new, KNOWN)]


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "secret", "whsec_not base64!", KNOWN.removeprefix("whsec_")])
def test_what_is_no_secret_is_told(text: str) -> None:
    assert not is_webhook_secret(text)
    assert is_webhook_secret(KNOWN)
    assert is_webhook_secret(new_webhook_secret())
