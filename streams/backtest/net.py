"""The worker's net in a replay: a record in which windows or detection fail is set aside, and the others go on.

    fast ──▶ a batch fails ──▶ InDoubtError ──▶ from the beginning ──▶ fast up to that batch ──▶ one record at a time

A worker takes a partition back to its last checkpoint. A replay has none: it begins again, and knows where to be
careful. What it makes is what the worker makes, and does not depend on how the log is cut into batches.
"""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from streams.errors import WeirError
from streams.records.doubt import Doubt

R = TypeVar("R")

MOST_FAILED = 100
"""So many records may fail beyond those that succeed, if nothing else is said: the default of the worker's setting."""
SHOWN = 20
"""Records set aside that are told of one by one."""


class InDoubtError(WeirError):
    """A batch failed in a run of the net's: what was made so far is of no use, and `Doubts.settle` begins again.

    Args:
        run: Which run.
        partition: Of which partition.
        offset: Where the batch begins.
    """

    def __init__(self, run: str, partition: int, offset: int) -> None:
        super().__init__(f"{run} failed in a batch of partition {partition} from offset {offset}")
        self.place = (run, partition)
        self.offset = offset


@dataclass
class SetAside:
    """Records in which a run failed.

    Args:
        records: How many.
        shown: The first of them: where, and why.
    """

    records: int = 0
    shown: list[tuple[str, str]] = field(default_factory=list)

    def add(self, where: str, why: str) -> None:
        """Add one."""
        self.records += 1
        if len(self.shown) < SHOWN:
            self.shown.append((where, why))

    def merge(self, other: "SetAside") -> None:
        """Add those of other partitions."""
        self.records += other.records
        self.shown = sorted(self.shown + other.shown)[:SHOWN]


class Doubts:
    """Where batches have failed; shared by the runs that begin again together.

    Args:
        most: So many records may fail beyond those that succeed.
    """

    def __init__(self, most: int = MOST_FAILED) -> None:
        self._most = most
        self._starts: dict[tuple[str, int], list[int]] = {}
        self.set_aside = SetAside()

    def settle(self, attempt: Callable[[], R]) -> R:
        """Make attempts, each from the beginning, until none fails in a batch that was not in doubt.

        Raises:
            TooManyFailedError: If it cannot be the records.
        """
        while True:
            self.set_aside = SetAside()
            try:
                return attempt()
            except InDoubtError as error:
                insort(self._starts.setdefault(error.place, []), error.offset)

    def net(self, run: str, partition: int) -> "Net":
        """Return the net of one run for one partition, for one attempt."""
        return Net(self, run, partition, list(self._starts.get((run, partition), ())), self._most)


class Net:
    """Where a run is to be careful in a partition.

    Args:
        doubts: Is told of what is set aside.
        run, partition: Which.
        starts: Offsets from which batches have failed.
        most: As for `Doubts`.
    """

    def __init__(self, doubts: Doubts, run: str, partition: int, starts: list[int], most: int) -> None:
        self._doubts = doubts
        self._run = run
        self._partition = partition
        self._starts = starts
        self._most = most
        self._doubt: Doubt | None = None

    def careful_from(self) -> int | None:
        """Return the offset from which records are to be applied one at a time; ``None``: none."""
        if self._doubt is not None:
            return -1
        return self._starts[0] if self._starts else None

    def failed_fast(self, offset: int) -> InDoubtError:
        """Return what is to be raised when a batch has failed."""
        return InDoubtError(self._run, self._partition, offset)

    def note(self, what: str, offset: int, failure: Exception | None) -> None:
        """Note what became of a record that was applied by itself.

        Args:
            what: What the run makes, in a word.
            offset: Of the record.
            failure: Why it failed; ``None``: it did not.

        Raises:
            TooManyFailedError: If it cannot be the records.
        """
        if self._doubt is None:
            self._doubt = Doubt(self._most)
        while self._starts and self._starts[0] <= offset:
            del self._starts[0]
        if failure is None:
            if self._doubt.succeeded():
                self._doubt = None
            return
        place = f"partition {self._partition} at offset {offset}"
        self._doubt.failed(place, failure)
        self._doubts.set_aside.add(place, f"{what} failed: {type(failure).__name__}: {failure}"[:500])
