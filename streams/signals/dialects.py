"""Simulated sensors that speak as the devices of other systems do: other topics and payloads, the same measurements.

    sensors/464f…/reading {"temperature": 21.5, "collected_at": …}      Weir's own form
    zigbee2mqtt/464f…     {"temperature": 21.5, "last_seen": …}         the same, as Zigbee2MQTT publishes it

What is malformed stays as it is, on the dialect's topic. Labels name the series that the built-in map of the dialect
makes, so that what is found can be compared with what was injected.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from streams.payloads.addresses import label_topic
from streams.payloads.event_times import read_event_time
from streams.payloads.formats.sparkplug import payload_class
from streams.records.identity import event_ms
from streams.signals.messages import Key, Message, MessageKind, MessageSource
from streams.signals.thermometer import BATTERY, TEMPERATURE, fahrenheit, rounded

BIRTH_COPY = -2
"""`Key.copy` of a birth: it goes out before everything of its sensor, labels included."""
_SPARKPLUG_GROUP = "Weir"
_DOUBLE = 10  # Sparkplug's number of the data type
_ALIASES = {TEMPERATURE: 1, BATTERY: 2}
_encode = msgspec.json.Encoder().encode


class _Measured(NamedTuple):
    """What a reading says: values by quantity at an event time (seconds since the Unix epoch)."""

    sensor_id: str
    at: float
    values: dict[str, float]


class Dialect(NamedTuple):
    """How the devices of a system publish.

    Args:
        about: What they are.
        topic: Where a sensor's readings go.
        payload: Makes the payload of a reading.
        sensor: What the built-in map calls the sensor.
        quantities: What the built-in map calls the quantities.
    """

    about: str
    topic: Callable[[str], str]
    payload: Callable[[_Measured], bytes]
    sensor: Callable[[str], str]
    quantities: dict[str, str]


def _zigbee2mqtt(measured: _Measured) -> bytes:
    moment = datetime.fromtimestamp(measured.at, UTC).isoformat(timespec="milliseconds")
    return _encode({**measured.values, "linkquality": 120, "last_seen": moment})


def _tasmota(measured: _Measured) -> bytes:
    moment = (
        datetime.fromtimestamp(measured.at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    )
    parts = {"DS18B20": ("Temperature", TEMPERATURE), "Battery": ("Percentage", BATTERY)}
    shown = {
        part: {field: measured.values[name]}
        for part, (field, name) in parts.items()
        if name in measured.values
    }
    return _encode({"Time": moment, **shown, "TempUnit": "C"})


def _shelly(measured: _Measured) -> bytes:
    params: dict[str, Any] = {"ts": measured.at}
    if (celsius := measured.values.get(TEMPERATURE)) is not None:
        params["temperature:0"] = {"id": 0, "tC": celsius, "tF": rounded(fahrenheit(celsius))}
    if (percent := measured.values.get(BATTERY)) is not None:
        params["devicepower:0"] = {"id": 0, "battery": {"percent": percent}}
    return _encode(
        {
            "src": measured.sensor_id,
            "dst": f"{measured.sensor_id}/events",
            "method": "NotifyStatus",
            "params": params,
        }
    )


def _sparkplug(measured: _Measured, *, birth: bool = False) -> bytes:
    """Write a payload of Sparkplug B: a birth gives each alias its name, data have the alias alone."""
    moment = event_ms(measured.at)
    payload = payload_class()(timestamp=moment, seq=0 if birth else 1 + moment % 255)
    for name, alias in _ALIASES.items():
        value = measured.values.get(name)
        if value is None and not birth:
            continue
        metric = payload.metrics.add(alias=alias, timestamp=moment, datatype=_DOUBLE)
        if birth:
            metric.name = name
        if value is None:
            metric.is_null = True
        else:
            metric.double_value = value
    written: bytes = payload.SerializeToString()
    return written


def _same(sensor_id: str) -> str:
    return sensor_id


DIALECTS = {
    "zigbee2mqtt": Dialect(
        "Zigbee2MQTT", lambda sensor: f"zigbee2mqtt/{sensor}", _zigbee2mqtt, _same, {}
    ),
    "tasmota": Dialect(
        "Tasmota", lambda sensor: f"tele/{sensor}/SENSOR", _tasmota, _same,
        {TEMPERATURE: "DS18B20_Temperature", BATTERY: "Battery_Percentage"},
    ),
    "shelly": Dialect(
        "Shelly Gen2 and later", lambda sensor: f"{sensor}/events/rpc", _shelly, _same,
        {TEMPERATURE: "temperature_0_tC", BATTERY: "devicepower_0_battery_percent"},
    ),
    "sparkplug": Dialect(
        "Sparkplug B", lambda sensor: f"spBv1.0/{_SPARKPLUG_GROUP}/NDATA/{sensor}", _sparkplug,
        lambda sensor: f"{_SPARKPLUG_GROUP}:{sensor}", {},
    ),
}  # fmt: skip
"""The dialects, by name."""


@dataclass(frozen=True)
class Dressed:
    """A source whose sensors speak a dialect.

    Args:
        source: What they measure.
        dialect: How they say it: one of `DIALECTS`.
    """

    source: MessageSource
    dialect: str

    def messages(self, since: Key | None = None) -> Iterator[Message]:
        """Yield the messages in the order of their keys, from ``since`` on (included).

        A sensor that speaks Sparkplug B is born before the first reading that comes after ``since``.
        """
        born: set[str] = set()
        births = self.dialect == "sparkplug"
        for message in self.source.messages(since):
            key = message.key
            is_new = births and message.kind is MessageKind.READING and key.sensor_id not in born
            if is_new and (since is None or key > since):
                born.add(key.sensor_id)
                yield _birth(message)
            yield self._spoken(message)

    def _spoken(self, message: Message) -> Message:
        dialect, sensor = DIALECTS[self.dialect], message.key.sensor_id
        if message.kind is MessageKind.LABEL:
            quantity = dialect.quantities.get(TEMPERATURE, TEMPERATURE)
            return message._replace(topic=label_topic(dialect.sensor(sensor), quantity))
        if message.kind is MessageKind.MALFORMED:
            return message._replace(topic=dialect.topic(sensor))
        quantities = tuple(dialect.quantities.get(name, name) for name in message.quantities)
        return message._replace(
            topic=dialect.topic(sensor), payload=dialect.payload(_measured(message)), quantities=quantities
        )


def _birth(message: Message) -> Message:
    measured = _measured(message)
    return Message(
        message.key._replace(copy=BIRTH_COPY),
        f"spBv1.0/{_SPARKPLUG_GROUP}/NBIRTH/{measured.sensor_id}",
        _sparkplug(measured, birth=True),
        # It says what the reading after it says again.
        MessageKind.DUPLICATE,
        message.quantities,
    )


def _measured(message: Message) -> _Measured:
    fields: dict[str, Any] = json.loads(message.payload)
    return _Measured(
        message.key.sensor_id,
        read_event_time(fields["collected_at"]),
        {name: fields[name] for name in message.quantities},
    )
