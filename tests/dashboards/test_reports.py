"""Reports: read on a page, taken away as a file, handed on by a link; by who may."""

import csv
import hashlib
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.test import Client, override_settings

from billing.exports import work
from billing.models import ExportJob
from tenants.models import Membership, User
from tenants.scoping import tenant_scope
from tests.dashboards.scene import logged_in
from tests.dashboards.test_isolation import HOSTILE
from tests.months import move
from tests.shop import Shop

ASKED = {"report": "focus", "format": "csv", "first": "2026-08-01", "last": "2026-08-31", "month": f"{datetime.now(UTC):%Y-%m}"}
IN_AUGUST = datetime(2026, 8, 15, 12, tzinfo=UTC)


@pytest.fixture
def called(shop: Shop) -> Shop:
    """Two calls of ann in August, of $0.00021 each."""
    price = shop.price("0.15", "0.60", since=shop.ago(days=200))
    for _ in range(2):
        move(shop.call(price=price, asked=1000, said=100, user=shop.cast.ann.id), to=IN_AUGUST)
    return shop


def member(shop: Shop, role: str) -> Client:
    person, _ = User.objects.get_or_create(email=f"{role}-of-{shop.tenant.slug}@example.com", defaults={"name": role.title()})
    with tenant_scope(shop.tenant.id):
        Membership.objects.get_or_create(user=person, defaults={"role": role})
    return logged_in(person)


def content(answer: Any) -> bytes:
    async def joined() -> bytes:
        return b"".join([piece async for piece in answer])

    assert answer.status_code == 200, answer.content
    return async_to_sync(joined)()


def ask(shop: Shop, client: Client, **changes: str) -> Any:
    return client.post(f"/o/{shop.tenant.slug}/reports/files/new/", {**ASKED, **changes})


def test_a_small_focus_file_is_downloaded_at_once_and_stands_in_the_list(called: Shop) -> None:
    client = member(called, "finance")
    text = content(client.get(ask(called, client)["location"]))
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert sum(float(row["BilledCost"]) for row in rows) == pytest.approx(0.00042)
    assert {row["BillingPeriodStart"] for row in rows} == {"2026-08-01T00:00:00Z"}
    page = client.get(f"/o/{called.tenant.slug}/reports/").content.decode()
    assert "focus-1.2_2026-08-01_2026-08-31.csv" in page
    assert f"finance-of-{called.tenant.slug}@example.com" in page


@pytest.mark.parametrize(("wrong", "said"), [({"first": ""}, "Name both days"), ({"last": "2026-07-01"}, "is before"), ({"format": "exe"}, "exe")])
def test_what_cannot_be_made_is_said_beside_the_form(called: Shop, wrong: dict[str, str], said: str) -> None:
    answer = ask(called, member(called, "finance"), **wrong)
    assert answer.status_code == 422
    assert said in answer.content.decode()


def sample(shop: Shop, **asked: str) -> Any:
    client = member(shop, "finance")
    return client.get(f"/o/{shop.tenant.slug}/reports/sample/", {**ASKED, **asked}, headers={"HX-Request": "true"})


def test_before_it_is_asked_for_a_file_shows_its_columns_a_few_rows_and_how_many_it_will_have(called: Shop) -> None:
    shown = sample(called).context["sample"]
    assert (shown.rows_expected, shown.day, len(shown.columns)) == (2, IN_AUGUST.date(), 63)
    assert [row[shown.heads.index("SkuMeter")] for row in shown.rows] == ["Input Tokens", "Output Tokens"]
    ann = sample(called, report="cost-entries", end_user_id="ann").context["sample"]
    assert [row[ann.heads.index("amount")] for row in ann.rows] == ["0.00021", "0.00021"]
    assert sample(called, report="cost-entries", end_user_id="ben").context["sample"].rows == []
    by_user = sample(called, report="by-end-user", names="on").context["sample"]
    assert [row[by_user.heads.index("name")] for row in by_user.rows] == ["ann"]
    assert sample(called, first="2026-09-01", last="2026-09-02").context["sample"].day is None
    assert "no end user of this name" in sample(called, end_user_id="nobody").content.decode()
    assert sample(called, report="budgets").context["sample"].rows_expected == 0


def test_a_file_has_what_its_sample_was_narrowed_to(called: Shop) -> None:
    client = member(called, "finance")
    text = content(client.get(ask(called, client, report="cost-entries", end_user_id="ben")["location"]))
    assert len(text.splitlines()) == 1
    text = content(client.get(ask(called, client, end_user_id="ann", grain="users", tag_keys="team")["location"]))
    assert {row["x_UserId"] for row in csv.DictReader(io.StringIO(text.decode()))} == {str(called.cast.ann.id)}


@pytest.mark.parametrize("field", ["report", "format", "first", "tier", "api_key_id", "end_user_id", "model", "tag", "tag_keys", "grain", "month"])
def test_nonsense_in_the_form_is_answered_in_words(called: Shop, field: str) -> None:
    for text in HOSTILE:
        assert sample(called, **{field: text}).status_code == 200


def test_a_large_file_is_made_in_the_background_and_can_be_cancelled(called: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(work, "MOST_ROWS_AT_ONCE", 1)
    client = member(called, "operator")
    ask(called, client, report="cost-entries")
    ask(called, client, report="by-tier")
    part = client.get(f"/o/{called.tenant.slug}/reports/files/").content.decode()
    assert "0 of 2" in part
    assert 'hx-trigger="load delay:2s"' in part
    with tenant_scope(called.tenant.id):
        first, second = ExportJob.objects.order_by("created_at")
    client.post(f"/o/{called.tenant.slug}/reports/files/{first.pk}/cancel/")
    with override_settings(EXPORT_FOLDER=str(tmp_path)):
        work.write_waiting()
        assert b"tier" in content(client.get(f"/o/{called.tenant.slug}/reports/files/{second.pk}/"))
    part = client.get(f"/o/{called.tenant.slug}/reports/files/").content.decode()
    assert ("cancelled" in part, ">done<" in part, "hx-trigger" in part) == (True, True, False)


def test_the_checksum_and_the_manifest_of_a_file_can_be_taken_away_too(called: Shop) -> None:
    client = member(called, "finance")
    text = content(client.get(ask(called, client)["location"]))
    with tenant_scope(called.tenant.id):
        job = ExportJob.objects.get()
    folder = f"/o/{called.tenant.slug}/reports/files/{job.pk}"
    checksum, manifest = client.get(f"{folder}/sha256/"), client.get(f"{folder}/manifest/")
    assert checksum.content.decode() == f"{hashlib.sha256(text).hexdigest()}  {job.file_name}\n"
    assert checksum["content-disposition"] == f'attachment; filename="{job.file_name}.sha256"'
    assert (manifest.json()["file"], manifest.json()["what"]) == (job.file_name, "focus")
    ask(called, client, report="by-tier")
    with tenant_scope(called.tenant.id):
        new = ExportJob.objects.get(sha256="")
    assert client.get(f"/o/{called.tenant.slug}/reports/files/{new.pk}/sha256/").status_code == 404
    assert client.get(f"/o/{called.tenant.slug}/reports/files/{new.pk}/manifest/").status_code == 404


def test_what_is_being_written_says_how_fast_and_how_long_and_what_failed_is_tried_again(called: Shop) -> None:
    client, now = member(called, "finance"), datetime.now(UTC)
    ask(called, client, report="by-tier")
    with tenant_scope(called.tenant.id):
        running = {"state": "running", "rows_done": 300_000, "rows_expected": 90_000_000, "started_at": now - timedelta(seconds=10), "beat_at": now}
        ExportJob.objects.update(**running)
        job = ExportJob.objects.get()
    files = f"/o/{called.tenant.slug}/reports/files/"
    assert "30,000 rows/s, 49 min 50 s left" in client.get(files).content.decode()
    assert b"did not fail" in client.post(f"{files}{job.pk}/again/", follow=True).content
    with tenant_scope(called.tenant.id):
        ExportJob.objects.update(rows_done=0)
    assert "left" not in client.get(files).content.decode(), "before the first row nothing is known"
    with tenant_scope(called.tenant.id):
        ExportJob.objects.update(state="failed", failure="The disk is full.")
    assert "Try again" in client.get(files).content.decode()
    client.post(f"{files}{job.pk}/again/")
    with tenant_scope(called.tenant.id):
        again, first = ExportJob.objects.order_by("-created_at")
    assert (first.state, again.state, again.wanted["wanted"]) == ("failed", "ready", first.wanted["wanted"])


def test_a_link_downloads_without_a_login_and_stands_in_one_answer_alone(called: Shop) -> None:
    client = member(called, "finance")
    ask(called, client)
    with tenant_scope(called.tenant.id):
        job = ExportJob.objects.get()
    answer = client.post(f"/o/{called.tenant.slug}/reports/files/{job.pk}/link/")
    address = urlsplit(answer.context["link"]["url"]).path
    assert answer["cache-control"] == "no-store"
    assert b"BilledCost" in content(Client().get(address))
    assert address not in client.get(f"/o/{called.tenant.slug}/reports/").content.decode()


def test_a_viewer_reads_and_takes_nothing_away(called: Shop) -> None:
    client = member(called, "viewer")
    page = client.get(f"/o/{called.tenant.slug}/reports/").content.decode()
    assert "Month statement" in page
    assert "Download" not in page
    assert "format=csv" not in client.get(f"/o/{called.tenant.slug}/reports/read/?month=2026-08").content.decode()
    assert client.get(f"/o/{called.tenant.slug}/reports/read/?month=2026-08&format=csv").status_code == 403


def test_the_parts_of_a_chargeback_sum_to_the_statement(called: Shop) -> None:
    client = member(called, "finance")
    statement = client.get(f"/o/{called.tenant.slug}/reports/read/?report=statement&month=2026-08&whole=1").context["reading"]
    assert dict(statement.facts)["Closed with"] == 420_000
    for by in ("end_user", "tier", "key", "domain", "model"):
        reading = client.get(f"/o/{called.tenant.slug}/reports/read/?report=chargeback&by={by}&month=2026-08&whole=1").context["reading"]
        assert sum(row[-1] for row in reading.rows) == 420_000
    text = client.get(f"/o/{called.tenant.slug}/reports/read/?report=chargeback&by=end_user&month=2026-08&format=csv").content.decode()
    assert list(csv.reader(io.StringIO(text)))[1] == ["ann", "2", "0.00042", "0", "0.00042"]


@pytest.mark.parametrize("report", ["budgets", "savings"])
def test_a_month_without_anything_is_still_a_report(called: Shop, report: str) -> None:
    assert member(called, "viewer").get(f"/o/{called.tenant.slug}/reports/read/?report={report}&month=2026-09&whole=1").status_code == 200
