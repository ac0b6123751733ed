"""What every source of recorded readings gives: chunks of one partition's records, in order, within bounds.

A source is a small frozen description that can be handed to another process; `Source.read` opens what it needs.
Sources without partitions of their own (files, MongoDB) spread sensors over `VIRTUAL_PARTITIONS` by a hash of the
sensor id, so that the same sensors always stand in the same partition, whoever reads it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf, isfinite
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol
from zlib import crc32

from bridges.sources.kept_headers import KeptHeaders
from streams.backtest.runs import LogRecord
from streams.errors import ConfigurationError, InputError, Reason, WeirError, shown
from streams.payloads.addresses import check_quantity
from streams.records.identity import event_ms
from streams.records.types import Logged, Reading, Tick
from streams.signals.wire import iso

VIRTUAL_PARTITIONS = 16
CHUNK_RECORDS = 5000


class NothingToRead(WeirError):
    """The source holds no readings that were asked for; the message says what it does hold."""


class UnreadableEntry(NamedTuple):
    """A record or row that cannot be read.

    Args:
        where: Topic, partition and offset, or file and line.
        detail: What was expected and what came.
    """

    where: str
    detail: str


class Chunk(NamedTuple):
    """Records of one partition, in the order of the log.

    Args:
        records: Offset, ingest time (ms) and content.
        unreadable: What stood between them and cannot be read.
        done: Units of the source's total that this chunk used up.
        headers: Offset -> what else Kafka holds of a record, if the source was asked for it.
    """

    partition: int
    records: Sequence[LogRecord]
    unreadable: Sequence[UnreadableEntry] = ()
    done: int = 0
    headers: Mapping[int, KeptHeaders] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Selection:
    """Which readings are wanted.

    Args:
        sensors: Patterns of sensor ids (``boiler-*``); empty: all.
        since, until: Half-open range; ``None``: no bound.
        by: What the range bounds: event time or ingest time (seconds since the Unix epoch), or Kafka offsets.
    """

    sensors: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    by: Literal["event", "ingest", "offset"] = "event"

    def __post_init__(self) -> None:
        """Refuse a range that ends before it begins.

        Raises:
            ConfigurationError: With the range.
        """
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ConfigurationError(f"the range is empty: {self.describe_range()}")

    def event_range(self) -> tuple[float, float]:
        """Return the bounds of event time."""
        if self.by != "event":
            return -inf, inf
        return (-inf if self.since is None else self.since), (inf if self.until is None else self.until)

    def describe_range(self) -> str:
        """Tell the range in words."""
        show = str if self.by == "offset" else iso
        since = "the beginning" if self.since is None else show(self.since)
        until = "the end" if self.until is None else show(self.until)
        return f"from {since} to {until}" + ("" if self.by == "event" else f" (by {self.by})")


class Filter:
    """A selection at work: remembers its answer for each sensor, and which patterns were of use."""

    def __init__(self, selection: Selection) -> None:
        self.since, self.until = selection.event_range()
        self._patterns = selection.sensors
        self._known: dict[str, bool] = {}

    @property
    def takes_all(self) -> bool:
        """Whether nothing is left out."""
        return not self._patterns and self.since == -inf and self.until == inf

    def wants_sensor(self, sensor_id: str) -> bool:
        """Tell whether any pattern matches."""
        answer = self._known.get(sensor_id)
        if answer is None:
            answer = self._known[sensor_id] = not self._patterns or any(
                fnmatchcase(sensor_id, pattern) for pattern in self._patterns
            )
        return answer

    def wants(self, record: Logged) -> bool:
        """Tell whether a record is selected; a tick counts by its own time, and a change of rules always."""
        if isinstance(record, Tick):
            return self.since <= record.tick_at < self.until
        if not isinstance(record, Reading):
            return True
        return self.since <= record.collected_at < self.until and self.wants_sensor(record.sensor_id)


class Source(Protocol):
    """Recorded readings."""

    @property
    def partitions(self) -> tuple[int, ...]:
        """The partitions that can be read apart from each other."""

    @property
    def selection(self) -> Selection:
        """What is selected of it."""

    def total(self, partitions: Collection[int]) -> int:
        """Return how many units (offsets, bytes, documents) reading these partitions takes; 0: unknown."""

    def read(self, partitions: Collection[int]) -> Iterator[Chunk]:
        """Read partitions once, in order within each.

        Raises:
            TransientError: If the source cannot be reached.
            ConfigurationError: If the source as a whole cannot be read.
        """

    def describe(self) -> dict[str, Any]:
        """Tell what is read, for reports: plain values that do not change from run to run."""

    def holds(self) -> str:
        """Tell in words what the source holds, for the message that nothing was found."""


def finite_values(values: Mapping[str, Any]) -> dict[str, float]:
    """Return quantities as a reading has them.

    Raises:
        InputError: If there is none, or one is not a finite number.
    """
    if not values:
        raise InputError(Reason.MISSING_VALUE, "a reading must have at least one quantity")
    found = {}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise InputError(Reason.BAD_VALUE, f"{name} must be a finite number, got {shown(value)}")
        found[check_quantity(name)] = float(value)
    return found


def virtual_partition(sensor_id: str) -> int:
    """Return the partition of a sensor in a source that has none of its own."""
    return crc32(sensor_id.encode()) % VIRTUAL_PARTITIONS


@dataclass(slots=True)
class Gathering:
    """Collects the records of a source without partitions into chunks.

    Args:
        partitions: Those that are wanted; records of others are passed over.
        selection: What is selected.
    """

    partitions: Collection[int]
    selection: Selection
    _lists: dict[int, list[LogRecord]] = field(default_factory=dict)
    _partition_of: dict[str, int | None] = field(default_factory=dict)
    _unreadable: list[UnreadableEntry] = field(default_factory=list)
    _filter: Filter = field(init=False)
    _held: int = 0
    _row_is_ours: bool = False

    def __post_init__(self) -> None:
        """Make the filter."""
        self._filter = Filter(self.selection)

    def next_row(self) -> None:
        """Note that what comes is of another row."""
        self._row_is_ours = False

    def wants(self, sensor_id: str) -> bool:
        """Tell whether the row, which is this sensor's, is wanted here."""
        self._row_is_ours = self._where(sensor_id) is not None
        return self._row_is_ours

    def _where(self, sensor_id: str) -> int | None:
        try:
            return self._partition_of[sensor_id]
        except KeyError:
            partition: int | None = virtual_partition(sensor_id)
            if partition not in self.partitions or not self._filter.wants_sensor(sensor_id):
                partition = None
            self._partition_of[sensor_id] = partition
            return partition

    def add(self, offset: int, ingest_ms: int, reading: Reading) -> bool:
        """Add a reading if it is wanted; returns whether a chunk is full.

        Args:
            offset: Its place in the source, ascending.
            ingest_ms: Ingest time; where the source has none, event time.
            reading: The reading.
        """
        partition = self._where(reading.sensor_id)
        if partition is not None and self._filter.since <= reading.collected_at < self._filter.until:
            self._lists.setdefault(partition, []).append((offset, ingest_ms, reading))
            self._held += 1
        return self._held >= CHUNK_RECORDS

    def tick(self, offset: int, tick: Tick) -> None:
        """Add a tick to every partition."""
        if self._filter.wants(tick):
            for partition in self.partitions:
                self._lists.setdefault(partition, []).append((offset, event_ms(tick.tick_at), tick))
                self._held += 1

    def unreadable(self, where: str, detail: str) -> None:
        """Add a row that cannot be read: it counts once, where its sensor's partition or else the first one is read."""
        if self._row_is_ours or 0 in self.partitions:
            self._unreadable.append(UnreadableEntry(where, detail))

    def take(self, done: int) -> Iterator[Chunk]:
        """Yield what was collected, by partition."""
        for partition in sorted(self._lists):
            yield Chunk(partition, self._lists[partition])
        yield Chunk(0, (), self._unreadable, done)
        self._lists = {}
        self._unreadable = []
        self._held = 0


def check_found(source: Source, sensors: Mapping[str, Any]) -> None:
    """Refuse to go on with nothing, or with a pattern that no sensor matches.

    Args:
        source: What was read.
        sensors: The sensors that were found in it.

    Raises:
        NothingToRead: With what the source holds.
    """
    selection = source.selection
    if not sensors:
        of = f" of sensors {', '.join(selection.sensors)}" if selection.sensors else ""
        raise NothingToRead(f"no readings{of} {selection.describe_range()}: {source.holds()}")
    unknown = [
        pattern
        for pattern in selection.sensors
        if not any(fnmatchcase(sensor, pattern) for sensor in sensors)
    ]
    if unknown:
        some = ", ".join(sorted(sensors)[:5])
        raise NothingToRead(
            f"no sensor matches {', '.join(unknown)} {selection.describe_range()}; there are {some}"
            + (f" and {len(sensors) - 5} more" if len(sensors) > 5 else "")
        )
