"""Is what is there read? For as long as records wait and nobody has moved on, an application stands still.

position   40 ── 55 ── 55 ── 55 ── 55            reads up to here
end        60 ── 60 ── 60 ── 70 ── 80            the log ends here
                  └──── seconds ────▶ stands still
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Seen:
    position: int | None
    at: float
    waits: bool


class Standstill(Generic[P]):
    """Where each partition was read up to, and since when that has not changed although more is there.

    Args:
        seconds: So long a partition may rest.

    >>> standstill = Standstill[str](seconds=60)
    >>> standstill.look({"a": 5, "b": 7}, {"a": 9, "b": 7}, now=0)
    >>> standstill.look({"a": 5, "b": 7}, {"a": 9, "b": 7}, now=60)
    >>> standstill.partitions(now=60)
    ['a']
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._seen: dict[P, _Seen] = {}

    def look(self, positions: Mapping[P, int | None], ends: Mapping[P, int], now: float) -> None:
        """Note where things stand; partitions that are not among them any more do not count any more.

        Args:
            positions: The offset that is read next; ``None`` if nobody knows it.
            ends: The offset that the next record will have.
            now: Seconds of any steady clock.
        """
        kept = {}
        for partition, position in positions.items():
            seen = self._seen.get(partition)
            waits = position is None or position < ends[partition]
            rests = seen is not None and waits and seen.waits and seen.position == position
            kept[partition] = seen if seen is not None and rests else _Seen(position, now, waits)
        self._seen = kept

    def forget(self) -> None:
        """Begin anew: partitions are being given."""
        self._seen = {}

    def partitions(self, now: float) -> list[P]:
        """Return the partitions that have not moved for too long."""
        return [each for each, seen in self._seen.items() if seen.waits and now - seen.at >= self.seconds]


def given_to_nobody(topics: Iterable[str], shares: Iterable[Mapping[str, Iterable[int]]]) -> list[str]:
    """Return the topics of which no member of a group was given a partition.

    Args:
        topics: What the group reads.
        shares: Of each member, its partitions by topic.

    >>> given_to_nobody(["readings", "labels"], [{"readings": [0]}, {"readings": [1], "labels": []}])
    ['labels']
    """
    given = {topic for share in shares for topic, partitions in share.items() if list(partitions)}
    return sorted(set(topics) - given)
