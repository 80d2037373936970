"""Mails, by a mail server that is really there."""

import asyncio
import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from billing.alerting import LedgerBroken
from billing.alerting.channels import replay
from billing.engine.alerts.events import BrokenInvariant
from billing.erasure import forget_end_user
from billing.models import AlertChannel, AlertMessage
from tenants.scoping import tenant_scope
from tests.billing.alerting.conftest import NOON, Desk
from tests.billing.alerting.test_marks import budget, spend
from tests.live import free_port


@dataclass
class MailServer:
    """Takes mails, refuses recipients and whole mails on demand."""

    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    refused: str = ""
    answer: str = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]) -> str:
        if address == self.refused:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        await asyncio.sleep(0)
        if self.answer.startswith("250"):
            content = envelope.content or b""
            parsed = email.message_from_bytes(content if isinstance(content, bytes) else content.encode(), policy=email.policy.default)
            self.mails.append((list(envelope.rcpt_tos), parsed))  # type: ignore[arg-type]
        return self.answer


@pytest.fixture
def mails(settings: Any) -> Iterator[MailServer]:
    server = MailServer()
    controller = Controller(server, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.DEFAULT_FROM_EMAIL = "CascadeFlow <alerts@cf.example.com>"
    settings.SITE_URL = "https://cf.example.com"
    yield server
    controller.stop()


def test_a_mail_arrives_once_with_what_how_much_and_where_to_click(desk: Desk, mails: MailServer) -> None:
    desk.channel("email", recipients=["olga@example.com", "finn@example.com"])
    desk.raised()
    assert desk.deliver() == 1
    ((recipients, mail),) = mails.mails
    assert recipients == ["olga@example.com", "finn@example.com"]
    assert mail["Subject"] == f"[{desk.tenant.slug}] Provider openai is failing: 9 of 12 calls in 5 minutes"
    assert mail["From"] == "CascadeFlow <alerts@cf.example.com>"
    assert mail["List-Unsubscribe"] == f"<https://cf.example.com/o/{desk.tenant.slug}/alerts/>"
    assert mail["Message-ID"] == f"<{desk.messages()[0].webhook_id}@cf.example.com>"
    assert mail.get_content_type() == "text/plain"
    assert f"https://cf.example.com/o/{desk.tenant.slug}/providers/" in mail.get_content()
    assert [(one.is_ok, one.status_code, one.problem) for one in desk.deliveries()] == [(True, None, "")]


def test_a_name_that_would_be_a_header_is_a_piece_of_text(desk: Desk, mails: MailServer) -> None:
    desk.channel("email", recipients=["olga@example.com"])
    desk.raised("openai\r\nBcc: victim@example.com\r\n\r\nGet rich")
    desk.deliver()
    ((recipients, mail),) = mails.mails
    assert recipients == ["olga@example.com"]
    assert mail["Bcc"] is None
    assert "Provider openai Bcc: victim@example.com Get rich is failing" in mail["Subject"]


def test_a_mail_that_is_refused_is_tried_again_and_says_why(desk: Desk, mails: MailServer) -> None:
    desk.channel("email", recipients=["olga@example.com"])
    mails.answer = "451 come back later"
    desk.raised()
    desk.deliver()
    mails.answer = "250 OK"
    desk.clock.tick(seconds=10)
    assert desk.deliver() == 1
    assert [(one.is_ok, one.problem) for one in desk.deliveries()] == [(False, "the mail server refused it with 451: come back later"), (True, "")]
    assert len(mails.mails) == 1


def test_recipients_that_are_refused_and_a_server_that_is_away_are_said(desk: Desk, mails: MailServer, settings: Any) -> None:
    desk.channel("email", recipients=["nobody@example.com"])
    mails.refused = "nobody@example.com"
    desk.raised()
    desk.deliver()
    settings.EMAIL_PORT = 9
    desk.clock.tick(seconds=10)
    desk.deliver()
    problems = [one.problem for one in desk.deliveries()]
    assert problems == ["the mail server takes no mail for these recipients", "the mail server cannot be reached, or broke off"]


def test_our_staff_gets_a_mail_of_its_own_about_a_broken_ledger(desk: Desk, mails: MailServer, settings: Any) -> None:
    settings.STAFF_EMAILS = ["ops@example.com"]
    desk.raise_event(LedgerBroken(seen_at=NOON, invariants=[BrokenInvariant(name="I1", meaning="sums are sums", rows=2)]))
    desk.deliver()
    ((recipients, mail),) = mails.mails
    assert recipients == ["ops@example.com"]
    assert "Run manage.py check_ledger" in mail.get_content()
    assert "List-Unsubscribe" not in mail


def test_an_end_user_is_named_as_the_tenant_does_until_they_are_erased(desk: Desk, cast: Any, mails: MailServer) -> None:
    desk.rule(desk.channel("email", recipients=["olga@example.com"]), min_severity="info")
    budget(desk, scope="end_user", action="block", name="")
    spend(desk, 100, end_user=cast.ann.pk)
    desk.deliver()
    with tenant_scope(desk.tenant.pk):
        forget_end_user(external_id="ann", actor="a test", now=desk.clock())
        replay(channel=AlertChannel.objects.get(), message_id=AlertMessage.objects.get().pk, now=desk.clock())
    desk.deliver()
    before, after = (mail["Subject"] for _, mail in mails.mails)
    assert before == f"[{desk.tenant.slug}] Daily budget of each end user (ann): 100 % is spent"
    assert after == f"[{desk.tenant.slug}] Daily budget of each end user (who was erased): 100 % is spent"


def test_without_a_mail_server_no_mail_is_said_to_have_arrived(desk: Desk, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    desk.channel("email", recipients=["olga@example.com"])
    desk.raised()
    assert desk.deliver() == 0
    assert desk.deliveries()[0].problem == "no mail server is set up here: the operator of this service sets EMAIL_URL"
