"""The worker on each broker: jobs run when they are due, failures are tried again, and a killed worker loses nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.db import connection

from billing.models import JobStanding
from tests.brokers import BROKERS
from tests.live import ROOT, wait_until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(params=list(BROKERS))
def start(
    request: pytest.FixtureRequest, committed_cast: object, django_db_blocker: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], int]]:
    """Start a worker with its beat on a broker; returns its process id. All end with the test."""
    broker: AbstractContextManager[dict[str, str]] = BROKERS[request.param]()
    workers: list[subprocess.Popen[bytes]] = []
    with broker as settings, django_db_blocker.unblock():
        JobStanding.objects.all().delete()
        environment = {**os.environ, **settings, "SLOW_JOBS_FOLDER": str(tmp_path), "CASCADEFLOW_VAR": str(tmp_path / "var"), "SWEEP_SECONDS": "1"}

        def started() -> int:
            command = [sys.executable, "-m", "celery", "-A", "tests.scenarios.slow_jobs", "worker", "-B", "--pool", "prefork", "--concurrency", "2"]
            command += ["--loglevel", "warning", "--schedule", str(tmp_path / f"beat{len(workers)}")]
            with (tmp_path / "worker.log").open("ab") as log:
                workers.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True))
            return workers[-1].pid

        try:
            yield started
        finally:
            for worker in workers:
                if worker.poll() is None:
                    os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            JobStanding.objects.all().delete()
            connection.close()


def standing(name: str) -> JobStanding | None:
    return JobStanding.objects.filter(pk=name).first()


def test_jobs_run_fail_and_come_back_after_kill_nine(start: Callable[[], int], tmp_path: Path) -> None:
    worker = start()

    def log() -> str:
        stands = [f"{row.name}: {row.result or row.failure or row.holder}" for row in JobStanding.objects.all()]
        return "\n".join([(tmp_path / "worker.log").read_text()[-3000:], *stands])

    def has_run(name: str) -> bool:
        found = standing(name)
        return found is not None and found.succeeded_at is not None

    wait_until(lambda: has_run("billing.sweep") and (tmp_path / "hanging").exists(), seconds=60, what=log)
    os.killpg(worker, signal.SIGKILL)
    left = standing("tests.hangs_once")
    assert left is not None
    assert (left.holder != "", left.succeeded_at) == (True, None)
    start()
    wait_until(lambda: has_run("tests.hangs_once"), seconds=60, what=log)
    wait_until(lambda: has_run("tests.fails_once"), seconds=60, what=log)
    again = standing("tests.fails_once")
    assert again is not None
    assert (again.result, again.failures, again.failure) == ("sent", 1, "ConnectionError: the mail server is away")
