"""Where the processes of this machine count for Prometheus: a folder for those that can read each other's files."""

import fcntl
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from billing.ledger import owner_name

__all__ = ["DEAD", "files_of_dead_processes", "locked", "make_room", "prepare_folder"]

MEGABYTE = 1 << 20
ROOM = {"counter": MEGABYTE, "histogram": 4 * MEGABYTE, "gauge_livesum": MEGABYTE // 16, "gauge_mostrecent": MEGABYTE // 16}
"""What each process's files take from the start, by their kind: some hundred label sets."""
DEAD = "dead"
"""Stands in a file's name for the ids of processes that are gone."""


def prepare_folder(root: Path) -> Path:
    """Return the folder where this process counts, beside all of its boot of its machine or container: they know each other by their ids.

    Folders of earlier boots are removed, for nobody writes there any more. Must be called before prometheus_client is imported, which
    decides then how it counts.
    """
    mine = owner_name().rsplit(":", 2)[0]
    host, boot, _ = mine.split(":")
    folder = root / mine
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for other in root.glob(f"{host}:*"):
        if other.name.split(":")[1] != boot:
            shutil.rmtree(other, ignore_errors=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    make_room(folder)
    return folder


def make_room(folder: Path) -> None:
    """Have the disk behind this process's files: a memory-mapped file that has none left when it is written to kills its process."""
    for kind, least in ROOM.items():
        with (folder / f"{kind}_{os.getpid()}.db").open("a+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, max(least, handle.seek(0, os.SEEK_END)))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else moves files meanwhile."""
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def files_of_dead_processes(folder: Path) -> Mapping[str, Sequence[Path]]:
    """Return the files of processes that are gone, by kind."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in folder.glob("*.db"):
        kind, _, pid = path.stem.rpartition("_")
        if pid != DEAD and not Path(f"/proc/{pid}").exists():
            found[kind].append(path)
    return found
