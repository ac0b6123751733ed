"""The transaction coordinator of the simulated Kafka: producer ids, epochs, and the two phases of an end.

An end is decided when it is asked for, and becomes visible when its markers are in the logs, a moment later; until
then the next transaction of the producer has to wait (KIP-98). Whoever opens a transactional id anew gets a newer
epoch, and what its former owner has left open is given up.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from tests.simulation.partition_log import PartitionLog

FENCED, INVALID_STATE, INVALID_MAPPING, CONCURRENT = 47, 48, 49, 51  # error codes of the protocol

TopicPartition = tuple[str, int]
Later = Callable[[float, Callable[[], None]], object]


@dataclass(slots=True)
class _Transaction:
    producer: int
    epoch: int
    timeout: float
    partitions: list[TopicPartition] = field(default_factory=list)
    ending: bool = False
    ended: bool | None = None
    """How the last transaction ended: an end may be asked for again."""
    begun: int = 0


class TransactionCoordinator:
    """All transactional producers.

    Args:
        log_of: Finds the log of a partition.
        later: Calls something after some seconds.
        marker_seconds: Draws how long it takes until the markers are written.
        marked: Called with the partitions in which they have been.
    """

    def __init__(
        self,
        log_of: Callable[[TopicPartition], PartitionLog],
        later: Later,
        marker_seconds: Callable[[], float],
        marked: Callable[[Collection[TopicPartition]], None],
    ) -> None:
        self._log_of = log_of
        self._later = later
        self._marker_seconds = marker_seconds
        self._marked = marked
        self._known: dict[str, _Transaction] = {}
        self._by_producer: dict[int, _Transaction] = {}
        self._next_producer = 1000

    def open(self, name: str | None, timeout_ms: int) -> tuple[int, int, int]:
        """Open a producer; returns error code, producer id and epoch."""
        if name is None:
            self._next_producer += 1
            return 0, self._next_producer, 0
        known = self._known.get(name)
        if known is None:
            self._next_producer += 1
            known = self._known[name] = _Transaction(self._next_producer, -1, timeout_ms / 1000)
            self._by_producer[known.producer] = known
        if known.ending:
            return CONCURRENT, -1, -1
        known.epoch += 1
        known.ended = None
        if known.partitions:
            self._end(known, commit=False)
            return CONCURRENT, -1, -1
        return 0, known.producer, known.epoch

    def add(self, name: str, producer: int, epoch: int, partitions: list[TopicPartition]) -> int:
        """Add partitions to a transaction, which begins with the first."""
        known = self._known.get(name)
        if error := self._refused(known, producer, epoch):
            return error
        assert known is not None
        if known.ending:
            return CONCURRENT
        if not known.partitions:
            known.begun += 1
            known.ended = None
            self._later(known.timeout, lambda begun=known.begun: self._expire(known, begun))  # type: ignore[misc]
        known.partitions += [each for each in partitions if each not in known.partitions]
        return 0

    def may_write(self, producer: int, epoch: int, partition: TopicPartition) -> int:
        """Tell whether a producer may write into a partition within its transaction (KIP-890, part 1)."""
        known = self._by_producer.get(producer)
        if known is None:
            return INVALID_MAPPING
        if epoch != known.epoch:
            return FENCED
        return 0 if partition in known.partitions and not known.ending else INVALID_STATE

    def end(self, name: str, producer: int, epoch: int, *, commit: bool) -> int:
        """Decide a transaction; its markers follow."""
        known = self._known.get(name)
        if error := self._refused(known, producer, epoch):
            return error
        assert known is not None
        if known.ending:
            return CONCURRENT if known.ended is commit else INVALID_STATE
        if not known.partitions:
            return 0 if known.ended is commit else INVALID_STATE
        self._end(known, commit=commit)
        return 0

    @staticmethod
    def _refused(known: _Transaction | None, producer: int, epoch: int) -> int:
        if known is None or known.producer != producer:
            return INVALID_MAPPING
        return FENCED if epoch != known.epoch else 0

    def _end(self, known: _Transaction, *, commit: bool) -> None:
        known.ending, known.ended = True, commit
        self._later(self._marker_seconds(), lambda: self._write_markers(known, commit))

    def _write_markers(self, known: _Transaction, commit: bool) -> None:
        for partition in known.partitions:
            self._log_of(partition).mark(known.producer, known.epoch, commit=commit)
        marked, known.partitions, known.ending = known.partitions, [], False
        self._marked(marked)

    def _expire(self, known: _Transaction, begun: int) -> None:
        if known.begun == begun and known.partitions and not known.ending:
            known.epoch += 1
            self._end(known, commit=False)
