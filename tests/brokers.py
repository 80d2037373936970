"""Real brokers on ports of their own, for as long as a test needs them."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import free_port

RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START_SECONDS = 60


@contextlib.contextmanager
def folder_broker() -> Iterator[dict[str, str]]:
    """The default, which needs nothing installed."""
    yield {"CELERY_BROKER_URL": "filesystem://"}


@contextlib.contextmanager
def redis_broker() -> Iterator[dict[str, str]]:
    _need("redis-server", shutil.which("redis-server"))
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with _running(command, port=port):
            yield {"CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0"}


@contextlib.contextmanager
def rabbitmq_broker() -> Iterator[dict[str, str]]:
    _need("rabbitmq-server", RABBITMQ if Path(RABBITMQ).exists() else None)
    port, far_port, names_port = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="rabbit-", ignore_cleanup_errors=True) as folder:
        environment = {
            "HOME": folder, "RABBITMQ_NODENAME": f"test{port}@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(far_port), "RABBITMQ_MNESIA_BASE": folder, "RABBITMQ_LOG_BASE": folder, "ERL_EPMD_PORT": str(names_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins", "RABBITMQ_CONFIG_FILES": folder, "RABBITMQ_LOGS": "-",
        }  # fmt: skip
        try:
            with _running([RABBITMQ], port=port, **environment):
                yield {"CELERY_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{port}//"}
        finally:
            subprocess.run(["epmd", "-kill"], env={**os.environ, "ERL_EPMD_PORT": str(names_port)}, capture_output=True, check=False)


BROKERS: dict[str, Callable[[], contextlib.AbstractContextManager[dict[str, str]]]] = {
    "folder": folder_broker, "redis": redis_broker, "rabbitmq": rabbitmq_broker,
}


def _need(package: str, found: str | None) -> None:
    if not found:
        pytest.skip(f"Debian's package {package} is not installed: `make test` as root installs it")


@contextlib.contextmanager
def _running(command: list[str], *, port: int, **environment: str) -> Iterator[None]:
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args} ended at once"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"{process.args} does not listen on {port}")
