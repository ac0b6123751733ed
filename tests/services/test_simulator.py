"""The simulator against a real MQTT broker: what it promises when it, or the broker, is killed."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import paho.mqtt.client as mqtt_client
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from bridges.mqtt.outlet import MqttOutlet
from bridges.process.metrics_server import MetricsServer
from bridges.process.settings import MqttSettings
from bridges.simulator.scenario import Scenario
from bridges.simulator.simulator import Simulation, StateFile, read_state
from bridges.stack.mqtt_server import MqttServer
from streams.errors import ConfigurationError
from streams.signals import merged
from tests.support.patience import PATIENCE, until

ROOT = Path(__file__).parents[2]


class Subscriber:
    """Collects what the broker delivers, and subscribes anew after each connection."""

    def __init__(self, host: str, port: int, topics: list[str]) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.subscribed = Event()
        self.reads = Event()
        self.reads.set()
        self._topics = topics
        self._client = mqtt_client.Client(CallbackAPIVersion.VERSION2, protocol=mqtt_client.MQTTv311)
        self._client.reconnect_delay_set(0.2, 0.5)  # type: ignore[arg-type]
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_message = self._on_message
        self._client.connect(host, port)
        self._client.loop_start()
        assert self.subscribed.wait(10)

    def _on_connect(self, *_: Any) -> None:
        self._client.subscribe([(topic, 1) for topic in self._topics])

    def _on_message(self, _client: Any, _data: Any, message: mqtt_client.MQTTMessage) -> None:
        self.reads.wait()
        self.received.append((message.topic, bytes(message.payload)))

    def close(self) -> None:
        self.reads.set()
        self._client.disconnect()
        self._client.loop_stop()


def scenario(seed: int, readings: int = 500) -> Scenario:
    return Scenario(
        sensors=4, rate=1 / 3600, start=1_650_000_000.0, seconds=readings * 3600.0, seed=seed, faults="all"
    )


def topics_of(plan: Scenario) -> list[str]:
    ids = plan.fleet.sensor_ids()
    return [f"sensors/{each}/reading" for each in ids] + [f"labels/{each}/temperature" for each in ids]


def simulation(
    plan: Scenario, address: tuple[str, int], state: Path | None = None, **options: Any
) -> Simulation:
    settings = MqttSettings(host=address[0], port=address[1])
    return Simulation(
        plan.sources(),
        MqttOutlet(settings, connections=2),
        StateFile(state, plan.describe()),
        start=plan.begins,
        max_inflight=100,
        **{"speed": 0.0, **options},
    )


@pytest.fixture
def subscriber(
    mqtt: tuple[str, int], request: pytest.FixtureRequest
) -> Iterator[Callable[[Scenario], Subscriber]]:
    made: list[Subscriber] = []

    def subscribe(plan: Scenario) -> Subscriber:
        made.append(Subscriber(*mqtt, topics_of(plan)))
        return made[-1]

    yield subscribe
    for each in made:
        each.close()


def test_a_simulation_publishes_its_scenario_and_each_sensor_in_order(
    mqtt: tuple[str, int], subscriber: Callable[[Scenario], Subscriber]
) -> None:
    plan = scenario(seed=101)
    expected = [(message.topic, bytes(message.payload)) for message in merged(plan.sources())]
    reader = subscriber(plan)
    assert simulation(plan, mqtt).run()
    until(lambda: len(reader.received) >= len(expected), "all messages arrive")
    for topic in topics_of(plan):
        arrived = [payload for where, payload in reader.received if where == topic]
        assert arrived == [payload for where, payload in expected if where == topic]


def test_speed_stretches_simulated_time_over_real_time(mqtt: tuple[str, int]) -> None:
    plan = scenario(seed=102, readings=20)
    began = time.monotonic()
    assert simulation(plan, mqtt, speed=20 * 3600.0).run()
    assert 0.8 < time.monotonic() - began < 5.0, "20 simulated hours at 20 hours a second"


def test_another_speed_holds_from_a_simulated_time_on(mqtt: tuple[str, int]) -> None:
    plan = scenario(seed=109, readings=100)
    began = time.monotonic()
    assert simulation(plan, mqtt, speed=0.0, then=(plan.begins + 80 * 3600.0, 20 * 3600.0)).run()
    assert 0.8 < time.monotonic() - began < 10.0, "80 hours at once, then 20 at 20 hours a second"


def test_a_finished_simulation_publishes_nothing_more_when_started_again(
    mqtt: tuple[str, int], tmp_path: Path, subscriber: Callable[[Scenario], Subscriber]
) -> None:
    plan = scenario(seed=103, readings=50)
    first = simulation(plan, mqtt, tmp_path / "state.json")
    assert first.run()
    reader = subscriber(plan)
    again = simulation(plan, mqtt, tmp_path / "state.json")
    assert again.run()
    assert again.counts() == first.counts()
    assert not reader.received


def test_a_state_file_of_another_scenario_is_refused(mqtt: tuple[str, int], tmp_path: Path) -> None:
    assert simulation(scenario(seed=104, readings=5), mqtt, tmp_path / "state.json").run()
    with pytest.raises(ConfigurationError, match="another simulation"):
        simulation(scenario(seed=105, readings=5), mqtt, tmp_path / "state.json")


def test_a_simulator_that_is_killed_goes_on_and_neither_loses_nor_miscounts(
    mqtt: tuple[str, int], tmp_path: Path, subscriber: Callable[[Scenario], Subscriber]
) -> None:
    plan = scenario(seed=106, readings=600)
    reader = subscriber(plan)
    state = tmp_path / "state.json"
    command = [
        sys.executable, "-m", "agents", "simulator",
        "--sensors", "4", "--rate", str(1 / 3600), "--start", "1650000000", "--for", f"{600 * 3600}s",
        "--seed", "106", "--faults", "all", "--speed", str(150 * 3600), "--state", str(state),
    ]  # fmt: skip
    environment = {"WEIR_MQTT__HOST": mqtt[0], "WEIR_MQTT__PORT": str(mqtt[1]), "PYTHONPATH": str(ROOT)}
    for part in (0.2, 0.5, 0.7):
        process = subprocess.Popen(command, env=environment, cwd=tmp_path)
        try:
            enough = part * 600 * 4
            until(lambda: len(reader.received) > enough, f"{enough} messages arrive")  # noqa: B023
        finally:
            process.kill()
            process.wait()
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=PATIENCE)
    expected = {(message.topic, bytes(message.payload)) for message in merged(plan.sources())}
    until(lambda: set(reader.received) >= expected, "every message arrives at least once")
    assert set(reader.received) == expected
    counts = (read_state(state) or {})["counts"]
    counted = plan.totals()
    assert counts["reading"] == counted.readings
    assert sum(counts.values()) == (
        counted.readings + counted.duplicates + counted.malformed + counted.labels
    ), "counted by place in the order, so kills do not show"


def test_a_broker_that_forgets_what_it_acknowledged_gets_it_again(stack_dir: Path, tmp_path: Path) -> None:
    broker = MqttServer(stack_dir, program="rumqttd")
    broker.start()
    plan = scenario(seed=107, readings=1500)
    reader = Subscriber(broker.host, broker.port, topics_of(plan))
    health = MetricsServer(
        "127.0.0.1", 0, why_not_ready=lambda: "" if reader.subscribed.is_set() else "no", ledger=dict
    )
    run = simulation(
        plan, (broker.host, broker.port), speed=300 * 3600.0, overlap=6.0,
        ready_url=f"http://127.0.0.1:{health.port}/health/ready",
    )  # fmt: skip
    thread = Thread(target=run.run)
    thread.start()
    try:
        until(lambda: len(reader.received) > 1500, "a quarter of the messages arrive")
        # The reader stands still: what the broker acknowledges now is in its memory only.
        reader.reads.clear()
        until(lambda: run.position.counts.total() > 4000, "the broker acknowledges more")
        broker.kill()
        reader.reads.set()
        broker.start()
        thread.join(60)
        assert run.finished
        expected = {(message.topic, bytes(message.payload)) for message in merged(plan.sources())}
        until(lambda: set(reader.received) >= expected, "every message arrives at least once")
    finally:
        run.stop()
        thread.join(10)
        reader.close()
        health.close()
        broker.stop()


def test_payloads_that_reach_the_broker_are_what_the_bridge_reads(
    mqtt: tuple[str, int], subscriber: Callable[[Scenario], Subscriber]
) -> None:
    plan = Scenario(sensors=1, rate=1.0, start=1_650_000_000.0, seconds=3.0, seed=108)
    reader = subscriber(plan)
    assert simulation(plan, mqtt).run()
    until(lambda: len(reader.received) == 3, "three readings")
    first = json.loads(reader.received[0][1])
    assert set(first) == {"sensor_id", "temperature", "battery", "collected_at"}


def run_simulate(options: list[str], mqtt: tuple[str, int], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "agents", "simulator", *options],
        env={"WEIR_MQTT__HOST": mqtt[0], "WEIR_MQTT__PORT": str(mqtt[1]), "PYTHONPATH": str(ROOT)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def event_times(reader: Subscriber) -> list[datetime]:
    payloads = [payload for topic, payload in reader.received if topic.endswith("/reading")]
    return [datetime.fromisoformat(json.loads(payload)["collected_at"]) for payload in payloads]


def test_the_command_of_the_tutorial_runs_word_for_word_and_is_never_ahead_of_the_clock(
    mqtt: tuple[str, int], tmp_path: Path, subscriber: Callable[[Scenario], Subscriber]
) -> None:
    tutorial = (ROOT / "docs" / "tutorial" / "first-anomaly.md").read_text(encoding="utf-8")
    found = re.search(r"^\.venv/bin/weir simulator (.*)$", tutorial, re.MULTILINE)
    assert found is not None
    reader = subscriber(Scenario(sensors=20, start=0.0, seconds=1.0))
    process = run_simulate(shlex.split(found[1]), mqtt, tmp_path)
    try:
        until(lambda: len(reader.received) > 5_000, "readings arrive")
        first = min(event_times(reader))
        assert datetime.now(UTC) - first > timedelta(hours=1.9), "two hours that end at the present"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
    assert max(event_times(reader)) <= datetime.now(UTC)
    assert process.stdout is not None
    assert "ahead of" not in process.stdout.read()


def test_readings_too_far_ahead_of_the_clock_are_told_when_they_begin_and_counted_at_the_end(
    mqtt: tuple[str, int], tmp_path: Path
) -> None:
    options = ["--sensors", "1", "--rate", "0.01", "--for", "4h", "--speed", "max", "--start"]
    process = run_simulate([*options, str(int(time.time()))], mqtt, tmp_path)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert "readings.ahead_of_clock" in output
    assert re.search(r"10[78] were more than 3,600 s ahead of this machine's clock", output)
    assert "144 reading" in output
