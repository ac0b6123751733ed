"""Write rows into one file, CSV or Parquet: wholly or not at all, and exactly what was given."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridges.export.exported_rows import ColumnKind, Columns, Row
from bridges.process.written import write_whole
from streams.errors import ConfigurationError

ROWS = 50_000
"""Rows of a file at most, which are held in memory until it is written: some tens of MB."""
_LONGEST_PART = 80  # a file's name may have 255 bytes, and has two such parts

Encode = Callable[[Columns, Sequence[Row]], bytes]


def file_name(sensor_id: str, quantity: str = "") -> str:
    """Return how the names of a sensor's files begin: no two have one, and none is the beginning of another's.

    >>> file_name("boiler-1"), file_name("../x", "a/b")
    ('boiler-1', '%2E%2E%2Fx.a%2Fb')
    """
    return ".".join(_in_a_name(part) for part in (sensor_id, quantity) if part)


def _in_a_name(text: str) -> str:
    name = quote(text, safe=":@-_+ ").replace(".", "%2E")
    if len(name) <= _LONGEST_PART:
        return name
    return f"{name[:_LONGEST_PART]}~{blake2b(text.encode(), digest_size=12).hexdigest()}"


def write_rows(path: Path, encode: Encode, columns: Columns, rows: Sequence[Row]) -> bytes:
    """Write a file; return its content.

    Args:
        path: Where; folders are made.
        encode: Of `FORMATS`.
        columns: What each is.
        rows: Values by column; one that is missing is empty.

    Raises:
        ConfigurationError: If it cannot be written there.
    """
    content = encode(columns, rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error}") from None
    write_whole(path, content)
    return content


def _csv(columns: Columns, rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return (
        repr(value) if isinstance(value, float) else str(value)
    )  # repr: the shortest that is the same float


def _parquet(columns: Columns, rows: Sequence[Row]) -> bytes:
    pyarrow, parquet = require_pyarrow()
    kinds = {
        ColumnKind.TIME: pyarrow.timestamp("ms", "UTC"),
        ColumnKind.TEXT: pyarrow.string(),
        ColumnKind.WHOLE: pyarrow.int64(),
        ColumnKind.NUMBER: pyarrow.float64(),
    }
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    table = {name: [row.get(name) for row in rows] for name in columns}
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pydict(table, schema=schema), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def require_pyarrow() -> tuple[Any, Any]:
    """Return the modules that write Parquet.

    Raises:
        ConfigurationError: If they are not installed, with what to do.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ConfigurationError(
            "writing Parquet needs pyarrow: install it with `pip install 'weir[parquet]'`, or take --to csv"
        ) from None
    return pyarrow, parquet


FORMATS: Mapping[str, Encode] = {"csv": _csv, "parquet": _parquet}
"""By the ending of a file's name."""
