"""What the pages of one row of a table answer, as types: see `agents.views.worker_answers`."""

from typing import Any, NotRequired, TypedDict


class TableAbout(TypedDict):
    """A table: what it holds, the topic it is made of, and that in which it is durable; rows over all workers."""

    name: str
    text: str
    source: str
    changelog: str
    rows: int


class TablesAnswer(TypedDict):
    """The tables; ``missing`` workers' rows are not counted."""

    tables: list[str]
    about: list[TableAbout]
    missing: list[str]


class RowPart(TypedDict):
    """One part of a row: its path, its value, and what it means. Times are seconds of the Unix epoch."""

    path: list[str]
    value: Any
    means: str


class PartDifference(TypedDict):
    """A part in which two rows differ; null where one does not have it."""

    path: list[str]
    before: Any
    after: Any
    means: str


class RowAnswer(TypedDict):
    """A row as its worker has it now.

    ``applied_through`` is the offset of ``source`` up to which it contains every record, ``reached`` that which comes
    next in its partition; ``end`` is where that partition ends: what lies between is not in the rows yet.
    """

    table: str
    key: str
    worker: str
    source: str
    changelog: str
    partition: int
    applied_through: int
    seen_at: float | None
    reached: int | None
    end: NotRequired[int | None]
    parts: list[RowPart]


class RowState(TypedDict):
    """A row as one record of its changelog left it.

    ``kind`` is ``whole``, ``changes`` (what had changed of it was written), ``gone`` (there is no row any more) or
    ``unreadable``, with ``why``; ``differences`` are those to the state before, of which ``untold`` more are left out.
    """

    offset: int
    at: float
    kind: str
    bytes: int
    applied_through: int | None
    why: str
    differences: list[PartDifference]
    untold: int


class RowHistory(TypedDict):
    """The newest records of a row in its changelog, newest first.

    ``begin`` and ``end`` are offsets of the changelog; ``looked_at`` records were read, back to ``reached``;
    ``stopped`` says why not further, where there may be more.
    """

    table: str
    key: str
    changelog: str
    partition: int
    begin: int
    end: int
    looked_at: int
    reached: int
    stopped: str
    records: list[RowState]


class RowReplayed(TypedDict):
    """What a replay of the log gives for a key against what its table holds durably.

    Both are of the log before offset ``through`` of ``source``. ``equal`` is null where that cannot be told; ``why``
    says so, and whether the log still has all that the row was made of. ``records`` were read.
    """

    table: str
    key: str
    source: str
    partition: int
    begin: int
    through: int
    records: int
    seconds: float
    equal: bool | None
    why: str
    differences: list[PartDifference]
    untold: int
