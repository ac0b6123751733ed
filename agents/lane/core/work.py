"""A stage at work on one batch: its outcome becomes results and counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from time import perf_counter
from typing import TypeVar

from agents.counts import Applied, Counts
from agents.lane.core.batch import Batch, Unreadable
from agents.lane.core.stage import Stage, StageOutcome
from agents.lane.core.state import WriteBehindState
from streams.records.catalogue import CATALOGUE
from streams.records.dead_letters import from_kafka
from streams.records.record_type import TopicSpec
from streams.records.rows import Row
from streams.records.types import DeadLetter, encode

P = TypeVar("P")
R = TypeVar("R")
S = TypeVar("S")
O = TypeVar("O", bound=StageOutcome)  # noqa: E741

LETTERS = CATALOGUE.of(DeadLetter)


@dataclass(frozen=True)
class Surroundings:
    """What a stage at work must know of its application.

    Args:
        topic: Name of a topic of the catalogue, with its namespace.
        partition: Partition of a key.
        counts: What is counted.
    """

    topic: Callable[[TopicSpec], str]
    partition: Callable[[bytes | None], int]
    counts: Counts


def work_of(
    stage: Stage[P, R, S, O], around: Surroundings
) -> Callable[[WriteBehindState[S], Batch], Mapping[str, Row[S]]]:
    """Return what applies a batch to the rows of a stage's state, and returns those that changed."""
    # Once for each result: what `RecordType.key` and `RecordType.encode` do, without the calls.
    targets = [
        (around.topic(writes.kind.topic), attrgetter(writes.kind.key_field), writes)
        for writes in stage.writes
    ]

    def work(state: WriteBehindState[S], batch: Batch) -> Mapping[str, Row[S]]:
        begun = perf_counter()
        partition = batch.partition
        readable, unreadable = stage.read(batch)
        outcome = stage.run(stage.plan, state.rows[partition], readable)
        for topic, key_of, writes in targets:
            records = [(key_of(record).encode(), encode(record)) for record in writes.records(outcome)]
            if not writes.keyed_anew:
                state.results((topic, partition), partition, records)
                continue
            for key, value in records:
                state.results((topic, around.partition(key)), partition, [(key, value)])
        if stage.sets_aside:
            _set_aside(state, batch, unreadable, around.topic(LETTERS.topic))
        stage.count(around.counts, outcome, Applied(len(unreadable), perf_counter() - begun))
        return outcome.changed

    return work


def _set_aside(
    state: WriteBehindState[S], batch: Batch, unreadable: list[Unreadable], dead_letters: str
) -> None:
    for record, error in unreadable:
        if state.set_aside(batch.partition, record.offset):  # not read again after a crash
            letter = from_kafka(batch.topic, batch.partition, record, error)
            written = (batch.topic.encode(), LETTERS.encode(letter))
            state.results((dead_letters, batch.partition), batch.partition, [written])
