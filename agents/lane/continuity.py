"""Check that batches of a partition follow each other without a hole: what Faust hands over is what Kafka has."""

from dataclasses import dataclass

from agents.lane.batch import Batch
from streams.topics import TopicSpec


@dataclass(slots=True)
class _Position:
    next_offset: int
    generation: int


class Continuity:
    """Follow the offsets of each partition of one topic, as one agent sees them.

    Offsets of a topic that is neither compacted nor written in transactions have no gaps, so within one generation
    of the consumer group each batch begins where the one before ended. Between generations another worker may have
    gone on (a jump ahead), or what was not committed comes again (a jump back).

    Args:
        topic: Which topic; in a transactional one nothing can be said about missing records.

    Attributes:
        taken: Records seen.
        repeated: Those of them that this worker had seen before.
        missing: Records that were skipped over: lost in here, or deleted by retention before they were read.
    """

    def __init__(self, topic: TopicSpec) -> None:
        self._has_gaps = topic.transactional or topic.compacted
        self.taken = 0
        self.repeated = 0
        self.missing = 0
        self._positions: dict[int, _Position] = {}

    def follow(self, batch: Batch, generation: int) -> None:
        """Note a batch that came in a generation of the consumer group."""
        self.taken += len(batch)
        position = self._positions.get(batch.partition)
        first = batch.records[0].offset
        inside = batch.last_offset + 1 - first - len(batch)
        if position is not None:
            self.repeated += max(0, min(position.next_offset, batch.last_offset + 1) - first)
            if generation == position.generation:
                inside += max(0, first - position.next_offset)
        if not self._has_gaps:
            self.missing += inside
        self._positions[batch.partition] = _Position(batch.last_offset + 1, generation)

    def positions(self) -> dict[int, int]:
        """Return for each partition the offset that comes next."""
        return {partition: position.next_offset for partition, position in sorted(self._positions.items())}
