"""What devices, and what speaks for them, announce of themselves, by the ids of readings.

    zigbee2mqtt/bridge/devices            name, kind, units and ranges of all devices
    homeassistant/…/config                Home Assistant discovery: name, suggested area, kind; unit and precision of an
                                          entity's state, and how long it lasts
    tasmota/discovery/<mac>/config        name, kind
    homie/<device>/$name, …/$unit, …/$format, $description
    application/<id>/device/<eui>/event/up   ChirpStack: name, application, profile, tags
    v3/<application>/devices/<id>/up      The Things Stack: application, kind, where the user has put it
    births (Sparkplug)                    device, edge node, group, units
    {place}, {machine}, {group}, {kind}   levels of that name in the topic template of a map

Which sensor and quantity an announcement is about the maps in force say: a number is read on the topic that it names,
as if the device had sent it. What they would not read is nobody's, and says nothing.
"""

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final

import msgspec

from streams.detection.attendance import SILENT_FACTOR
from streams.errors import InputError
from streams.known_devices import TEXTS
from streams.payloads.formats.sparkplug import one_metric
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.compiled import CompiledRule
from streams.payloads.maps.names import joined, whole_id
from streams.records.types import Announcement, Birth

FILTERS = (
    "zigbee2mqtt/bridge/devices",
    "homeassistant/+/+/config",
    "homeassistant/+/+/+/config",
    "tasmota/discovery/+/config",
    "homie/+/$name",
    "homie/+/+/+/$unit",
    "homie/+/+/+/$format",
    "homie/5/+/$description",
    "application/+/device/+/event/up",
    "v3/+/devices/+/up",
)
"""Topic filters of announcements; most are kept by the broker."""
LEVELS: Final = frozenset({"place", "machine", "group", "kind"})
"""Names of levels of a topic that say what a sensor belongs to."""
_TAGS: Final = {"location": "place", "room": "place", **{name: name for name in LEVELS}}
_BY_FIRST_LEVEL: Final = {"application": "chirpstack", "v3": "things-stack"}
_MOST_DECIMALS = 12
_LONGEST_SECONDS = 31_622_400
MOST_ANNOUNCED: Final = 100_000
"""Sensors, each for every source, of which it is noted what is announced; about 1 kB each."""

LONGEST_TEXT = 200
LONGEST_UNIT = 32
_PATH = re.compile(r"value_json((?:\.\w+|\[['\"][^'\"\]]+['\"]\])+)")
_STEP = re.compile(r"\.(\w+)|\[['\"]([^'\"\]]+)['\"]\]")
# Home Assistant's abbreviations of the fields that are read here.
_LONG = {
    "stat_t": "state_topic", "unit_of_meas": "unit_of_measurement", "val_tpl": "value_template", "dev": "device",
    "cmps": "components", "sa": "suggested_area",
    "mf": "manufacturer", "mdl": "model", "exp_aft": "expire_after", "sug_dsp_prc": "suggested_display_precision",
}  # fmt: skip

Json = Mapping[str, Any]


class Announced:
    """Gather what is announced.

    Args:
        maps: Decide which sensor and quantity is meant; of nobody else, since they remember what they read.
    """

    def __init__(self, maps: MapsInForce) -> None:
        self._maps = maps
        self._found: dict[tuple[str, str], dict[str, Any]] = {}
        self._source = ""
        self._at = 0.0
        self.left_out = 0
        """Announcements of sensors for which there was no room."""

    @property
    def filters(self) -> tuple[str, ...]:
        """The topic filters of what can be an announcement."""
        levels = {
            filter_
            for rule, _ in self._maps.rules
            if _says_levels(rule)
            for template in rule.templates
            if template.names & LEVELS
            for filter_ in template.filters
        }
        return (*FILTERS, *sorted(levels))

    def take(self, topic: str, payload: bytes, at: float) -> bool:
        """Take in a message; returns whether it is an announcement that can be read.

        Args:
            topic, payload: As they came.
            at: When (seconds since the Unix epoch): a reading with a time far ahead of that is none.
        """
        self._at = at
        known = self._take_known(topic, payload)
        self._source = "topic"
        return self._levels(topic, payload) or known

    def _take_known(self, topic: str, payload: bytes) -> bool:
        levels = topic.split("/")
        self._source = _BY_FIRST_LEVEL.get(levels[0], levels[0])
        match levels:
            case ["homie", device, "$name"]:
                return self._homie(device, payload)
            case ["homie", device, node, of, "$unit"]:
                return self._put(f"homie/{device}/{node}/{of}", (), unit=_text(payload))
            case ["homie", device, node, of, "$format"]:
                return self._put(f"homie/{device}/{node}/{of}", (), ends=_text(payload).split(":"))
        try:
            document = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        match levels:
            case ["zigbee2mqtt", "bridge", "devices"] if isinstance(document, list):
                return sum(self._zigbee(each) for each in document if isinstance(each, dict)) > 0
            case _ if not isinstance(document, dict):
                return False
            case ["homeassistant", *_, "config"]:
                return self._discovery(_spelt_out(document))
            case ["tasmota", "discovery", _, "config"]:
                return self._tasmota(document)
            case ["homie", "5", device, "$description"]:
                return self._homie_5(device, document)
            case ["application", _, "device", _, "event", "up"]:
                return self._chirpstack(topic, payload, document)
            case ["v3", _, "devices", _, "up"]:
                return self._things_stack(topic, payload, document)
        return False

    def take_births(self, births: Iterable[Birth]) -> None:
        """Take in births of Sparkplug nodes and devices: their own names, what they are behind, and units."""
        self._source = "sparkplug"
        for birth in births:
            group, node, *device = birth.source.split("/", 2)
            name = device[0] if device else node
            sensor = whole_id(joined([group, node, *device]))
            self._note(sensor, {"name": name, "machine": node if device else "", "group": group})
            topic = "/".join(("spBv1.0", group, "DDATA" if device else "NDATA", node, *device))
            for metric, unit in birth.units.items():
                self._put_read(topic, one_metric(metric), unit)

    def announcements(self, at: float) -> list[Announcement]:
        """Return what was announced, by sensor and source.

        Args:
            at: When it is said (seconds since the Unix epoch).
        """
        return [
            Announcement(sensor, at, source=source, **fields)
            for (sensor, source), fields in sorted(self._found.items())
            if fields
        ]

    # -- of each system --------------------------------------------------------------------------------------------

    def _zigbee(self, device: Json) -> bool:
        name = device.get("friendly_name")
        if not isinstance(name, str):
            return False
        topic = f"zigbee2mqtt/{name}"
        definition = device.get("definition")
        exposes = definition.get("exposes") if isinstance(definition, dict) else None
        about = definition if isinstance(definition, dict) else {}
        kind = _kind(about.get("vendor"), about.get("model"))
        known = device.get("type") != "Coordinator" and self._put(topic, ("x",), name=name, kind=kind)
        for feature in _features(exposes) if known else ():
            ends = [feature.get("value_min"), feature.get("value_max")]
            self._put(topic, (str(feature.get("property")),), unit=feature.get("unit"), ends=ends)
        return known

    def _tasmota(self, config: Json) -> bool:
        topic = config.get("t")
        return isinstance(topic, str) and self._put(
            f"tele/{topic}/SENSOR", ("x",), name=config.get("dn"), kind=config.get("md")
        )

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
            found |= self._put(
                topic,
                way,
                entity.get("unit_of_measurement"),
                decimals=entity.get("suggested_display_precision"),
                lasts=entity.get("expire_after", config.get("expire_after")),
                name=about.get("name"),
                place=about.get("suggested_area"),
                kind=_kind(about.get("manufacturer"), about.get("model")),
            )
        return found

    def _homie(self, device: str, payload: bytes) -> bool:
        return self._put(f"homie/{device}/x/x", (), name=_text(payload))

    def _homie_5(self, device: str, description: Json) -> bool:
        found = self._put(f"homie/5/{device}/x/x", (), name=description.get("name"))
        nodes = description.get("nodes")
        for node, about in nodes.items() if isinstance(nodes, dict) else ():
            properties = about.get("properties") if isinstance(about, dict) else None
            for name, each in properties.items() if isinstance(properties, dict) else ():
                told = each if isinstance(each, dict) else {}
                ends = str(told.get("format", "")).split(":")
                self._put(f"homie/5/{device}/{node}/{name}", (), unit=told.get("unit"), ends=ends)
        return found

    def _chirpstack(self, topic: str, payload: bytes, event: Json) -> bool:
        about = event.get("deviceInfo")
        if not isinstance(about, dict):
            return False
        sensors = self._read(topic, payload)
        tags = about.get("tags")
        tagged = (
            {_TAGS[name]: text for name, text in tags.items() if name in _TAGS}
            if isinstance(tags, dict)
            else {}
        )
        names = {"name": "deviceName", "group": "applicationName", "kind": "deviceProfileName"}
        for sensor in sensors:
            self._note(sensor, {**{ours: about.get(theirs) for ours, theirs in names.items()}, **tagged})
        return bool(sensors)

    def _things_stack(self, topic: str, payload: bytes, event: Json) -> bool:
        ids, uplink = _object(event, "end_device_ids"), _object(event, "uplink_message")
        version, put = _object(uplink, "version_ids"), _object(_object(uplink, "locations"), "user")
        spot = _numbers([put.get(name) for name in ("latitude", "longitude")])  # gps and others move
        place = "" if spot is None else f"{spot[0]:.5f}, {spot[1]:.5f}"
        group = _object(ids, "application_ids").get("application_id")
        kind = _kind(version.get("brand_id"), version.get("model_id"))
        sensors = self._read(topic, payload)
        for sensor in sensors:
            self._note(sensor, {"name": ids.get("device_id"), "place": place, "group": group, "kind": kind})
        return bool(sensors)

    def _levels(self, topic: str, payload: bytes) -> bool:
        """Note what levels of a topic say of those of which a message is a reading."""
        for candidate in self._maps.routes.of(topic.encode(errors="surrogatepass")):
            rule = candidate.rule
            if rule is not None and _says_levels(rule) and (told := LEVELS & candidate.names.keys()):
                sensors = self._read(topic, payload)
                for sensor in sensors:
                    self._note(sensor, {name: candidate.names[name] for name in told})
                return bool(sensors)
        return False

    # -- whose it is -----------------------------------------------------------------------------------------------

    def _put(
        self,
        topic: str,
        way: tuple[str, ...],
        unit: Any = None,
        **more: Any,
    ) -> bool:
        """Note what is said of whoever sends a number at a path of a topic's JSON; tells whether anybody would.

        Args:
            topic, way: The topic, and the path of the number.
            more: What `_put_read` takes.
        """
        value: Any = 1
        for step in reversed(way):
            value = {step: value}
        return self._put_read(topic, msgspec.json.encode(value), unit, **more)

    def _put_read(
        self,
        topic: str,
        payload: bytes,
        unit: Any = None,
        *,
        decimals: Any = None,
        ends: Any = None,
        lasts: Any = None,
        **texts: Any,
    ) -> bool:
        """Note what is said of whoever sends a message; tells whether anybody would.

        Args:
            topic, payload: The message: what is read of it is the quantity that is meant.
            unit, decimals, ends: Of that quantity; ``ends`` are least and greatest value.
            lasts: After how many seconds without a message it counts as unavailable.
            texts: Of the device.
        """
        sensors = self._read(topic, payload)
        told = {"units": _unit(unit), "precisions": _decimals(decimals), "ranges": _range(ends)}
        for sensor, quantities in sensors.items():
            known = self._note(sensor, texts)
            if isinstance(lasts, int) and not isinstance(lasts, bool) and 0 < lasts <= _LONGEST_SECONDS:
                known.setdefault("interval", lasts / SILENT_FACTOR)
            for name, each in told.items():
                if each is not None and quantities:
                    known.setdefault(name, {}).update(dict.fromkeys(quantities, each))
        return bool(sensors)

    def _read(self, topic: str, payload: bytes) -> dict[str, list[str]]:
        """Return the sensors, with the quantities, that a message would be readings of."""
        if not topic or "+" in topic or "#" in topic:
            return {}
        try:
            outcome = self._maps.read(topic.encode(errors="surrogatepass"), payload, self._at)
        except InputError:
            return {}
        readings = [] if outcome is None else [each.reading for each in outcome.readings]
        return {each.sensor_id: list(each.values) for each in readings}

    def _note(self, sensor: str, texts: Mapping[str, Any]) -> dict[str, Any]:
        """Note texts about a sensor, and return all that its source says of it."""
        if len(self._found) >= MOST_ANNOUNCED and (sensor, self._source) not in self._found:
            self.left_out += 1
            return {}
        known = self._found.setdefault((sensor, self._source), {})
        for name in TEXTS:
            text = texts.get(name)
            short = text.strip()[:LONGEST_TEXT] if isinstance(text, str) else ""
            if short and short.isprintable() and short != sensor:  # its id says that already
                known.setdefault(name, short)
        return known


def _says_levels(rule: CompiledRule) -> bool:
    """Whether levels of a rule's topics say what a sensor belongs to, where they have such a name."""
    # Births of Sparkplug say the group, and their {kind} is the kind of message.
    return rule.rule.what == "readings" and rule.rule.format != "sparkplug"


def _unit(unit: Any) -> str | None:
    short = unit.strip()[:LONGEST_UNIT] if isinstance(unit, str) else ""
    return short if short and short.isprintable() else None


def _decimals(decimals: Any) -> int | None:
    fits = isinstance(decimals, int) and not isinstance(decimals, bool) and 0 <= decimals <= _MOST_DECIMALS
    return decimals if fits else None


def _range(ends: Any) -> tuple[float, float] | None:
    found = _numbers(ends)
    return None if found is None or found[0] > found[1] else found


def _numbers(pair: Any) -> tuple[float, float] | None:
    try:
        left, right = (float(each) for each in pair if not isinstance(each, bool))
    except (TypeError, ValueError, OverflowError):
        return None
    return (left, right) if isfinite(left) and isfinite(right) else None


def _kind(maker: Any, model: Any) -> str:
    return " ".join(each for each in (maker, model) if isinstance(each, str))


def _object(document: Json, name: str) -> Json:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


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
