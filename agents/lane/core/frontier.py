"""Up to where a partition may be committed: what was handed on, in order, and acknowledged without a gap.

    handed on    [ a ][ b ][ c ][ d ]
    acknowledged   x    x         x
                            ^ commit up to here: d was acknowledged, but c before it was not

Acknowledgements come in any order: a sink that gives a batch back goes on with the next. Offsets need not follow each
other: compaction and the markers of transactions leave gaps which nobody is ever given, and which hold up nothing.
"""

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable
from typing import Generic, Protocol, TypeVar

P = TypeVar("P", bound=Hashable)


class HandedOn(Protocol):
    """What was handed on: Faust's message, of one record or of a batch.

    Args:
        offset: Of its last record.
        acked: Whether everyone who was given it has acknowledged it.
    """

    @property
    def offset(self) -> int:
        """Return the offset of its last record."""

    @property
    def acked(self) -> bool:
        """Tell whether it is acknowledged."""


class Frontier(Generic[P]):
    """The messages of each partition that were handed on since its last beginning."""

    def __init__(self) -> None:
        self._handed_on: dict[P, deque[HandedOn]] = defaultdict(deque)
        self._commit_up_to: dict[P, int] = {}

    def hand_on(self, partition: P, message: HandedOn) -> None:
        """Note that a message is being handed on, after all that were before it."""
        self._handed_on[partition].append(message)

    def commit_up_to(self, partition: P) -> int | None:
        """Return the offset (exclusive) up to which everything handed on is acknowledged; ``None``: nothing is.

        The same is returned until more is acknowledged: a commit that failed is made again.
        """
        messages = self._handed_on[partition]
        while messages and messages[0].acked:
            self._commit_up_to[partition] = messages.popleft().offset + 1
        return self._commit_up_to.get(partition)

    def under_way(self, partition: P) -> int:
        """Return how many messages are handed on and hold up the commit."""
        return len(self._handed_on[partition])

    def forget(self, partitions: Iterable[P]) -> None:
        """Begin anew in these partitions: what was handed on before is acknowledged in vain."""
        for partition in list(partitions):
            self._handed_on.pop(partition, None)
            self._commit_up_to.pop(partition, None)

    def clear(self) -> None:
        """Begin anew in all partitions."""
        self._handed_on.clear()
        self._commit_up_to.clear()
