"""Apply a record to rows so that a failure can be taken back: for the lane, and for what replays its log.

A record of a sensor changes that sensor's row. A tick of readings may touch every row: it is applied to each by itself,
beside the rules in force, which it only reads, and leaves alone those in which it fails. What concerns a whole
partition of alarms (the empty key) is applied whole, or not at all.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import TypeVar

from streams.records.rows import RULES_ROW, Row

S = TypeVar("S")

Rows = dict[str, Row[S]]


def rows_touched(rows: Rows[S], key: str | None) -> Iterator[tuple[Rows[S], str]]:
    """Yield what a record is applied to: rows, and the key of the one that it changes.

    Args:
        rows: Of the record's partition.
        key: Of the record; ``None``: it is a tick.
    """
    if key is not None:
        yield rows, key
        return
    beside = {RULES_ROW: rows[RULES_ROW]} if RULES_ROW in rows else {}
    for each in sorted(rows) or [""]:
        yield ({**beside, each: rows[each]} if rows else {}), each


def copied(rows: Rows[S], key: str) -> Rows[S]:
    """Copy what a record may change, before it is applied.

    Args:
        rows, key: From `rows_touched`.
    """
    if key:
        return {key: deepcopy(rows[key])} if key in rows else {}
    return deepcopy(rows)


def take_back(rows: Rows[S], key: str, before: Rows[S]) -> None:
    """Give rows back what they had: the same objects, since others have them, too.

    Args:
        rows, key: From `rows_touched`.
        before: From `copied`.
    """
    for new in [key] if key else list(rows):
        if new not in before:
            rows.pop(new, None)
    for each, was in before.items():
        row = rows.setdefault(each, was)
        row.state, row.applied_through, row.seen_ms = was.state, was.applied_through, was.seen_ms
