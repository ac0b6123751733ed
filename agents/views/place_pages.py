"""Places, machines, groups and quantities on the worker's web server: how many of their sensors are how ill.

    last look at devices ──▶ counted by name, once a look ──┐
    alarms and anomalies of this moment: few ───────────────┴──▶ this worker's counts ──▶ added up, in rows

What is counted of 100,000 sensors is counted in small parts, when somebody asks for it, and kept until the next look.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from faust.web import Request, Response, View

from agents.views.alarm_pages import open_alarms, with_open_anomalies
from agents.views.sensor_choice import SensorChoice
from agents.views.worst_first import CALLING
from agents.web.peers import ask_all, peer_urls
from agents.web.queries import (
    DEFAULT_LIMIT,
    GREATEST_LIMIT,
    Json,
    answer,
    is_local,
    read_number,
    read_word,
)
from streams.alarms.alarm_rules import SEVERITIES
from streams.alarms.inhibiting import NEW
from streams.device_states import DeviceState, Whereabouts, levels_of
from streams.place_counts import (
    ANOMALY_RANK,
    MOST_LEVELS,
    RANK_OF_STATE,
    RANKS,
    WAYS,
    Levels,
    PlaceRow,
    SensorCounts,
    add_up,
    place_rows,
)

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.watching.device_watch import DeviceWatch
    from agents.views.worker_pages import WorkerPages

_PART: Final = 1000
_MOST_KEPT: Final = 8
_DEVICE_STATES: Final = tuple(DeviceState)
_ALL: Final = None

Name = str | None
"""Of what is counted; ``None`` for all sensors together."""


class WorkerCounts(msgspec.Struct):
    """What a worker has counted.

    Args:
        counts: By name; an empty name: none is known.
        total: Of all that it was asked about.
        not_whole: Why these are not all of its sensors, or not by their places; empty: they are.
    """

    counts: dict[str, SensorCounts]
    total: SensorCounts
    not_whole: str


class _Looked(NamedTuple):
    """What follows from a look at devices, until the next one."""

    look: int
    told: dict[str, Whereabouts]
    measures: dict[str, tuple[str, ...]]
    counts: dict[Name, SensorCounts]


class PlaceCounting:
    """Counts this worker's sensors.

    Args:
        app: The worker.
        devices: What is known of each sensor, and whether it is there.
    """

    def __init__(self, app: "WorkerApp", devices: "DeviceWatch") -> None:
        self._app = app
        self._devices = devices
        self._kept: OrderedDict[tuple[str, SensorChoice], _Looked] = OrderedDict()
        self._counting = asyncio.Lock()

    async def counted(self, by: str, choice: SensorChoice) -> WorkerCounts:
        """Count sensors as of the last look, and alarms and anomalies as of now.

        Args:
            by: One of `WAYS`.
            choice: Which sensors.
        """
        async with self._counting:  # who asks the same meanwhile finds it counted
            for asked, each in list(self._kept.items()):
                if each.look != self._devices.looks:  # it holds on to all that was seen then
                    del self._kept[asked]
            looked = self._kept.pop((by, choice), None) or await self._look(by, choice)
            self._kept[by, choice] = looked
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        counts = self._with_raised(looked, by, choice)
        total = counts.pop(_ALL)
        by_name = {str(name): each for name, each in counts.items()}
        return WorkerCounts(by_name, total, self._devices.why_not_whole())

    async def _look(self, by: str, choice: SensorChoice) -> _Looked:
        devices = self._devices
        looked = _Looked(devices.looks, devices.told, devices.measures, {_ALL: SensorCounts.none()})
        is_meant, names_of, counts = devices.chooser(choice), self._namer(by, looked), looked.counts
        for number, (sensor_id, told) in enumerate(looked.told.items()):
            if is_meant(sensor_id):
                state = _DEVICE_STATES.index(told.state)
                for name in names_of(sensor_id):
                    found = counts.get(name) or counts.setdefault(name, SensorCounts.none())
                    found.ranked[RANK_OF_STATE[told.state]] += 1
                    found.states[state] += 1
                    found.came(told.last)
            if number % _PART == _PART - 1:
                await asyncio.sleep(0)
        return looked

    def _namer(self, by: str, looked: _Looked) -> Callable[[str], tuple[Name, ...]]:
        """Return what tells under which names a sensor counts."""
        device_of = self._devices.devices.get
        if by == "quantity":
            return lambda sensor_id: (_ALL, *(looked.measures.get(sensor_id) or ("",)))
        if by == "place":
            return lambda sensor_id: (
                _ALL,
                "/".join(levels_of(device.place)) if (device := device_of(sensor_id)) else "",
            )
        return lambda sensor_id: (_ALL, str(getattr(device_of(sensor_id), by, "")))

    def _with_raised(self, looked: _Looked, by: str, choice: SensorChoice) -> dict[Name, SensorCounts]:
        """Return counts to which alarms and anomalies of this moment are added."""
        is_meant, names_of = self._devices.chooser(choice), self._namer(by, looked)
        counts, worst = _Copied(looked.counts), dict[tuple[Name, str], int]()

        def names(sensor_id: str, quantity: str) -> tuple[Name, ...]:
            return (_ALL, quantity) if by == "quantity" else names_of(sensor_id)

        for alarm in filter(lambda each: is_meant(each.sensor_id), open_alarms(self._app)):
            rank = RANKS.index(alarm.severity)
            for name in names(alarm.sensor_id, alarm.quantity):
                found = counts.of(name)
                found.alarms[rank] += 1
                found.unacknowledged += alarm.state in NEW
                if alarm.state in CALLING:
                    key = name, alarm.sensor_id
                    worst[key] = min(rank, worst.get(key, rank))
        for sensor_id, quantity, number in _open_anomalies(self._app):
            for name in names(sensor_id, quantity) if is_meant(sensor_id) else ():
                counts.of(name).anomalies += number
                worst.setdefault((name, sensor_id), ANOMALY_RANK)
        for (name, sensor_id), rank in worst.items():
            told = looked.told.get(sensor_id)
            counts.of(name).ranked[rank] += 1
            if told is None:  # it is newer than the last look
                counts.of(name).states[_DEVICE_STATES.index(DeviceState.UNKNOWN)] += 1
            elif name in names_of(sensor_id) and counts.of(name).ranked[RANK_OF_STATE[told.state]]:
                counts.of(name).ranked[RANK_OF_STATE[told.state]] -= 1
            else:  # of a quantity, or at a place, of which the last look did not know
                counts.of(name).states[_DEVICE_STATES.index(told.state)] += 1
        return counts.all


class _Copied:
    """Counts of which those are copied that change."""

    def __init__(self, counts: Mapping[Name, SensorCounts]) -> None:
        self.all = dict(counts)
        self._own: set[Name] = set()

    def of(self, name: Name) -> SensorCounts:
        if name not in self._own:
            self._own.add(name)
            self.all[name] = self.all[name].copy() if name in self.all else SensorCounts.none()
        return self.all[name]


def _open_anomalies(app: "WorkerApp") -> Iterator[tuple[str, str, int]]:
    """Yield sensor, quantity and number of the anomalies that are open."""
    for sensor_id, models in with_open_anomalies(app):
        yield from ((sensor_id, name, len(each.anomalies)) for name, each in models.items() if each.anomalies)
        yield from ((sensor_id, name, 1) for name in models.silences)


async def list_places(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Count sensors by place, machine, group or quantity, over all workers."""
    query = request.query
    by, choice = read_word(query, "by", WAYS), SensorChoice.of(query)
    own = await pages.places.counted(by, choice)
    if is_local(query):
        return answer(view, own)
    parts, missing = await _others(pages.app, {**dict(query), "by": by})
    parts.append(own)
    # Of tens of thousands of machines that takes a tenth of a second: it keeps nobody waiting but who asks.
    rows, count = await asyncio.to_thread(_rows, by, parts, _opener(request))
    after = int(read_number(query, "after", 0, least=0, greatest=1e9))
    limit = int(read_number(query, "limit", DEFAULT_LIMIT, least=1, greatest=GREATEST_LIMIT))
    return answer(
        view,
        {
            "by": by,
            "rows": [_shown(each) for each in rows[after : after + limit]],
            "next": str(after + limit) if len(rows) > after + limit else None,
            "count": count,
            "total": _told(add_up({"": part.total} for part in parts)[""]),
            "workers": len(parts),
            "missing": missing,
            "not_whole": next(filter(None, (part.not_whole for part in parts)), ""),
        },
    )


async def _others(app: "WorkerApp", query: Mapping[str, str]) -> tuple[list[WorkerCounts], list[str]]:
    """Ask the other workers; one of another release, which has no such page or counts otherwise, is missing, too."""
    answers = await ask_all(app, "/api/places", query)
    found: dict[str, WorkerCounts] = {}
    for url, part in answers.found.items():
        with suppress(msgspec.ValidationError):
            found[url] = msgspec.convert(part, WorkerCounts)
    silent = {*peer_urls(app), *answers.found} - {*found, *answers.missing}
    return list(found.values()), [*answers.missing, *sorted(silent)]


def _rows(
    by: str, parts: Iterable[WorkerCounts], is_open: Callable[[Levels], bool]
) -> tuple[list[PlaceRow], int]:
    """Return the rows of what workers have counted, and how many places they know."""
    counts = add_up(part.counts for part in parts)
    rows = place_rows({_levels(by, name): each for name, each in counts.items()}, is_open)
    return rows, len(counts) - ("" in counts)


def _levels(by: str, name: str) -> Levels:
    if by == "place":
        return levels_of(name)
    return (name,) if name else ()


def _opener(request: Request) -> Callable[[Levels], bool]:
    """Read what is unfolded: the places named, and all down to a level."""
    levels = read_number(request.query, "levels", 1, least=1, greatest=MOST_LEVELS)
    unfolded = {levels_of(each) for each in request.rel_url.query.getall("unfold", [])}
    return lambda place: len(place) < levels or place in unfolded


def _shown(row: PlaceRow) -> Json:
    return {
        "key": "/".join(row.levels),
        "name": row.levels[-1] if row.levels else "",
        "depth": max(0, len(row.levels) - 1 + row.itself),
        "itself": row.itself,
        "below": row.below,
        "open": row.is_open,
        **_told(row.counts),
    }


def _told(counts: SensorCounts) -> Json:
    return {
        "sensors": counts.sensors,
        "worst": next((rank for rank, number in zip(RANKS, counts.ranked, strict=True) if number), ""),
        "ranked": dict(zip(RANKS, counts.ranked, strict=True)),
        "states": dict(zip(_DEVICE_STATES, counts.states, strict=True)),
        "alarms": dict(zip(reversed(SEVERITIES), counts.alarms, strict=True)),
        "unacknowledged": counts.unacknowledged,
        "anomalies": counts.anomalies,
        "last": counts.last,
    }
