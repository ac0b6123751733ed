"""A worker's counts of its places: the last look and the alarms of now together, against a count of each sensor."""

import asyncio
import weakref
from collections import Counter
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.views.place_pages import PlaceCounting, WorkerCounts
from agents.views.sensor_choice import SensorChoice
from agents.views.watching.device_watch import DeviceWatch
from bridges.process.settings import Settings
from streams.device_states import DeviceState, Whereabouts, search_text
from streams.place_counts import RANKS, WAYS
from streams.records.types import Device

CALLS = ("unacknowledged", "acknowledged", "returned")
QUANTITIES = ("humidity", "temperature")


class Sensor(NamedTuple):
    """A drawn sensor: alarms as (quantity, severity, state), anomalies that are open by quantity."""

    device: Device | None
    state: DeviceState | None  # None: it is newer than the last look
    measures: tuple[str, ...]
    alarms: list[tuple[str, str, str]]
    anomalies: dict[str, int]


DEVICES = st.builds(
    Device,
    sensor_id=st.just(""),
    at=st.just(0.0),
    place=st.sampled_from(("", "hall 1", "hall 1 / line 2", "hall 2")),
    machine=st.sampled_from(("", "press")),
    group=st.sampled_from(("", "boilers")),
)
ALARMS = st.tuples(
    st.sampled_from(QUANTITIES),
    st.sampled_from(("critical", "warning", "info")),
    st.sampled_from((*CALLS, "shelved", "suppressed")),
)
SENSORS = st.builds(
    Sensor,
    device=st.none() | DEVICES,
    state=st.none() | st.sampled_from(DeviceState),
    measures=st.sampled_from(((), QUANTITIES[:1], QUANTITIES)),
    alarms=st.lists(ALARMS, max_size=3),
    anomalies=st.dictionaries(st.sampled_from(QUANTITIES), st.integers(1, 2), max_size=2),
)


def counting(sensors: dict[str, Sensor]) -> PlaceCounting:
    """Return the counting of a worker that has these sensors."""
    alarms = {
        sensor_id: SimpleNamespace(
            state=SimpleNamespace(
                alarms={
                    number: SimpleNamespace(
                        sensor_id=sensor_id, quantity=quantity, severity=severity, state=state
                    )
                    for number, (quantity, severity, state) in enumerate(sensor.alarms)
                }
            )
        )
        for sensor_id, sensor in sensors.items()
    }
    app: Any = SimpleNamespace(
        settings=Settings(),
        owned_partitions=lambda: {0},
        alarms=SimpleNamespace(rows={0: alarms}),
        models=_models(sensors),
    )
    watch: Any = DeviceWatch(app)
    watch.looks, watch._looked_at, watch._has_names = 1, frozenset({0}), True
    watch.devices = {key: each.device for key, each in sensors.items() if each.device is not None}
    watch._texts = {key: search_text(key, device) for key, device in watch.devices.items()}
    watch.told = {key: Whereabouts(each.state) for key, each in sensors.items() if each.state is not None}
    watch.measures = {
        key: each.measures for key, each in sensors.items() if key in watch.told and each.measures
    }
    return PlaceCounting(app, cast("DeviceWatch", watch))


def _models(sensors: dict[str, Sensor]) -> SimpleNamespace:
    class Models(dict[str, SimpleNamespace]):
        silences: ClassVar[dict[str, object]] = {}

        @property
        def open_anomalies(self) -> int:
            return sum(len(each.anomalies) for each in self.values())

    rows = {
        key: SimpleNamespace(
            state=Models({name: SimpleNamespace(anomalies=[0] * n) for name, n in each.anomalies.items()})
        )
        for key, each in sensors.items()
    }
    return SimpleNamespace(rows={0: rows})


def names(sensor: Sensor, by: str) -> set[str]:
    """Return under which names a sensor counts."""
    known = sensor.measures if sensor.state is not None else ()
    if by == "quantity":
        raised = {
            quantity for quantity, _, state in sensor.alarms if state in CALLS
        } | sensor.anomalies.keys()
        return (set(known or ("",)) if sensor.state is not None else set()) | raised
    if (
        sensor.state is None
        and not any(state in CALLS for _, _, state in sensor.alarms)
        and not sensor.anomalies
    ):
        return set()
    text = "" if sensor.device is None else getattr(sensor.device, by)
    return {text.replace(" / ", "/")}


def rank(sensor: Sensor, quantity: str | None) -> str:
    """Return the worst that is told of a sensor, or of one of its quantities."""
    mine = [each for each in sensor.alarms if quantity in (None, each[0]) and each[2] in CALLS]
    if mine:
        return min((severity for _, severity, _ in mine), key=RANKS.index)
    if sensor.anomalies if quantity is None else quantity in sensor.anomalies:
        return "anomaly"
    return str(sensor.state)


def expected(sensors: dict[str, Sensor], by: str) -> dict[str, Counter[str]]:
    """Count each sensor by itself, under each of its names."""
    found: dict[str, Counter[str]] = {}
    for sensor in sensors.values():
        for name in names(sensor, by):
            found.setdefault(name, Counter())[rank(sensor, name if by == "quantity" else None)] += 1
    return found


def ranked(found: WorkerCounts) -> dict[str, dict[str, int]]:
    """Return by name how many sensors have each rank."""
    told = {
        name: {rank: number for rank, number in zip(RANKS, counts.ranked, strict=True) if number}
        for name, counts in found.counts.items()
    }
    return {name: each for name, each in told.items() if each}


@pytest.mark.parametrize("by", WAYS)
@given(drawn=st.lists(SENSORS, max_size=8))
def test_each_sensor_counts_once_by_the_worst_that_is_told_of_it(by: str, drawn: list[Sensor]) -> None:
    sensors = {f"s{number}": sensor for number, sensor in enumerate(drawn)}
    counter = counting(sensors)
    for _ in range(2):  # what was counted of a look is used again
        found = asyncio.run(counter.counted(by, SensorChoice()))
        assert ranked(found) == expected(sensors, by)
        assert sum(found.total.alarms) == sum(len(each.alarms) for each in drawn)
        assert found.total.anomalies == sum(sum(each.anomalies.values()) for each in drawn)
        calls = [state for each in drawn for _, _, state in each.alarms]
        assert found.total.unacknowledged == sum(state in ("unacknowledged", "returned") for state in calls)
        for counts in (*found.counts.values(), found.total):
            assert sum(counts.states) == counts.sensors


@given(drawn=st.lists(SENSORS, max_size=8))
def test_a_choice_counts_what_it_would_count_if_there_were_no_others(drawn: list[Sensor]) -> None:
    sensors = {f"s{number}": sensor for number, sensor in enumerate(drawn)}
    within = {
        key: each
        for key, each in sensors.items()
        if each.device is not None and each.device.place.startswith("hall 1")
    }
    found = asyncio.run(counting(sensors).counted("place", SensorChoice(under="hall 1")))
    assert ranked(found) == expected(within, "place")


def test_what_an_old_look_saw_is_let_go_of_once_somebody_asks_after_a_new_one() -> None:
    class Told(dict[str, Whereabouts]):
        """One that tells when it is gone."""

    counter = counting({"s0": Sensor(None, DeviceState.ONLINE, (), [], {})})
    devices = counter._devices
    devices.told = Told(devices.told)
    seen = weakref.ref(devices.told)
    for by in WAYS:
        asyncio.run(counter.counted(by, SensorChoice()))
    devices.told, devices.looks = dict(devices.told), devices.looks + 1
    asyncio.run(counter.counted(WAYS[0], SensorChoice()))
    assert seen() is None
