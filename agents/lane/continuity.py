"""Check that batches of a partition follow each other without a hole: what Faust hands over is what Kafka has."""

from dataclasses import dataclass

from agents.lane.batch import Batch


@dataclass(slots=True)
class _Position:
    next_offset: int
    generation: int


class Continuity:
    """Follow the offsets of each partition of one topic, as one agent sees them.

    Within one generation of the consumer group each batch begins where the one before ended. Between generations
    another worker may have gone on (a jump ahead), or what was not committed comes again (a jump back).

    Attributes:
        taken: Records seen.
        repeated: Offsets, of those seen, that this worker had seen before.
        missing: Offsets that were skipped over: lost in here, or deleted by retention before they were read.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.repeated = 0
        self.missing = 0
        self._positions: dict[int, _Position] = {}

    def follow(self, batch: Batch, generation: int) -> None:
        """Note a batch that came in a generation of the consumer group."""
        self.taken += len(batch)
        position = self._positions.get(batch.partition)
        if position is not None:
            self.repeated += max(0, min(position.next_offset, batch.end) - batch.start)
            if generation == position.generation:
                self.missing += max(0, batch.start - position.next_offset)
        self._positions[batch.partition] = _Position(batch.end, generation)

    def positions(self) -> dict[int, int]:
        """Return for each partition the offset that comes next."""
        return {partition: position.next_offset for partition, position in sorted(self._positions.items())}
