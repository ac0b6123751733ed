"""Six rooms that are as warm as each other, with a month behind them: one was warmer than the others on some days."""

import json
import math
import time
from pathlib import Path

from tests.support.patience import until
from tests.support.plant import DAY, STEP_SECONDS, Plant

ROOMS = [f"room-{number}" for number in range(1, 7)]
ODD = "room-1"
OFF_DAYS = (3, 9, 20)
OFF_BY = 4.0
TICKS = "WEIR_BRIDGE__TICK_SECONDS"
OFF_STEPS = 4
"""Readings in a row, half an hour apart."""


def warmth(room: str, at: float) -> float:
    """Return the temperature of a room: all go the same way, and none is further than 0.3 from the others.

    Args:
        room: Its id.
        at: Event time.
    """
    apart = (int(at // STEP_SECONDS) * 7 + ROOMS.index(room)) % 4 / 10
    return round(20.0 + 3.0 * math.sin(2 * math.pi * at / DAY) + apart, 3)


class PlantOfRooms(Plant):
    """The rooms; as `Plant`. No setting says that they are peers, but the stage that compares them runs."""

    is_analysed = False

    def __init__(self, kafka: str, mqtt: tuple[str, int], mongo: str, name: str, folder: Path) -> None:
        super().__init__(kafka, mqtt, mongo, name, folder)
        for variable, value in {
            "WEIR_DETECTION__PEER_RULES": "true",
            "WEIR_WINDOWS__SIZE_SECONDS": "10",
            "WEIR_WINDOWS__GRACE_SECONDS": "1",
            "WEIR_WINDOWS__IDLE_SECONDS": "5",
        }.items():
            self.worker.know(variable, value)
        self.bridge.know(TICKS, "3600")

    def publish(self, sensor: str, value: float, at: float | None = None) -> None:
        """Publish a temperature; as `Plant`."""
        self._newest[sensor] = round(time.time(), 3) if at is None else at
        content = {"temperature": value, "collected_at": self._newest[sensor]}
        self._device.publish(f"{self._name}/sensors/{sensor}/reading", json.dumps(content))

    def say_the_month(self) -> None:
        """Publish what the rooms had in the last month, and wait until MongoDB has it.

        The bridge does not tick meanwhile: windows that end before a tick are compared by then.
        """
        now = time.time() // STEP_SECONDS * STEP_SECONDS + 4.0
        steps = range(int(31 * DAY / STEP_SECONDS), 0, -1)
        for step in steps:
            off = any(0 <= day * DAY / STEP_SECONDS - step < OFF_STEPS for day in OFF_DAYS)
            for room in ROOMS:
                at = now - step * STEP_SECONDS
                self.publish(room, warmth(room, at) + OFF_BY * (off and room == ODD), at)
        self._device.wait()
        until(lambda: self._stored() >= len(steps) * len(ROOMS), "the month is stored")
        self.bridge.stop()
        self.bridge.know(TICKS, "5")
        self.bridge.start()
        until(self.bridge.is_ready, "the bridge is back")

    def _go_on(self) -> None:
        while not self._over.is_set():
            at = time.time()
            for room in ROOMS:
                self.publish(room, self.held.get(room, warmth(room, at)))
            self._over.wait(1)
