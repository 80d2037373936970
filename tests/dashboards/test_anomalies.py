"""Anomalies in the console: listed by what they are about in money, explained, and seen to through the services."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from billing.alerting import AnomalyFound, raise_alert
from billing.models import Alert, AlertChannel, AlertDelivery, AlertMessage, Anomaly
from billing.quarters import quarter_of, sum_quarters
from tenants.encryption import Secret
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run, anomaly_of, logged_in, person_of
from tests.rest import book

USD = 10**9


@pytest.fixture
def operator(cast: Cast) -> Client:
    return logged_in(cast.olga)


def fresh(cast: Cast, row: Anomaly) -> Anomaly:
    with tenant_scope(cast.acme.id):
        return Anomaly.objects.get(pk=row.pk)


def test_open_anomalies_stand_by_their_impact_and_are_counted_in_the_menu(cast: Cast, operator: Client) -> None:
    anomaly_of(cast, value="little", dimension="model", excess_nusd=6 * USD)
    anomaly_of(cast, value="a-drop", dimension="model", kind="drop", excess_nusd=-90 * USD)
    anomaly_of(cast, value="petty-model", dimension="model", severity="info", told_at=None)
    anomaly_of(cast, value="done-model", dimension="model", state="resolved", resolution="fixed")
    page = operator.get("/o/acme/anomalies/").content.decode()
    assert page.index("a-drop") < page.index("little")
    assert "petty-model" not in page
    assert "done-model" not in page
    for told in ("−$90.00", "+$6.00", "Open 2", "Resolved 1", '<span class="count">2'):
        assert told in page
    assert "petty-model" in operator.get("/o/acme/anomalies/?size=every").content.decode()
    assert "done-model" in operator.get("/o/acme/anomalies/?state=resolved").content.decode()
    assert "Nothing matches." in operator.get("/o/acme/anomalies/?dim=tier").content.decode()


def test_a_snooze_that_is_over_is_open_again(cast: Cast, operator: Client) -> None:
    anomaly_of(cast, value="awake", dimension="model", state="snoozed", snoozed_until=datetime.now(UTC) - timedelta(hours=1))
    anomaly_of(cast, value="asleep", dimension="model", state="snoozed", snoozed_until=datetime.now(UTC) + timedelta(hours=1))
    page = operator.get("/o/acme/anomalies/").content.decode()
    assert "awake" in page
    assert "asleep" not in page
    assert "Snoozed 1" in page


def test_an_anomaly_says_what_drives_it_and_who_makes_it_up(cast: Cast, operator: Client) -> None:
    row = anomaly_of(
        cast, excess_nusd=124 * USD, expected_nusd=96 * USD, actual_nusd=220 * USD, low_nusd=71 * USD, high_nusd=121 * USD,
        drivers={"volume": 20 * USD, "escalation": 104 * USD},
        contributors=[{"dimension": "end_user", "largest": [{"value": str(cast.ann.id), "amount_nusd": 130 * USD}], "others_nusd": -6 * USD}],
    )  # fmt: skip
    page = operator.get(f"/o/acme/anomalies/{row.pk}/").content.decode()
    for told in (
        "$96.00", "$71.00 to $121.00", "$220.00", "+$124.00", "2.3 times what was expected", "+$104.00", "+$20.00", "ann", "+$130.00", "−$6.00",
        f"user={cast.ann.id}", "scope=end_user&amp;end_user=ann", "It is found.",
    ):  # fmt: skip
        assert told in page
    assert page.index("+$104.00") < page.index("+$20.00")
    assert page.index("84 %") < page.index("16 %"), "the shares of the drivers"
    assert "ann<br>+$130.00" in operator.get("/o/acme/anomalies/").content.decode()


def test_its_runs_are_those_of_its_hours_on_the_tenants_clock(cast: Cast, operator: Client) -> None:
    row = anomaly_of(cast, dimension="model", value="mini", started_at=datetime.now(UTC).replace(hour=13, minute=0) - timedelta(days=1))
    asked = dict(parse_qsl(operator.get(f"/o/acme/anomalies/{row.pk}/").context["runs_url"].partition("?")[2]))
    assert asked["model"] == "mini"
    clock = [f"{at.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M}" for at in (row.started_at, row.ended_at)]
    assert [asked["from"], asked["to"]] == clock
    with tenant_scope(cast.acme.id):
        within, _before = (add_run(cast, at=row.started_at + timedelta(minutes=minutes), model_used="mini") for minutes in (5, -5))
    assert [one["row"].pk for one in operator.get("/o/acme/runs/", asked).context["shown"]] == [within.pk]


def test_an_operator_resolves_it_with_a_reason_and_a_note(cast: Cast, operator: Client) -> None:
    row = anomaly_of(cast)
    page = operator.post(f"/o/acme/anomalies/{row.pk}/resolve/", {"resolution": "expected", "note": "the launch"}, follow=True)
    found = fresh(cast, row)
    assert (found.state, found.resolution, found.note) == ("resolved", "expected", "the launch")
    assert found.resolved_by in ("Olga", "olga@example.com")
    assert b"resolves it: expected" in page.content
    operator.post(f"/o/acme/anomalies/{row.pk}/reopen/")
    assert (fresh(cast, row).state, fresh(cast, row).resolution) == ("open", "")


def test_it_is_snoozed_for_a_while(cast: Cast, operator: Client) -> None:
    row = anomaly_of(cast)
    operator.post(f"/o/acme/anomalies/{row.pk}/snooze/", {"hours": "72", "note": ""})
    found = fresh(cast, row)
    assert found.state == "snoozed"
    assert found.snoozed_until is not None
    assert timedelta(hours=71) < found.snoozed_until - datetime.now(UTC) <= timedelta(hours=72)


@pytest.mark.parametrize(
    ("what", "said"),
    [("resolve", {}), ("resolve", {"resolution": "whatever"}), ("resolve", {"resolution": "fixed", "note": "x" * 501}), ("snooze", {"hours": "-1"}),
     ("snooze", {"hours": "9" * 30}), ("note", {"note": "\x00"})],
)  # fmt: skip
def test_an_answer_that_is_none_changes_nothing(cast: Cast, operator: Client, what: str, said: dict[str, Any]) -> None:
    row = anomaly_of(cast)
    page = operator.post(f"/o/acme/anomalies/{row.pk}/{what}/", said, follow=True)
    assert b"Nothing was changed" in page.content
    assert (fresh(cast, row).state, fresh(cast, row).note) == ("open", "")


def test_finance_writes_a_note_and_decides_nothing(cast: Cast) -> None:
    row, client = anomaly_of(cast), logged_in(cast.finn)
    assert client.post(f"/o/acme/anomalies/{row.pk}/resolve/", {"resolution": "fixed"}).status_code == 403
    client.post(f"/o/acme/anomalies/{row.pk}/note/", {"note": "asked the vendor"})
    assert (fresh(cast, row).state, fresh(cast, row).note) == ("open", "asked the vendor")
    page = client.get(f"/o/acme/anomalies/{row.pk}/").content
    assert b"Comment</button>" in page
    assert b"Resolve</button>" not in page
    assert b"Comment</button>" not in logged_in(person_of(cast, "viewer")).get(f"/o/acme/anomalies/{row.pk}/").content


def test_comments_are_a_list_with_who_and_when(cast: Cast, operator: Client) -> None:
    row, finance = anomaly_of(cast), logged_in(cast.finn)
    finance.post(f"/o/acme/anomalies/{row.pk}/note/", {"note": "asked the vendor"})
    operator.post(f"/o/acme/anomalies/{row.pk}/note/", {"note": "it was <b>us</b>"})
    finance.post(f"/o/acme/anomalies/{row.pk}/note/", {"note": ""})
    operator.post(f"/o/acme/anomalies/{row.pk}/resolve/", {"resolution": "fixed", "note": ""})
    page = logged_in(person_of(cast, "viewer")).get(f"/o/acme/anomalies/{row.pk}/")
    told = [what for _, what, _ in page.context["timeline"]]
    said = [what for what in told if ": " in what]
    assert said == ["finn@example.com: asked the vendor", "olga@example.com: it was <b>us</b>", "Olga resolves it: fixed."]
    assert "it was &lt;b&gt;us&lt;/b&gt;" in page.content.decode()
    assert fresh(cast, row).note == "it was <b>us</b>"
    assert page.context["older_note"] == ""


def test_who_resolves_it_without_a_word_leaves_the_last_comment_as_it_is(cast: Cast, operator: Client) -> None:
    row = anomaly_of(cast, note="it is the importer")
    operator.post(f"/o/acme/anomalies/{row.pk}/resolve/", {"resolution": "fixed"})
    with tenant_scope(cast.acme.id):
        row.refresh_from_db()
    assert (row.state, row.note) == ("resolved", "it is the importer")
    again = operator.post(f"/o/acme/anomalies/{row.pk}/note/", {"note": "it is the importer"}, follow=True)
    assert b"The last comment says this already." in again.content


def test_an_anomaly_is_seen_to_in_its_row(cast: Cast, operator: Client) -> None:
    row, other = anomaly_of(cast), anomaly_of(cast, dimension="model", value="mini")
    for what, said in (("resolve", {"resolution": "expected"}), ("snooze", {"hours": "24"})):
        target = row if what == "resolve" else other
        assert f'action="/o/acme/anomalies/{target.pk}/{what}/"' in operator.get("/o/acme/anomalies/").content.decode()
        answer = operator.post(f"/o/acme/anomalies/{target.pk}/{what}/", {**said, "in_list": "1"})
        assert answer["location"] == "/o/acme/anomalies/"
    assert (fresh(cast, row).state, fresh(cast, other).state) == ("resolved", "snoozed")
    assert "/snooze/" not in operator.get("/o/acme/anomalies/?state=snoozed").content.decode()
    anomaly_of(cast, dimension="tier", value="pro")
    assert "/resolve/" not in logged_in(cast.finn).get("/o/acme/anomalies/").content.decode()


def test_rows_show_what_was_spent_around_them_while_quarters_are_kept(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=3 * USD)
    now = datetime.now(UTC)
    sum_quarters(now=now)
    row = anomaly_of(cast, started_at=quarter_of(now))
    old = anomaly_of(cast, started_at=now - timedelta(days=40), dimension="model", value="mini")
    shown = {one["row"].pk: one["spark"] for one in operator.get("/o/acme/anomalies/").context["shown"]}
    assert shown[old.pk] is None
    assert shown[row.pk] == [0] * 12 + [3 * USD]


def test_its_timeline_has_the_alert_and_what_became_of_it(cast: Cast, operator: Client) -> None:
    row, now = anomaly_of(cast), datetime.now(UTC)
    with tenant_scope(cast.acme.id):
        raise_alert(
            event=AnomalyFound(anomaly=row.pk, dimension="all", value="", started_at=row.started_at, expected_nusd=1, actual_nusd=9), now=now
        )
        channel = AlertChannel.objects.create(name="#llm-costs", kind="slack", address=Secret("https://example.com/x"))
        message = AlertMessage.objects.create(
            channel=channel, event="alert.raised", alert_ids=[Alert.objects.get().pk], due_at=now, created_at=now, state="sent"
        )
        AlertDelivery.objects.create(message=message, channel=channel, attempt=1, at=now, is_ok=True, status_code=200, milliseconds=180)
    page = operator.get(f"/o/acme/anomalies/{row.pk}/").content.decode()
    assert "Alert to #llm-costs: 200, 180 ms." in page
