"""A parcel goes out, once, and what came of it is said in words. Touches no row: it runs in threads, outside any transaction."""

import smtplib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import perf_counter

from django.conf import settings
from django.core.mail import EmailMessage
from msgspec import Struct

from billing.engine.alerts.words import plain
from billing.models.alerts import PROBLEM_MAX
from tenants.outbound import Reply, Undelivered, post

POST_S = 10.0
GONE = 410
EXCERPT = 200
NO_MAIL = ("django.core.mail.backends.console.EmailBackend", "django.core.mail.backends.dummy.EmailBackend")
"""What sends nothing, the first where EMAIL_URL is not set. They would say that every mail arrived."""


class PostParcel(Struct, frozen=True, kw_only=True):
    url: str
    headers: Mapping[str, str]
    body: bytes


class MailParcel(Struct, frozen=True, kw_only=True):
    subject: str
    body: str
    headers: Mapping[str, str]
    recipients: Sequence[str]


Parcel = PostParcel | MailParcel


class Outcome(Struct, frozen=True, kw_only=True):
    """How one try went."""

    is_ok: bool
    milliseconds: int = 0
    status_code: int | None = None
    problem: str = ""
    excerpt: str = ""
    retry_after: timedelta | None = None

    @property
    def is_gone(self) -> bool:
        """Does the receiver say that nothing may be sent there any more?"""
        return self.status_code == GONE


def send(parcel: Parcel) -> Outcome:
    """Send it and return how that went, within the time limits. Raises nothing that a receiver or a mail server can cause."""
    began = perf_counter()
    said = _post(parcel) if isinstance(parcel, PostParcel) else _mail(parcel)
    return Outcome(
        is_ok=said.is_ok, milliseconds=round((perf_counter() - began) * 1000), status_code=said.status_code, problem=said.problem,
        excerpt=said.excerpt, retry_after=said.retry_after,
    )


def _post(parcel: PostParcel) -> Outcome:
    try:
        reply = post(url=parcel.url, headers=parcel.headers, body=parcel.body, timeout_s=POST_S, allow_private=settings.ALLOW_PRIVATE_ENDPOINTS)
    except Undelivered as failed:
        return Outcome(is_ok=False, problem=str(failed))
    is_ok = 200 <= reply.status < 300
    return Outcome(
        is_ok=is_ok, status_code=reply.status, problem="" if is_ok else _words(reply.status), excerpt=_excerpt(reply), retry_after=_asked(reply)
    )


def _words(status: int) -> str:
    if status == GONE:
        return "it answered with the status 410: nothing may be sent there any more"
    if 300 <= status < 400:
        return f"it answered with the status {status}, a redirect, which is not followed: enter the address that it leads to"
    return f"it answered with the status {status}"


def _excerpt(reply: Reply) -> str:
    return plain(reply.body.decode("utf-8", errors="replace"), most=EXCERPT)


def _asked(reply: Reply) -> timedelta | None:
    text = reply.headers.get("retry-after", "")
    return timedelta(seconds=int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else None


def _mail(parcel: MailParcel) -> Outcome:
    if settings.EMAIL_BACKEND in NO_MAIL:
        return Outcome(is_ok=False, problem="no mail server is set up here: the operator of this service sets EMAIL_URL")
    if not parcel.recipients:
        return Outcome(is_ok=False, problem="there is nobody to write to")
    mail = EmailMessage(subject=parcel.subject, body=parcel.body, to=list(parcel.recipients), headers=dict(parcel.headers))
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused:
        return Outcome(is_ok=False, problem="the mail server takes no mail for these recipients")
    except smtplib.SMTPResponseException as refused:
        said = plain(refused.smtp_error.decode(errors="replace") if isinstance(refused.smtp_error, bytes) else str(refused.smtp_error), most=EXCERPT)
        return Outcome(is_ok=False, problem=f"the mail server refused it with {refused.smtp_code}: {said}"[:PROBLEM_MAX])
    except (smtplib.SMTPException, OSError):
        return Outcome(is_ok=False, problem="the mail server cannot be reached, or broke off")
    return Outcome(is_ok=True)
