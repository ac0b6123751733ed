"""A plant that pages can show: devices with a month behind them, bridge, worker and model analysis.

a month, said at once  ──MQTT──▶ bridge ──▶ Kafka ──▶ worker   ──▶ MongoDB       boiler, pump, hall
now, a second at a time ─▶                        └─▶ analysis                   and what a test publishes
"""

import asyncio
import json
import math
import random
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from pydantic import SecretStr

from bridges.devices.device_registry import write_devices
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import KafkaSettings, MongoSettings, Settings
from streams.records.types import Device
from tests.services.bridge_kit import BridgeProcess, Publisher
from tests.support.patience import PATIENCE, until
from tests.support.stored import prepare_database
from tests.support.worker_process import AnalysisProcess, WorkerProcess

DAY = 86_400.0
STEP_SECONDS = 1800.0
DAYS = {"boiler-1": 31, "pump-2": 1, "hall-3": 1}
"""How far back each sensor measured: the analysis takes longest over a month."""
HIGH_PRESSURE = 6.0
"""Bar; the limit that is in force from the start."""
HOT = 95.0
"""Degrees; on some of the days of the month the boiler came to it for an hour."""
HOT_DAYS = (3, 9, 20)
STANDING_SECONDS = 6 * 3600.0
"""What was raised on the plant stands for longer than any test: no alarm returns while a test compares two looks."""
NAMED = [
    Device("boiler-1", 1.0, "Boiler 1", "plant/hall 1/line 2", "boiler house", units={"temperature": "°C"}),
    Device("pump-2", 1.0, "Pump 2", "plant/hall 1/line 3", "boiler house", units={"pressure": "bar"}),
]
"""What people have said of the plant: of the hall nobody has said anything."""
SENSORS = {"boiler-1": "temperature", "pump-2": "pressure", "hall-3": "temperature"}


def usual(sensor: str, at: float, rng: random.Random) -> float:
    """Return what a sensor measures at a time when nothing is wrong.

    Args:
        sensor: Its id.
        at: Event time, seconds since the Unix epoch.
        rng: Of the noise.
    """
    daily = math.sin(2 * math.pi * at / DAY)
    level, swing, noise = {
        "boiler-1": (70.0, 6.0, 0.4),
        "pump-2": (4.0, 0.3, 0.05),
        "hall-3": (19.0, 3.0, 0.1),
    }[sensor]
    return round(level + swing * daily + rng.gauss(0, noise), 3)


def _is_hot(sensor: str, ago: float) -> bool:
    days, seconds = divmod(ago, DAY)
    return sensor == "boiler-1" and int(days) in HOT_DAYS and 12 <= seconds / 3600 < 13


class Plant:
    """The plant.

    Args:
        kafka: ``host:port``.
        mqtt: Host and port.
        mongo: Connection string.
        name: Prefix of all its names.
        folder: For data and logs.
    """

    is_analysed = True
    """Whether model analysis belongs to it."""

    def __init__(self, kafka: str, mqtt: tuple[str, int], mongo: str, name: str, folder: Path) -> None:
        self._name = name
        self._mqtt = mqtt
        self.settings = Settings(
            kafka=KafkaSettings(brokers=kafka, namespace=f"{name}.", partitions=2),
            mongo=MongoSettings(uri=SecretStr(mongo), database=name),
        )
        variables = {
            "WEIR_KAFKA__BROKERS": kafka,
            "WEIR_KAFKA__NAMESPACE": f"{name}.",
            "WEIR_KAFKA__PARTITIONS": "2",
            "WEIR_MQTT__HOST": mqtt[0],
            "WEIR_MQTT__PORT": str(mqtt[1]),
            "WEIR_MQTT__CLIENT_ID": name,
            "WEIR_MQTT__TOPICS": f"{name}/#",
            "WEIR_MQTT__PREFIX": "ignored",
            "WEIR_MONGO__URI": mongo,
            "WEIR_MONGO__DATABASE": name,
            "WEIR_ANALYSIS__CHECKPOINT_SECONDS": "1",
            "WEIR_ALARMS__RETURN_SECONDS": str(STANDING_SECONDS),
            "WEIR_DETECTION__SERIES": json.dumps({"pump-*/pressure": {"high": HIGH_PRESSURE}}),
        }
        folder.mkdir(exist_ok=True)
        self.bridge = BridgeProcess(folder / "bridge", variables)
        variables["WEIR_WEB__BRIDGE_URL"] = f"http://127.0.0.1:{self.bridge.port}"
        self.worker = WorkerProcess(variables, folder, "worker")
        self.analysis = AnalysisProcess(variables, folder, "analysis")
        for one, other, section in (
            (self.worker, self.analysis, "ANALYSIS"),
            (self.analysis, self.worker, "WEB"),
        ):
            one.know(f"WEIR_{section}__PORT", str(other.port))
        self.held: dict[str, float] = {}
        """Values that sensors stay at, instead of what is usual."""
        self._rng = random.Random(19)
        self._has_analysed = False
        self._newest: dict[str, float] = {}
        self._over = Event()
        self._devices: Publisher | None = None
        self._going: Thread | None = None

    def start(self) -> None:
        """Start all of it; nothing has been measured yet."""
        # A browser that is driven already has this thread's loop of events.
        with ThreadPoolExecutor(1) as apart:
            apart.submit(ensure_topics, self.settings).result()
            apart.submit(asyncio.run, prepare_database(self.settings)).result()
        processes = [self.worker, self.analysis] if self.is_analysed else [self.worker]
        for process in processes:
            process.start()
        self.bridge.start()
        self.await_ready(*processes)
        self._devices = Publisher(*self._mqtt, f"{self._name}-devices")

    def say_the_month(self) -> None:
        """Say what sensors are called, publish what they measured in the last month, and wait until MongoDB has it."""
        with ThreadPoolExecutor(1) as apart:
            apart.submit(write_devices, self.settings, NAMED).result()
        now = time.time()
        sent = 0
        for step in reversed(range(int(max(DAYS.values()) * DAY / STEP_SECONDS))):
            at = round(now - (step + 1) * STEP_SECONDS, 3)
            for sensor, days in DAYS.items():
                if now - at <= days * DAY:
                    self.publish(
                        sensor, HOT if _is_hot(sensor, now - at) else usual(sensor, at, self._rng), at
                    )
                    sent += 1
        self._device.wait()
        until(lambda: self._stored() >= sent, f"{sent} readings stored")

    def await_analysed(self) -> None:
        """Wait until model analysis has read the month."""
        self._has_analysed = self._has_analysed or until(self._analysed, "the analysis has read all")

    def await_ready(self, *processes: WorkerProcess) -> None:
        """Wait until processes say that they do all of their work."""
        for each in processes:
            until(partial(self._is_ready, each.port), f"ready: {each.name}")

    def go_on(self) -> None:
        """Publish a reading of each sensor a second from now on."""
        self._over.clear()
        self._going = Thread(target=self._go_on, name="devices")
        self._going.start()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Publish nothing meanwhile, once the worker has what was published."""
        self.rest()
        self.await_newest()
        try:
            yield
        finally:
            self.go_on()

    def await_newest(self) -> None:
        """Wait until the worker has what was published; one that was killed reads again what it had not kept yet."""
        until(self._has_newest, "the newest readings are with the worker")

    def rest(self) -> None:
        """Publish nothing any more by itself."""
        self._over.set()
        if self._going is not None:
            self._going.join()

    def publish(self, sensor: str, value: float, at: float | None = None) -> None:
        """Publish a reading, without waiting.

        Args:
            sensor: Its id.
            value: Of its quantity.
            at: Event time; now by default.
        """
        self._newest[sensor] = round(time.time(), 3) if at is None else at
        content = {SENSORS[sensor]: value, "collected_at": self._newest[sensor]}
        self._device.publish(f"{self._name}/sensors/{sensor}/reading", json.dumps(content))

    @property
    def prefix(self) -> str:
        """What all topics of the plant begin with."""
        return self._name

    def send_text(self, topic: str, payload: str) -> None:
        """Publish what need not be a reading, and wait until the broker has it.

        Args:
            topic: Behind the plant's prefix.
            payload: The text.
        """
        self._device.publish(f"{self._name}/{topic}", payload)
        self._device.wait()

    def get(self, path: str, port: int | None = None) -> dict[str, Any]:
        """Ask a page of the worker, or of another process: empty while it does not answer."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port or self.worker.port}{path}", timeout=PATIENCE
            ) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return {}

    def alarm_of(self, sensor: str, kind: str = "limit") -> dict[str, Any]:
        """Return the newest alarm of a kind that stands on a sensor; empty if there is none."""
        found = [
            each
            for each in self.get("/api/alarms").get("alarms", ())
            if (each["sensor_id"], each["kind"]) == (sensor, kind)
        ]
        return max(found, key=lambda each: float(each["raised_at"]), default={})

    def end(self) -> None:
        """End everything of it."""
        self.rest()
        if self._devices is not None:
            self._devices.close()
        self.bridge.stop()
        for process in (self.worker, self.analysis):
            if process.running:
                process.stop()

    @property
    def _device(self) -> Publisher:
        assert self._devices is not None, "the plant is not started"
        return self._devices

    def _stored(self) -> int:
        return int(self.get("/api/overview").get("totals", {}).get("stored", 0))

    def _is_ready(self, port: int) -> bool:
        return bool(self.get("/health/ready", port).get("ready"))

    def _has_newest(self) -> bool:
        rows = self.get("/api/sensors").get("rows", ())
        return {row["key"]: row["last"]["collected_at"] for row in rows} == self._newest

    def _analysed(self) -> bool:
        seen = self.get("/api/overview", self.analysis.port)
        return seen.get("lag") == 0 and int(seen.get("series", 0)) >= len(SENSORS)

    def _go_on(self) -> None:
        while not self._over.is_set():
            for sensor in SENSORS:
                self.publish(sensor, self.held.get(sensor, usual(sensor, time.time(), self._rng)))
            self._over.wait(1)
