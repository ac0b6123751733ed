"""Live equals replay: recompute a range of `readings` and compare with what the live worker emitted, byte for byte.

The recomputation begins at the log's beginning, because the state at any later place is known to nobody; ``--from`` and
``--to`` bound what is compared, not what is read. Where retention has deleted the beginning:

    log      [deleted ......)[low, ingested at T0 .................. committed) ......... high
    windows                       compared from start >= T0 + max_future + size
    models, rates of counters     not compared at all: their state contains readings that are gone

No reading before ``low`` can have an event time later than T0 + max_future (the bridge refuses it), so windows that
begin a window's length after that contain none of them, and no watermark of that time reaches into them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from math import inf
from typing import Any

from bridges.backtest.configuration_files import current
from bridges.kafka.connecting import connect_writer
from bridges.process.parallel import Done, Furthest, Progress, in_processes
from bridges.process.settings import Settings
from bridges.replay.verifying_alarms import committed_inputs, verify_alarms
from bridges.replay.verifying_peers import found_beside_peers
from bridges.sources.kafka_source import KafkaSource, Log
from bridges.sources.offset_range import OffsetRange
from bridges.sources.source import Filter, Selection
from streams.backtest.net import Doubts, SetAside
from streams.backtest.runs import DetectionRun, Emit, WindowRun
from streams.backtest.verification import Agreement, Comparison, SeriesRecord, agreement_in_all
from streams.counters.counter_plan import NO_COUNTERS
from streams.errors import ConfigurationError, TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.peer_records import PeerInput
from streams.records.record_type import Catalogue, Identity, Recomputed, RecordType
from streams.records.types import Anomaly, Reading
from streams.signals.wire import iso

_AHEAD = 20_000
"""Live results read at most while a recomputed one waits: more than a worker holds between two checkpoints of a
partition; then it is missing."""


@dataclass(frozen=True)
class Verification:
    """What to verify.

    Args:
        settings: Of the live worker: the same windows and detection, or nothing will agree.
        selection: Bounds by event time, and sensors, of the results to compare.
        source: All readings up to what the live worker has committed.
        compared_since: By partition: results of windows before this event time are not comparable.
        models: Whether anomalies can be compared.
        more_readings: By partition: whether the log goes on after what is verified.
        fill: Write what is missing to the topic that misses it.
        deleted_too: Whether results older than the oldest that their topic still has are missing, as a backfill wants
            it; else nothing is said about them, since retention deletes, too.
        catalogue: Which records a replay makes again.
        alarm_inputs: By partition: how far the live worker has worked through what alarms are made of.
        peer_inputs: Likewise, what is compared with its peers.
        beside_peers: By partition: what comparing them again has found; `run` fills it in.
    """

    settings: Settings
    selection: Selection
    source: KafkaSource
    compared_since: dict[int, float]
    models: bool
    more_readings: dict[int, bool]
    fill: bool = False
    deleted_too: bool = False
    catalogue: Catalogue = CATALOGUE
    alarm_inputs: dict[int, int] = field(default_factory=dict)
    peer_inputs: dict[int, int] = field(default_factory=dict)
    beside_peers: dict[int, list[Anomaly]] = field(default_factory=dict)

    @classmethod
    def plan(cls, settings: Settings, selection: Selection) -> "Verification":
        """Find out what can be verified; reads offsets only.

        Raises:
            ConfigurationError: If the live worker has committed nothing, or the bounds are not of event time.
            TransientError: If Kafka cannot be reached.
        """
        if selection.by != "event":
            raise ConfigurationError("results are compared by event time: use --by event")
        group = f"{settings.kafka.namespace}{settings.worker.application}"
        topic = settings.topic(CATALOGUE.of(Reading).topic.name)
        whole = KafkaSource.open(settings, Selection())
        future = settings.bridge.max_future_seconds
        policy = current(settings).policy()
        with Log(settings) as log:
            inputs = committed_inputs(settings, group, log)
            peers = committed_inputs(settings, group, log, CATALOGUE.of(PeerInput))
            committed = log.committed(group, topic, whole.partitions)
            if not any(committed.values()):
                raise ConfigurationError(
                    f"group {group} has committed nothing: there are no live results to verify"
                )
            since = {}
            for partition, each in whole.ranges.items():
                begun = log.time_at(topic, partition, each.low) if 0 < each.low < each.end else None
                since[partition] = -inf if begun is None else begun + future + policy.size_ms / 1000
        ranges = {
            partition: OffsetRange(each.low, max(each.low, min(each.end, committed[partition])), each.low)
            for partition, each in whole.ranges.items()
        }
        more = {partition: ranges[partition].end < each.end for partition, each in whole.ranges.items()}
        source = replace(whole, ranges=ranges)
        return cls(
            settings,
            selection,
            source,
            since,
            source.from_the_start,
            more,
            alarm_inputs=inputs,
            peer_inputs=peers,
        )

    def compared(self) -> tuple[RecordType[Any], ...]:
        """Return the types of records that can be compared."""
        return tuple(
            each
            for each in self.catalogue.recomputed
            if self.models or each.recomputed is not Recomputed.MODELS
        )

    def describe(self) -> list[str]:
        """Tell in words what is compared and what cannot be."""
        readings = self.source.total(self.source.partitions)
        lines = [
            f"recomputing {readings:,} records of {self.source.topic}, up to what the live worker has committed"
        ]
        if self.models:
            lines.append("from the beginning of the log: windows and anomalies are compared exactly")
        else:
            latest = max(self.compared_since.values())
            since = (
                f"windows are compared from {iso(latest)}, or earlier by partition" if latest > -inf else ""
            )
            lines.append(
                f"retention has deleted the beginning of the log: {since or 'no windows are left to compare'}; "
                "anomalies are not compared, since the models learned from readings that are gone"
                + (", nor are windows of rates of counters" if self.settings.window_policy().counters else "")
            )
        if self.selection.since is not None or self.selection.until is not None:
            lines.append(f"comparing results {self.selection.describe_range()}")
        return lines

    def run(self, processes: int = 1, progress: Progress | None = None) -> "Verified":
        """Verify.

        Args:
            processes: At most so many, each with some partitions.
            progress: Told how far it is.
        """
        verified, source, whole = Verified(), self.source, self
        if self.models and (plan := self.settings.peer_plan()).used:
            whole = replace(self, beside_peers=found_beside_peers(self.settings, plan, self.peer_inputs))
        for part in in_processes(_verify, whole, source.partitions, source.total, processes, progress):
            verified.merge(part)
        return verified


@dataclass(slots=True)
class Verified:
    """How far live and replay agree, by topic."""

    by_topic: dict[str, Agreement] = field(default_factory=dict)
    unreadable: int = 0
    unprocessable: SetAside = field(default_factory=SetAside)

    def merge(self, other: "Verified") -> None:
        """Add other partitions."""
        for name, agreement in other.by_topic.items():
            self.by_topic.setdefault(name, Agreement()).merge(agreement)
        self.unreadable += other.unreadable
        self.unprocessable.merge(other.unprocessable)

    @property
    def whole(self) -> Agreement:
        """All topics together."""
        return agreement_in_all(self.by_topic[name] for name in sorted(self.by_topic))


class _Side:
    """One topic and partition: what was recomputed against what was emitted live."""

    def __init__(
        self,
        verification: Verification,
        kind: RecordType[Any],
        partition: int,
        log: Log,
        filler: "_Filler | None",
    ) -> None:
        settings, selection = verification.settings, verification.selection
        self.kind = kind
        self.topic = settings.topic(kind.topic.name)
        self._filler = filler
        self._partition = partition
        self.comparison = Comparison(
            self.topic, partition, kind, self._is_compared, on_missing=self._fill if filler else None
        )
        self._filter = Filter(selection)
        of_windows = kind.recomputed is Recomputed.WINDOWS
        self._since = verification.compared_since[partition] if of_windows else -inf
        # A rate is taken from a reading before, which may be gone.
        self._counters = NO_COUNTERS if verification.models else settings.window_policy().counters
        low, high = log.ends(self.topic, partition)
        self._live = self._emitted(log, partition, low, high)
        self._exhausted = False
        self._may_be_deleted = low > 0 and not verification.deleted_too
        self._oldest: Identity | None = None
        if self._may_be_deleted and (oldest := next(self._live, None)) is not None:
            self._oldest = kind.identity_of(kind.read(oldest[0]))
            self.comparison.emitted(*oldest)

    def _emitted(self, log: Log, partition: int, low: int, high: int) -> Iterator[tuple[bytes, int]]:
        for messages in log.read(self.topic, partition, low, high):
            for message in messages:
                yield message.value() or b"", message.offset()

    def recomputed(self, result: SeriesRecord) -> None:
        """Take a result of the replay."""
        if self._may_be_deleted:
            if self.kind.identity_of(result) != self._oldest:
                self.comparison.agreement.deleted += self._is_compared(result)
                return
            self._may_be_deleted = False
        self.comparison.recomputed(result, self.kind.encode(result))

    def _fill(self, result: SeriesRecord, value: bytes) -> None:
        assert self._filler is not None
        self._filler.write(self.topic, self._partition, self.kind.key(result), value)

    def _is_compared(self, result: SeriesRecord) -> bool:
        at = self.kind.event_time_of(result)
        return (
            at >= self._since
            and self._filter.since <= at < self._filter.until
            and self._filter.wants_sensor(result.sensor_id)
            and self._counters.counter_of(result.sensor_id, result.quantity) is None
        )

    def catch_up(self) -> None:
        """Read live results until everything recomputed has its counterpart, or that is not to be expected."""
        comparison = self.comparison
        while comparison.waiting and comparison.ahead < _AHEAD and self._read_one():
            pass
        comparison.give_up_waiting()

    def read_all(self) -> None:
        """Read the live results that are left."""
        while self._read_one() and not self.comparison.hopeless:
            pass

    def _read_one(self) -> bool:
        if self._exhausted:
            return False
        found = next(self._live, None)
        if found is None:
            self._exhausted = True
            return False
        value, offset = found
        self.comparison.emitted(value, offset)
        return True

    def finish(self, *, more_readings: bool) -> Agreement:
        """Judge what is left."""
        self.read_all()
        return self.comparison.finish(more_readings=more_readings)


class _Filler:
    """Writes missing results to the partition in which the worker would have written them, each once.

    What begins again because a record failed finds the same results missing again.
    """

    def __init__(self, settings: Settings) -> None:
        self._error: Any = None
        self._written: set[bytes] = set()
        self._producer = connect_writer(settings)

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        """Write one result, unless it was."""
        mark = blake2b(topic.encode() + b"\0" + value, digest_size=16).digest()
        if mark in self._written:
            return
        self._written.add(mark)
        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=self._delivered)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

    def _delivered(self, error: Any, message: Any) -> None:
        self._error = self._error or error

    def flush(self) -> None:
        """Wait until Kafka has everything.

        Raises:
            TransientError: If it has not.
        """
        if self._producer.flush(60) or self._error is not None:
            raise TransientError(f"Kafka did not take all results: {self._error}; run it again")


def _verify(verification: Verification, partitions: Sequence[int], done: Done) -> Verified:
    verified = Verified()
    filler = _Filler(verification.settings) if verification.fill else None
    for partition in partitions:
        doubts, told = Doubts(verification.settings.worker.max_unprocessable), Furthest(done)
        found = doubts.settle(partial(_verify_partition, verification, partition, told.begin, filler, doubts))
        found.unprocessable = doubts.set_aside
        verified.merge(found)
    if filler is not None:
        filler.flush()
    return verified


def _verify_partition(
    verification: Verification,
    partition: int,
    begin: Callable[[], Done],
    filler: _Filler | None,
    doubts: Doubts,
) -> Verified:
    verified, done = Verified(), begin()
    configuration = current(verification.settings)
    kinds = verification.compared()
    logs = [Log(verification.settings) for _ in kinds]
    try:
        by_kind = {
            kind.kind: _Side(verification, kind, partition, log, filler)
            for kind, log in zip(kinds, logs, strict=True)
        }
        sides = list(by_kind.values())
        emit: Emit = lambda _, result: by_kind[type(result)].recomputed(result)  # noqa: E731
        runs: list[WindowRun | DetectionRun] = [WindowRun(configuration.policy(), emit, doubts)]
        if verification.models:
            runs.append(DetectionRun(configuration.plan(), emit, doubts))
        for chunk in verification.source.read([partition]):
            verified.unreadable += len(chunk.unreadable)
            for run in runs:
                run.apply(partition, chunk.records)
            for side in sides:
                side.catch_up()
            done(chunk.done)
            if filler is None and any(side.comparison.hopeless for side in sides):
                break
        if beside_peers := verification.beside_peers.get(partition):
            anomalies = by_kind[Anomaly]
            anomalies.read_all()
            for found in beside_peers:
                anomalies.recomputed(found)
        for side in sides:
            agreement = side.finish(more_readings=verification.more_readings[partition])
            verified.by_topic.setdefault(side.topic, Agreement()).merge(agreement)
        if filler is None and (end := verification.alarm_inputs.get(partition)) is not None:
            topic, agreement = verify_alarms(verification.settings, verification.selection, partition, end)
            verified.by_topic.setdefault(topic, Agreement()).merge(agreement)
        return verified
    finally:
        for log in logs:
            log.__exit__()
