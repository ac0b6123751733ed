"""One step of the pipeline, as a value: what it reads, how it works, and what it writes.

    topic ──▶ read ──▶ run(plan, rows, records) ──▶ outcome ──▶ results ──▶ topics
                            ▲      │
                            └ rows ┴──▶ table (changelog)

A stage holds nothing and does nothing by itself: `agents.lane.lane_app.LaneApp.add` puts it to work.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from agents.counts import Applied, Counts
from agents.lane.core.batch import Batch, Unreadable
from agents.lane.core.changelog import RowForm
from streams.errors import InputError
from streams.records.record_type import RecordType
from streams.records.rows import Row

M = TypeVar("M", bound=msgspec.Struct)
P = TypeVar("P")
R = TypeVar("R")
S = TypeVar("S")


class StageOutcome(Protocol):
    """What came of some records: every stage tells at least which rows changed."""

    @property
    def changed(self) -> Mapping[str, Row[Any]]:
        """Return the rows that changed, by key, in the order of their first change."""


O = TypeVar("O", bound=StageOutcome)  # noqa: E741


@dataclass(frozen=True)
class Writes(Generic[O]):
    """A type of record that a stage writes.

    Args:
        kind: Its entry in the catalogue: topic, key and encoding.
        records: Those of an outcome, in order.
        keyed_anew: They go to the partition of their key, not to that of what they were made of; those with an empty
            key go to every partition.
        tells_source: ``records`` is given the partition that they were made of, beside the outcome.
        awaited: Somebody waits for them: batches are applied as they come, and such a record makes its checkpoint.
    """

    kind: RecordType[Any]
    records: Callable[..., Iterable[Any]]
    keyed_anew: bool = False
    tells_source: bool = False
    awaited: bool = False


@dataclass(frozen=True)
class Stage(Generic[P, R, S, O]):
    """One step of the pipeline.

    Args:
        name: Of its agent: verb and object.
        reads: The type of record that it reads, and by it the topic.
        table: Of its rows; on disk it names the changelog, so that another name is a table that begins empty.
        form: How a row begins, is written (whole, changes) and comes back.
        plan: What the settings say of its work.
        read: Reads a batch: records with their offsets, and what is none.
        run: Applies records of one partition, in offset order, to the rows of that partition. Pure: it knows no
            clock, no topic, and no Faust; a replay calls the same.
        writes: What of an outcome becomes records.
        count: Adds an outcome to the counts.
        sets_aside: Write what cannot be read to `dead-letters`: one stage of each topic does.
        release: Let go of each batch's records once applied: only where nobody else reads the topic.
        prompt: Somebody waits for what becomes of each record, and there are few: they are fetched as they come.
    """

    name: str
    reads: RecordType[Any]
    table: str
    form: RowForm[S]
    plan: P
    read: Callable[[Batch], tuple[Iterable[R], list[Unreadable]]]
    run: Callable[[P, dict[str, Row[S]], Iterable[R]], O]
    writes: tuple[Writes[O], ...]
    count: Callable[[Counts, O, Applied], None]
    sets_aside: bool = False
    release: bool = False
    prompt: bool = False

    @property
    def is_awaited(self) -> bool:
        """Tell whether somebody waits for something that it writes."""
        return any(writes.awaited for writes in self.writes)


def decoded_as(kind: RecordType[M]) -> Callable[[Batch], tuple[list[tuple[int, M]], list[Unreadable]]]:
    """Return what reads a batch whose records are all of one type: offset and content of each."""

    def read(batch: Batch) -> tuple[list[tuple[int, M]], list[Unreadable]]:
        readable, unreadable = [], []
        for record in batch.records:
            try:
                readable.append((record.offset, kind.read(record.value or b"")))
            except InputError as error:
                unreadable.append(Unreadable(record, error))
        return readable, unreadable

    return read


def count_nothing(counts: Counts, outcome: object, applied: Applied) -> None:
    """Count nothing: for a stage whose work shows elsewhere. Arguments: as `Stage.count`."""
