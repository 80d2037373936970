"""Parquet, by pyarrow: an extra of the installation, asked for only when such a file is."""

import io
import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from billing.exports.reading import Moment
from billing.exports.tables import Table

if TYPE_CHECKING:
    from billing.exports.writers import Sink

ROWS_A_GROUP = 5_000
"""More of them at once are larger groups, and need more memory than a worker should have to have."""
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
    """Amounts are decimals, exact: USD with 9 places, those of FOCUS with 15. Times are UTC. The rows come as CSV, which pyarrow reads."""
    arrow = pyarrow()
    schema = arrow.schema([(column.name, _type(arrow, column.kind)) for column in table.columns])
    read = arrow.csv.ReadOptions(column_names=schema.names, use_threads=False)
    parse = arrow.csv.ParseOptions(newlines_in_values=True)
    convert = arrow.csv.ConvertOptions(
        column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
        true_values=["true"], false_values=["false"], timestamp_parsers=["%Y-%m-%dT%H:%M:%S.%fZ", arrow.csv.ISO8601],
    )  # fmt: skip
    lines = moment.csv(msgspec.structs.replace(table, for_people=False))
    next(lines)  # the header
    with arrow.parquet.ParquetWriter(arrow.PythonFile(_Tube(sink), mode="w"), schema, compression="zstd") as writer:
        while group := list(itertools.islice(lines, ROWS_A_GROUP)):
            rows = arrow.csv.read_csv(arrow.BufferReader(b"".join(group)), read_options=read, parse_options=parse, convert_options=convert)
            writer.write_table(rows)
            sink.counted(rows.num_rows)
            arrow.default_memory_pool().release_unused()


def _type(arrow: Any, kind: str) -> Any:
    types = {
        "integer": arrow.int64(), "usd": arrow.decimal128(28, 9), "decimal": arrow.decimal128(38, 15), "time": arrow.timestamp("us", tz="UTC"),
        "date": arrow.date32(), "boolean": arrow.bool_(),
    }  # fmt: skip
    return types.get(kind, arrow.string())


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
