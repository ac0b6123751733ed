"""Check that batches of a partition follow each other without a hole: what Faust hands over is what Kafka has."""

from agents.lane.core.batch import Batch
from agents.lane.core.positions import Positions


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
        self._positions = Positions[int]()

    def follow(self, batch: Batch, generation: int) -> None:
        """Note a batch that came in a generation of the consumer group."""
        self.taken += len(batch)
        place = self._positions.at(batch.partition)
        if place is not None:
            offer = place.judge(batch.start, batch.end)
            self.repeated += offer.repeated
            self.missing += offer.missing if place.since == generation else 0
        self._positions.expect(batch.partition, batch.end, generation)

    def positions(self) -> dict[int, int]:
        """Return for each partition the offset that comes next."""
        return dict(sorted(self._positions.next_offsets().items()))
