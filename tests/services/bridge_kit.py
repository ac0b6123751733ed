"""For tests of the bridge: the bridge as a process of its own, a device, and what arrived on Kafka."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import paho.mqtt.client as paho
from confluent_kafka import Consumer, KafkaException, TopicPartition
from paho.mqtt.enums import CallbackAPIVersion

from bridges.stack.child_process import Program, free_port
from tests.support.patience import PATIENCE, until

DEADLINE_SECONDS = PATIENCE


class BridgeProcess(Program):
    """``python -m agents bridge`` with its own settings."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        super().__init__(
            "bridge",
            directory,
            (sys.executable, "-m", "agents", "bridge"),
            {**environment, "WEIR_BRIDGE__METRICS_PORT": str(self.port), "WEIR_LOG_FORMAT": "json"},
        )

    def know(self, variable: str, value: str) -> None:
        """Set a variable, before it starts."""
        self._environment[variable] = value

    def get(self, page: str) -> dict[str, Any]:
        """Ask a page; an empty answer while nobody listens."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except URLError as error:
            if hasattr(error, "read"):
                refused: dict[str, Any] = json.load(error)
                return refused
            return {}
        except (OSError, ValueError):
            return {}

    def text(self, page: str) -> str:
        """Return a page as text."""
        with urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=5) as answer:
            found: bytes = answer.read()
            return found.decode()

    def is_ready(self) -> bool:
        """Tell whether readings flow."""
        return self.is_running() and bool(self.get("/health/ready").get("ready"))

    def ledger(self) -> dict[str, Any]:
        """Return the counts."""
        return self.get("/api/ledger")

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of its log."""
        lines = self.log_file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


class Publisher:
    """A device that publishes at QoS 1 and knows what the broker took."""

    def __init__(self, host: str, port: int, name: str) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv311)
        self._client.max_inflight_messages_set(500)
        self._client.max_queued_messages_set(0)
        self._client.connect(host, port)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> None:
        """Publish without waiting."""
        self._last = self._client.publish(topic, payload, qos=qos, retain=retain)

    def wait(self) -> None:
        """Wait until the broker has everything."""
        self._last.wait_for_publish(DEADLINE_SECONDS)
        until(lambda: not self._client._out_messages, "everything taken by the broker")

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


def _consumer(brokers: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 50,
        }
    )


def _places(consumer: Consumer, topic: str) -> list[tuple[TopicPartition, int, int]]:
    """Return the partitions of a topic with their first and next offsets."""
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    places = [TopicPartition(topic, number) for number in sorted(partitions)]
    return [(place, *consumer.get_watermark_offsets(place, timeout=20)) for place in places]


def records_when(brokers: str, topic: str, count: int) -> list[Any]:
    """Wait until at least so many records stand on a topic, and return all of them, partition by partition."""
    consumer = _consumer(brokers)

    def enough() -> bool:
        try:
            return sum(high - low for _, low, high in _places(consumer, topic)) >= count
        except KafkaException:  # the topic is a moment old, or Kafka is just coming back
            return False

    try:
        until(enough, f"{count} records on {topic}")
        return _read(consumer, topic)
    finally:
        consumer.close()


def _read(consumer: Consumer, topic: str) -> list[Any]:
    found: list[Any] = []
    for place, at, high in _places(consumer, topic):
        place.offset = at
        consumer.assign([place])
        deadline = time.monotonic() + DEADLINE_SECONDS
        while at < high:
            assert time.monotonic() < deadline, f"{place} stands at {at} of {high}"
            for message in consumer.consume(10_000, 0.2):
                assert message.error() is None, message.error()
                found.append(message)
                at = message.offset() + 1
    return found
