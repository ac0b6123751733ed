"""Show alarms on an MQTT broker: the state of each series, retained while an alarm of it is open.

    weir/alarms/<place or ->/<sensor>/<quantity>    the worst open alarm as JSON; empty (nothing retained): none
    homeassistant/binary_sensor/weir_<id>/config    so that Home Assistant shows it by itself

A sensor id such as ``plant:7:t1`` has a place, ``plant:7``. A broker that was away, or has forgotten, gets all that is
open again when it is back.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

from bridges.mqtt.outlet import MqttOutlet
from bridges.notify.outlets import OutgoingMessage
from bridges.process.notify_settings import MqttTarget
from bridges.process.settings import MqttSettings
from streams.alarms.alarm_rules import SEVERITIES
from streams.alarms.incidents import Incident
from streams.alarms.inhibiting import AlarmState
from streams.alarms.templates import as_plain
from streams.errors import ConfigurationError, TransientError
from streams.records.alarm_records import Alarm

Series = tuple[str, str]

ACKNOWLEDGE_SECONDS: Final = 10.0
# Levels of a topic keep what has no meaning there; what parts levels or stands in filters, and what is not ASCII, is
# written as %XX of its UTF-8.
_SAFE: Final = " :;,.@=()!$&'*"
_NO_PLACE: Final = "-"
"""The level of the place of a sensor whose id has none."""


class MqttStateOutlet:
    """Shows the state of alarms on a broker.

    Args:
        target: Its settings.
        broker: Where the broker is.
        name: Of the target, for the client's id.
    """

    follows_all = True

    def __init__(self, target: MqttTarget, broker: MqttSettings, name: str) -> None:
        self._target = target
        self._outlet = MqttOutlet(broker, 1, f"weir-notify-{name}")
        self._connected = False
        self._open: dict[Series, dict[str, Alarm]] = {}
        self._discovered: set[Series] = set()

    def known(self, alarm: Alarm) -> None:
        """Take note of what is open."""
        series = (alarm.sensor_id, alarm.quantity)
        if alarm.state != AlarmState.NORMAL:
            self._open.setdefault(series, {})[alarm.kind] = alarm
        elif (kinds := self._open.get(series)) is not None:
            kinds.pop(alarm.kind, None)
            if not kinds:
                del self._open[series]

    def prepare(
        self, alarms: Sequence[Alarm], incidents: Mapping[str, Incident]
    ) -> Sequence[OutgoingMessage]:
        """Return what publishes the state of all series that a group is about."""
        for alarm in alarms:
            self.known(alarm)
        last = {(each.sensor_id, each.quantity): each for each in alarms}
        return [OutgoingMessage(alarms, partial(self._show, last))]

    def refresh(self) -> None:
        """Show all that is open to a broker that is back."""
        if self._open or self._connected:
            self._show({})

    def close(self) -> None:
        """Disconnect."""
        self._connected = False
        self._outlet.close()

    def _show(self, last: dict[Series, Alarm]) -> None:
        try:
            if not self._connected:
                self._connect()
                last = {
                    **{series: next(iter(kinds.values())) for series, kinds in self._open.items()},
                    **last,
                }
            self._outlet.check()
            waiting = [each for series, alarm in last.items() for each in self._publish(series, alarm)]
            for publication in waiting:
                publication.wait(ACKNOWLEDGE_SECONDS)
                if not publication.is_acknowledged():
                    raise TransientError(
                        f"the broker has not acknowledged within {ACKNOWLEDGE_SECONDS:.0f} s"
                    )
        except (OSError, TransientError, ConfigurationError) as error:
            self.close()
            raise TransientError(str(error)) from None

    def _connect(self) -> None:
        self._outlet.open_once()
        self._connected = True
        self._discovered.clear()

    def _publish(self, series: Series, alarm: Alarm) -> list[Any]:
        topic = self.topic_of(*series)
        waiting = []
        if self._target.home_assistant and series not in self._discovered:
            waiting.append(self._outlet.put(*self._discovery(series, topic), retain=True))
            self._discovered.add(series)
        if kinds := self._open.get(series):
            worst = max(kinds.values(), key=lambda each: SEVERITIES.index(each.severity))
            return [
                *waiting,
                self._outlet.put(topic, _encoded({**as_plain(worst), "problem": "ON"}), retain=True),
            ]
        gone = _encoded({**as_plain(alarm), "problem": "OFF"})
        return [
            *waiting,
            self._outlet.put(topic, gone, retain=False),
            self._outlet.put(topic, b"", retain=True),
        ]

    def topic_of(self, sensor_id: str, quantity: str) -> str:
        """Return the topic of a series: no two series have one, however alike their names are."""
        place, colon, sensor = sensor_id.rpartition(":")
        levels = (_level(place) if colon else _NO_PLACE, _level(sensor), _level(quantity))
        return "/".join([self._target.prefix, *levels])

    def _discovery(self, series: Series, topic: str) -> tuple[str, bytes]:
        sensor_id, quantity = series
        own = blake2b("\0".join(series).encode(), digest_size=8).hexdigest()
        device = blake2b(sensor_id.encode(), digest_size=8).hexdigest()
        configuration = {
            "name": f"{quantity} alarm",
            "unique_id": f"weir_alarm_{own}",
            "state_topic": topic,
            "value_template": "{{ value_json.problem }}",
            "json_attributes_topic": topic,
            "device_class": "problem",
            "device": {"identifiers": [f"weir_{device}"], "name": sensor_id, "manufacturer": "Weir"},
        }
        return f"{self._target.home_assistant}/binary_sensor/weir_{own}/config", _encoded(configuration)


def _level(name: str) -> str:
    """Write a name as a level of a topic: what is no name stays apart from all names.

    >>> _level("boiler 1"), _level("a/b"), _level("50%"), _level("-"), _level("")
    ('boiler 1', 'a%2Fb', '50%25', '%2D', '%')
    """
    if name == _NO_PLACE:
        return f"%{ord(name):02X}"
    return quote(name, safe=_SAFE) or "%"


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
