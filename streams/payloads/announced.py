"""What devices, and what speaks for them, announce of themselves: names, places, units, by the ids of readings.

    zigbee2mqtt/bridge/devices            names and units of all devices
    homeassistant/…/config                Home Assistant discovery: name, suggested area, unit of an entity's state
    tasmota/discovery/<mac>/config        name
    homie/<device>/$name, …/$unit, $description
    application/<id>/device/<eui>/event/up   ChirpStack: name of the device, and of its application
    births (Sparkplug)                    device, edge node, group

Which sensor and quantity an announcement is about the maps in force say: a number is read on the topic that it names,
as if the device had sent it. What they would not read is nobody's, and says nothing.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from streams.errors import InputError
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.names import joined, whole_id
from streams.records.types import Birth, Device

FILTERS = (
    "zigbee2mqtt/bridge/devices",
    "homeassistant/+/+/config",
    "homeassistant/+/+/+/config",
    "tasmota/discovery/+/config",
    "homie/+/$name",
    "homie/+/+/+/$unit",
    "homie/5/+/$description",
    "application/+/device/+/event/up",
)
"""Topic filters of announcements; most are kept by the broker."""

LONGEST_TEXT = 200
LONGEST_UNIT = 32
_PROBE = 1_790_000_000.0
_PATH = re.compile(r"value_json((?:\.\w+|\[['\"][^'\"\]]+['\"]\])+)")
_STEP = re.compile(r"\.(\w+)|\[['\"]([^'\"\]]+)['\"]\]")
# Home Assistant's abbreviations of the fields that are read here.
_LONG = {
    "stat_t": "state_topic", "unit_of_meas": "unit_of_measurement", "val_tpl": "value_template", "dev": "device",
    "cmps": "components", "sa": "suggested_area",
}  # fmt: skip
_TEXTS = ("name", "place", "machine", "group")

Json = Mapping[str, Any]


class Announced:
    """Gather what is announced.

    Args:
        maps: Decide which sensor and quantity is meant; of nobody else, since they remember what they read.
    """

    def __init__(self, maps: MapsInForce) -> None:
        self._maps = maps
        self._texts: dict[str, dict[str, str]] = {}
        self._units: dict[str, dict[str, str]] = {}

    def take(self, topic: str, payload: bytes) -> bool:
        """Take in a message; returns whether it is an announcement that can be read."""
        levels = topic.split("/")
        match levels:
            case ["homie", device, "$name"]:
                return self._homie(device, payload)
            case ["homie", device, node, unit_of, "$unit"]:
                return self._put(f"homie/{device}/{node}/{unit_of}", (), unit=_text(payload))
        try:
            document = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        match levels:
            case ["zigbee2mqtt", "bridge", "devices"] if isinstance(document, list):
                return sum(self._zigbee(each) for each in document if isinstance(each, dict)) > 0
            case ["homeassistant", *_, "config"] if isinstance(document, dict):
                return self._discovery(_spelt_out(document))
            case ["tasmota", "discovery", _, "config"] if isinstance(document, dict):
                return self._tasmota(document)
            case ["homie", "5", device, "$description"] if isinstance(document, dict):
                return self._homie_5(device, document)
            case ["application", _, "device", _, "event", "up"] if isinstance(document, dict):
                return self._chirpstack(topic, payload, document)
        return False

    def take_births(self, births: Iterable[Birth]) -> None:
        """Take in births of Sparkplug nodes and devices: their own names, and what they are behind."""
        for birth in births:
            group, node, *device = birth.source.split("/", 2)
            name = device[0] if device else node
            sensor = whole_id(joined([group, node, *device]))
            self._note(sensor, {"name": name, "machine": node if device else "", "group": group})

    def devices(self, at: float) -> list[Device]:
        """Return what was announced, by sensor.

        Args:
            at: When it is said (seconds since the Unix epoch).
        """
        return [
            msgspec.convert(
                {"sensor_id": sensor, "at": at, "units": self._units.get(sensor, {}), **texts}, Device
            )
            for sensor, texts in sorted(self._texts.items())
            if texts or sensor in self._units
        ]

    # -- of each system --------------------------------------------------------------------------------------------

    def _zigbee(self, device: Json) -> bool:
        name = device.get("friendly_name")
        if not isinstance(name, str):
            return False
        topic = f"zigbee2mqtt/{name}"
        definition = device.get("definition")
        exposes = definition.get("exposes") if isinstance(definition, dict) else None
        known = device.get("type") != "Coordinator" and self._put(topic, ("x",), name=name)
        for feature in _features(exposes) if known else ():
            self._put(topic, (str(feature.get("property")),), unit=feature.get("unit"))
        return known

    def _tasmota(self, config: Json) -> bool:
        topic = config.get("t")
        return isinstance(topic, str) and self._put(f"tele/{topic}/SENSOR", ("x",), name=config.get("dn"))

    def _discovery(self, config: Json) -> bool:
        about = _spelt_out(config.get("device"))
        parts = config.get("components")
        entities = [_spelt_out(each) for each in parts.values()] if isinstance(parts, dict) else [config]
        found = False
        for entity in entities:
            topic = entity.get("state_topic") or config.get("state_topic")
            base = entity.get("~") or config.get("~")
            if not isinstance(topic, str):
                continue
            if isinstance(base, str):
                topic = topic.replace("~", base)
            template = _PATH.search(str(entity.get("value_template", "")))
            way = tuple(a or b for a, b in _STEP.findall(template[1])) if template else ()
            place, unit = about.get("suggested_area"), entity.get("unit_of_measurement")
            found |= self._put(topic, way, name=about.get("name"), place=place, unit=unit)
        return found

    def _homie(self, device: str, payload: bytes) -> bool:
        return self._put(f"homie/{device}/x/x", (), name=_text(payload))

    def _homie_5(self, device: str, description: Json) -> bool:
        found = self._put(f"homie/5/{device}/x/x", (), name=description.get("name"))
        nodes = description.get("nodes")
        for node, about in nodes.items() if isinstance(nodes, dict) else ():
            properties = about.get("properties") if isinstance(about, dict) else None
            for name, each in properties.items() if isinstance(properties, dict) else ():
                unit = each.get("unit") if isinstance(each, dict) else None
                self._put(f"homie/5/{device}/{node}/{name}", (), unit=unit)
        return found

    def _chirpstack(self, topic: str, payload: bytes, event: Json) -> bool:
        about = event.get("deviceInfo")
        if not isinstance(about, dict):
            return False
        sensors = self._read(topic, payload)
        for sensor in sensors:
            self._note(sensor, {"name": about.get("deviceName"), "group": about.get("applicationName")})
        return bool(sensors)

    # -- whose it is -----------------------------------------------------------------------------------------------

    def _put(self, topic: str, way: tuple[str, ...], unit: Any = None, **texts: Any) -> bool:
        """Note what is said of whoever sends a number at a path of a topic's payload; tells whether anybody would."""
        value: Any = 1
        for step in reversed(way):
            value = {step: value}
        sensors = self._read(topic, msgspec.json.encode(value))
        for sensor, quantities in sensors.items():
            self._note(sensor, texts)
            if isinstance(unit, str) and (short := unit.strip()[:LONGEST_UNIT]) and short.isprintable():
                self._units.setdefault(sensor, {}).update(dict.fromkeys(quantities, short))
        return bool(sensors)

    def _read(self, topic: str, payload: bytes) -> dict[str, list[str]]:
        """Return the sensors, with the quantities, that a message would be readings of."""
        if not topic or "+" in topic or "#" in topic:
            return {}
        try:
            outcome = self._maps.read(topic.encode(errors="surrogatepass"), payload, _PROBE)
        except InputError:
            return {}
        readings = [] if outcome is None else [each.reading for each in outcome.readings]
        return {each.sensor_id: list(each.values) for each in readings}

    def _note(self, sensor: str, texts: Mapping[str, Any]) -> None:
        known = self._texts.setdefault(sensor, {})
        for name in _TEXTS:
            text = texts.get(name)
            short = text.strip()[:LONGEST_TEXT] if isinstance(text, str) else ""
            if short and short.isprintable() and short != sensor:  # its id says that already
                known.setdefault(name, short)


def filled_in(known: Device | None, announced: Device) -> Device:
    """Return a device with what is announced where people have said nothing: what they said stays.

    >>> filled_in(Device("a", 1.0, "Boiler"), Device("a", 2.0, "0x17", "hall 7")).label
    'Boiler, hall 7'
    """
    if known is None:
        return announced
    said = msgspec.structs.asdict(known) | {"at": announced.at, "units": {**announced.units, **known.units}}
    filled: dict[str, str] = {name: getattr(known, name) or getattr(announced, name) for name in _TEXTS}
    return msgspec.convert(said | filled, Device)


def _features(exposes: Any, depth: int = 4) -> Iterable[Json]:
    """Give what a device exposes, also what stands in groups."""
    for each in exposes if isinstance(exposes, list) and depth else ():
        if isinstance(each, dict):
            if isinstance(each.get("property"), str) and "features" not in each:
                yield each
            yield from _features(each.get("features"), depth - 1)


def _spelt_out(config: Any) -> dict[str, Any]:
    found: dict[str, Any] = config if isinstance(config, dict) else {}
    return {_LONG.get(name, name): value for name, value in found.items()}


def _text(payload: bytes) -> str:
    return payload.decode(errors="replace")
