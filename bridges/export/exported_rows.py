"""Rows of files from documents of MongoDB: what each collection has for columns, and to which day a row belongs.

readings     collected_at, sensor_id, sequence, and a column for each quantity: `--source` reads them again
aggregates   a window with its supplements, one file a quantity
anomalies    each as of its newest change
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from streams.records.catalogue import CATALOGUE
from streams.records.types import Aggregate, Anomaly, Reading

Row = dict[str, Any]
Document = Mapping[str, Any]


class ColumnKind(StrEnum):
    """What a column holds."""

    TIME = "time"
    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"


Columns = dict[str, ColumnKind]
_NUMBERS = ("mean", "variance", "min", "max", "first", "last")
_BAND = ("score", "value", "expected", "lower", "upper")
_READING: Columns = {
    "collected_at": ColumnKind.TIME,
    "sensor_id": ColumnKind.TEXT,
    "sequence": ColumnKind.WHOLE,
}
_NO_QUANTITIES = frozenset({"_id", "metadata", *_READING})
# Files are read again by these names: a quantity that is called so would be taken for something else.
_TAKEN = frozenset({*_READING, "ingested_at", "metadata", "values"})
_SERIES: Columns = {"id": ColumnKind.TEXT, "sensor_id": ColumnKind.TEXT, "quantity": ColumnKind.TEXT}
_AGGREGATE: Columns = {
    **_SERIES,
    "start": ColumnKind.TIME,
    "end": ColumnKind.TIME,
    "count": ColumnKind.WHOLE,
    **dict.fromkeys(_NUMBERS, ColumnKind.NUMBER),
    "first_at": ColumnKind.TIME,
    "last_at": ColumnKind.TIME,
    "unchecked": ColumnKind.WHOLE,
    "quantiles": ColumnKind.TEXT,
}
_ANOMALY: Columns = {
    **_SERIES,
    "state": ColumnKind.TEXT,
    **dict.fromkeys(("raised_at", "changed_at", "cleared_at"), ColumnKind.TIME),
    **dict.fromkeys(_BAND, ColumnKind.NUMBER),
    **dict.fromkeys(("direction", "cause", "severity", "rule"), ColumnKind.TEXT),
    "seen": ColumnKind.WHOLE,
}


class NoRow(Exception):
    """A document cannot be a row; the text says why."""


@dataclass(frozen=True, slots=True)
class Exported:
    """How one collection becomes files.

    Args:
        name: What people call it.
        collection: Of MongoDB, without prefix.
        time: Field by which a document stands in a range, and on a day.
        order: Fields by which documents of one sensor come: those of an index.
        row: Makes a row.
        columns: Of a file with these rows.
    """

    name: str
    collection: str
    time: str
    order: tuple[str, ...]
    row: Callable[[Document], Row]
    columns: Callable[[Iterable[Row]], Columns]

    def place(self, document: Document) -> tuple[str, str]:
        """Return the day of a document, and its quantity where a file has only one."""
        quantity = document["metadata"]["quantity"] if "metadata.quantity" in self.order else ""
        return day_of(document[self.time]), quantity


def day_of(moment: datetime) -> str:
    """Return the day of a Date, in UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).strftime("%Y-%m-%d")


def _reading_row(document: Document) -> Row:
    quantities = {name: value for name, value in document.items() if name not in _NO_QUANTITIES}
    if taken := sorted(name for name in quantities if name.lower() in _TAKEN):
        raise NoRow(f"a quantity is called {taken[0]!r}, which is another column")
    if wrong := [name for name, value in quantities.items() if type(value) is not float]:
        raise NoRow(f"{wrong[0]} must be a float, got {quantities[wrong[0]]!r}")
    return {
        "collected_at": document["collected_at"],
        "sensor_id": document["metadata"]["sensor_id"],
        "sequence": document.get("sequence"),
        **quantities,
    }


def _reading_columns(rows: Iterable[Row]) -> Columns:
    quantities = sorted({name for row in rows for name in row} - _READING.keys())
    return {**_READING, **dict.fromkeys(quantities, ColumnKind.NUMBER)}


def _plain_row(columns: Columns) -> Callable[[Document], Row]:
    def row(document: Document) -> Row:
        found = {"id": document["_id"].binary.hex(), **document["metadata"]}
        found |= {name: document.get(name) for name in columns if name not in found}
        if found.get("quantiles") is not None:
            found["quantiles"] = json.dumps(found["quantiles"])
        return found

    return row


def _fixed(columns: Columns) -> Callable[[Iterable[Row]], Columns]:
    return lambda rows: columns


EXPORTED: Mapping[str, Exported] = {
    each.name: each
    for each in (
        Exported(
            "readings", CATALOGUE.of(Reading).collection, "collected_at",
            ("metadata.sensor_id", "collected_at"), _reading_row, _reading_columns,
        ),
        Exported(
            "aggregates", CATALOGUE.of(Aggregate).collection, "start",
            ("metadata.sensor_id", "metadata.quantity", "start"), _plain_row(_AGGREGATE), _fixed(_AGGREGATE),
        ),
        Exported(
            "anomalies", CATALOGUE.of(Anomaly).collection, "raised_at",
            ("metadata.sensor_id", "raised_at"), _plain_row(_ANOMALY), _fixed(_ANOMALY),
        ),
    )
}  # fmt: skip
"""What can be exported."""


def ties_in_order(documents: Collection[Document]) -> list[Document]:
    """Put documents of one instant in order of their ids: MongoDB gives them in any."""
    return sorted(documents, key=lambda document: str(document["_id"]))
