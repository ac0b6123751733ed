"""Faust's own pages of tables, for tables of the lane: the same paths, and rows as JSON.

Faust looks up a key as text in a table whose keys are bytes, and in one from which the rows have gone: the lane has
them (`agents.lane.core.state`). So each key was 404.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from faust.types import TP

from agents.web.queries import Json
from streams.records.rows import RULES_ROW

if TYPE_CHECKING:
    from agents.lane.core.state import WriteBehindState
    from agents.lane.lane_app import LaneApp
    from streams.records.rows import Row

S = TypeVar("S")
Found = tuple[int, "Row[S]"]
"""A row, and before it its partition."""


def owned_rows(app: "LaneApp", state: "WriteBehindState[S] | None") -> "Iterator[dict[str, Row[S]]]":
    """Yield the rows of each partition that an application owns, by key.

    Args:
        app: The application.
        state: The table's; ``None``: it has none.
    """
    if state is not None:
        for partition in app.owned_partitions():
            yield state.rows.get(partition, {})


def found_row(app: "LaneApp", state: "WriteBehindState[S] | None", key: str) -> "Found[S] | None":
    """Return a row that an application owns, with its partition; ``None`` if it does not have it.

    Args:
        app: The application.
        state: The table's; ``None``: it has none.
        key: The row's.
    """
    if state is not None:
        for partition in sorted(app.owned_partitions()):
            row = state.rows.get(partition, {}).get(key)
            if row is not None:
                return partition, row
    return None


def sensor_rows(app: "LaneApp", state: "WriteBehindState[S] | None") -> "Iterator[tuple[str, Row[S]]]":
    """Yield the sensors of the partitions that an application owns, each with its row; rules in force are none.

    Args:
        app: The application.
        state: Of a table whose rows are those of sensors; ``None``: it has none.
    """
    for rows in owned_rows(app, state):
        for key, row in rows.items():
            if key != RULES_ROW:
                yield key, row


def count_sensors(app: "LaneApp", state: "WriteBehindState[S] | None") -> int:
    """Count what `sensor_rows` yields.

    Args:
        app, state: As there.
    """
    return sum(len(rows) - (RULES_ROW in rows) for rows in owned_rows(app, state))


def describe_table(state: "WriteBehindState[Any]") -> Json:
    """Return name and help of a table."""
    return {
        "name": state.name,
        "help": f"rows by key, made of {state.source}; durable in {state.changelog}. /table/{state.name}/KEY/ is one",
    }


def state_of(app: "LaneApp", table: str) -> "WriteBehindState[Any] | None":
    """Return the state of a table; ``None`` if there is none of that name."""
    return next((state for state in app.lane.states if state.name == table), None)


def counted(app: "LaneApp", state: "WriteBehindState[Any]") -> Json:
    """Return name, help, and the rows of each partition that this application owns."""
    owned = app.owned_partitions()
    rows = {partition: len(rows) for partition, rows in sorted(state.rows.items()) if partition in owned}
    return {**describe_table(state), "rows": rows}


def row_of(app: "LaneApp", state: "WriteBehindState[Any]", key: str) -> Json | None:
    """Return a row as plain values; ``None`` if this application does not have it.

    Args:
        app: Only rows of partitions that it owns are told.
        state: The table's.
        key: The row's.
    """
    found = found_row(app, state, key)
    if found is None:
        return None
    partition, row = found
    return {
        "table": state.name,
        "key": key,
        "partition": partition,
        "applied_through": row.applied_through,
        "value": state.as_values(row),
    }


def by_topic(assignment: Iterable[TP]) -> dict[str, list[int]]:
    """Return the partitions of an assignment by topic, both sorted.

    >>> by_topic({TP("readings", 1), TP("anomalies", 0), TP("readings", 0)})
    {'anomalies': [0], 'readings': [0, 1]}
    """
    found: dict[str, list[int]] = {}
    for tp in sorted(assignment):
        found.setdefault(tp.topic, []).append(tp.partition)
    return found
