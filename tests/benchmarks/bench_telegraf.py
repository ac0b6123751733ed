"""What a mapped JSON object of ten values costs from MQTT into Kafka: `weir bridge` beside Telegraf with json_v2.

    make bench ARGS="-k bench_telegraf"

Telegraf is built from its Go module, once, with no plugins but those that it needs; without a Go toolchain only the
bridge is measured. Both do the same: topic and payload name sensor, time and ten values, and a record for each message
is on all in-sync replicas of Kafka. Processor time is that of the whole process, all threads, from the first message
after a warm-up to the last record.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bridges.stack.child_process import ROOT, Program, free_port
from tests.benchmarks.bench_bridge import PARTITIONS, SENSORS, cpu_seconds, publish
from tests.services.bridge_kit import BridgeProcess
from tests.support import telegraf
from tests.support.patience import until

MESSAGES = int(os.environ.get("WEIR_BENCH_MESSAGES", "100000"))
ROUNDS = int(os.environ.get("WEIR_BENCH_ROUNDS", "3"))
WARM_UP = 5_000
VALUES = 10
START = 1_795_149_960.0
MOST_OF_FLAT = 2.5
# Of the whole bridge, where the map is a part: the bound of the map alone is held by bench_maps.
MAP = """
name = "bench"

[[rule]]
topic = "{name}/plant/{{sensor}}/state"
time = "ts"
"""


def _values(number: int) -> dict[str, float]:
    return {f"quantity_{place}": 20.0 + place + number % 97 / 8 for place in range(VALUES)}


def mapped(name: str, number: int, _: float) -> bytes:
    """Make a PUBLISH of an object that a map reads."""
    payload = {"ts": START + number / 100, **_values(number)}
    return _frame(f"{name}/plant/sensor-{number % SENSORS:04d}/state", number, payload)


def flat(name: str, number: int, _: float) -> bytes:
    """Make a PUBLISH of Weir's own form."""
    payload = {"collected_at": START + number / 100, **_values(number)}
    return _frame(f"{name}/sensors/sensor-{number % SENSORS:04d}/reading", number, payload)


def _frame(topic: str, number: int, payload: dict[str, float]) -> bytes:
    text, packet = topic.encode(), (number % 60_000 + 1).to_bytes(2, "big")
    body = len(text).to_bytes(2, "big") + text + packet + json.dumps(payload).encode()
    return bytes([0x32, len(body) & 127 | 128, len(body) >> 7]) + body


FORMS = {"mapped": mapped, "flat": flat}


def records(brokers: str, topic: str) -> int:
    """Count what stands on a topic of Kafka."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "unused"})
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return sum(consumer.get_watermark_offsets(place)[1] for place in places)
    finally:
        consumer.close()


def cost(process: Program, mqtt: str, name: str, form: str, arrived: Callable[[], int]) -> float:
    """Publish messages of a form; return the processor seconds that each cost a process, until all have arrived."""
    send(mqtt, name, form, WARM_UP, arrived, WARM_UP)
    before = cpu_seconds(process.pid)
    send(mqtt, name, form, MESSAGES, arrived, WARM_UP + MESSAGES)
    return (cpu_seconds(process.pid) - before) / MESSAGES


def send(
    mqtt: str, name: str, form: str, messages: int, arrived: Callable[[], int], until_there: int
) -> None:
    """Publish messages of a form, and wait until so many in all have arrived."""
    publisher = subprocess.Popen(
        [sys.executable, __file__, mqtt, name, form, str(messages)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    def done() -> bool:
        assert publisher.poll() in (None, 0), "the publisher failed"
        return arrived() >= until_there

    until(done, f"{until_there:,} messages of {form} are in Kafka", timeout=300)
    publisher.wait()


def of_weir(directory: Path, kafka: str, mqtt: str, form: str) -> float:
    """Measure the bridge."""
    name = f"weir{secrets.token_hex(3)}"
    maps = directory / name / "maps"
    maps.mkdir(parents=True)
    (maps / "bench.toml").write_text(MAP.format(name=name), encoding="utf-8")
    host, _, port = mqtt.partition(":")
    weir = BridgeProcess(
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
            "WEIR_MQTT__MAPS": str(maps),
            "WEIR_BRIDGE__METRICS_PORT": str(free_port()),
        },
    )
    weir.start()
    try:
        found = cost(
            weir, mqtt, name, form, lambda: int(weir.ledger().get("messages", {}).get("confirmed", 0))
        )
        ledger = weir.ledger()
        assert ledger["balanced"], json.dumps(ledger)
        return found
    finally:
        weir.stop()


def of_telegraf(program: Path, directory: Path, kafka: str, mqtt: str) -> float:
    """Measure Telegraf on the mapped form."""
    name = f"telegraf{secrets.token_hex(3)}"
    (directory / name).mkdir()
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(f"{name}.readings", PARTITIONS, 1)]).values():
        future.result()
    peer = telegraf.Telegraf(program, directory / name, mqtt, kafka, name, _values(0))
    peer.start()
    try:
        until(peer.is_subscribed, "Telegraf has subscribed")
        return cost(peer, mqtt, name, "mapped", lambda: records(kafka, f"{name}.readings"))
    finally:
        peer.stop()


def test_a_mapped_object_costs_less_than_in_telegraf(
    kafka: str, mqtt: tuple[str, int], tmp_path: Path
) -> None:
    address = f"{mqtt[0]}:{mqtt[1]}"
    program = telegraf.built()
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for form in FORMS:
            found.setdefault(f"weir bridge, {form}", []).append(of_weir(tmp_path, kafka, address, form))
        if program is not None:
            found.setdefault("Telegraf, json_v2", []).append(of_telegraf(program, tmp_path, kafka, address))
    best = {name: min(costs) for name, costs in found.items()}
    ours = best["weir bridge, mapped"]
    print(f"\n{VALUES} values a message, best of {ROUNDS} rounds of {MESSAGES:,} messages, MQTT to Kafka")
    for name, each in best.items():
        print(f"{name:<22}{each * 1e6:>8.1f} µs of CPU a message{each / ours:>8.2f} of the bridge, mapped")
    assert ours / best["weir bridge, flat"] <= MOST_OF_FLAT
    if program is None:
        print("no Go toolchain: Telegraf was not measured")
    else:
        assert ours < best["Telegraf, json_v2"]


if __name__ == "__main__":  # the publisher
    publish(sys.argv[1], sys.argv[2], int(sys.argv[4]), 0, FORMS[sys.argv[3]])
