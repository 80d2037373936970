"""What `make run` does, from nothing to the first answered call and back to nothing."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from cascadeflow_site.embedded import BASE


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """As on a fresh machine: no database is named, nothing is under var/."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE", "CASCADEFLOW", "DJANGO", "HTTPS"))}
    return {**clean, "CASCADEFLOW_VAR": str(tmp_path / "var"), "SIMULATED_LATENCY_SCALE": "0", "WEB_CONCURRENCY": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cascadeflow_site.serve", *arguments]
    return subprocess.run(command, cwd=BASE, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_it_serves_from_nothing_answers_as_printed_and_stops_cleanly(environment: dict[str, str]) -> None:
    port = free_port()
    try:
        started = serve(environment, "--detach", "--port", str(port))
        assert started.returncode == 0, started.stdout + started.stderr
        facts = json.loads((Path(environment["CASCADEFLOW_VAR"]) / "demo.json").read_text())
        assert {"url", "console_url", "email", "password", "api_key"} <= facts.keys()
        assert facts["api_key"] in started.stdout
        curl = started.stdout[started.stdout.index("  curl ") : started.stdout.index("\n\nThese facts")]
        answer = json.loads(subprocess.run(["sh", "-c", curl + " -s"], capture_output=True, text=True, check=True).stdout)
        assert "42" in answer["choices"][0]["message"]["content"]
        assert answer["system_fingerprint"] == "simulated"
        assert httpx.get(facts["console_url"], follow_redirects=True).status_code == 200
        again = serve(environment, "--detach", "--port", str(port))
        assert "runs already" in again.stderr
    finally:
        stopped = serve(environment, "--stop")
    assert "stopped" in stopped.stdout
    assert_nothing_listens(port)
    assert not list((Path(environment["CASCADEFLOW_VAR"]) / "postgres").glob("postmaster.pid"))
    began = time.monotonic()
    second = serve(environment, "--detach", "--port", str(port))
    took = time.monotonic() - began
    serve(environment, "--stop")
    assert second.returncode == 0, second.stdout + second.stderr
    assert facts["api_key"] in second.stdout
    assert took < 60


def test_a_port_that_is_taken_is_said_in_a_sentence(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = serve(environment, "--detach", "--port", str(port))
    assert refused.returncode == 1
    assert f"make run PORT={port + 1}" in refused.stderr
    assert "Traceback" not in refused.stderr


def assert_nothing_listens(port: int) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
