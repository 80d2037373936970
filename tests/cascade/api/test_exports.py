"""Files for finance over REST: asked for, downloaded while they are written, handed on by a link, and nobody else's."""

import csv
import hashlib
import io
import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from billing.exports import streaming, work
from tests.billing.exports.test_formats import august, booked
from tests.live import Server
from tests.rest import Rest
from tests.shop import Shop

__all__ = ["august"]
AUGUST = {"first": "2026-08-01", "last": "2026-08-31"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with override_settings(EXPORT_FOLDER=str(tmp_path)):
        yield tmp_path


def content(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return async_to_sync(joined)(answer)


async def joined(answer: Any) -> bytes:
    return b"".join([piece async for piece in answer])


def test_a_small_export_is_downloaded_at_once_and_its_row_tells_what_it_held(august: Shop, folder: Path) -> None:
    made = august.admin.make("exports/", what="cost_entries", **AUGUST)
    assert (made["state"], made["rows_expected"], made["manifest"]) == ("ready", 10, None)
    answer = august.admin.get(f"exports/{made['id']}/download/")
    text = content(answer)
    assert answer.headers["content-disposition"] == 'attachment; filename="cost-entries_2026-08-01_2026-08-31.csv"'
    assert answer.headers["cache-control"] == "private, no-store"
    assert sum(int(row["amount_nusd"]) for row in csv.DictReader(io.StringIO(text.decode()))) == booked(august)
    row = august.admin.get(f"exports/{made['id']}/").json()
    assert (row["sha256"], row["rows_done"], row["manifest"]["rows"]) == (hashlib.sha256(text).hexdigest(), 10, 10)


def test_formulas_are_made_harmless_for_people_and_left_alone_for_programs(august: Shop, folder: Path) -> None:
    texts = {}
    for form in ("csv", "jsonl"):
        made = august.admin.make("exports/", what="cost_entries", format=form, **AUGUST)
        texts[form] = content(august.admin.get(f"exports/{made['id']}/download/")).decode()
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert "'=HYPERLINK(\"http://evil.example\",\"x\")" in {row["step"] for row in rows}
    assert "'@SUM(A1)" in {row["outcome"] for row in rows}
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "+", "@", "\t", "\r"))]
    assert '=HYPERLINK("http://evil.example","x")' in {json.loads(line)["step"] for line in texts["jsonl"].splitlines()}


def test_a_large_export_is_written_by_the_worker_and_handed_on_by_a_link(august: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MOST_ROWS_AT_ONCE", 2)
    made = august.admin.make("exports/", what="focus", format="sqlite", **AUGUST)
    path = f"exports/{made['id']}"
    assert (made["state"], made["download"]) == ("waiting", None)
    early = august.admin.get(f"{path}/download/")
    assert (early.status_code, early.json()["code"]) == (409, "no_file")
    work.write_waiting()
    link = august.admin.send("post", f"{path}/link/").json()
    anybody = Client().get(urlsplit(link["url"]).path, secure=True)
    (folder / "got.sqlite").write_bytes(content(anybody))
    (rows,) = sqlite3.connect(folder / "got.sqlite").execute("SELECT count(*) FROM focus").fetchone()
    assert rows == august.admin.get(f"{path}/").json()["rows_done"]
    assert Client().get(urlsplit(link["url"]).path + "x", secure=True).status_code == 404
    assert Client().post(urlsplit(link["url"]).path, secure=True).status_code == 405


def test_a_waiting_export_is_cancelled_once(august: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MOST_ROWS_AT_ONCE", 2)
    path = f"exports/{august.admin.make('exports/', what='usage', **AUGUST)['id']}"
    assert august.admin.send("post", f"{path}/cancel/").json()["state"] == "cancelled"
    assert august.admin.send("post", f"{path}/cancel/").json()["code"] == "not_running"
    assert "It was cancelled." in august.admin.get(f"{path}/download/").json()["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "what"), ({"what": "secrets"}, "what"), ({"what": "usage", "first": "yesterday"}, "first"), ({"what": "usage", "last": 5}, "last"),
        ({"what": "usage", "format": "exe"}, "format"), ({"what": "usage", "dimension": "prompt"}, "dimension"),
        ({"what": "focus", "focus": "9"}, "focus"),
        ({"what": "usage", "filters": {"colour": "red"}}, "filter"), ({"what": "usage", "filters": "x"}, "filters"),
        ({"what": "usage", "filters": {"model": "x" * 256}}, "filters"), ({"what": "usage", "first": "2026-09-01"}, "to"),
        ({"what": "usage", "filters": {"end_user_id": "' OR 1=1"}}, "filter"), ({"what": "focus", "tag_keys": ["x"] * 11}, "tag_keys"),
        ({"what": "usage", "tenant": "globex"}, "tenant"), ({"what": "usage", "names": "perhaps"}, "names"),
        ({"what": "usage", "first": "0001-01-01"}, "from"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_named(shop: Shop, body: dict[str, Any], named: str) -> None:
    answer = shop.admin.send("post", "exports/", {**AUGUST, **body})
    assert answer.status_code == 400, answer.content
    assert any(name.startswith(named) for name in answer.json()["errors"]), answer.json()


def test_a_hostile_filter_finds_nothing_and_another_tenants_calls_are_not_there(august: Shop, folder: Path) -> None:
    globex = Rest(august.cast.globex_admin_key)
    for rest, filters in ((august.admin, {"model": "'; DROP TABLE x; --%s"}), (globex, {})):
        made = rest.make("exports/", what="cost_entries", format="jsonl", filters=filters, **AUGUST)
        assert content(rest.get(f"exports/{made['id']}/download/")) == b""
    made = august.admin.make("exports/", what="cost_entries", format="jsonl", filters={"end_user": "ann"}, **AUGUST)
    assert len(content(august.admin.get(f"exports/{made['id']}/download/")).splitlines()) == 1
    assert globex.get(f"exports/{made['id']}/download/").status_code == 404


def test_without_pyarrow_parquet_says_what_to_install(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    answer = shop.admin.send("post", "exports/", {"what": "usage", "format": "parquet", **AUGUST})
    assert (answer.status_code, answer.json()["code"]) == (409, "parquet_missing")
    assert "--extra parquet" in answer.json()["detail"]


def test_so_many_files_at_once_and_then_one_must_wait(august: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = august.admin.make("exports/", what="usage", **AUGUST)
    taken = [streaming._free.acquire(blocking=False) for _ in range(streaming.MOST_AT_ONCE)]
    try:
        answer = august.admin.get(f"exports/{made['id']}/download/")
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_exports")
        assert int(answer.headers["retry-after"]) > 0
    finally:
        for _ in filter(None, taken):
            streaming._free.release()


def test_the_live_site_streams_a_file_piece_by_piece(august: Shop, live_site: Server) -> None:
    headers = {"authorization": f"Bearer {august.cast.acme_admin_key}"}
    with httpx.Client(base_url=live_site.url, headers=headers, timeout=20) as client:
        made = client.post("/api/v1/exports/", json={"what": "focus", **AUGUST}).json()
        with client.stream("GET", f"/api/v1/exports/{made['id']}/download/") as answer:
            assert answer.status_code == 200
            assert "content-length" not in answer.headers
            text = answer.read()
        row = client.get(f"/api/v1/exports/{made['id']}/").json()
        assert row["sha256"] == hashlib.sha256(text).hexdigest()
        assert client.get(f"/api/v1/exports/{uuid.uuid4()}/download/").status_code == 404


def test_the_command_writes_a_file_whole_with_manifest_and_checksum(august: Shop, tmp_path: Path) -> None:
    out, said = tmp_path / "august.csv.gz", io.StringIO()
    days = ("--from", "2026-08-01", "--to", "2026-08-31")
    call_command("export_costs", "--tenant", august.tenant.slug, *days, "--format", "csv.gz", "--out", str(out), stderr=said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["august.csv.gz", "august.csv.gz.manifest.json", "august.csv.gz.sha256"]
    manifest = json.loads(out.with_name("august.csv.gz.manifest.json").read_text())
    assert (manifest["file"], manifest["rows"], manifest["days"]["zone"]) == ("august.csv.gz", 10, "UTC")
    assert "10 rows" in said.getvalue()
    with pytest.raises(CommandError, match="There is no filter 'colour'"):
        call_command("export_costs", "--tenant", august.tenant.slug, *days, "--filter", "colour=red")
    with pytest.raises(CommandError, match="is no filter: write NAME=VALUE"):
        call_command("export_costs", "--tenant", august.tenant.slug, *days, "--filter", "red")
    with pytest.raises(CommandError, match="could not be written"):
        call_command("export_costs", "--tenant", august.tenant.slug, *days, "--out", "/proc/none/x.csv")
