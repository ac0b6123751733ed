"""A plant of which 100,000 sensors are known and 2,000 send, made at once: names through Kafka, readings by MQTT.

100,000 names ──────────────▶ Kafka: devices ───▶ worker     some stand beyond their limit: those that are
2,000 sensors ──MQTT──▶ bridge ──▶ readings ────▶           the last by id
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bridges.devices.device_registry import write_devices
from streams.records.types import Device
from tests.support.patience import until
from tests.support.plant import HIGH_PRESSURE, Plant

KNOWN = 100_000
LIVE = 2_000
SENDS = range(KNOWN // LIVE - 1, KNOWN, KNOWN // LIVE)
"""The numbers of those that send: spread over all."""
BEYOND = SENDS[-7:]
"""Those of them that stand beyond their limit."""
ROUNDS = 3
ROUND_SECONDS = 10.0
MANOMETER = 54_321
"""The only one that is called so, and it has never sent anything."""


class LargePlant(Plant):
    """A large plant; as `Plant`."""

    is_analysed = False

    def know(self) -> None:
        """Give all sensors their names, and wait until the worker has looked at them."""
        with ThreadPoolExecutor(1) as apart:
            apart.submit(write_devices, self.settings, self._devices_of()).result()
        until(lambda: sum(self.overview().get("devices", {}).values()) == KNOWN, "all are known")

    def send(self) -> None:
        """Have the live ones send some readings, and wait until the worker has them."""
        now = time.time()
        for number in range(ROUNDS):
            self.send_round(round(now - (ROUNDS - 1 - number) * ROUND_SECONDS, 3))
        self._device.wait()
        until(lambda: self._stored() >= ROUNDS * LIVE, "all readings stored")
        until(lambda: self.overview().get("alarms", {}).get("open") == len(BEYOND), "the alarms stand")

    def send_round(self, at: float) -> None:
        """Publish a reading of each live sensor, without waiting.

        Args:
            at: Event time.
        """
        for number in SENDS:
            value = 2 * HIGH_PRESSURE if number in BEYOND else 3.0 + number % 7 / 10
            content = json.dumps({"pressure": value, "collected_at": at})
            self._device.publish(f"{self._name}/sensors/{sensor_id(number)}/reading", content)

    def overview(self) -> dict[str, Any]:
        """Return what the first page shows."""
        return self.get("/api/overview")

    def _devices_of(self) -> Iterator[Device]:
        for number in range(KNOWN):
            name = "Manometer" if number == MANOMETER else f"Valve {number}"
            yield Device(
                sensor_id(number),
                1.0,
                name,
                place_of(number),
                units={"pressure": "torr" if number % 1000 == 7 else "bar"},
            )


def place_of(number: int) -> str:
    """Return where a sensor is: four sites of 25 halls, of 1,000 sensors each.

    >>> place_of(99_999)
    'Site 3/Hall 99'
    """
    return f"Site {number // 25_000}/Hall {number // 1000}"


def sensor_id(number: int) -> str:
    """Return the id of a sensor.

    >>> sensor_id(7)
    'pump-00007'
    """
    return f"pump-{number:05d}"
