"""A log of readings with ingest times of its own: out of order, late, twice, unreadable, and idle for a while."""

import random
from dataclasses import dataclass

from confluent_kafka import Producer

from bridges.kafka.options import librdkafka_options
from bridges.process.settings import Settings
from streams.records.topics import READINGS
from streams.records.types import Reading, Tick, encode

EPOCH = 1_725_890_400.0
INTERVAL = 10.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One record for `readings`: ``None`` as key stands for a tick, which goes to every partition."""

    key: bytes | None
    value: bytes
    ingest_ms: int


def recorded_day(*, sensors: int, steps: int, seed: int) -> list[Sent]:
    """Make a log; the first quarter of the sensors is silent for a fifth of the time, and then closed by ticks."""
    rng = random.Random(seed)
    names = [f"sensor-{number:03}" for number in range(sensors)]
    records: list[Sent] = []
    for step in range(steps):
        now = EPOCH + step * INTERVAL
        ingest_ms = round(now * 1000)
        if step % 3 == 2:
            records.append(Sent(None, encode(Tick(tick_at=now, steady=int(step * INTERVAL))), ingest_ms))
        silent = names[: sensors // 4] if 2 * steps // 5 < step < 3 * steps // 5 else []
        for name in names:
            if name in silent or rng.random() < 0.02:
                continue
            event_time = now - rng.choice((3.5, 12.0, 45.0, 600.0)) * (rng.random() < 0.1)
            value = round(20 + rng.gauss(0, 0.5) + (15 if rng.random() < 0.004 else 0), 2)
            of_its_own = len(records) * 7919 % 13 / 100 + (3 if 560 <= step < 570 else 0)
            reading = Reading(
                name, max(event_time, EPOCH), {"temperature": value, "humidity": 40 + value / 10 + of_its_own}
            )
            record = Sent(name.encode(), encode(reading), ingest_ms + len(records) % 7)
            records += [record, record] if rng.random() < 0.02 else [record]
        if rng.random() < 0.02:
            records.append(Sent(names[0].encode(), b"\xff not a reading", ingest_ms))
    return records


def send(settings: Settings, records: list[Sent]) -> None:
    """Write records to Kafka, in order within each partition, and wait until it has them."""
    producer = Producer(
        {**librdkafka_options(settings), "enable.idempotence": True, "partitioner": "murmur2"}
    )
    topic = settings.topic(READINGS.name)
    for number, record in enumerate(records):
        targets = range(settings.kafka.partitions) if record.key is None else (-1,)
        for partition in targets:
            producer.produce(topic, record.value, record.key, partition, timestamp=record.ingest_ms)
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0, "Kafka has not taken all records"
