"""Large exports, written by the worker: progress, cancelling, kill -9 in the middle, full disks, links, and what is deleted when."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from billing.erasure import forget_end_user
from billing.exports import files, links, work
from billing.exports.wanted import UnknownExport, Wanted
from billing.models import Alert, ExportJob
from cascadeflow_site.embedded import BASE
from tenants.errors import Conflict
from tenants.scoping import tenant_scope
from tests.billing.exports.test_formats import august
from tests.months import tamper
from tests.shop import Shop

__all__ = ["august"]
MONTH = {"first": date(2026, 8, 1), "last": date(2026, 8, 31)}
MANY = (Path(__file__).parents[1] / "many_entries.sql").read_text()
DIES_HALF_WAY = """
import os, signal, sys
import django
django.setup()
from billing.exports import making, work
class Dying(making.Counter):
    def counted(self, rows):
        super().counted(rows)
        if self.rows > 1000:
            os.kill(os.getpid(), signal.SIGKILL)
making.Counter = Dying
work.write_waiting()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Exports of more than two rows are large."""
    monkeypatch.setattr(work, "MOST_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(work, "BEAT_S", 0.01)
    with override_settings(EXPORT_FOLDER=str(tmp_path)):
        yield tmp_path


def ask(shop: Shop, **wanted: Any) -> ExportJob:
    with tenant_scope(shop.tenant.id):
        return work.ask_for(Wanted(**{"what": "cost_entries", **MONTH, **wanted}), actor="finn", now=datetime.now(UTC))


def again(job: ExportJob) -> ExportJob:
    with tenant_scope(job.tenant_id):
        return ExportJob.objects.get(pk=job.pk)


def test_the_worker_writes_a_large_export_with_its_manifest_and_checksum(august: Shop, folder: Path) -> None:
    job = ask(august)
    assert (job.state, job.rows_expected) == ("waiting", 10)
    assert work.write_waiting() == 1
    done, path = again(job), work.file_of(job)
    assert (done.state, done.rows_done, done.size_bytes) == ("done", 10, path.stat().st_size)
    assert done.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.with_name(f"{path.name}.sha256").read_text() == f"{done.sha256}  {path.name}\n"
    checked = subprocess.run(["sha256sum", "-c", f"{path.name}.sha256"], cwd=path.parent, capture_output=True, check=False)
    assert checked.returncode == 0
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}.manifest.json", f"{path.name}.sha256"]
    assert work.write_waiting() == 0


def test_a_small_export_is_ready_at_once(shop: Shop, folder: Path) -> None:
    assert ask(shop).state == "ready"


def test_a_worker_that_is_killed_half_way_leaves_no_half_file_and_the_next_one_writes_it_whole(shop: Shop, folder: Path) -> None:
    tamper(MANY, shop.tenant.id, 3000)
    job = ask(shop)
    environment = {**os.environ, "EXPORT_FOLDER": str(folder), "DJANGO_SETTINGS_MODULE": "cascadeflow_site.settings"}
    died = subprocess.run([sys.executable, "-c", DIES_HALF_WAY], cwd=BASE, env=environment, capture_output=True, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert again(job).state == "running"
    assert not work.file_of(job).exists()
    assert list(folder.rglob("*.part"))
    assert work.write_waiting() == 0  # it may live still
    with tenant_scope(shop.tenant.id):
        ExportJob.objects.filter(pk=job.pk).update(beat_at=datetime.now(UTC) - timedelta(seconds=61))
    assert work.write_waiting() == 1
    done = again(job)
    assert (done.state, done.rows_done, done.attempts) == ("done", 3000, 2)
    assert len(work.file_of(job).read_text().splitlines()) == 3001
    assert files.remove_parts(older_than_s=-1) == 1
    tamper("DELETE FROM billing_costentry WHERE tenant_id = %s", shop.tenant.id)


def test_an_export_that_keeps_killing_its_worker_is_given_up(august: Shop, folder: Path) -> None:
    job = ask(august)
    with tenant_scope(august.tenant.id):
        ExportJob.objects.filter(pk=job.pk).update(attempts=work.MOST_ATTEMPTS)
    assert work.write_waiting() == 0
    assert (again(job).state, again(job).failure) == ("failed", "It was begun 5 times and never finished.")


def test_one_that_is_cancelled_while_it_is_written_stops_and_leaves_nothing(shop: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tamper(MANY, shop.tenant.id, 3000)
    job = ask(shop)
    cancelled = threading.Event()

    def cancel_first(pulse: work.Pulse, rows: int) -> None:
        if not cancelled.is_set():
            cancelled.set()
            with tenant_scope(shop.tenant.id):
                work.cancel(again(job), now=datetime.now(UTC))
            while not pulse._lost:
                pulse._over.wait(0.01)
        told(pulse, rows)

    told = work.Pulse.told
    monkeypatch.setattr(work.Pulse, "told", cancel_first)
    assert work.write_waiting() == 0
    assert again(job).state == "cancelled"
    assert not list(folder.rglob("*.*"))
    with pytest.raises(Conflict), tenant_scope(shop.tenant.id):
        work.cancel(again(job), now=datetime.now(UTC))
    tamper("DELETE FROM billing_costentry WHERE tenant_id = %s", shop.tenant.id)


def test_a_full_disk_fails_the_export_and_leaves_no_part_of_it(august: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = ask(august)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("billing.exports.files.os.fsync", full)
    assert work.write_waiting() == 0
    assert (again(job).state, again(job).failure) == ("failed", "The file could not be written: No space left on device.")
    with tenant_scope(job.tenant_id):
        assert Alert.objects.get(kind="export_failed").facts["name"] == job.file_name
    assert not list(folder.rglob("*.*"))


def test_files_are_deleted_after_their_time_and_the_row_says_so(august: Shop, folder: Path) -> None:
    job = ask(august)
    work.write_waiting()
    soon, late = (datetime.now(UTC) + timedelta(days=settings.EXPORT_DAYS, hours=hours) for hours in (-1, 1))
    work.forget_old(now=soon)
    assert work.file_of(job).exists()
    work.forget_old(now=late)
    assert (again(job).state, work.file_of(job).exists()) == ("expired", False)


def test_when_an_end_user_is_erased_files_that_name_people_go_and_others_stay(august: Shop, folder: Path) -> None:
    named, ids = ask(august, names=True), ask(august)
    work.write_waiting()
    assert "ann" in work.file_of(named).read_text()
    assert "ann" not in work.file_of(ids).read_text()
    with tenant_scope(august.tenant.id):
        forget_end_user(external_id="ann", actor="finn", now=datetime.now(UTC))
    assert (again(named).state, work.file_of(named).exists()) == ("expired", False)
    assert (again(ids).state, work.file_of(ids).exists()) == ("done", True)


def test_a_link_is_good_for_seven_days_for_one_export(shop: Shop) -> None:
    now = datetime.now(UTC)
    token, until = links.sign(tenant_id=shop.tenant.id, export_id=shop.tenant.id, now=now)
    assert until == now + timedelta(days=7)
    assert links.read(token, now=now + timedelta(days=6, hours=23)) == (shop.tenant.id, shop.tenant.id)
    for broken, at in ((token, now + timedelta(days=7, seconds=1)), (token[:-1], now), ("", now), (token.replace(":", "!"), now)):
        with pytest.raises(links.InvalidLink):
            links.read(broken, now=at)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"last": date(2026, 7, 31)}, "to"), ({"filters": {"colour": "red"}}, "filter"), ({"filters": {"api_key_id": "x"}}, "filter"),
        ({"filters": {"model": "\x00"}}, "filter"), ({"what": "budgets", "filters": {"model": "x"}}, "filter"), ({"first": date(1, 1, 1)}, "from"),
        ({"tag_keys": tuple("abcdefghijk")}, "tag_keys"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_refused_by_its_name(shop: Shop, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(UnknownExport) as refused:
        ask(shop, **wanted)
    assert refused.value.field == field


def test_a_run_that_counted_as_dead_leaves_the_one_after_it_alone(august: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = ask(august)
    made = work.make

    def outlived(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(work, "make", made)
        with tenant_scope(august.tenant.id):
            ExportJob.objects.filter(pk=job.pk).update(beat_at=datetime.now(UTC) - timedelta(hours=1))
        assert work.write_waiting() == 1  # another worker takes it up and ends first
        return made(*args, **options)

    monkeypatch.setattr(work, "BEAT_S", 60.0)
    monkeypatch.setattr(work, "make", outlived)
    assert work.write_waiting() == 0
    done = again(job)
    assert (done.state, done.attempts) == ("done", 2)
    assert hashlib.sha256(work.file_of(job).read_bytes()).hexdigest() == done.sha256
