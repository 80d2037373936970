"""What is sent: each kind by each channel to the letter, and that nothing of a stranger's gets through as more than text."""

import json
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import msgspec
import pytest

from billing.engine.alerts import wire
from billing.engine.alerts.events import AlertKind, BudgetMarkPassed, from_facts, to_facts
from tests.billing.engine.alerts.specimens import ANN, CHANNELS, DAY, EVENTS, GOLDEN, MESSAGES, NAMES, as_mail, golden, message, told

HOSTILE = "a\r\nBcc: spam@example.com\x00\u202e <!channel> *[x](http://evil.example)* & \u2028 <script>"
CASES = [(name, channel) for name in MESSAGES for channel in CHANNELS]


@pytest.mark.parametrize(("name", "channel"), CASES)
def test_each_message_reads_to_the_letter_as_it_was_reviewed(name: str, channel: str) -> None:
    assert CHANNELS[channel](MESSAGES[name]) == golden(name, channel).read_text(), "python -m tests.billing.engine.alerts.specimens"


def test_there_is_a_specimen_of_every_kind_and_no_golden_file_without_one() -> None:
    assert {event.kind for event in EVENTS.values()} == set(AlertKind)
    assert {path.name for path in GOLDEN.iterdir()} == {golden(*case).name for case in CASES}


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_read_back_from_its_facts(name: str) -> None:
    assert from_facts(json.loads(json.dumps(to_facts(EVENTS[name])))) == EVENTS[name]


def hostile(**fields: Any) -> wire.Message:
    event = BudgetMarkPassed(percent=80, **{**DAY, "end_user": ANN, "of_each": True})
    names = msgspec.structs.replace(NAMES, end_users={ANN: HOSTILE}, organisation=HOSTILE, budgets={DAY["budget"]: f"Budget {HOSTILE}"})
    return message(told(event), names=names, **fields)


def test_no_name_adds_a_header_or_a_line_to_a_mail() -> None:
    made = wire.mail(hostile())
    mail = EmailMessage()
    mail["Subject"] = made.subject  # raises for a line break
    assert "\n" not in made.subject
    assert not [line for line in made.body.splitlines() if line.startswith("Bcc")]
    assert not set("\r\x00\u202e\u2028") & set(made.subject + made.body)


def test_slack_reads_nothing_into_a_name() -> None:
    text = json.loads(wire.slack(hostile()))
    shown = text["blocks"][0]["text"]["text"]
    assert "<!channel>" not in shown
    assert "&lt;!channel&gt;" in shown
    assert "&amp;" in shown
    assert shown.count("<") == 1, "the link of our own is the only one"


def test_teams_is_given_text_runs_which_no_markdown_is_read_into() -> None:
    card = json.loads(wire.teams(hostile()))["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}


def test_a_webhook_stays_small_however_many_alerts_and_however_long_the_names_are() -> None:
    names = msgspec.structs.replace(NAMES, end_users={ANN: "ü" * 255}, budgets={DAY["budget"]: "Budget " + "ü" * 100})
    event = BudgetMarkPassed(percent=80, **{**DAY, "end_user": ANN})
    many = [told(event, number=number) for number in range(3000)]
    body = wire.webhook(message(*many, event=wire.DIGEST, names=names))
    assert len(body) < 20_000
    assert json.loads(body)["data"]["more"] == 3000 - wire.MOST_IN_A_WEBHOOK
    assert len(json.loads(wire.slack(message(*many, event=wire.DIGEST, names=names)))["blocks"][0]["text"]["text"]) <= 3000


def test_of_many_end_users_at_one_mark_one_line_is_made() -> None:
    event = BudgetMarkPassed(percent=100, **{**DAY, "scope": "end_user", "end_user": ANN, "of_each": True})
    text = as_mail(message(*(told(event, number=number) for number in range(1204)), event=wire.DIGEST))
    assert "Info: Budget Acme's day: 100 % is spent, for 1,204 end users: ann <ann&co>, ann <ann&co>, ann <ann&co>, and 1,201 more\n" in text
    assert "1,204 alerts of Acme Inc." in text


def test_who_was_erased_is_named_nowhere() -> None:
    event = BudgetMarkPassed(percent=100, **{**DAY, "end_user": UUID(int=7), "of_each": True})
    assert "Budget Acme's day (who was erased): 100 % is spent" in as_mail(message(told(event)))


def test_pagerduty_ends_an_incident_as_soon_as_its_alert_is_over_whichever_message_comes_last() -> None:
    begun, over = MESSAGES["provider_down"], MESSAGES["provider_down_over"]
    late = msgspec.structs.replace(over, event=wire.RAISED)
    actions = [json.loads(wire.pagerduty(shown, routing_key="k")) for shown in (begun, over, late)]
    assert [said["event_action"] for said in actions] == ["trigger", "resolve", "resolve"]
    assert len({said["dedup_key"] for said in actions}) == 1
