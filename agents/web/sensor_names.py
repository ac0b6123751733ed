"""What people call sensors, for the pages of an application: read again every few seconds, for nobody else."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bridges.devices.device_registry import REGISTRY, take_device
from bridges.kafka.topic_reader import TopicReader
from streams.known_devices import KnownDevices

if TYPE_CHECKING:
    from agents.lane.lane_app import LaneApp

LOOK_SECONDS = 5.0
_READ_SECONDS = 2.0


class SensorNames:
    """Name and place of every sensor in the registry; while Kafka does not answer they stay as they were.

    Args:
        app: The application: it looks as long as its pages are served.
    """

    def __init__(self, app: "LaneApp") -> None:
        self._app = app
        self._devices = KnownDevices()
        self._reader = TopicReader(app.settings, REGISTRY)
        app.timer(interval=LOOK_SECONDS)(self._look)

    def label(self, sensor_id: str) -> str:
        """Return name and place of a sensor; empty if it has neither."""
        device = self._devices.get(sensor_id)
        return device.label if device else ""

    def add_to(self, rows: Iterable[dict[str, Any]]) -> None:
        """Put a ``label`` into each row, beside its ``sensor_id``."""
        for row in rows:
            row["label"] = self.label(row["sensor_id"])

    async def _look(self) -> None:
        if self._app.conf.web_enabled:
            await asyncio.to_thread(self._reader.read, self._take, _READ_SECONDS)

    def _take(self, _topic: str, message: Any) -> None:
        take_device(self._devices, message.value() or b"")
