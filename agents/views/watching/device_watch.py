"""Which devices there are and whether they are there, of this worker's partitions: looked at every few seconds.

    devices, announcements, presence (Kafka) ──▶ what people and topics say of them ──┬──▶ told: state, since when, why
    windows (rows) ──▶ when each last sent something ──────────────────┤
    models (rows) ──▶ late or silent, open anomalies of silence ───────┘

It is looked at in small parts, so that no page and no batch waits for it; what is asked for is of the last look.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from agents.views.sensor_choice import SensorChoice
from agents.views.watching.ranked import Ranked, in_states
from agents.web.queries import Json, Listing, Page
from agents.web.tables import sensor_rows
from bridges.devices.device_presence import PRESENCE, take_presence
from bridges.devices.device_registry import REGISTRY, take_device
from bridges.kafka.topic_reader import TopicReader
from bridges.process import metrics
from bridges.process.logs import get_logger
from streams.device_states import (
    DeviceState,
    Whereabouts,
    as_registered,
    count_states,
    levels_of,
    search_text,
    stands_in,
    stands_under,
    told_of,
    told_of_by_topics,
)
from streams.known_devices import KnownDevices
from streams.place_counts import BELONGINGS
from streams.records.identity import event_seconds
from streams.records.types import Presence

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.lane.core.state import WriteBehindState
    from streams.detection.sensor_models import SensorModels
    from streams.records.rows import Row
    from streams.windows.sensor_windows import SensorWindows

log = get_logger(__name__)

_S = TypeVar("_S")
_ONLINE = DeviceState.ONLINE

LOOK_SECONDS = 5.0
_READ_SECONDS = 2.0
_PART = 500
# A look may take so large a share of the time.
_SHARE = 0.05


class DeviceWatch:
    """The devices of this worker.

    Args:
        app: The Faust application.

    Attributes:
        devices: What people say of each sensor, of all partitions.
        told: What is told of each device of the worker's partitions, by id in order, as of the last look.
        in_state: Their ids by state, in order.
        has_names, names_taken: Whether all of it has been read once, and how many records of it have been taken.
        measures: The quantities of each of them that has sent something, in order, as of the last look.
        looks: How often it was looked.
        log_ms: The newest ingest time that this worker knows of: the log's time.
    """

    def __init__(self, app: "WorkerApp") -> None:
        self._app = app
        self._counters = app.settings.detection.plan().counters
        self._reader = TopicReader(app.settings, [*REGISTRY, PRESENCE.topic])
        self.devices = KnownDevices()
        self._presence: dict[str, Presence] = {}
        self._next_look = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._texts: dict[str, str] = {}
        self._partitions: dict[str, int] = {}
        self.told: dict[str, Whereabouts] = {}
        self.in_state: dict[DeviceState, list[str]] = {state: [] for state in DeviceState}
        self.measures: dict[str, tuple[str, ...]] = {}
        self.looks = 0
        self.has_names = False
        self.names_taken = 0
        self._looked_at: frozenset[int] | None = None
        self.log_ms = 0

    def look_if_due(self) -> None:
        """Begin to look at all devices, if it is time to and pages are served; nobody waits for it."""
        busy = self._looking is not None and not self._looking.done()
        if (
            busy
            or self._app.rebalancing
            or not self._app.is_recovered
            or not self._app.conf.web_enabled
            or (time.monotonic() < self._next_look and self._owned() == self._looked_at)
        ):
            return
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        began = time.monotonic()
        self._next_look = began + LOOK_SECONDS
        try:
            whole = await asyncio.to_thread(self._reader.read, self._take, _READ_SECONDS)
            self.has_names = self.has_names or whole
            working, owned = time.monotonic(), self._owned()
            self.told, self.in_state, self.measures = await self._all()
            self._looked_at = owned
            self.looks += 1
            now = time.monotonic()
            self._next_look = max(self._next_look, now + (now - working) / _SHARE)
        except Exception as error:
            # Pages go on showing what was told last; the next look may succeed.
            log.error("devices.not_looked_at", error=repr(error))

    def _owned(self) -> frozenset[int]:
        return frozenset(self._app.owned_partitions())

    def why_not_whole(self) -> str:
        """Return why not all of this worker's sensors were told of, or not by their names; empty if they were."""
        if self._looked_at is None or self._looked_at != self._owned():
            return "a worker has not looked at the sensors of its partitions yet"
        return "" if self.has_names else "a worker has not read all names and places yet"

    def _take(self, topic: str, message: Any) -> None:
        value = message.value() or b""
        # What a look and a search need of each name costs too much to be found out again each time.
        if topic != PRESENCE.topic.name:
            self.names_taken += 1
            if taken := take_device(self.devices, value):
                self._texts[taken] = search_text(taken, self.devices.get(taken))
        else:
            taken = take_presence(self._presence, value)
        if taken and taken not in self._partitions:
            self._partitions[taken] = self._app.partition_of(taken.encode())

    async def _all(
        self,
    ) -> tuple[dict[str, Whereabouts], dict[DeviceState, list[str]], dict[str, tuple[str, ...]]]:
        rows, models = self._of_owned(self._app.windows), self._of_owned(self._app.models)
        # After a start nothing may have gone by yet: the newest arrival is what is known of the log's time.
        self.log_ms = max(self.log_ms, max((row.state.ingest_ms for row in rows.values()), default=0))
        now = event_seconds(self.log_ms)
        told: dict[str, Whereabouts] = {}
        in_state: dict[DeviceState, list[str]] = {state: [] for state in DeviceState}
        measures: dict[str, tuple[str, ...]] = {}
        online = in_state[_ONLINE]
        same: dict[tuple[str, ...], tuple[str, ...]] = {}  # thousands of sensors measure the same
        for number, sensor_id in enumerate(self._in_order({*rows, *self._without_rows(rows)})):
            row = rows.get(sensor_id)
            told[sensor_id] = found = self._told(sensor_id, row, models.get(sensor_id), now)
            # Most are online, and the hash of a member is a function of Python's.
            (online if found.state is _ONLINE else in_state[found.state]).append(sensor_id)
            if row is not None:
                series = row.state.series
                quantities = tuple(series if len(series) == 1 else sorted(series))
                measures[sensor_id] = same.setdefault(quantities, quantities)
            if number % _PART == _PART - 1:
                await asyncio.sleep(0)
        return told, in_state, measures

    def _in_order(self, sensors: set[str]) -> Iterable[str]:
        """Return sensors by id: as of the last look, if they are the same, which need not be sorted again."""
        return list(self.told) if self.told.keys() == sensors else sorted(sensors)

    def _of_owned(self, state: "WriteBehindState[_S] | None") -> "dict[str, Row[_S]]":
        """Return the rows of the worker's partitions, by sensor."""
        return dict(sensor_rows(self._app, state))

    def _without_rows(self, rows: Iterable[str]) -> list[str]:
        """Return devices of the worker's partitions that have sent no reading, or none for long."""
        owned = self._app.owned_partitions()
        others = ({*self.devices} | told_of_by_topics(self._presence)) - set(rows)
        return [sensor_id for sensor_id in others if self._partitions.get(sensor_id) in owned]

    def _told(
        self,
        sensor_id: str,
        row: "Row[SensorWindows] | None",
        models: "Row[SensorModels] | None",
        now: float,
    ) -> Whereabouts:
        presence, device = self._presence.get(sensor_id), self.devices.get(sensor_id)
        if row is None or not row.state.ingest_ms:
            return told_of(presence, None, None, 0.0)
        last = event_seconds(row.state.ingest_ms)
        interval = None if device is None else device.interval
        if models is None:
            return told_of(presence, last, interval, now)
        return told_of(presence, last, interval, now, models.state.silences, models.state.attendance)

    # -- what is asked ---------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Count the devices of this worker by state."""
        return count_states(self.in_state)

    def label(self, sensor_id: str) -> str:
        """Return name and place of a sensor; empty if it has none."""
        device = self.devices.get(sensor_id)
        return device.label if device else ""

    def page(self, listing: Listing, choice: SensorChoice) -> Page:
        """List devices by id.

        Args:
            listing: Which part.
            choice: Which devices.
        """
        is_meant = self.chooser(choice)
        after, limit = listing.after, listing.limit
        keys = list(islice((key for key in self.told if key > after and is_meant(key)), limit + 1))
        return Page([(key, self.describe_whole(key)) for key in keys[:limit]], more=len(keys) > limit)

    def worst_page(self, after: Ranked, limit: int, choice: SensorChoice) -> Page:
        """List devices by state, the worst first, each with its ``rank``.

        Args:
            after: Only those behind this place.
            limit: How many.
            choice: Which devices.
        """
        is_meant = self.chooser(choice)
        behind = (each for each in in_states(self.in_state, after, choice.states) if is_meant(each.sensor_id))
        found = list(islice(behind, limit + 1))
        rows = [
            (each.sensor_id, {"rank": each.rank, **self.describe_whole(each.sensor_id)}) for each in found
        ]
        return Page(rows[:limit], more=len(found) > limit)

    def chooser(self, choice: SensorChoice) -> Callable[[str], bool]:
        """Return what tells of an id whether the sensor is meant.

        Args:
            choice: Which sensors.
        """
        checks = list(self._checks(choice))
        if len(checks) == 1:
            return checks[0]
        return lambda sensor_id: all(check(sensor_id) for check in checks)

    def _checks(self, choice: SensorChoice) -> Iterator[Callable[[str], bool]]:
        """Yield what has to hold of an id, what is told soonest first."""
        device_of, measures, texts = self.devices.get, self.measures, self._texts
        prefix, states, without, quantity = choice.prefix, choice.states, choice.without, choice.measures
        if prefix:
            yield lambda sensor_id: sensor_id.startswith(prefix)
        if states:
            yield lambda sensor_id: self.state_of(sensor_id) in states
        if where := {name: text for name in BELONGINGS if (text := getattr(choice, name))}:
            yield lambda sensor_id: stands_in(device_of(sensor_id), where)
        if under := levels_of(choice.under):
            yield lambda sensor_id: stands_under(device_of(sensor_id), under)
        if without:
            yield lambda sensor_id: not any(getattr(device_of(sensor_id), name, "") for name in without)
        if quantity:
            yield lambda sensor_id: quantity in measures.get(sensor_id, ())
        if choice.differ:
            yield lambda sensor_id: bool(self.devices.conflicts_of(sensor_id))
        if wanted := choice.find.casefold():
            yield lambda sensor_id: wanted in (texts.get(sensor_id) or sensor_id.casefold())

    def state_of(self, sensor_id: str) -> DeviceState:
        """Return whether a device is there, as of the last look."""
        return self.told.get(sensor_id, _NOT_LOOKED_AT).state

    def unit(self, sensor_id: str, quantity: str) -> str:
        """Return the unit of a quantity; empty if nobody has said it."""
        device = self.devices.get(sensor_id)
        return self._counters.units_with_rates(sensor_id, device.units).get(quantity, "") if device else ""

    def describe(self, sensor_id: str) -> Json:
        """Say what is known of a device, and whether it is there."""
        device, told = self.devices.get(sensor_id), self.told.get(sensor_id, _NOT_LOOKED_AT)
        known = as_registered(device)
        known["units"] = self._counters.units_with_rates(sensor_id, known["units"])
        return {**msgspec.to_builtins(told), **known}

    def describe_whole(self, sensor_id: str) -> Json:
        """Say of a device also what it has measured, and in what people and announcements differ."""
        conflicts = [
            {"field": each.field, "said": each.said, "announced": each.announced, "source": each.source}
            for each in self.devices.conflicts_of(sensor_id)
        ]
        return {
            **self.describe(sensor_id),
            "measures": self.measures.get(sensor_id, ()),
            "conflicts": conflicts,
        }

    def refresh_gauges(self) -> None:
        """Bring the counts of the metrics up to date."""
        for state, count in self.counts().items():
            metrics.DEVICES.labels(state).set(count)
        metrics.DEVICE_CONFLICTS.set(len(self.devices.conflicts()))


_NOT_LOOKED_AT = Whereabouts(DeviceState.UNKNOWN, None, "not looked at yet")
