"""The history of a row: each record of its changelog as the row that it left, and what changed between them.

changelog   W      c      c      W      gone        W: written whole, c: what had changed
rows        r0     r0+c   r0+c   r1     none        each described, and compared with the one before
"""

from collections.abc import Callable, Sequence
from typing import Any

from agents.lane.core.state import WriteBehindState
from agents.views.inside.row_words import first_differences
from agents.views.inside.table_answers import RowState
from agents.web.queries import Json
from bridges.looking.changelog_search import RowRecord
from streams.errors import WeirError
from streams.records.large_values import is_part
from streams.records.rows import CHANGES, RULES_ROW, Row

_COMPACTED = "what it changes is not there any more: compaction has kept only what is newer"


class RowReader:
    """Reads what records of a changelog left of one row.

    Args:
        state: Of its table.
        partition: Of the changelog.
        key: The row's.
        describe: Describes a state.
        beside: Rows that count beside it: the rules of its partition.
    """

    def __init__(
        self,
        state: WriteBehindState[Any],
        partition: int,
        key: str,
        describe: Callable[[Any], Json],
        beside: dict[str, Row[Any]] | None = None,
    ) -> None:
        self._state = state
        self._partition = partition
        self._key = key
        self._describe = describe
        self._beside = beside or {}

    def row(self, newest: dict[bytes, bytes], rules: Row[Any] | None = None) -> Row[Any] | None:
        """Return the row that the newest values of its keys make; ``None`` if there is none.

        Args:
            newest: Of its keys; stays as it is.
            rules: The row of the rules that count for it, instead of those that it was read beside.

        Raises:
            WeirError: If they cannot be read.
        """
        beside = self._beside if rules is None else {RULES_ROW: rules}
        return self._state.rows_in(dict(newest), self._partition, beside).get(self._key)

    def described(self, row: Row[Any] | None) -> Json:
        """Describe a row; empty if there is none."""
        return {} if row is None else {"applied_through": row.applied_through, **self._describe(row.state)}

    def states(self, records: Sequence[RowRecord], most: int) -> list[RowState]:
        """Return what each record left, newest first.

        Args:
            records: Of the row, oldest first.
            most: How many at most.
        """
        own, newest, found, before = self._key.encode(), dict[bytes, bytes](), list[RowState](), Json()
        known = False
        for number, record in enumerate(records):
            keep_newest(newest, record)
            if number + 1 < len(records) and is_part(records[number + 1].key):
                continue  # a large one: the parts that follow belong to it
            written = _with_parts(records, number)
            told = _told(written)
            if record.value is None:
                if record.key == own:
                    newest.clear()
                    found.append({**told, "kind": "gone"})
                    before, known = {}, True
                continue
            if written[0].key == own + CHANGES and own not in newest:
                found.append({**told, "kind": "unreadable", "why": _COMPACTED})
                continue
            try:
                row = self.row(newest)
            except WeirError as error:
                found.append({**told, "kind": "unreadable", "why": str(error)})
                continue
            now = self.described(row)
            told["applied_through"] = None if row is None else row.applied_through
            if known:
                told["differences"], told["untold"] = first_differences(before, now)
            else:
                told["why"] = "the oldest that is there: nothing to compare it with"
            found.append(told)
            before, known = now, True
        return found[::-1][:most]


def keep_newest(newest: dict[bytes, bytes], record: RowRecord) -> None:
    """Take a record in among the newest values of a row's keys.

    Args:
        newest: By key; changed.
        record: It.
    """
    if record.value is None:
        newest.pop(record.key, None)
    else:
        newest[record.key] = record.value


def _with_parts(records: Sequence[RowRecord], number: int) -> Sequence[RowRecord]:
    """Return the record whose parts end at a number, and these: one that is not large has none."""
    head = number
    while head > 0 and is_part(records[head].key):
        head -= 1
    return records[head : number + 1]


def _told(written: Sequence[RowRecord]) -> RowState:
    head = written[0]
    return {
        "offset": head.offset,
        "at": head.at,
        "kind": "changes" if head.key.endswith(CHANGES) else "whole",
        "bytes": sum(len(each.value or b"") for each in written),
        "applied_through": None,
        "why": "",
        "differences": [],
        "untold": 0,
    }
