"""Parquet, by pyarrow: an extra of the installation, asked for only when such a file is."""

import io
from typing import TYPE_CHECKING, Any

import msgspec

from billing.exports.reading import Moment
from billing.exports.tables import Table

if TYPE_CHECKING:
    from billing.exports.writers import Sink

BLOCK = 1 << 20
ROWS_A_GROUP = 100_000
EXTRA = "Parquet needs pyarrow. Install it once, and start the site and its worker anew: .venv/bin/uv pip install -r pyproject.toml --extra parquet"


class ParquetMissing(RuntimeError):
    """This installation has no pyarrow. The message says how to install it."""


def pyarrow() -> Any:
    """Return the package. Raises ParquetMissing where it is not installed."""
    try:
        import pyarrow as package
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError as missing:
        raise ParquetMissing(EXTRA) from missing
    return package


def write_parquet(moment: Moment, table: Table, sink: "Sink") -> None:
    """Amounts are decimals, exact: USD with 9 places, those of FOCUS with 15. Times are UTC. The rows come as CSV and are read by pyarrow."""
    arrow = pyarrow()
    types = {column.name: _type(arrow, column.kind) for column in table.columns}
    options = arrow.csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False, true_values=["true"], false_values=["false"],
        timestamp_parsers=["%Y-%m-%dT%H:%M:%S.%fZ", arrow.csv.ISO8601],
    )
    schema = arrow.schema(types.items())
    rows = arrow.csv.open_csv(
        io.BufferedReader(_Lines(moment, table), BLOCK), convert_options=options,
        read_options=arrow.csv.ReadOptions(block_size=BLOCK, use_threads=False), parse_options=arrow.csv.ParseOptions(newlines_in_values=True),
    )  # fmt: skip
    with arrow.parquet.ParquetWriter(arrow.PythonFile(_Tube(sink), mode="w"), schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch.cast(schema), row_group_size=ROWS_A_GROUP)
            sink.counted(batch.num_rows)


def _type(arrow: Any, kind: str) -> Any:
    types = {
        "integer": arrow.int64(), "usd": arrow.decimal128(28, 9), "decimal": arrow.decimal128(38, 15), "time": arrow.timestamp("us", tz="UTC"),
        "date": arrow.date32(), "boolean": arrow.bool_(),
    }  # fmt: skip
    return types.get(kind, arrow.string())


class _Lines(io.RawIOBase):
    """The CSV of a table as a stream that can be read from."""

    def __init__(self, moment: Moment, table: Table) -> None:
        self._lines = moment.csv(msgspec.structs.replace(table, for_people=False))
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        parts, size = [self._left], len(self._left)
        while size < len(buffer) and (line := next(self._lines, None)) is not None:
            parts.append(line)
            size += len(line)
        data = b"".join(parts)
        taken, self._left = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


class _Tube(io.RawIOBase):
    """A sink as a file that can be written to."""

    def __init__(self, sink: "Sink") -> None:
        self._sink, self._at = sink, 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        self._sink.write(piece)
        self._at += len(piece)
        return len(piece)
