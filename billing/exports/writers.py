"""Formats of files. Each writer takes rows as they come from the database and puts them out in pieces: no file is ever whole in memory."""

import itertools
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from billing.exports.parquet import write_parquet
from billing.exports.reading import Moment
from billing.exports.tables import Table

PIECE = 64 * 1024
BATCH = 2_000
GZIP_LEVEL = 6
COPY_TYPES = {"integer": "int8", "boolean": "bool"}
SQLITE_TYPES = {"integer": "INTEGER", "boolean": "INTEGER"}


class Sink(Protocol):
    """Where a file goes to. `counted` is told of rows as they pass, and may raise to end the writing."""

    def write(self, data: bytes, /) -> object: ...

    def counted(self, rows: int, /) -> None: ...


Writer = Callable[[Moment, Table, Sink], None]


def write_csv(moment: Moment, table: Table, sink: Sink) -> None:
    for piece, lines in _pieces(moment.csv(table)):
        sink.write(piece)
        sink.counted(lines)
    sink.counted(-1)  # the header is no row


def write_csv_gz(moment: Moment, table: Table, sink: Sink) -> None:
    """One gzip member without a time in its header, so that the same rows are the same file."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece, lines in _pieces(moment.csv(table)):
        sink.write(packer.compress(piece))
        sink.counted(lines)
    sink.write(packer.flush())
    sink.counted(-1)


def write_jsonl(moment: Moment, table: Table, sink: Sink) -> None:
    for piece, lines in _pieces(moment.json(table)):
        sink.write(piece)
        sink.counted(lines)


def write_json(moment: Moment, table: Table, sink: Sink) -> None:
    """One array, a row a line."""
    sink.write(b"[")
    led = (b"\n" + line[:-1] if first else b",\n" + line[:-1] for first, line in _first(moment.json(table)))
    for piece, lines in _pieces(led):
        sink.write(piece)
        sink.counted(lines)
    sink.write(b"\n]\n")


def write_sqlite(moment: Moment, table: Table, sink: Sink) -> None:
    """A database with one table. Amounts are text, exact; whole numbers beside them sum in SQL."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.sqlite"
        _fill(path, moment, table, sink)
        with path.open("rb") as made:
            while piece := made.read(PIECE):
                sink.write(piece)


WRITERS: dict[str, Writer] = {
    "csv": write_csv, "csv.gz": write_csv_gz, "jsonl": write_jsonl, "json": write_json, "sqlite": write_sqlite, "parquet": write_parquet,
}  # fmt: skip
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8", "csv.gz": "application/gzip", "jsonl": "application/x-ndjson", "json": "application/json",
    "sqlite": "application/vnd.sqlite3", "parquet": "application/vnd.apache.parquet",
}  # fmt: skip


def _fill(path: Path, moment: Moment, table: Table, sink: Sink) -> None:
    columns = ", ".join(f'"{column.name}" {SQLITE_TYPES.get(column.kind, "TEXT")}' for column in table.columns)
    places = ", ".join("?" for _ in table.columns)
    types = [COPY_TYPES.get(column.kind, "text") for column in table.columns]
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000")
        database.execute(f'CREATE TABLE "{table.name}" ({columns})')
        database.execute("BEGIN")
        for rows in _batches(moment.tuples(table, types=types)):
            database.executemany(f'INSERT INTO "{table.name}" VALUES ({places})', rows)
            sink.counted(len(rows))
        database.execute("COMMIT")
    finally:
        database.close()


def _pieces(lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= PIECE:
            yield b"".join(held), len(held)
            held, size = [], 0
    if held:
        yield b"".join(held), len(held)


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while batch := list(itertools.islice(rows, BATCH)):
        yield batch


def _first(lines: Iterable[bytes]) -> Iterator[tuple[bool, bytes]]:
    first = True
    for line in lines:
        yield first, line
        first = False
