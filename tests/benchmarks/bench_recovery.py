"""How long a worker takes to be ready again: it reads its tables back from changelogs that were not compacted yet.

WEIR_BENCH_RECOVERY_RECORDS sets how many records they hold at least (default 1,000,000): what a worker has written of
its sensors, again and again, as live readings would have it. An ordinary Faust application reads the same changelogs.
"""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.lane.core.changelog import OWNER_KEY, KeyValue
from agents.lane.writer import PartitionWriter
from bridges.kafka.clients import ensure_topics
from bridges.kafka.options import aiokafka_options, aiokafka_producer_options
from bridges.process.settings import KafkaSettings, Settings
from streams.records.topics import READINGS
from tests.benchmarks.bench_worker import cost_in, fill
from tests.support.worker_process import WorkerProcess, environment, until_consumed, until_ready

RECORDS = int(os.environ.get("WEIR_BENCH_RECOVERY_RECORDS", "1_000_000"))
SENSORS = 5000
READINGS_OF_EACH = 120


@pytest.mark.timeout(1800)
async def test_time_until_a_worker_is_ready_again(kafka: str, unique_name: str, tmp_path: Path) -> None:
    settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=f"{unique_name}.", partitions=4))
    await asyncio.to_thread(ensure_topics, settings)
    variables = {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": settings.kafka.namespace,
        "WEIR_WORKER__SINKS": "false",
        "WEIR_LOG_LEVEL": "WARNING",
    }
    worker = WorkerProcess(variables, tmp_path, "worker")
    try:
        worker.start()
        await until_ready([worker])
        await fill(settings, READINGS_OF_EACH * SENSORS, SENSORS)
        await until_consumed(settings, [worker])
        worker.stop()
        records = await lengthen(settings)
        begun = time.perf_counter()
        worker.start()
        await until_ready([worker])
        seconds = time.perf_counter() - begun
        spent = psutil.Process(worker.pid).cpu_times()
        worker.stop()
    finally:
        worker.kill()
    ordinary = await asyncio.to_thread(_ordinary, settings)
    print(f"\n{records:,} records of {SENSORS:,} sensors in two changelogs, from the start of the process")
    print(f"{'':<34}{'seconds':>10}{'CPU seconds':>14}{'CPU, Weir = 1':>15}")
    cpu = spent.user + spent.system
    print(f"{'Weir: worker, until it is ready':<34}{seconds:>10.1f}{cpu:>14.1f}{1:>15.1f}")
    print(
        f"{'ordinary Faust tables, recovered':<34}{ordinary['seconds']:>10.1f}{ordinary['cpu_seconds']:>14.1f}"
        f"{ordinary['cpu_seconds'] / cpu:>15.1f}"
    )
    assert records > RECORDS / 2
    assert ordinary["keys"] > 2 * SENSORS


async def lengthen(settings: Settings) -> int:
    """Write what the changelogs hold once more, until it is enough; returns how many records they hold then."""
    application = f"{settings.kafka.namespace}{settings.worker.application}"
    partitions = [
        TopicPartition(f"{application}-{table}-changelog", number)
        for table in ("windows", "models")
        for number in range(settings.kafka.partitions)
    ]
    held: dict[TopicPartition, list[KeyValue]] = {each: [] for each in partitions}
    options = aiokafka_options(settings)
    async with AIOKafkaConsumer(**options, isolation_level="read_committed") as consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        while fetched := await consumer.getmany(timeout_ms=3000):
            for each, records in fetched.items():
                held[each] += [(record.key, record.value) for record in records if record.key != OWNER_KEY]
    count = sum(map(len, held.values()))
    again = RECORDS // count
    for each, pairs in held.items():
        name = f"{each.topic}-{each.partition}"
        writer = PartitionWriter(aiokafka_producer_options(settings), name, each.partition)
        await writer.open()
        for _ in range(again):
            await writer.write({(each.topic, each.partition): pairs})
        await writer.close()
    return count * (1 + again)


def _ordinary(settings: Settings) -> dict[str, Any]:
    kafka = settings.kafka
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("peers") / "faust_recovery.py", kafka.brokers,
         f"{kafka.namespace}{settings.worker.application}", settings.topic(READINGS.name), str(kafka.partitions)],
        env=environment({}), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    return cost_in(done, "ordinary Faust")
