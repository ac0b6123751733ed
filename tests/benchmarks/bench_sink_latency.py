"""From publishing to MongoDB's acknowledgement, through a real Kafka and a real worker, at a steady rate."""

import asyncio
import os
import re
import time
import urllib.request
from pathlib import Path

from aiokafka import AIOKafkaProducer

from bridges.kafka_edge import aiokafka_options, ensure_topics
from bridges.settings import KafkaSettings, Settings
from streams.identity import reading_id
from streams.records import HEADER_READING_ID, Reading, encode
from streams.topics import READINGS
from tests.support.worker_process import WorkerProcess

RATE = int(os.environ.get("WEIR_TEST_BENCH_RATE", "5000"))
SECONDS = int(os.environ.get("WEIR_TEST_BENCH_SECONDS", "20"))
SENSORS = 1000
MOMENT = 1_725_890_400.0
GREATEST_P99 = 0.5

_DELAY = re.compile(
    r'weir_sink_delay_seconds_(bucket|count)\{collection="sensors"(?:,le="([^"]+)")?\} ([0-9.e+]+)'
)


async def test_p99_from_publishing_to_mongodb_at_a_steady_rate(
    kafka: str, mongo: str, mongo_database: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=topic_prefix))
    await asyncio.to_thread(ensure_topics, settings)
    worker = WorkerProcess(
        {
            "WEIR_KAFKA__BROKERS": kafka,
            "WEIR_KAFKA__NAMESPACE": topic_prefix,
            "WEIR_MONGO__URI": mongo,
            "WEIR_MONGO__DATABASE": mongo_database,
        },
        tmp_path,
        "worker",
    )
    worker.start()
    try:
        await _until(worker, "/health/ready", "true")
        await _publish(settings, RATE * 2)  # the first readings make state, connections, collections
        await _until(worker, "/metrics", _stored(RATE * 2))
        before = _delays(_get(worker, "/metrics"))
        await _publish(settings, RATE * SECONDS, first=RATE * 2)
        await _until(worker, "/metrics", _stored(RATE * (SECONDS + 2)))
        after = _delays(_get(worker, "/metrics"))
    finally:
        worker.kill()
    counted = {limit: after[limit] - before.get(limit, 0) for limit in after}
    total = counted[float("inf")]
    print(
        f"\n{RATE} readings/s for {SECONDS} s; delay of the oldest reading of each batch, {total:.0f} batches:"
    )
    for limit, count in sorted(counted.items()):
        print(f"  <= {limit:6g} s  {count / total:7.2%}")
    within = counted[GREATEST_P99] / total
    assert within >= 0.99, (
        f"{within:.1%} of the batches were in MongoDB within {GREATEST_P99} s, expected 99 %"
    )


async def _publish(settings: Settings, count: int, first: int = 0) -> None:
    topic = settings.topic(READINGS.name)
    async with AIOKafkaProducer(**aiokafka_options(settings), linger_ms=5) as producer:
        began, sent = time.perf_counter(), 0
        while sent < count:
            due = min(count, int((time.perf_counter() - began) * RATE) + 1)
            for number in range(first + sent, first + due):
                reading = Reading(
                    f"sensor-{number % SENSORS:04}", MOMENT + number // SENSORS, {"t": number % 7 / 10}
                )
                identity = reading_id(reading.sensor_id, reading.collected_at, ("t",))
                await producer.send(
                    topic,
                    encode(reading),
                    key=reading.sensor_id.encode(),
                    headers=[(HEADER_READING_ID, identity)],
                )
            sent = due
            await asyncio.sleep(0.005)


def _get(worker: WorkerProcess, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


def _stored(count: int) -> str:
    return f'weir_sink_documents_total{{collection="sensors",outcome="stored"}} {float(count)}'


async def _until(worker: WorkerProcess, path: str, text: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while text not in await asyncio.to_thread(_get, worker, path):
        assert time.monotonic() < deadline, f"{path} does not say {text} within {seconds} s:\n{worker.tail()}"
        await asyncio.sleep(0.2)


def _delays(text: str) -> dict[float, float]:
    return {float(limit): float(count) for kind, limit, count in _DELAY.findall(text) if kind == "bucket"}
