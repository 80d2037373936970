"""How each kind of channel takes a message: the same words as a mail, and as JSON for Slack, Teams, PagerDuty and signed webhooks. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from billing.engine.alerts.events import Severity, to_facts
from billing.engine.alerts.paths import STAFF, alerts_path, path_of
from billing.engine.alerts.texts import Told, digest_text, staff_text, text_of, trial_text
from billing.engine.alerts.words import AlertText, Names, plain
from billing.engine.money import to_usd

RAISED, ENDED, DIGEST, TEST = "alert.raised", "alert.ended", "alert.digest", "alert.test"
LONGEST_SLACK, LONGEST_SUBJECT, LONGEST_SUMMARY = 2900, 150, 1000
MOST_IN_A_WEBHOOK = 15
SIGN = {Severity.INFO: "ℹ️", Severity.WARNING: "⚠️", Severity.CRITICAL: "🔴"}


class Message(Struct, frozen=True, kw_only=True):
    """What one message is about, whichever way it goes."""

    id: str
    """The same however often it is tried: receivers tell by it that they know it already."""
    event: str
    channel: str
    names: Names
    site_url: str
    created_at: datetime
    alerts: Sequence[Told] = ()
    for_staff: bool = False

    @property
    def single(self) -> Told | None:
        """The one alert that it is about."""
        return self.alerts[0] if len(self.alerts) == 1 else None

    @property
    def text(self) -> AlertText:
        if self.event == TEST:
            return trial_text(self.channel, self.names)
        if self.single is None:
            return digest_text(self.alerts, self.names)
        return staff_text(self.single, self.names) if self.for_staff else text_of(self.single, self.names)

    @property
    def url(self) -> str:
        return self.site_url + (STAFF if self.for_staff else path_of(self.single.event if self.single else None, tenant=self.names.tenant))

    @property
    def settings_url(self) -> str:
        return self.site_url + alerts_path(tenant=self.names.tenant)

    @property
    def severity(self) -> Severity:
        return max((told.event.severity for told in self.alerts), key=lambda severity: severity.rank, default=Severity.INFO)

    @property
    def is_over(self) -> bool:
        return self.single is not None and self.single.resolved_at is not None


class Mail(Struct, frozen=True, kw_only=True):
    subject: str
    body: str
    headers: Mapping[str, str]


def mail(message: Message) -> Mail:
    """Return a mail in plain text. Its Message-ID is the message's own, so that a second copy is known for one."""
    text = message.text
    parts = [text.title, "\n".join(f"{name}: {value}" for name, value in text.facts), text.advice, message.url]
    parts += [] if message.for_staff else [f"--\nWhat is sent here, and when: {message.settings_url}"]
    unsubscribe = {} if message.for_staff else {"List-Unsubscribe": f"<{message.settings_url}>"}
    return Mail(
        subject=plain(f"[{message.names.tenant}] {text.title}", most=LONGEST_SUBJECT), body="\n\n".join(part for part in parts if part) + "\n",
        headers={
            "Message-ID": f"<{message.id}@{urlsplit(message.site_url).hostname or 'cascadeflow'}>", "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All", **unsubscribe,
        },
    )  # fmt: skip


def slack(message: Message) -> bytes:
    """Return the body for an incoming webhook of Slack. &, < and > are all that Slack reads anything into."""
    text = message.text
    sign = "✅" if message.is_over else SIGN[message.severity]
    lines = [f"{sign} *{_slack_escaped(text.title)}*", *(f"{_slack_escaped(name)}: {_slack_escaped(value)}" for name, value in text.facts)]
    lines += [_slack_escaped(text.advice)] if text.advice else []
    shown, link = "\n".join(lines), f"\n<{message.url}|Open in the console>"
    if len(shown) > LONGEST_SLACK:
        shown = shown[:LONGEST_SLACK].rpartition("\n")[0] + "\n…"
    block = {"type": "section", "text": {"type": "mrkdwn", "text": shown + link}}
    return msgspec.json.encode({"text": _slack_escaped(text.title), "blocks": [block], "unfurl_links": False, "unfurl_media": False})


def _slack_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def teams(message: Message) -> bytes:
    """Return the body for a Teams workflow that posts what a webhook gets: one adaptive card, in text runs, which no Markdown is read into."""
    text = message.text
    colour = "Good" if message.is_over else {Severity.INFO: "Default", Severity.WARNING: "Warning", Severity.CRITICAL: "Attention"}[message.severity]
    rows = [_run(text.title, weight="Bolder", size="Medium", color=colour), *(_run(f"{name}: {value}") for name, value in text.facts)]
    rows += [_run(text.advice)] if text.advice else []
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": rows,
        "actions": [{"type": "Action.OpenUrl", "title": "Open in the console", "url": message.url}], "msteams": {"width": "Full"},
    }  # fmt: skip
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return msgspec.json.encode({"type": "message", "attachments": [attachment]})


def _run(text: str, **style: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def pagerduty(message: Message, *, routing_key: str) -> bytes:
    """Return the body for PagerDuty's Events API v2. An alert is one incident there; once it is over, whatever comes ends the incident."""
    text = message.text
    about = str(message.single.id) if message.single else message.id
    asked: dict[str, Any] = {"routing_key": routing_key, "event_action": "resolve" if message.is_over else "trigger", "dedup_key": about}
    asked["payload"] = {
        "summary": plain(text.title, most=LONGEST_SUMMARY), "source": f"cascadeflow {message.names.tenant}", "severity": str(message.severity),
        "timestamp": message.created_at, "custom_details": {**dict(text.facts), **({"What to do": text.advice} if text.advice else {})},
    }  # fmt: skip
    asked |= {"client": "CascadeFlow", "client_url": message.url, "links": [{"href": message.url, "text": "Open in the console"}]}
    return msgspec.json.encode(asked)


def webhook(message: Message) -> bytes:
    """Return the body for an address of the tenant's own, for machines: amounts as decimal USD, times in UTC, names beside their ids."""
    text, shown = message.text, message.alerts[:MOST_IN_A_WEBHOOK]
    data = {
        "tenant": message.names.tenant, "severity": message.severity, "title": text.title, "advice": text.advice, "url": message.url,
        "alerts": [_facts(told, message) for told in shown], "more": len(message.alerts) - len(shown),
    }  # fmt: skip
    return msgspec.json.encode({"type": message.event, "timestamp": message.created_at, "data": data})


def _facts(told: Told, message: Message) -> dict[str, Any]:
    event = told.event
    facts = in_usd(to_facts(event))
    facts.pop("kind")
    end_user = getattr(event, "end_user", None)
    if end_user is not None:
        facts["end_user"] = {"id": end_user, "name": message.names.end_user(end_user)}
    return {
        "id": told.id, "kind": event.kind, "severity": event.severity, "title": text_of(told, message.names).title,
        "url": message.site_url + path_of(event, tenant=message.names.tenant), "raised_at": told.raised_at, "ended_at": told.resolved_at,
        "facts": facts,
    }  # fmt: skip


def in_usd(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts with every `..._nusd` as decimal USD under the name without its unit, at any depth."""
    return {
        name.removesuffix("_nusd"): to_usd(value) if name.endswith("_nusd") and value is not None else _inner(value) for name, value in facts.items()
    }


def _inner(value: Any) -> Any:
    if isinstance(value, Mapping):
        return in_usd(value)
    return [_inner(item) for item in value] if isinstance(value, list | tuple) else value
