"""What is known of devices: what people say, and, where they say nothing, what is announced.

    devices         boiler-1: place hall 7                              (people: always right)
    announcements   boiler-1: place Attic, name Boiler, t in °C         (by source: where nobody has said any)
                    ──▶ boiler-1: Boiler, hall 7, t in °C; one conflict: the place

Both are records with the time at which they were said: whoever takes in those up to a moment knows what was known then.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any, Final, NamedTuple

import msgspec

from streams.records.types import Announcement, Device

TEXTS: Final = ("name", "place", "machine", "group", "kind")
OF_QUANTITIES: Final = ("units", "precisions", "ranges")
SOURCES: Final = (
    "zigbee2mqtt", "chirpstack", "things-stack", "homie", "tasmota", "sparkplug", "homeassistant", "topic",
)  # fmt: skip
"""Who announces, the most trusted first: what speaks for a device itself, then what was told of it."""


class Conflict(NamedTuple):
    """What people say of a sensor, and what is announced instead.

    Args:
        sensor_id: The sensor.
        field: Of the device; with a quantity behind a colon.
        said, announced: The two.
        source: Who announces it.
    """

    sensor_id: str
    field: str
    said: Any
    announced: Any
    source: str


class KnownDevices(dict[str, Device]):
    """The devices by id, each as put together; `take` is how they change.

    Args:
        until: Nothing counts that was said later (seconds since the Unix epoch).

    >>> known = KnownDevices()
    >>> _ = known.take(Announcement("b", 2.0, "Boiler", "Attic", source="zigbee2mqtt"))
    >>> _ = known.take(Device("b", 1.0, place="hall 7"))
    >>> known["b"].label, [(each.field, each.said, each.announced) for each in known.conflicts()]
    ('Boiler, hall 7', [('place', 'hall 7', 'Attic')])
    """

    def __init__(self, until: float = inf) -> None:
        super().__init__()
        self._until = until
        self._conflicts: dict[str, list[Conflict]] = {}
        self.said: dict[str, Device] = {}
        """What people say, by sensor."""
        self.announced: dict[str, dict[str, Announcement]] = {}
        """What is announced, by sensor and source."""

    def take(self, record: Device) -> str:
        """Take in what was said or announced, in any order; returns of which sensor."""
        sensor_id = record.sensor_id
        if record.at > self._until:
            return ""
        if isinstance(record, Announcement):
            of_it = self.announced.setdefault(sensor_id, {})
            if (before := of_it.get(record.source)) is None or record.at >= before.at:
                of_it[record.source] = record
        elif (known := self.said.get(sensor_id)) is None or record.at >= known.at:
            self.said[sensor_id] = record
        self._put_together(sensor_id)
        return sensor_id

    def conflicts(self) -> list[Conflict]:
        """List in what people and announcements differ, by sensor."""
        return [each for _, found in sorted(self._conflicts.items()) for each in found]

    def conflicts_of(self, sensor_id: str) -> list[Conflict]:
        """List in what people and announcements differ of a sensor."""
        return list(self._conflicts.get(sensor_id, ()))

    def _put_together(self, sensor_id: str) -> None:
        announced = sorted(self.announced.get(sensor_id, {}).values(), key=_trust)
        said = self.said.get(sensor_id)
        self[sensor_id] = put_together(said, announced)
        self._conflicts.pop(sensor_id, None)
        if said is not None and (found := [each for other in announced for each in _differing(said, other)]):
            self._conflicts[sensor_id] = found


def _trust(announcement: Announcement) -> tuple[int, str]:
    source = announcement.source
    return (SOURCES.index(source) if source in SOURCES else len(SOURCES)), source


def put_together(said: Device | None, announced: Iterable[Announcement]) -> Device:
    """Return a device with what is announced where people have said nothing.

    Args:
        said: What people say.
        announced: What is announced, the most trusted first; there must be some if people say nothing.
    """
    layers: list[Device] = [*([] if said is None else [said]), *announced]
    first = layers[0]
    if len(layers) == 1 and type(first) is Device:
        return first
    return Device(first.sensor_id, max(each.at for each in layers), **_layered(layers))


def laid_over(before: Announcement, now: Announcement) -> Announcement:
    """Return an announcement with what the same source announced before where it says nothing."""
    return Announcement(now.sensor_id, now.at, source=now.source, **_layered([now, before]))


def _layered(layers: Sequence[Device]) -> dict[str, Any]:
    """Return the fields of several records of a sensor: of each the first that says it."""
    fields: dict[str, Any] = {
        name: next((text for each in layers if (text := getattr(each, name))), "") for name in TEXTS
    }
    for name in OF_QUANTITIES:
        fields[name] = {key: value for each in reversed(layers) for key, value in getattr(each, name).items()}
    fields["interval"] = next((each.interval for each in layers if each.interval is not None), None)
    return fields


def _differing(said: Device, announced: Announcement) -> Iterable[Conflict]:
    def conflict(field: str, left: Any, right: Any) -> Conflict:
        return Conflict(said.sensor_id, field, left, right, announced.source)

    for name in (*TEXTS, "interval"):
        left, right = getattr(said, name), getattr(announced, name)
        if left and right and left != right:
            yield conflict(name, left, right)
    for name in OF_QUANTITIES:
        ours, theirs = getattr(said, name), getattr(announced, name)
        for quantity in sorted(ours.keys() & theirs.keys()):
            if ours[quantity] != theirs[quantity]:
                yield conflict(f"{name}:{quantity}", ours[quantity], theirs[quantity])


def says_the_same(left: Device | None, right: Device) -> bool:
    """Tell whether two records of one sensor differ in nothing but when they were said."""
    return left is not None and msgspec.structs.replace(left, at=right.at) == right
