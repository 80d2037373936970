"""How far the ledger had come, remembered outside the database: so a database that was restored from a backup is noticed."""

import logging
import os
from pathlib import Path
from uuid import UUID

log = logging.getLogger(__name__)


class BeatMemory:
    """The highest count of beats that this process, or this machine, has seen of a ledger. In a file where one is given."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._ledger: UUID | None = None
        self._beats = 0

    def recall(self) -> tuple[UUID | None, int]:
        """Return the ledger and its count, (None, 0) where nothing is remembered. Processes that share a file share what it says."""
        try:
            ledger, beats = self._path.read_text().split() if self._path else ("", "")
            kept: tuple[UUID | None, int] = (UUID(ledger), int(beats))
        except (OSError, ValueError):
            kept = (None, 0)
        if kept[0] is not None and (self._ledger is None or (kept[0] == self._ledger and kept[1] > self._beats)):
            self._ledger, self._beats = kept
        return self._ledger, self._beats

    def remember(self, ledger: UUID, beats: int) -> None:
        """Remember a count. A file that cannot be written is logged: then only a running process notices."""
        self._ledger, self._beats = ledger, beats
        if self._path is None:
            return
        making = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            making.write_text(f"{ledger} {beats}")
            making.replace(self._path)
        except OSError as wrong:
            log.warning("how far the ledger has come could not be written to %s: %s", self._path, wrong.strerror)
