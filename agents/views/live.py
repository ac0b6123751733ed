"""What this worker knows right now, as plain values: the live state of its partitions.

Only partitions that the worker owns are shown; `agents.web.peers` asks the other workers for theirs.
"""

from collections.abc import Callable, Mapping
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

import msgspec

from agents.lane.core.state import WriteBehindState
from agents.views.sensor_choice import SensorChoice
from agents.views.watching.ranked import Ranked
from agents.views.watching.recent import Recent
from agents.views.worst_first import WorstFirst
from agents.web.queries import Json, Page
from agents.web.tables import found_row, owned_rows, sensor_rows
from streams.alarms.raising import SensorAlarms
from streams.counters.counter import Counter
from streams.detection.sensor_models import SensorModels
from streams.peers.limit_group import LimitGroup
from streams.peers.peer_group import PeerGroup
from streams.peers.peer_states import (
    PeerMember,
    PeerState,
    RelationGroup,
)
from streams.records.identity import event_seconds
from streams.records.rows import Row, is_key
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.watching.band_watch import BandWatch
    from agents.views.watching.device_watch import DeviceWatch


Describe = Callable[[Any], Json]
"""Describes a state in plain values."""


class LiveState:
    """The tables and sensors of this worker.

    Args:
        app: The Faust application.
        recent: The newest readings of watched sensors.
        bands: What was expected of them.
        devices: What people call them.

    Attributes:
        policy: How windows are drawn, with those of rates.
    """

    def __init__(self, app: "WorkerApp", recent: Recent, bands: "BandWatch", devices: "DeviceWatch") -> None:
        self._app = app
        self._recent = recent
        self._bands = bands
        self._devices = devices
        self._order = WorstFirst(app, devices)
        self.policy = app.settings.window_policy()
        self._describe = plain_describers(self.policy)

    @property
    def states(self) -> list[WriteBehindState[Any]]:
        """The tables that people look at, in the order in which readings come to them."""
        found: tuple[WriteBehindState[Any] | None, ...] = (
            self._app.windows,
            self._app.models,
            self._app.peers,
            self._app.alarms,
        )
        return [state for state in found if state is not None]

    def tables(self) -> list[str]:
        """List the names of the tables."""
        return [state.name for state in self.states]

    def state_of(self, table: str) -> WriteBehindState[Any] | None:
        """Return the state of a table; ``None`` if there is none of that name."""
        return next((state for state in self.states if state.name == table), None)

    def page(self, table: str, prefix: str, after: str, limit: int) -> Page | None:
        """List rows of a table by key; ``None`` if there is no such table.

        Args:
            table: Its name.
            prefix: Only keys that begin so.
            after: Only keys greater than this one.
            limit: How many at most.
        """
        state = self.state_of(table)
        if state is None:
            return None
        rows = {key: row for rows in owned_rows(self._app, state) for key, row in rows.items()}
        keys = nsmallest(
            limit + 1, (key for key in rows if key > after and key.startswith(prefix) and is_key(key))
        )
        describe = self._describe[table]
        return Page(
            [
                (key, {"applied_through": rows[key].applied_through, **describe(rows[key].state)})
                for key in keys[:limit]
            ],
            more=len(keys) > limit,
        )

    def sensors(self, after: str, limit: int, choice: SensorChoice) -> Page:
        """List sensors, each with its last values and what was expected; showing a sensor watches it.

        Args:
            after, limit: As for `page`.
            choice: Which sensors.
        """
        is_meant = self._devices.chooser(choice)
        keys = nsmallest(limit + 1, (key for key in self._with_rows() if key > after and is_meant(key)))
        return Page([(key, self._summary(key)) for key in keys[:limit]], more=len(keys) > limit)

    def worst_sensors(self, after: Ranked, limit: int, choice: SensorChoice) -> Page:
        """List all sensors that are known, the worst first, as `sensors` does.

        Args:
            after, limit, choice: As for `WorstFirst.page`.
        """
        found = self._order.page(self._with_rows, after, limit, choice)
        return Page(
            [
                (each.sensor_id, {"rank": each.rank, **self._summary(each.sensor_id)})
                for each in found[:limit]
            ],
            more=len(found) > limit,
        )

    def _with_rows(self) -> set[str]:
        """Return the sensors that have sent something."""
        tables = [table for table in self.tables() if table in ("windows", "models")]
        # Without tables (a worker that only stores) what was seen lately is all that is known.
        names: set[str] = set() if tables else set(self._recent.sensors())
        for table in tables:
            names.update(sensor_id for sensor_id, _ in sensor_rows(self._app, self.state_of(table)))
        return names

    def sensor(self, sensor_id: str) -> Json | None:
        """Describe one sensor fully; ``None`` if this worker does not have it."""
        windows, models = self._row("windows", sensor_id), self._row("models", sensor_id)
        if windows is None and models is None:
            return None
        self._recent.watch(sensor_id)
        return {
            "sensor_id": sensor_id,
            "device": self._devices.describe(sensor_id),
            "last": self._last(sensor_id, windows, models),
            "windows": None if windows is None else describe_windows(self.policy, windows.state),
            "detector": None if models is None else describe_models(models.state),
            "recent": self._recent.history(sensor_id, counters=self.policy.counters),
            "bands": self._bands.told(sensor_id),
            "applied_through": {
                name: row.applied_through
                for name, row in (("windows", windows), ("models", models))
                if row is not None
            },
        }

    def _summary(self, sensor_id: str) -> Json:
        self._recent.watch(sensor_id)
        models, windows = self._row("models", sensor_id), self._row("windows", sensor_id)
        return {
            "device": self._devices.describe(sensor_id),
            "last": self._last(sensor_id, windows, models),
            "series": {} if models is None else describe_models(models.state)["series"],
            "open_windows": 0
            if windows is None
            else sum(len(each.open) for each in windows.state.series.values()),
            "recent": self._recent.history(sensor_id, newest=60, counters=self.policy.counters),
        }

    def _last(
        self, sensor_id: str, windows: Row[SensorWindows] | None, models: Row[SensorModels] | None
    ) -> Json | None:
        """Return the newest reading, with the last rates of the counters of its sensor."""
        last = self._recent.last(sensor_id) or _last_in_windows(windows)
        counters = None if models is None else models.state.counters
        if last is None or counters is None:
            return last
        rates = counters.last_rates(self.policy.counters, sensor_id)
        return {**last, "values": {**rates, **last["values"]}}

    def _row(self, table: str, sensor_id: str) -> Row[Any] | None:
        found = found_row(self._app, self.state_of(table), sensor_id) if is_key(sensor_id) else None
        return None if found is None else found[1]


def plain_describers(policy: WindowPolicy) -> dict[str, Describe]:
    """Return what describes a state of each table, by its name.

    Args:
        policy: How windows are drawn.
    """
    return {
        "windows": lambda state: describe_windows(policy, state),
        "models": describe_models,
        "peers": describe_peers,
        "alarms": describe_alarms,
    }


def describe_windows(policy: WindowPolicy, state: SensorWindows) -> Json:
    """Describe the open windows of a sensor; times in seconds since the Unix epoch."""
    return {
        "stream_time": _seconds(state.stream_ms),
        "watermark": _seconds(state.watermark_ms),
        "open": [
            {
                "quantity": quantity,
                "start": event_seconds(index * policy.step_ms),
                "end": event_seconds(index * policy.step_ms + policy.size_ms),
                "count": summary.count,
                "mean": summary.mean,
                "variance": summary.variance,
                "min": summary.minimum,
                "max": summary.maximum,
                "first": summary.first,
                "last": summary.last,
            }
            for quantity, series in sorted(state.series.items())
            for index, summary in sorted(series.open.items())
        ],
    }


def describe_models(models: SensorModels) -> Json:
    """Describe the detector of each series of a sensor: what it expects, and how surprised it was; and its silence."""
    described = {quantity: model.expected_band() for quantity, model in sorted(models.items())}
    for quantity, change in models.silences.items():
        described[quantity]["open"] = True
        described[quantity]["anomalies"].append(msgspec.structs.asdict(change))
    counters = {} if models.counters is None else models.counters.counters
    return {"series": described, **({"counters": _describe_counters(counters)} if counters else {})}


def _describe_counters(counters: Mapping[str, Counter]) -> Json:
    return {quantity: counter.described() for quantity, counter in sorted(counters.items())}


def describe_alarms(state: SensorAlarms) -> Json:
    """Describe the alarms of a sensor, or what concerns all sensors of a partition."""
    told: Json = {
        "alarms": [msgspec.to_builtins(alarm) for _, alarm in sorted(state.alarms.items())],
        "inhibitions": [msgspec.to_builtins(each) for each in state.inhibitions],
    }
    return told | ({"ticked_at": state.ticked_at} if state.ticked_at else {})


def describe_peers(state: PeerState) -> Json:
    """Describe a group that is compared, one of its members, or how far the partitions of readings are."""
    if isinstance(state, RelationGroup):
        return {**_describe_group(state), **_describe_member(state.member), "follows": list(state.others)}
    if isinstance(state, PeerGroup):
        return _describe_group(state)
    if isinstance(state, PeerMember):
        return _describe_member(state)
    return {"ticked_at": {str(source): at for source, at in sorted(state.ticked_at.items())}}


def _describe_group(state: PeerGroup) -> Json:
    limits = (
        {"open_anomalies": [each for each, _ in state.open_anomalies()]}
        if isinstance(state, LimitGroup)
        else {}
    )
    return {
        **limits,
        "group": True,
        "open_windows": len(state.open),
        "held": state.held,
        "windows_with_too_few": state.few,
        "late": dict(sorted(state.late.items())),
    }


def _describe_member(state: PeerMember) -> Json:
    return {
        "sensor_id": state.sensor_id,
        "quantity": state.quantity,
        "of": state.group,
        "others": state.others,
        "usually_away": state.offset.level,
        "compared_since": state.first_at,
        "open": state.model.open,
    }


def _last_in_windows(row: Row[SensorWindows] | None) -> Json | None:
    """Find the newest values in open windows: what is known of a sensor that is not watched yet."""
    if row is None:
        return None
    newest: Json = {}
    latest_ms = 0
    for quantity, series in row.state.series.items():
        for summary in series.open.values():
            if summary.last_ms >= latest_ms or quantity not in newest:
                newest[quantity] = summary.last
                latest_ms = max(latest_ms, summary.last_ms)
    return {"collected_at": event_seconds(latest_ms), "values": newest} if newest else None


def _seconds(milliseconds: int) -> float | None:
    # A sensor that has seen nothing stands before all time.
    return event_seconds(milliseconds) if milliseconds > -(1 << 60) else None
