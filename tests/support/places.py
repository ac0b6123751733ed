"""Places for workers: topics and a database of their own, on a real Kafka and a real MongoDB."""

import asyncio
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo
import pytest
from aiokafka import AIOKafkaProducer
from bson.errors import BSONError
from pymongo.errors import PyMongoError

from bridges.kafka.clients import ensure_topics
from bridges.kafka.options import aiokafka_options
from bridges.process.settings import KafkaSettings, Settings
from streams.records.identity import reading_id
from streams.records.topics import READINGS
from streams.records.types import Reading, encode
from tests.support.patience import PATIENCE
from tests.support.stored import rest_after
from tests.support.worker_process import WorkerProcess

MOMENT = 1_725_890_400.0

Database = pymongo.database.Database[dict[str, Any]]
Found = tuple[int, Any]


class Place:
    """A namespace on Kafka and a database of its own, with workers.

    Args:
        kafka: Bootstrap servers.
        uri: MongoDB.
        folder: For logs.
    """

    def __init__(self, kafka: str, uri: str, folder: Path) -> None:
        self.name = f"t{secrets.token_hex(5)}"
        self.settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=f"{self.name}.", partitions=4))
        self.client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri, tz_aware=True)
        self.database: Database = self.client[self.name]
        self._variables = {
            "WEIR_KAFKA__BROKERS": kafka,
            "WEIR_KAFKA__NAMESPACE": f"{self.name}.",
            "WEIR_KAFKA__PARTITIONS": "4",
            "WEIR_MONGO__URI": uri,
            "WEIR_MONGO__DATABASE": self.name,
            "WEIR_MONGO__TIMEOUT_SECONDS": "10",
            "WEIR_WORKER__CHECKPOINT_SECONDS": "0.2",
            "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": "4",
            "WEIR_WORKER__FETCH_RECORDS": "500",
            "WEIR_WINDOWS__GRACE_SECONDS": "0",
            "WEIR_DETECTION__SERIES": '{"probe/*": {"high": 80, "severity": "critical"}}',
            "WEIR_WEB__PEER_SECRET": secrets.token_hex(8),  # the workers believe each other by it
            "WEIR_LOG_FORMAT": "json",
        }
        self._folder = folder
        self.workers: list[WorkerProcess] = []
        ensure_topics(self.settings)

    def worker(self) -> WorkerProcess:
        """Start a worker; its partitions come when it is ready."""
        worker = WorkerProcess(self._variables, self._folder, f"worker-{len(self.workers)}")
        self.workers.append(worker)
        worker.start()
        return worker

    def set_for(self, patch: pytest.MonkeyPatch) -> None:
        """Let commands of this process find the first worker, Kafka and MongoDB."""
        for name, value in self._variables.items():
            patch.setenv(name, value)
        patch.setenv("WEIR_WEB__PORT", str(self.workers[0].port))

    def publish(self, *records: Any, topic: str = READINGS.name) -> None:
        """Write records, or bytes, to a topic, as the bridge does."""
        asyncio.run(self._publish(records, self.settings.topic(topic)))

    async def _publish(self, records: tuple[Any, ...], topic: str) -> None:
        async with AIOKafkaProducer(**aiokafka_options(self.settings), linger_ms=5) as producer:
            for record in records:
                value = record if isinstance(record, bytes) else encode(record)
                key, headers = None, []
                if isinstance(record, Reading):
                    identity = reading_id(
                        record.sensor_id, record.collected_at, record.values, record.sequence
                    )
                    key, headers = record.sensor_id.encode(), [("id", identity)]
                await producer.send(topic, value, key=key, headers=headers)

    def get(self, worker: WorkerProcess, path: str) -> Found:
        """Get a page of a worker: status and content."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}{path}", timeout=10) as answer:
                return answer.status, _content(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _content(error.read())
        except OSError as error:
            return 0, str(error)

    def close(self) -> None:
        """Stop the workers."""
        for worker in self.workers:
            worker.kill()
        self.client.close()

    def logs(self) -> str:
        """Return the ends of the workers' logs."""
        return "\n".join(f"--- {worker.name}\n{worker.tail()}" for worker in self.workers)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while True:
            asked = time.monotonic()
            try:
                if condition():
                    return
            except (PyMongoError, BSONError, KeyError, TypeError):
                pass
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.logs()}"
            time.sleep(rest_after(asked, 0.1))

    def until_ready(self, worker: WorkerProcess) -> None:
        """Wait until a worker does all of its work."""
        self.until(lambda: self.get(worker, "/health/ready")[0] == 200, f"{worker.name} ready")

    def count(self, collection: str) -> int:
        """Count the documents of a collection."""
        return self.database[collection].estimated_document_count()


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def readings(count: int, sensors: int = 10, start: float = MOMENT) -> list[Reading]:
    """Make readings of several sensors, one a second each."""
    return [
        Reading(f"s{number % sensors}", start + number // sensors, {"temperature": 20 + number % 7 / 10})
        for number in range(count)
    ]
