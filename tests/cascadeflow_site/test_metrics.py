"""/metrics: who may read it, and that it tells of every process."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cascade.telemetry.families import Family
from cascadeflow_site import scrape_facts
from tests import live
from tests.cast import Cast
from tests.collector import TOKEN, Page
from tests.live import ROOT, ScriptedProvider, Server, wait_until
from tests.stage import Stage, staged

WORKERS, CALLS = 2, 30
CHECK_LEDGER = "import django; django.setup(); from django.core.management import call_command; call_command('check_ledger')"
LONG_TOKENS = ["", "x" * 60_000]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metrics")


@pytest.fixture(scope="module")
def measured_site(django_db_setup: None, folder: Path) -> Iterator[Server]:
    with live.site(workers=WORKERS, METRICS_TOKEN=TOKEN, METRICS_FOLDER=str(folder), SWEEP_SECONDS="1") as server:
        yield server


@pytest.fixture
def measured(measured_site: Server, upstream: Server, scripted: ScriptedProvider, django_db_blocker: pytest.FixtureRequest) -> Iterator[Stage]:
    with django_db_blocker.unblock(), staged(site=measured_site, upstream=upstream, scripted=scripted) as stage:
        yield stage


def call_many(stage: Stage, model: str = "steady") -> None:
    """Over connections of their own, so that they spread over the processes."""
    def call(_: int) -> int:
        return stage.post(model=model).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(call, range(CALLS))) == {200}


def workers_of(stage: Stage) -> set[int]:
    """The processes that took its calls."""
    return {int(hold.owner.split(":")[3]) for hold in stage.holds()}


def page_with(stage: Stage, name: str, value: float, **labels: str) -> Page:
    wait_until(lambda: Page(stage.site.url).total(name, tenant=stage.cast.acme.slug, **labels) == value, what=stage.site.log)
    return Page(stage.site.url)


class TestWhoMayRead:
    def test_without_a_token_in_the_settings_there_is_nothing_at_the_address(self, live_site: Server) -> None:
        answers = [httpx.get(f"{live_site.url}{path}", headers={"authorization": f"Bearer {TOKEN}"}) for path in ("/metrics", "/nothing-here")]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].headers.get("www-authenticate") is None

    @pytest.mark.parametrize(
        "said", [None, "", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ü", *LONG_TOKENS]
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_whoever_has_not_the_token_is_refused(self, measured_site: Server, said: str | None, method: str) -> None:
        headers = {} if said is None else {"authorization": said.encode()}
        answer = httpx.request(method, f"{measured_site.url}/metrics", headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "cascadeflow_" not in answer.text

    def test_a_tenants_key_opens_nothing(self, measured: Stage) -> None:
        for key in (measured.cast.acme_key, measured.cast.acme_admin_key):
            assert httpx.get(f"{measured.site.url}/metrics", headers={"authorization": f"Bearer {key}"}).status_code == 401

    def test_it_is_read_by_get_and_head_alone_in_both_forms_and_by_any_host_name(self, measured_site: Server) -> None:
        headers = {"authorization": f"bearer {TOKEN}", "host": "10.1.2.3:9090"}
        url = f"{measured_site.url}/metrics"
        assert httpx.post(url, headers=headers).status_code == 405
        assert httpx.head(url, headers=headers).content == b""
        assert httpx.get(url, headers=headers).headers["content-type"].startswith("text/plain; version=0.0.4")
        opened = httpx.get(url, headers={**headers, "accept": "application/openmetrics-text; version=1.0.0"})
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        assert opened.text.endswith("# EOF\n")


class TestManyProcesses:
    def test_counts_of_all_workers_are_added_up_whichever_is_asked(self, measured: Stage) -> None:
        call_many(measured)
        assert len(workers_of(measured)) == WORKERS, "the calls must have spread for this test to mean something"
        for _ in range(10):
            page = page_with(measured, "cascadeflow_runs_total", CALLS, outcome="served")
            tenant = measured.cast.acme.slug
            assert page.total("cascadeflow_provider_calls_total", tenant=tenant, outcome="answered") == CALLS
            assert page.total("cascadeflow_run_duration_seconds_count", tenant=tenant) == CALLS
            assert page.total("cascadeflow_run_duration_seconds_bucket", tenant=tenant, le="+Inf") == CALLS
            booked = sum(entry.amount_nusd for entry in measured.entries())
            assert page.total("cascadeflow_cost_usd_total", tenant=tenant) == pytest.approx(booked / 1e9)

    def test_what_a_killed_worker_counted_stays_and_its_files_do_not_pile_up(self, measured: Stage, folder: Path) -> None:
        call_many(measured)
        page_with(measured, "cascadeflow_runs_total", CALLS)
        victim = min(workers_of(measured))
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{victim}").exists(), seconds=30)
        wait_until(lambda: measured.site.status("/healthz") == 200, seconds=30)
        page_with(measured, "cascadeflow_runs_total", CALLS)
        call_many(measured)
        page = page_with(measured, "cascadeflow_runs_total", 2 * CALLS)
        assert page.total("cascadeflow_run_duration_seconds_bucket", tenant=measured.cast.acme.slug, le="+Inf") == 2 * CALLS
        assert not list(folder.rglob(f"*_{victim}.db"))

    def test_many_who_read_at_once_read_the_same(self, measured: Stage) -> None:
        call_many(measured)
        page_with(measured, "cascadeflow_runs_total", CALLS)
        with ThreadPoolExecutor(8) as pool:
            pages = list(pool.map(lambda _: Page(measured.site.url), range(16)))
        assert {page.total("cascadeflow_runs_total", tenant=measured.cast.acme.slug) for page in pages} == {CALLS}


class TestWhatIsLookedUp:
    def test_calls_in_flight_show_the_money_that_they_hold(self, measured: Stage) -> None:
        with ThreadPoolExecutor() as pool:
            call = pool.submit(measured.post, model="slow")
            measured.wait_until_held()
            (hold,) = measured.holds(state="open")
            page = Page(measured.site.url)
            assert call.result().status_code == 200
        tenant = measured.cast.acme.slug
        assert page.total("cascadeflow_open_holds", tenant=tenant) == 1
        assert page.total("cascadeflow_held_usd", tenant=tenant) == pytest.approx(hold.amount_nusd / 1e9)
        assert not Page(measured.site.url).has("cascadeflow_open_holds", tenant=tenant)
        assert page.has("cascadeflow_ledger_rewound")

    def test_a_connection_that_is_left_alone_shows(self, measured: Stage) -> None:
        for _ in range(12):
            assert measured.post(model="unplugged").status_code in (502, 503)
        tenant = measured.cast.acme.slug
        wait_until(lambda: Page(measured.site.url).total("cascadeflow_provider_breaker_open", tenant=tenant, provider="nowhere") >= 1)
        page = Page(measured.site.url)
        assert page.total("cascadeflow_provider_calls_total", tenant=tenant, provider="nowhere", outcome="circuit_open") >= 1
        assert page.total("cascadeflow_provider_breaker_open", tenant=tenant, provider="up") == 0

    def test_the_sweep_and_the_check_of_the_ledger_show_when_they_were_and_what_they_found(self, measured: Stage, folder: Path) -> None:
        began = datetime.now(UTC).timestamp()
        wait_until(lambda: Page(measured.site.url).total("cascadeflow_sweep_last_run_timestamp_seconds") >= began, seconds=30)
        environment = {**os.environ, **live.SITE_ENVIRONMENT, "METRICS_TOKEN": TOKEN, "METRICS_FOLDER": str(folder)}
        command = subprocess.run([sys.executable, "-c", CHECK_LEDGER], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        (found,) = re.findall(r"(\d+) breaks", command.stdout) or pytest.fail(command.stdout + command.stderr)
        for _ in range(2):  # the command's process is gone: what it found stays
            page = Page(measured.site.url)
            assert page.total("cascadeflow_ledger_last_check_timestamp_seconds") >= began
            assert page.total("cascadeflow_ledger_invariants_broken") == float(found)

    def test_a_fact_that_cannot_be_read_is_named_and_the_others_are_there(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        def of_a_table_that_is_not(now: datetime) -> Sequence[Family]:
            with scrape_facts.connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM no_such_table")
            return []

        def of_a_worker(now: datetime) -> Sequence[Family]:
            return [Family(name="cascadeflow_task_age_seconds", help="Since a task ran.", labels=("task",), rows=[(("sweep",), 3.0)])]

        monkeypatch.setitem(scrape_facts.FACTS, "broken", of_a_table_that_is_not)
        monkeypatch.setitem(scrape_facts.FACTS, "tasks", of_a_worker)
        monkeypatch.setattr(scrape_facts.connection, "close", lambda: None)  # the test's own transaction goes on
        rows = {family.name: dict(family.rows) for family in scrape_facts.read_facts(now=datetime.now(UTC))}
        assert rows["cascadeflow_fact_missing"] == {("open_holds",): 0, ("ledger_state",): 0, ("jobs",): 0, ("broken",): 1, ("tasks",): 0}
        assert rows["cascadeflow_task_age_seconds"] == {("sweep",): 3.0}
        assert rows["cascadeflow_ledger_rewound"] == {(): 0}

    def test_the_largest_tenants_are_named_and_the_rest_is_together(self) -> None:
        rows = [("acme", 5, 50), ("globex", 2, 7), ("initech", 1, 3)]
        assert scrape_facts.largest_by_name(rows, most=1) == [("acme", 5, 50), ("other", 3, 10)]
        assert scrape_facts.largest_by_name(rows, most=3) == rows
        called_other = [("acme", 5, 50), ("other", 4, 1), *rows[1:]]
        assert scrape_facts.largest_by_name(called_other, most=2) == [("acme", 5, 50), ("other", 7, 11)], "no row is there twice"

    def test_without_the_database_the_counts_are_there_and_the_facts_are_missing(self, tmp_path: Path) -> None:
        gone = dict.fromkeys(("DATABASE_URL", "DATABASE_OWNER_URL"), "postgres://nobody@//nowhere/at-all")
        with live.site(statuses=(503,), METRICS_TOKEN=TOKEN, METRICS_FOLDER=str(tmp_path), **gone) as site:
            page = Page(site.url)
        assert page.total("cascadeflow_fact_missing") == len(scrape_facts.FACTS)
        assert not page.has("cascadeflow_open_holds"), "it cannot know"
