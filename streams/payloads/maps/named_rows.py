"""Tables in a message: values in rows or columns, with their names beside them, become objects.

    {"columns": ["time", "t"], "data": [[1795149960, 21.5], [1795149970, 21.6]]}
    tables = [{ names = "columns", rows = "data" }]         data[*] is {"time": 1795149960, "t": 21.5}, ...

    {"hourly": {"time": ["2026-11-20T04:00Z", "2026-11-20T05:00Z"], "t": [4.5, 4.1]}}
    tables = [{ columns = "hourly" }]                       hourly[*] is {"time": "2026-11-20T04:00Z", "t": 4.5}, ...

    {"1795149960": {"t": 21.5}}
    tables = [{ rows = "*", key = "time" }]                 * is {"time": "1795149960", "t": 21.5}

    {"data": [{"label": "t", "value": 21.5, "date": "2026-11-20T04:42:00Z"}]}
    tables = [{ rows = "data[*]", name = "label", value = "value" }]
                                                            data[0] is {"t": 21.5, "date": "2026-11-20T04:42:00Z"}

A row that does not have a value for each name is refused, and an empty object.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from streams.errors import ConfigurationError, InputError, Reason, shown
from streams.payloads.maps.gathering import Notes
from streams.payloads.maps.model import Table, texts
from streams.payloads.maps.paths import MAX_PARTS, Path, Reached, compile_path, find

_MAX_COLUMNS: Final = 512
Way = tuple[str, ...]


class TableReader:
    """One of a rule's ``tables``, compiled.

    Args:
        table: As the map has it.

    Raises:
        ConfigurationError: If it does not say where names and rows are, rows and a key, or columns.

    >>> reader = TableReader(Table(names="names", rows="at.*", key="time"))
    >>> reader.read({"names": ["t"], "at": {"04:46": [21.5]}}, Notes(wanted=False))["at"]["04:46"]
    {'time': '04:46', 't': 21.5}
    """

    def __init__(self, table: Table) -> None:
        self._name, self._value, self._apart = (
            tuple(filter(None, texts(each))) for each in (table.name, table.value, table.apart)
        )
        by_row = bool(table.rows and (table.names or table.key or (self._name and self._value)))
        if by_row == (table.columns is not None) or bool(table.rows or table.names or self._name) != by_row:
            raise ConfigurationError(
                "tables: each must have names and rows, rows and a key, rows with a name and a value, or columns"
            )
        self._at = compile_path(table.at)
        self._names = compile_path(table.names) if table.names else None
        self._values = compile_path(table.rows if by_row else table.columns or "")
        self._by_row = by_row
        self._key = table.key
        self._told = frozenset((*self._name, *self._value, *self._apart))
        self._without = frozenset(table.without)

    def read(self, document: Any, notes: Notes) -> Any:
        """Return a document with objects in place of the rows; the one that was given stays as it is.

        Args:
            document: The document.
            notes: Collects the rows that are refused.
        """
        own: set[int] = set()
        for holder in find(self._at, document):
            if (objects_of := self._reading(holder, notes)) is None:
                continue
            for place in find(self._values, holder.value):
                way = (*holder.way, *place.way)
                if (read := objects_of(place.value, way)) is not None:
                    document = _put(document, way, read, own)
        return document

    def _reading(self, holder: Reached, notes: Notes) -> Callable[[Any, Way], Any] | None:
        """Return what makes objects of the values of one table; `None` if it has no names."""
        if not self._by_row:
            return partial(self._of_columns, notes)
        if self._name:
            return self._of_named
        if self._names is None:
            return self._of_object
        try:
            names = self._names_in(self._names, holder.value)
        except InputError as error:
            notes.refuse(holder.way, error)
            return lambda _values, _way: {}
        return None if names is None else partial(self._of_rows, notes, names)

    def _names_in(self, path: Path, holder: Any) -> Sequence[str] | None:
        """Return the names of a table; `None` if there are none."""
        found = [each.value for each in find(path, holder)]
        if len(found) == 1 and type(found[0]) is list:
            found = found[0]
        if not found:
            return None
        if len(found) > _MAX_COLUMNS:
            raise InputError(
                Reason.TOO_LARGE, f"a row must have at most {_MAX_COLUMNS} names, got {len(found)}"
            )
        if not all(type(each) is str for each in found):
            raise InputError(Reason.WRONG_SHAPE, f"names of a row must be texts, got {shown(found)}")
        if len(set(found)) < len(found):
            raise InputError(
                Reason.BAD_QUANTITY, f"no two values of a row may have one name, got {shown(found)}"
            )
        return found if self._without.isdisjoint(found) else None

    def _of_rows(self, notes: Notes, names: Sequence[str], rows: Any, way: Way) -> Any:
        """Return an object in place of a row, or a list of them in place of several; `None` if there is no row."""
        if type(rows) is not list:
            return None
        if rows and all(type(row) is list for row in rows):
            if len(rows) > MAX_PARTS:
                notes.refuse(
                    way, InputError(Reason.TOO_LARGE, f"must be at most {MAX_PARTS} rows, got {len(rows)}")
                )
                return []
            return [_object(names, row, (*way, f"[{number}]"), notes) for number, row in enumerate(rows)]
        read = _object(names, rows, way, notes)
        return {self._key: way[-1], **read} if self._key and way and read else read

    def _of_object(self, row: Any, way: Way) -> dict[str, Any] | None:
        """Return a row that is an object, with the name that it had; `None` if it is none."""
        return {self._key: way[-1], **row} if type(row) is dict and way else None

    def _of_named(self, row: Any, _way: Way) -> dict[str, Any] | None:
        """Return a row with its value under the name that it gives; `None` if it gives none."""
        if type(row) is not dict or not self._without.isdisjoint(row):
            return None
        name = next((each for each in self._name if each in row), None)
        value = next((each for each in self._value if each in row), None)
        if name is None or value is None or type(row[name]) not in (str, int):
            return None
        apart = next(
            (row[each] for each in self._apart if each != name and type(row.get(each)) in (str, int)), ""
        )
        others = {key: each for key, each in row.items() if key not in self._told}
        return {**others, "_".join(map(str, filter(None, (row[name], apart)))): row[value]}

    def _of_columns(self, notes: Notes, table: Any, way: Way) -> list[dict[str, Any]] | None:
        """Return the rows of an object of columns; `None` if it is none."""
        if type(table) is not dict or not self._without.isdisjoint(table):
            return None
        columns = {name: each for name, each in table.items() if type(each) is list}
        lengths = sorted({len(each) for each in columns.values()})
        if not columns:
            return None
        if len(lengths) > 1 or lengths[0] > MAX_PARTS:
            detail = f"columns must be of one length, at most {MAX_PARTS}, got {', '.join(map(str, lengths))}"
            notes.refuse(way, InputError(Reason.WRONG_SHAPE, detail))
            return []
        return list(_rows(table, columns, lengths[0]))


def _object(names: Sequence[str], row: Sequence[Any], way: Way, notes: Notes) -> dict[str, Any]:
    if len(row) == len(names):
        return dict(zip(names, row, strict=True))
    detail = f"a row must have as many values as there are names, {len(names)}, got {len(row)}"
    notes.refuse(way, InputError(Reason.WRONG_SHAPE, detail))
    return {}


def _rows(table: dict[str, Any], columns: dict[str, list[Any]], count: int) -> Iterator[dict[str, Any]]:
    same = {name: value for name, value in table.items() if name not in columns}
    for number in range(count):
        yield {**same, **{name: values[number] for name, values in columns.items()}}


def _put(document: Any, way: Way, value: Any, own: set[int]) -> Any:
    """Return a document with another value at the end of a way, in copies of all that holds it.

    Args:
        document, way, value: The document, and what stands where.
        own: Which objects and arrays are copies already; added to.
    """
    if not way:
        return value
    if id(document) not in own:
        document = document.copy()
        own.add(id(document))
    place = way[0] if type(document) is dict else int(way[0][1:-1])
    document[place] = _put(document[place], way[1:], value, own)
    return document
