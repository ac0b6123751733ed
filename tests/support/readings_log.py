"""A log of readings as a bad day makes it, and what an undisturbed worker makes of it."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from agents.stages.aggregate import WINDOW_ROWS
from agents.stages.detect import model_rows
from bridges.kafka.options import aiokafka_options
from bridges.process.settings import Settings
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.model_rows import MODEL_CHANGES, models_from_state, models_to_state
from streams.detection.sensor_models import SensorModels
from streams.errors import InputError
from streams.records.dead_letters import from_kafka
from streams.records.rows import Changes, Row, encode_row
from streams.records.topics import AGGREGATES, ANOMALIES, BANDS, DEAD_LETTERS, LATE_READINGS, READINGS
from streams.records.types import Reading, Tick, decode_reading, encode
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.sensor_windows import WINDOW_CHANGES, SensorWindows
from tests.support.changelog import recovered

EPOCH = 1_725_890_400.0
VERSIONS = {"windows": WINDOW_ROWS.version, "models": model_rows(Settings().detection.plan()).version}
RESULT_TOPICS = (AGGREGATES.name, LATE_READINGS.name, ANOMALIES.name, BANDS.name, DEAD_LETTERS.name)


def bad_day(
    *, sensors: int, readings: int, seed: int, interval: float = 10.0
) -> list[tuple[bytes | None, bytes]]:
    """Make keys and values for `readings`: out of order, late, twice, spiking, corrected, idle, unreadable.

    A value of ``None`` as key stands for a tick, which goes to every partition.
    """
    rng, of_corrections = random.Random(seed), random.Random(seed + 1)
    names = [f"sensor-{number:04}" for number in range(sensors)]
    records: list[tuple[bytes | None, bytes]] = []
    for step in range(readings // sensors):
        now = EPOCH + step * interval
        if step % 20 == 19:
            records.append((None, encode(Tick(tick_at=now))))
        for name in names:
            if rng.random() < 0.02:
                continue  # lost on the way
            event_time = now - rng.choice((0, 0, 0, 0, 0, 3.5, 12.0, 600.0)) * (rng.random() < 0.2)
            value = round(20 + rng.gauss(0, 0.5) + (15 if rng.random() < 0.001 else 0), 2)
            reading = Reading(name, max(event_time, EPOCH), {"temperature": value}, sequence=step)
            record = (name.encode(), encode(reading))
            records.append(record)
            if rng.random() < 0.02:
                records.append(record)
            if of_corrections.random() < 0.02:  # the same time, another value: another reading
                other = Reading(name, reading.collected_at, {"temperature": value + 1.0, "battery": 3.0})
                records += [(name.encode(), encode(other))] * of_corrections.choice((1, 2))
        if rng.random() < 0.05:
            records.append((names[0].encode(), b"\xff not a reading"))
    return records


async def write(settings: Settings, records: list[tuple[bytes | None, bytes]]) -> None:
    """Write the log to Kafka, each sensor in its partition, ticks in all."""
    partitions = list(range(settings.kafka.partitions))
    partitioner = DefaultPartitioner()
    async with AIOKafkaProducer(
        **aiokafka_options(settings), linger_ms=5, enable_idempotence=True
    ) as producer:
        confirmations = []
        for key, value in records:
            targets = partitions if key is None else [partitioner(key, partitions, partitions)]
            for partition in targets:
                confirmations.append(
                    await producer.send(settings.topic(READINGS.name), value, key, partition)
                )
        await asyncio.gather(*confirmations)


async def read(settings: Settings, topic: str) -> dict[int, list[tuple[bytes | None, bytes]]]:
    """Read all committed records of a topic: key and value, by partition, in order."""
    return {
        partition: [(record.key, record.value) for record in records]
        for partition, records in (await _read(settings, settings.topic(topic))).items()
    }


async def _read(settings: Settings, topic: str) -> dict[int, list]:  # type: ignore[type-arg]
    found: dict[int, list] = defaultdict(list)  # type: ignore[type-arg]
    partitions = [TopicPartition(topic, number) for number in range(settings.kafka.partitions)]
    async with AIOKafkaConsumer(
        **aiokafka_options(settings),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    ) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                found[tp.partition].extend(records)
    return found


@dataclass(slots=True)
class Expected:
    """What an undisturbed worker reads and writes: values by topic and partition, in order; rows by sensor."""

    values: dict[str, dict[int, list[bytes]]] = field(
        default_factory=lambda: {topic: defaultdict(list) for topic in (READINGS.name, *RESULT_TOPICS)}
    )

    windows: dict[str, Row[SensorWindows]] = field(default_factory=dict)
    models: dict[str, Row[SensorModels]] = field(default_factory=dict)

    def all(self, topic: str) -> list[bytes]:
        """Return the values of all partitions of a topic: a result, or what was read."""
        return [value for values in self.values[topic].values() for value in values]

    async def differences(
        self, settings: Settings, after: str, topics: Iterable[str] = RESULT_TOPICS
    ) -> list[str]:
        """Compare topics of results with these, byte for byte and in order; one line a difference."""
        lines = []
        for topic in topics:
            found = await read(settings, topic)
            for partition in range(settings.kafka.partitions):
                got = [value for _, value in found.get(partition, [])]
                wanted = self.values[topic][partition]
                if got != wanted:
                    lines.append(
                        f"{topic}-{partition} after {after}: {len(got)} records, expected {len(wanted)}; "
                        f"missing {len(set(wanted) - set(got))}, foreign {len(set(got) - set(wanted))}; first "
                        f"{next(pair for pair in zip_longest(got, wanted) if pair[0] != pair[1])}"
                    )
        if not self.all(AGGREGATES.name):
            lines.append(f"nothing was expected after {after}: the log was not read")
        return lines

    async def state_differences(self, settings: Settings, after: str) -> list[str]:
        """Compare the rows in the changelogs with these, byte for byte; one line a difference."""
        plan = settings.detection.plan()
        lines = []
        tables: list[tuple[str, dict[str, Row[Any]], Any, Any, Changes[Any]]] = [
            (
                "windows",
                self.windows,
                SensorWindows.to_state,
                lambda _, state: SensorWindows.from_state(state),
                WINDOW_CHANGES,
            ),
            ("models", self.models, models_to_state, partial(models_from_state, plan), MODEL_CHANGES),
        ]
        for name, wanted, to_state, from_state, changes in tables:
            topic = f"{settings.worker.application}-{name}-changelog"
            newest = {key: value for part in (await read(settings, topic)).values() for key, value in part}
            for sensor, row in wanted.items():
                found = recovered(newest, sensor, partial(from_state, sensor), changes, VERSIONS[name])
                if encode_row(found, to_state) != encode_row(row, to_state):
                    lines.append(
                        f"{name} of {sensor} after {after}: contains the log up to {found.applied_through}, "
                        f"expected {row.applied_through}"
                    )
        return lines


async def undisturbed(settings: Settings) -> Expected:
    """Read the log, and compute in this process what a worker must have made of it."""
    policy = settings.window_policy()
    plan = settings.detection.plan(policy.room)
    expected = Expected()
    topic = settings.topic(READINGS.name)
    for partition, records in (await _read(settings, topic)).items():
        windows: dict[str, Row[SensorWindows]] = {}
        models: dict[str, Row[SensorModels]] = {}
        aggregation, detection = AggregationOutcome(), DetectionOutcome()
        expected.values[READINGS.name][partition] = [record.value for record in records]
        for record in records:
            try:
                content = decode_reading(record.value)
            except InputError as error:
                letter = from_kafka(topic, partition, record, error)
                expected.values[DEAD_LETTERS.name][partition].append(encode(letter))
                continue
            item = [(record.offset, record.timestamp, content)]
            aggregate(policy, windows, item, aggregation)
            detect(plan, models, item, detection)
        expected.values[AGGREGATES.name][partition] = [encode(result) for result in aggregation.aggregates]
        expected.values[LATE_READINGS.name][partition] = [encode(late) for late in aggregation.late]
        expected.values[ANOMALIES.name][partition] = [encode(anomaly) for anomaly in detection.anomalies]
        expected.values[BANDS.name][partition] = [encode(band) for band in detection.bands]
        expected.values[DEAD_LETTERS.name][partition] += (
            encode(msgspec.structs.replace(letter, partition=partition)) for letter in aggregation.refused
        )
        expected.windows |= windows
        expected.models |= models
    return expected
