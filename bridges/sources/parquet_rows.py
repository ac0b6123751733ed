"""Rows of a Parquet file: only the columns that a reading has, and never more of them at once than fits.

A Parquet file can be a thousand times smaller than what it unpacks into: a few kilobytes hold a column of millions of
equal texts. So only columns with a name of a reading's field, or with numbers, are read; texts are unpacked once each,
not once for every row, and cut beyond the length of any name or time; a batch has so many cells, not so many rows; and
a column that claims to be far larger than what the file holds of it is refused.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridges.process.logs import get_logger
from streams.errors import ConfigurationError

log = get_logger(__name__)

# As rows of Python objects a batch takes some tens of bytes a cell.
MOST_CELLS = 100_000
MOST_COLUMNS = 1_000
# Longer than any sensor id (128) or time, so what is cut is refused as it would have been.
MOST_CHARACTERS = 200
# A column of one row group beyond this must not be so many times larger than what the file holds of it.
SUSPICIOUS_BYTES = 64 * 1024 * 1024
MOST_TIMES = 100
_METADATA, _VALUES = "metadata", "values"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is read of a file: paths of columns, and which of them are texts."""

    columns: list[str]
    texts: list[str]


def parquet_rows(path: Path, names: Collection[str]) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield each row as an object, and the share of the file that is read with it.

    Args:
        path: The file.
        names: Columns that may hold texts or times: those of a reading's fields. ``metadata.<name>`` counts, too;
            quantities are columns of numbers, also those of a structure ``values``.

    Raises:
        ConfigurationError: If the file cannot be read, or unpacks into too much.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise ConfigurationError(
            f"{path}: reading Parquet needs pyarrow: install it with `pip install 'weir[parquet]'`"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            wanted = _wanted(path, file, names)
            _check_sizes(path, file.metadata, wanted.columns)
        with parquet.ParquetFile(path, read_dictionary=wanted.texts, pre_buffer=False) as file:
            total, number = max(1, file.metadata.num_rows), 0
            size = max(1, MOST_CELLS // max(1, len(wanted.columns)))
            for batch in file.iter_batches(batch_size=size, columns=wanted.columns):
                for row in _objects(batch):
                    number += 1
                    yield row, number / total
    except (OSError, ArrowException) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from None


def _wanted(path: Path, file: Any, names: Collection[str]) -> _Wanted:
    """Choose the columns that a reading has; name those that are left out."""
    from pyarrow import types

    columns: list[str] = []
    texts: list[str] = []
    left_out: list[str] = []
    for field in file.schema_arrow:
        if field.name == _METADATA and types.is_struct(field.type):
            inner = [each for each in field.type if each.name in names]
            columns += [f"{_METADATA}.{each.name}" for each in inner]
            texts += [f"{_METADATA}.{each.name}" for each in inner if _is_text(each.type)]
        elif field.name == _VALUES and types.is_struct(field.type):
            columns += [f"{_VALUES}.{each.name}" for each in field.type if _is_number(each.type)]
        elif _is_number(field.type):
            columns.append(field.name)
        elif field.name in names and (_is_text(field.type) or types.is_timestamp(field.type)):
            columns.append(field.name)
            texts += [field.name] if _is_text(field.type) else []
        elif not types.is_null(field.type):
            left_out.append(f"{field.name} ({field.type})"[:80])
    if not columns:
        raise ConfigurationError(
            f"{path}: expected columns of a reading ({', '.join(sorted(names))}, numbers)"
        )
    if len(columns) > MOST_COLUMNS:
        raise ConfigurationError(
            f"{path}: a file may have {MOST_COLUMNS} columns of numbers, got {len(columns)}"
        )
    if left_out:
        log.warning("parquet.columns_left_out", file=str(path), columns=left_out[:20], count=len(left_out))
    return _Wanted(columns, texts)


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind))


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _check_sizes(path: Path, metadata: Any, columns: Collection[str]) -> None:
    """Refuse what unpacks into far more than the file holds."""
    wanted = frozenset(columns)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for at in range(group.num_columns):
            column = group.column(at)
            whole, packed = column.total_uncompressed_size, max(1, column.total_compressed_size)
            if column.path_in_schema in wanted and whole > max(SUSPICIOUS_BYTES, MOST_TIMES * packed):
                raise ConfigurationError(
                    f"{path}: column {column.path_in_schema} unpacks from {packed:,} into {whole:,} bytes in one row "
                    "group: write the file again in smaller row groups"
                )


def _objects(batch: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch."""
    names = batch.schema.names
    for cells in zip(*(_cells(column) for column in batch.columns), strict=True):
        yield dict(zip(names, cells, strict=True))


def _cells(column: Any) -> list[Any]:
    """Return a column's values: a text that many rows have is one object."""
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_struct(kind):
        parts = [_cells(each) for each in column.flatten()]
        names = [each.name for each in kind]
        return [dict(zip(names, cells, strict=True)) for cells in zip(*parts, strict=True)]
    if types.is_dictionary(kind):
        texts = compute.utf8_slice_codeunits(column.dictionary, 0, MOST_CHARACTERS).to_pylist()
        return [None if at is None else texts[at] for at in column.indices.to_pylist()]
    if types.is_timestamp(kind):  # Python's own have no nanoseconds
        column = column.cast(pyarrow.timestamp("us", kind.tz), safe=False)
    found: list[Any] = column.to_pylist()
    return found
