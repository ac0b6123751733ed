"""A device publishes a reading, three times; MongoDB has it, once."""

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
import pymongo
from bson import ObjectId

from bridges.process.settings import KafkaSettings, Settings
from streams.records.identity import reading_id
from tests.support.worker_process import WorkerProcess, environment, until_consumed

TOPIC = "sensors/464fc87d3c5a/reading"
PAYLOAD = '{"temperature":21.5,"collected_at":"2024-09-09T14:01:09Z"}'


def publish(host: str, port: int) -> None:
    """Publish as a device would: with Mosquitto's client where it is installed, otherwise with paho."""
    if program := shutil.which("mosquitto_pub"):
        command = [program, "-h", host, "-p", str(port), "-t", TOPIC, "-m", PAYLOAD, "-q", "1"]
        subprocess.run(command, check=True, timeout=20)
        return
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect(host, port)
    client.loop_start()
    client.publish(TOPIC, PAYLOAD, qos=1).wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


async def until(condition: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.1)


async def test_a_reading_published_three_times_is_one_document(
    kafka: str,
    mqtt: tuple[str, int],
    mongo: str,
    mongo_database: str,
    topic_prefix: str,
    unique_name: str,
    tmp_path: Path,
) -> None:
    host, port = mqtt
    variables = {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": topic_prefix,
        "WEIR_MQTT__HOST": host,
        "WEIR_MQTT__PORT": str(port),
        "WEIR_MQTT__CLIENT_ID": unique_name,
        "WEIR_MQTT__TOPICS": "sensors/464fc87d3c5a/#",
        "WEIR_MONGO__URI": mongo,
        "WEIR_MONGO__DATABASE": mongo_database,
        "WEIR_BRIDGE__METRICS_PORT": "0",
    }
    worker = WorkerProcess(variables, tmp_path, "worker")
    log = tmp_path / "bridge.log"
    with log.open("wb") as output:
        bridge = subprocess.Popen(  # noqa: ASYNC220  # returns at once
            [sys.executable, "-m", "agents", "bridge"],
            env=environment(variables),
            stdout=output,
            stderr=output,
        )
    try:
        worker.start()
        await until(lambda: b"session.started" in log.read_bytes(), 60, log.read_text)
        for _ in range(3):
            publish(host, port)
        with pymongo.MongoClient[dict[str, object]](mongo) as client:
            sensors = client[mongo_database]["sensors"]
            await until(lambda: sensors.count_documents({}) > 0, 60, lambda: log.read_text() + worker.tail())
            await until_consumed(
                Settings(kafka=KafkaSettings(brokers=kafka, namespace=topic_prefix)), [worker]
            )
            (document,) = sensors.find()
        assert document == {
            "_id": ObjectId(reading_id("464fc87d3c5a", 1725890469.0, {"temperature": 21.5})),
            "temperature": 21.5,
            "collected_at": datetime(2024, 9, 9, 14, 1, 9, tzinfo=UTC).replace(tzinfo=None),
            "metadata": {"sensor_id": "464fc87d3c5a"},
        }
    finally:
        bridge.terminate()
        bridge.wait(20)
        worker.kill()
