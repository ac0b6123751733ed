"""A stage at work on one batch: its outcome becomes results and counts.

    batch ──▶ read ──▶ run (changes rows) ──▶ encode ──▶ what is held until the checkpoint

Whatever can fail comes before anything is held. If it does, rows may be half changed: the lane takes them back, and
`agents.lane.core.careful` finds the record that is to blame.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from time import perf_counter
from typing import Any, Generic, TypeVar, cast

import msgspec

from agents.counts import Applied, Counts
from agents.lane.core.batch import Batch, Unreadable
from agents.lane.core.bounds import LARGEST_RESULT
from agents.lane.core.changelog import KeyValue, TopicPartition
from agents.lane.core.stage import Stage, StageOutcome, Writes
from agents.lane.core.state import WriteBehindState
from streams.errors import WeirError
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
        partitions: Of every topic.
    """

    topic: Callable[[TopicSpec], str]
    partition: Callable[[bytes | None], int]
    counts: Counts
    partitions: int = 1


@dataclass(slots=True)
class Effects(Generic[O]):
    """What is to be held of a batch that was applied.

    Args:
        outcome: What came of it.
        results: Records by topic and partition, in order.
        letters: Dead letters with their keys.
        unreadable: How many records could not be read.
        awaited: Somebody waits for one of the results.
    """

    outcome: O
    results: list[tuple[TopicPartition, list[KeyValue]]]
    letters: list[tuple[bytes, DeadLetter]]
    unreadable: int
    awaited: bool


class StageWork(Generic[P, R, S, O]):
    """A stage in its application.

    Args:
        stage: The stage.
        around: The application.
    """

    def __init__(self, stage: Stage[P, R, S, O], around: Surroundings) -> None:
        self.stage = stage
        self.around = around
        self.dead_letters = around.topic(LETTERS.topic)
        # Once for each result: what `RecordType.key` and `RecordType.encode` do, without the calls.
        self._targets = [
            (around.topic(writes.kind.topic), attrgetter(writes.kind.key_field), writes)
            for writes in stage.writes
            if writes.kind is not LETTERS
        ]
        self._refused: list[Writes[O]] = [writes for writes in stage.writes if writes.kind is LETTERS]

    def effects(self, rows: dict[str, Row[S]], batch: Batch, contained: int = 0) -> Effects[O]:
        """Apply a batch to rows, and encode what is to be held of it.

        Args:
            rows: Of the batch's partition; half changed if this fails.
            batch: The batch.
            contained: Up to where (exclusive) the rows contain the log, where it is read again after a crash. Each row
                knows that of itself, too, but not one that has left.
        """
        stage, partition = self.stage, batch.partition
        readable, unreadable = stage.read(batch)
        if batch.start < contained:
            known = list(readable)
            news: Any = [each for each in known if cast(Any, each)[0] >= contained]
            if stage.sets_aside:
                self.around.counts.readings_skipped += len(known) - len(news)
            readable, unreadable = news, [each for each in unreadable if each.record.offset >= contained]
        outcome = stage.run(stage.plan, rows, readable)
        results: list[tuple[TopicPartition, list[KeyValue]]] = []
        awaited = False
        for topic, key_of, writes in self._targets:
            made = writes.records(outcome, partition) if writes.tells_source else writes.records(outcome)
            records: list[KeyValue] = [(key_of(record).encode(), encode(record)) for record in made]
            for key, value in records:
                _check_size(topic, key, value)
            awaited |= writes.awaited and bool(records)
            if writes.keyed_anew:
                results += self._keyed_anew(topic, records)
            elif records:
                results.append(((topic, partition), records))
        return Effects(outcome, results, self._letters(batch, outcome, unreadable), len(unreadable), awaited)

    def _keyed_anew(self, topic: str, records: list[KeyValue]) -> list[tuple[TopicPartition, list[KeyValue]]]:
        """Return records by the partition of their key, in their order; those without a key are in every partition."""
        by_partition: dict[int, list[KeyValue]] = {}
        for record in records:
            for each in [self.around.partition(record[0])] if record[0] else range(self.around.partitions):
                by_partition.setdefault(each, []).append(record)
        return [((topic, each), found) for each, found in by_partition.items()]

    def hold(
        self, state: WriteBehindState[S], batch: Batch, effects: Effects[O], seconds: float | None
    ) -> None:
        """Hold the effects of a batch until the next checkpoint.

        Args:
            state: Whose rows have it.
            batch: The batch.
            effects: What came of it.
            seconds: How long it took; ``None``: it was counted before.
        """
        partition = batch.partition
        for target, records in effects.results:
            state.results(target, partition, records)
        if effects.awaited:
            state.held.parts[partition].awaited = True
        for key, letter in effects.letters:
            self.set_aside(state, partition, key, letter)
        if seconds is not None:
            self.stage.count(self.around.counts, effects.outcome, Applied(effects.unreadable, seconds))

    def set_aside(self, state: WriteBehindState[S], partition: int, key: bytes, letter: DeadLetter) -> bool:
        """Hold a dead letter, unless the same was written before a crash; tells whether it is held.

        Args:
            state: Remembers up to where records are set aside.
            partition: The source partition.
            key: The letter's key.
            letter: It has the offset of the record that it is about.
        """
        first = state.set_aside(partition, letter.offset or 0)
        if first:
            state.results((self.dead_letters, partition), partition, [(key, LETTERS.encode(letter))])
        return first

    def _letters(
        self, batch: Batch, outcome: O, unreadable: list[Unreadable]
    ) -> list[tuple[bytes, DeadLetter]]:
        """Return the dead letters of a batch by offset: the mark of what is set aside goes by it."""
        letters = [
            (LETTERS.key(letter) or b"", msgspec.structs.replace(letter, partition=batch.partition))
            for writes in self._refused
            for letter in writes.records(outcome)
        ]
        if self.stage.sets_aside:
            key = batch.topic.encode()
            letters += [
                (key, from_kafka(batch.topic, batch.partition, record, error)) for record, error in unreadable
            ]
        if len(letters) > 1:
            letters.sort(key=lambda each: each[1].offset or 0)
        return letters

    def apply(self, state: WriteBehindState[S], batch: Batch) -> Mapping[str, Row[S]]:
        """Apply a batch to the rows of a state, hold its effects, and return the rows that changed."""
        begun = perf_counter()
        contained = state.claim_of(batch.partition).next
        effects = self.effects(state.rows[batch.partition], batch, contained)
        self.hold(state, batch, effects, perf_counter() - begun)
        return effects.outcome.changed


def _check_size(topic: str, key: Any, value: Any) -> None:
    """Refuse a result that no record can hold.

    Raises:
        WeirError: With topic and sizes.
    """
    if len(value) + len(key) > LARGEST_RESULT:
        raise WeirError(
            f"a record for {topic} must have at most {LARGEST_RESULT} bytes, got {len(value)} with a key of {len(key)}"
        )
