"""Files that are downloaded while they are written.

A thread writes the file to disk at the database's speed; whoever downloads reads it behind the writer. So a slow reader holds a file that has no
name, never a transaction, and a reader who goes away leaves nothing behind.
"""

import asyncio
import logging
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

from billing.exports.making import Made, Prepared, make
from tenants.errors import Conflict

log = logging.getLogger(__name__)
MOST_AT_ONCE = 4
"""Files that one process writes at the same time: each needs a connection to the database."""
PIECE = 256 * 1024
LOOK_AGAIN_S = 0.01
_free = threading.BoundedSemaphore(MOST_AT_ONCE)


class Busy(Conflict):
    """So many files are being written that this one must wait."""


class BrokenFile(RuntimeError):
    """The file could not be written to its end: the download breaks off, so that nobody takes a half for the whole."""


class Stream:
    """A file that is being written. Iterate over it once."""

    def __init__(self, prepared: Prepared, *, on_done: Callable[[Made], None]) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - read behind the writer, closed with the last of both
        if not _free.acquire(blocking=False):
            raise Busy("Too many files are being written right now. Try again in some seconds.", code="too_many_exports")
        self._prepared, self._on_done = prepared, on_done
        self._is_over, self._is_unwanted, self._failure = False, False, ""
        self._thread = threading.Thread(target=self._write, name="export", daemon=True)
        self._thread.start()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        at = 0
        try:
            while True:
                is_over = self._is_over  # before looking: what was written until then is seen
                piece = os.pread(self._file.fileno(), PIECE, at)
                at += len(piece)
                if piece:
                    yield piece
                elif is_over:
                    break
                else:
                    await asyncio.sleep(LOOK_AGAIN_S)
            if self._failure:
                raise BrokenFile(self._failure)
        finally:
            self._is_unwanted = True

    def _write(self) -> None:
        try:
            made = make(self._prepared, self._file, on_rows=self._check_wanted)
            self._file.flush()
            self._on_done(made)
        except BrokenFile:
            self._failure = "nobody reads it any more"
        except Exception as failed:
            self._failure = type(failed).__name__
            log.exception("a file could not be written for its download")
        finally:
            _free.release()
            self._is_over = True

    def _check_wanted(self, _rows: int) -> None:
        if self._is_unwanted:
            raise BrokenFile


class WholeFile:
    """A file of the disk, read a piece at a time: what Django makes of a file, ASGI would have whole in memory. Iterate over it once."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("rb")
        self.size_bytes = os.fstat(self._file.fileno()).st_size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._file as file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece


__all__ = ["BrokenFile", "Busy", "Stream", "WholeFile"]
