"""What a message costs on its way from MQTT into Kafka: `weir bridge` beside a plain paho + librdkafka loop.

    python -m pytest tests/benchmarks/bench_bridge.py -s

Publishes readings of about 105 bytes from 1,000 sensors at QoS 1 and prints messages a second, processor time
per message (user and system, all threads), memory, and the time from publishing to standing in Kafka at a steady
rate. Only processor time is asserted: the others depend on what else the machine does.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import timeit
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bridges.stack.child_process import ROOT, Program, free_port
from streams.payloads.accepted import Limits
from streams.payloads.flat import decode
from streams.records.identity import reading_id
from streams.records.types import Reading, encode
from tests.services.bridge_kit import BridgeProcess
from tests.support.patience import until

SENSORS = 1000
PARTITIONS = 4
WINDOW = 1000
MESSAGES = int(os.environ.get("WEIR_BENCH_MESSAGES", "200000"))
RATE = float(os.environ.get("WEIR_BENCH_RATE", "15000"))
RATE_SECONDS = 10.0
MOST_CPU_SECONDS = 25e-6


def _frame(name: str, number: int, now: float) -> bytes:
    sensor = f"sensor-{number % SENSORS:04d}"
    topic = f"{name}/sensors/{sensor}/reading".encode()
    payload = b'{"sensor_id":"%s","temperature":%.2f,"collected_at":%.3f,"sequence":%d}' % (
        sensor.encode(),
        20 + number % 700 / 100,
        now,
        number,
    )
    body = len(topic).to_bytes(2, "big") + topic + (number % 60_000 + 1).to_bytes(2, "big") + payload
    return bytes([0x32, len(body) & 127 | 128, len(body) >> 7]) + body


def publish(
    address: str,
    name: str,
    messages: int,
    rate: float,
    frame: Callable[[str, int, float], bytes] = _frame,
) -> None:
    """Publish over a bare socket: a client library would cost more than the bridge.

    Args:
        address: ``host:port`` of the MQTT broker.
        name: First level of the topics.
        messages: How many.
        rate: Messages a second; 0 is as fast as the broker takes them. Event time is the time of publishing.
        frame: Makes the packet of a message of its number, which is published now (seconds since the Unix epoch).
    """
    host, _, port = address.partition(":")
    client = f"{name}-device".encode()
    hello = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(client).to_bytes(2, "big") + client
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(bytes([0x10, len(hello)]) + hello)
        assert connection.recv(4)[:2] == b"\x20\x02"
        sent = taken = 0
        began = time.time()
        while taken < messages:
            room = min(messages - sent, WINDOW - (sent - taken))
            if rate:
                room = min(room, int((time.time() - began) * rate) - sent)
            if room > 0:
                now = time.time()
                connection.sendall(b"".join(frame(name, sent + i, now) for i in range(min(room, 200))))
                sent += min(room, 200)
            elif rate and sent == taken:
                time.sleep(0.001)
            if sent > taken:
                taken += len(connection.recv(65_536)) // 4


def plain_loop(mqtt: str, kafka: str, name: str) -> None:
    """Be the bridge that one writes in an hour: paho and librdkafka, acknowledged from the delivery report.

    The payload is neither read nor checked; the key is cut out of the topic. Prints a line per message confirmed.
    """
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.subscribeoptions import SubscribeOptions

    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
        }
    )
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv5, manual_ack=True)
    waiting: deque[list[Any]] = deque()
    confirmed = 0

    def on_message(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        entry: list[Any] = [message.mid, False]
        waiting.append(entry)

        def delivered(error: Any, _message: Any) -> None:
            entry[1] = error is None

        key = message.topic.split("/")[-2]
        producer.produce(f"{name}.readings", bytes(message.payload), key, on_delivery=delivered)

    client.on_message = on_message
    client.on_connect = lambda c, *_: c.subscribe(f"{name}/#", options=SubscribeOptions(qos=1))
    host, _, port = mqtt.partition(":")
    client.connect(host, int(port))
    client.loop_start()
    report = time.monotonic()
    while True:
        producer.poll(0.005)
        while waiting and waiting[0][1]:
            client.ack(waiting.popleft()[0], 1)
            confirmed += 1
        if time.monotonic() - report > 0.1:
            report = time.monotonic()
            print(confirmed, flush=True)


class PlainLoop(Program):
    """The plain loop as a process."""

    def __init__(self, directory: Path, mqtt: str, kafka: str, name: str) -> None:
        here = str(Path(__file__).resolve())
        super().__init__("plain", directory, (sys.executable, here, "--be-plain", mqtt, kafka, name))

    def confirmed(self) -> int:
        """How many messages Kafka has."""
        lines = self.log_file.read_text(encoding="utf-8").split()
        return int(lines[-1]) if lines and lines[-1].isdigit() else 0


def cpu_seconds(pid: int | None) -> float:
    """Processor time of a process so far, all its threads."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def measure(
    title: str, process: Program, confirmed: Callable[[], int], address: str, name: str, messages: int
) -> float:
    """Publish at full speed, print what each message cost the process, and return its processor seconds."""
    began, cpu = time.monotonic(), cpu_seconds(process.pid)
    publisher = subprocess.Popen(
        [sys.executable, __file__, "--publish", address, name, str(messages), "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    peak = 0

    def done() -> bool:
        nonlocal peak
        assert publisher.poll() in (None, 0), "the publisher failed"
        peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        return confirmed() >= messages

    until(done, f"{messages} confirmed by {title}", timeout=600)
    wall, cost = time.monotonic() - began, cpu_seconds(process.pid) - cpu
    publisher.wait()
    print(
        f"{title:<44} {messages / wall:>9,.0f}/s {cost / messages * 1e6:>6.1f} µs CPU {peak / 1e6:>6.0f} MB",
        flush=True,
    )
    return cost / messages


def latencies(brokers: str, topic: str) -> list[float]:
    """Seconds from publishing to standing in Kafka, of every reading on a topic that has LogAppendTime."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "unused", "enable.auto.commit": False})
    found: list[float] = []
    decoder = msgspec.json.Decoder(Reading)
    for number in range(PARTITIONS):
        place = TopicPartition(topic, number, 0)
        high = consumer.get_watermark_offsets(place)[1]
        consumer.assign([place])
        at = 0
        while at < high:
            for message in consumer.consume(10_000, 1):
                at = message.offset() + 1
                if message.key() is not None:
                    found.append(message.timestamp()[1] / 1000 - decoder.decode(message.value()).collected_at)
    consumer.close()
    return sorted(found)


def decoding() -> None:
    """Print what validation costs by itself, beside hand-written checks on msgspec."""
    topic = b"sensors/464fc87d3c5a/reading"
    payload = b'{"sensor_id":"464fc87d3c5a","temperature":21.5,"collected_at":"2024-09-09T14:01:09Z"}'
    limits, now = Limits(), 1_725_890_470.0
    parse = msgspec.json.Decoder().decode

    def by_hand(raw: bytes) -> Reading:
        fields = parse(raw)
        sensor_id, at = fields.pop("sensor_id"), fields.pop("collected_at")
        if type(sensor_id) is not str or type(at) is not str:
            raise ValueError
        for value in fields.values():
            if type(value) is not float and type(value) is not int:
                raise ValueError
        return Reading(sensor_id, datetime.fromisoformat(at).astimezone(UTC).timestamp(), fields)

    reading = by_hand(payload)
    steps: list[tuple[str, Callable[[], object]]] = [
        ("decode: pydantic, every rule of payloads.md", lambda: decode(topic, payload, now, limits)),
        ("  of the same by hand on msgspec, types only", lambda: by_hand(payload)),
        ("reading id", lambda: reading_id("464fc87d3c5a", 1_725_890_469.0, {"temperature": 21.5})),
        ("record to JSON", lambda: encode(reading)),
    ]
    for title, step in steps:
        best = min(timeit.repeat(step, number=20_000, repeat=5)) / 20_000
        print(f"{title:<44} {'':>11} {best * 1e6:>6.2f} µs")


def test_a_message_costs_at_most_25_microseconds(kafka: str, mqtt: tuple[str, int], tmp_path: Path) -> None:
    print(f"\nload before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    decoding()
    assert run(tmp_path, kafka, f"{mqtt[0]}:{mqtt[1]}") <= MOST_CPU_SECONDS


def run(directory: Path, kafka: str, mqtt: str) -> float:
    """Measure both bridges on running servers; return the processor seconds of a message in ours."""
    host, _, port = mqtt.partition(":")
    admin = AdminClient({"bootstrap.servers": kafka})

    def topic_of(name: str, **config: str) -> None:
        topic = NewTopic(f"{name}.readings", PARTITIONS, 1, config=config)
        for future in admin.create_topics([topic]).values():
            future.result()

    def bridge(name: str) -> BridgeProcess:
        process = BridgeProcess(
            directory / name,
            {
                "WEIR_KAFKA__BROKERS": kafka,
                "WEIR_KAFKA__NAMESPACE": f"{name}.",
                "WEIR_KAFKA__PARTITIONS": str(PARTITIONS),
                "WEIR_MQTT__HOST": host,
                "WEIR_MQTT__PORT": port,
                "WEIR_MQTT__CLIENT_ID": name,
                "WEIR_MQTT__TOPICS": f"{name}/#",
                "WEIR_MQTT__PREFIX": "ignored",
                "WEIR_BRIDGE__METRICS_PORT": str(free_port()),
            },
        )
        process.start()
        return process

    name = f"plain{secrets.token_hex(3)}"
    topic_of(name)
    plain = PlainLoop(directory / name, mqtt, kafka, name)
    plain.start()
    until(lambda: plain.log_file.exists() and plain.log_file.stat().st_size, "the plain loop runs")
    measure("paho + librdkafka, payload not read", plain, plain.confirmed, mqtt, name, MESSAGES)
    plain.stop()

    name = f"weir{secrets.token_hex(3)}"
    weir = bridge(name)
    price = measure(
        "weir bridge, payload validated",
        weir,
        lambda: int(weir.ledger().get("messages", {}).get("confirmed", 0)),
        mqtt,
        name,
        MESSAGES,
    )
    weir.stop()

    name = f"rate{secrets.token_hex(3)}"
    topic_of(name, **{"message.timestamp.type": "LogAppendTime"})
    weir = bridge(name)
    count = int(RATE * RATE_SECONDS)
    cpu = cpu_seconds(weir.pid)
    publish(mqtt, name, count, RATE)
    until(lambda: weir.ledger()["messages"]["confirmed"] >= count, "all confirmed")
    cost = (cpu_seconds(weir.pid) - cpu) / count
    ledger = weir.ledger()
    weir.stop()
    found = latencies(kafka, f"{name}.readings")
    shares = {q: found[min(int(len(found) * q), len(found) - 1)] * 1000 for q in (0.5, 0.95, 0.99, 0.999)}
    print(
        f"{f'weir bridge at {RATE:,.0f}/s':<44} {'':>11} {cost * 1e6:>6.1f} µs CPU; publish to Kafka: "
        + ", ".join(f"p{q * 100:g} {ms:.0f} ms" for q, ms in shares.items())
    )
    assert ledger["balanced"], json.dumps(ledger)
    return price


if __name__ == "__main__":  # the processes that the benchmark starts
    if sys.argv[1] == "--publish":
        publish(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
    elif sys.argv[1] == "--be-plain":
        plain_loop(*sys.argv[2:5])
