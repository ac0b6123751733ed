"""What the pages of a reading's way and of the ledger's hops answer, as types: see `agents.views.worker_answers`."""

from typing import Any, TypedDict

from streams.reading_hops import Hop, ReadingEnd


class LedgerHop(TypedDict):
    """One hop of the ledger: what went in, and what each of it came out as.

    ``balanced`` is null where nobody can tell; ``why`` says then, and where it does not balance, what is wrong.
    """

    name: str
    went_in: int
    came_out: dict[str, int]
    balanced: bool | None
    why: str


class TracedAnswer(TypedDict):
    """A reading: its hops in their order, and where it ends. ``values`` by quantity, times in seconds of the epoch."""

    id: str
    sensor_id: str
    label: str
    collected_at: float
    values: dict[str, float]
    hops: list[Hop]
    ends: ReadingEnd
    documents: dict[str, int]


class TraceAnswer(TypedDict):
    """What was found of one reading, or of those of one sensor and time.

    ``beyond`` more are not traced; ``perhaps`` are dead letters that may be what became of it, where none was found;
    ``not_looked_at`` says what could not be looked into, or not to its end, and why; ``records`` of the log were read.
    """

    readings: list[TracedAnswer]
    beyond: int
    perhaps: list[dict[str, Any]]
    not_looked_at: dict[str, str]
    records: int
