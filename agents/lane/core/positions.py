"""Where each partition stands: the offset that comes next, and whether what comes continues there.

    what is here             what is offered
    ──────────────┐
                  │[───────)     CONTINUES   it begins at the offset that comes next
            [─────│────)         REPEATS     it begins before: some of it, or all, was here already
                  │   [────)     HOLE        it begins after: what lies between is missing
                  └ next

One tracker for all who must know it: the thread that fetches, the consumer that hands on, the state that applies, the
recovery that reads back, and the ledger that counts.
"""

from collections.abc import Hashable, Iterable
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

P = TypeVar("P", bound=Hashable)


class Answer(Enum):
    """What a stretch of a partition is to the one who is offered it."""

    CONTINUES = "continues"
    REPEATS = "repeats"
    HOLE = "hole"


class Offer(NamedTuple):
    """The answer, and by how much.

    Args:
        answer: What the stretch is.
        known: The offset that came next before it: what is older was here already.
        repeated: Offsets of it that were here already.
        missing: Offsets between what is here and its beginning.
    """

    answer: Answer
    known: int
    repeated: int = 0
    missing: int = 0


class Place:
    """Where one partition stands.

    Each new beginning (a seek, an assignment, a recovery) makes a new one: whoever has kept the old one, as a delivery
    under way has, sees by identity that it does not count any more.

    Args:
        offset: The offset that comes next.
        since: What began there; compared by identity or value by those who need it.
    """

    __slots__ = ("next", "since")

    def __init__(self, offset: int, since: object = None) -> None:
        self.next = offset
        self.since = since

    def judge(self, start: int, end: int) -> Offer:
        """Tell what the stretch from ``start`` up to ``end`` (exclusive) is; changes nothing."""
        if start == self.next:
            return Offer(Answer.CONTINUES, self.next)
        if start > self.next:
            return Offer(Answer.HOLE, self.next, missing=start - self.next)
        return Offer(Answer.REPEATS, self.next, repeated=max(0, min(self.next, end) - start))


class Positions(Generic[P]):
    """Where each of some partitions stands.

    Args:
        unknown: What comes next in a partition of which nothing is known; ``None``: whatever comes is its beginning.

    >>> positions = Positions[int]()
    >>> place = positions.expect(0, 5)
    >>> positions.offer(0, start=5, end=8).answer.value
    'continues'
    >>> positions.offer(0, start=7, end=9).answer.value, positions.next_offsets()
    ('repeats', {0: 9})
    >>> positions.offer(0, start=12, end=13).missing, positions.next_offsets()
    (3, {0: 9})
    """

    def __init__(self, unknown: int | None = None) -> None:
        self._unknown = unknown
        self._places: dict[P, Place] = {}

    def expect(self, partition: P, offset: int, since: object = None) -> Place:
        """Begin anew: this offset comes next, whatever was there before.

        Args:
            partition: The partition.
            offset: The offset that comes next.
            since: What begins there, as in `Place`.
        """
        place = self._places[partition] = Place(offset, since)
        return place

    def at(self, partition: P) -> Place | None:
        """Return where a partition stands; ``None`` if nothing is known of it."""
        place = self._places.get(partition)
        if place is None and self._unknown is not None:
            place = self.expect(partition, self._unknown)
        return place

    def stands_at(self, partition: P, place: Place) -> bool:
        """Tell whether a partition has had no new beginning since it stood at this place."""
        return self._places.get(partition) is place

    def offer(self, partition: P, start: int, end: int) -> Offer:
        """Tell what a stretch is, and take it in: its end comes next, unless there is a hole before it.

        Args:
            partition: The partition.
            start, end: Offsets of the stretch, ``end`` exclusive.
        """
        place = self.at(partition)
        if place is None:
            self.expect(partition, end)
            return Offer(Answer.CONTINUES, start)
        offer = place.judge(start, end)
        if offer.answer is not Answer.HOLE:
            place.next = max(place.next, end)
        return offer

    def moved(self, partition: P, end: int, since: object) -> int | None:
        """Note that a reader has moved up to ``end``; for those who learn where it ended, not where it began.

        Args:
            partition: The partition.
            end: The offset that the reader reads next.
            since: What the reader began with; compared by identity with what `expect` was given.

        Returns:
            Where it began: ``None`` if another beginning than ``since`` was the last one known.
        """
        place = self._places.get(partition)
        if place is None or place.since is not since:
            self.expect(partition, end, since)
            return None
        start, place.next = place.next, end
        return start

    def forget(self, partitions: Iterable[P]) -> None:
        """Know nothing of these partitions any more."""
        for partition in list(partitions):
            self._places.pop(partition, None)

    def clear(self) -> None:
        """Know nothing any more."""
        self._places.clear()

    def next_offsets(self) -> dict[P, int]:
        """Return for each partition the offset that comes next."""
        return {partition: place.next for partition, place in self._places.items()}
