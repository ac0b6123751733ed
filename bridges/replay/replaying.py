"""Replay recorded readings: recompute their results into files, or publish them into another namespace.

Publishing keeps key, value, partition, ingest time and the headers that tell where a reading comes from, so that a
worker there sees what the live one saw. Each record says in a header which source record it was: a replay that was
interrupted goes on after the last one that arrived.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from bridges.backtest.backtesting import UnreadableRecords
from bridges.kafka.clients import ensure_topics
from bridges.kafka.connecting import connect_writer
from bridges.process.parallel import Progress
from bridges.process.settings import Settings
from bridges.replay.pacing import paced
from bridges.replay.result_files import result_files
from bridges.sources.kafka_source import KafkaSource, Log
from bridges.sources.kept_headers import KeptHeaders
from bridges.sources.source import Chunk, Source, check_found
from streams.backtest.configuration import Configuration
from streams.backtest.net import MOST_FAILED, Doubts, SetAside
from streams.backtest.peer_runs import GatheringRun, compare_gathered
from streams.backtest.runs import Coverage, DetectionRun, Result, WindowRun
from streams.errors import ConfigurationError, TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.identity import event_seconds, reading_id
from streams.records.record_type import Catalogue
from streams.records.rule_records import RuleChange
from streams.records.types import HEADER_READING_ID, Logged, Reading, Tick, encode

HEADER_ORIGIN = "replayed"
"""Partition and offset of the record in its source, 4 and 8 bytes, big-endian."""
_ORIGIN = struct.Struct(">iq")
_MADE_HERE = -1
"""In place of the source's partition: a tick that no source holds."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did.

    Args:
        readings, ticks, sensors: What was read.
        results: Results by topic name; nothing when readings were published.
        unreadable: Records passed over.
        unprocessable: Records in which windows or detection failed, set aside as the worker does.
        resumed: Readings that an earlier, interrupted replay had published already.
        rules_left_out: Changes of rules that are not published, since partitions are others there.
    """

    readings: int
    ticks: int
    sensors: int
    results: dict[str, int]
    unreadable: int = 0
    resumed: int = 0
    unprocessable: SetAside = field(default_factory=SetAside)
    rules_left_out: int = 0


def recompute(
    source: Source,
    configuration: Configuration,
    folder: Path | None,
    *,
    speed: float = 0.0,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
    catalogue: Catalogue = CATALOGUE,
    most_failed: int = MOST_FAILED,
) -> Replayed:
    """Recompute the results of readings.

    Args:
        source: Recorded readings.
        configuration: Windows and detection.
        folder: Where to write a file of JSON lines for each kind of result, wholly or not at all; ``None``: only count.
        speed: See `paced`; the results are the same at any.
        skip_unreadable: Pass over what cannot be read.
        progress: Told how far it is.
        catalogue: Which records a replay makes again: a file for each, if nothing else than empty.
        most_failed: So many records may fail beyond those that succeed.

    Raises:
        UnreadableRecords: With the first of them.
        NothingToRead: If nothing was selected.
        TooManyFailedError: If windows or detection fail in so many records that it cannot be these.
    """
    doubts = Doubts(most_failed)
    speeds = chain((speed,), repeat(0.0))  # what begins again because of a failure does not wait again
    done = doubts.settle(
        lambda: _recompute(
            source, configuration, folder, next(speeds), doubts, skip_unreadable, progress, catalogue
        )
    )
    return replace(done, unprocessable=doubts.set_aside)


def _recompute(
    source: Source,
    configuration: Configuration,
    folder: Path | None,
    speed: float,
    doubts: Doubts,
    skip_unreadable: bool,
    progress: Progress | None,
    catalogue: Catalogue,
) -> Replayed:
    counts: Counter[str] = Counter()
    coverage, unreadable = Coverage(), 0
    with result_files(folder, catalogue) as files:

        def emit(partition: int, result: Result) -> None:
            kind = catalogue.of(type(result))
            counts[kind.topic.name] += 1
            files.write(kind.file, partition, kind.encode(result))

        peers = configuration.peer_plan()
        windows = (
            GatheringRun(configuration.policy(), peers, emit, doubts)
            if peers.used
            else WindowRun(configuration.policy(), emit, doubts)
        )
        runs = (windows, DetectionRun(configuration.plan(), emit, doubts))
        for chunk in _told(paced(source, speed), source, progress):
            unreadable += _pass_over(chunk, skip_unreadable)
            coverage.apply(chunk.records)
            for run in runs:
                run.apply(chunk.partition, chunk.records)
        windows.close()
        if isinstance(windows, GatheringRun):
            homes = windows.homes()
            for anomaly in compare_gathered(peers, windows.inputs).anomalies:
                emit(homes[anomaly.sensor_id], anomaly)
        check_found(source, coverage.sensors)
    readings = sum(sensor.readings for sensor in coverage.sensors.values())
    return Replayed(readings, coverage.ticks, len(coverage.sensors), dict(counts), unreadable)


def _told(chunks: Iterator[Chunk], source: Source, progress: Progress | None) -> Iterator[Chunk]:
    total, done = source.total(source.partitions), 0
    for chunk in chunks:
        yield chunk
        done += chunk.done
        if progress is not None:
            progress(done, total)


def _pass_over(chunk: Chunk, skip_unreadable: bool) -> int:
    if chunk.unreadable and not skip_unreadable:
        where, detail = chunk.unreadable[0]
        raise UnreadableRecords(
            f"{where} cannot be read: {detail}; pass over such records with --skip-unreadable"
        )
    return len(chunk.unreadable)


# -- into another namespace ------------------------------------------------------------------------------------------


def publish(
    source: Source,
    target: Settings,
    *,
    speed: float = 0.0,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> Replayed:
    """Publish readings into the topic `readings` of another namespace, which is made if it is not there.

    Args:
        source: Recorded readings.
        target: Settings whose namespace is not the live one: see `agents.rehearsing`.
        speed: See `paced`.
        skip_unreadable: Pass over what cannot be read.
        progress: Told how far it is.

    Raises:
        ConfigurationError: If the target is the topic that is read.
        TransientError: If Kafka cannot be reached, or does not take a record.
    """
    if not target.kafka.namespace:
        raise ConfigurationError("refusing to publish into the live topics: the namespace is empty")
    if isinstance(source, KafkaSource):
        if source.topic == target.topic(CATALOGUE.of(Reading).topic.name):
            raise ConfigurationError(f"refusing to publish {source.topic} into itself")
        source = replace(source, with_headers=True)
    ensure_topics(target)
    publisher = _Publisher(target, same_partitions=_same_partitions(source, target))
    coverage, unreadable = Coverage(), 0
    try:
        for chunk in _told(paced(source, speed), source, progress):
            unreadable += _pass_over(chunk, skip_unreadable)
            coverage.apply(chunk.records)
            publisher.publish(chunk)
        check_found(source, coverage.sensors)
        if not publisher.same_partitions:
            publisher.close_windows(target.windows.idle_seconds)
    finally:
        publisher.flush()
    readings = sum(sensor.readings for sensor in coverage.sensors.values())
    return Replayed(
        readings, coverage.ticks, len(coverage.sensors), {}, unreadable, publisher.resumed, SetAside(),
        len(publisher.rules_left_out),
    )  # fmt: skip


def _same_partitions(source: Source, target: Settings) -> bool:
    return isinstance(source, KafkaSource) and source.partitions == tuple(range(target.kafka.partitions))


class _Publisher:
    """Writes to `readings` of a namespace, in order within each partition, and goes on where it was.

    Args:
        target: Where to.
        same_partitions: Keep the source's partitions; otherwise the key decides, and ticks are made anew.
    """

    def __init__(self, target: Settings, *, same_partitions: bool) -> None:
        from aiokafka.partitioner import DefaultPartitioner

        self.same_partitions = same_partitions
        self.resumed = 0
        self.rules_left_out: set[str] = set()
        self._topic = target.topic(CATALOGUE.of(Reading).topic.name)
        self._partitions = list(range(target.kafka.partitions))
        self._partitioner: Any = DefaultPartitioner()
        self._chosen: dict[str, int] = {}
        self._last_ms = 0
        self._error: Any = None
        self._arrived = _arrived(target, self._topic, self._partitions, only_last=same_partitions)
        self._producer = connect_writer(
            target, compression_type=target.kafka.compression, message_timeout_ms=60_000
        )

    def publish(self, chunk: Chunk) -> None:
        """Publish the records of a chunk that have not arrived yet."""
        for offset, ingest_ms, record in chunk.records:
            if not isinstance(record, Reading):
                if self.same_partitions:
                    self._send(chunk.partition, (chunk.partition, offset), ingest_ms, None, record)
                elif isinstance(record, RuleChange):
                    self.rules_left_out.add(record.fingerprint)
            else:
                self._last_ms = max(self._last_ms, ingest_ms)
                partition = chunk.partition if self.same_partitions else self._partition_of(record.sensor_id)
                kept = chunk.headers.get(offset, ())
                self._send(
                    partition, (chunk.partition, offset), ingest_ms, record.sensor_id.encode(), record, kept
                )

    def close_windows(self, idle_seconds: float) -> None:
        """Add a tick to every partition, after which no sensor's windows are open."""
        at_ms = self._last_ms + round(idle_seconds * 1000)
        for partition in self._partitions:
            self._send(partition, (_MADE_HERE, 0), at_ms, None, Tick(event_seconds(at_ms)))

    def _partition_of(self, sensor_id: str) -> int:
        partition = self._chosen.get(sensor_id)
        if partition is None:
            partition = self._partitioner(sensor_id.encode(), self._partitions, self._partitions)
            self._chosen[sensor_id] = partition
        return partition

    def _send(
        self,
        partition: int,
        origin: tuple[int, int],
        ingest_ms: int,
        key: bytes | None,
        record: Logged,
        kept: KeptHeaders = (),
    ) -> None:
        # -1 is the offset of rules that are in force from the beginning.
        if origin[1] <= self._arrived.get((origin[0], partition), -2):
            self.resumed += isinstance(record, Reading)
            return
        headers: list[tuple[str, str | bytes | None]] = [(HEADER_ORIGIN, _ORIGIN.pack(*origin))]
        if isinstance(record, Reading):
            identity = reading_id(record.sensor_id, record.collected_at, record.values, record.sequence)
            headers += [(HEADER_READING_ID, identity), *kept]
        while True:
            try:
                self._producer.produce(
                    self._topic, encode(record), key, partition,
                    on_delivery=self._delivered, timestamp=ingest_ms, headers=headers,
                )  # fmt: skip
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)
        self._check()

    def _delivered(self, error: Any, message: Any) -> None:
        self._error = self._error or error

    def _check(self) -> None:
        if self._error is not None:
            raise TransientError(f"Kafka did not take a record of {self._topic}: {self._error}")

    def flush(self) -> None:
        """Wait until Kafka has everything."""
        self._producer.flush(60)
        self._check()


def _arrived(
    target: Settings, topic: str, partitions: list[int], *, only_last: bool
) -> dict[tuple[int, int], int]:
    """Return, by partition of the source and of the target, the source offset of the last record that arrived.

    Between the two the order is kept, so what came before it has arrived, too.

    Args:
        target: Where to look.
        topic, partitions: There.
        only_last: The partitions are those of the source: the last record of each tells everything.
    """
    arrived: dict[tuple[int, int], int] = {}
    with Log(target) as log:
        for partition in partitions:
            low, high = log.ends(topic, partition)
            for messages in log.read(topic, partition, max(low, high - 1) if only_last else low, high):
                for message in messages:
                    origin = dict(message.headers() or []).get(HEADER_ORIGIN)
                    if origin is None:
                        where = f"{topic}-{partition}"
                        raise ConfigurationError(
                            f"{where} holds records that no replay wrote: choose another namespace"
                        )
                    source, offset = _ORIGIN.unpack(origin)
                    arrived[source, partition] = offset
    return arrived
