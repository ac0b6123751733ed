"""Look around on the broker: topics of what could be readings, and that the bridge does not ask for.

    tele/+/SENSOR, shellies/#, …            asked for      ──▶ the bridge
    plc/oven-1/state  {"degrees": 212.5}    not asked for  ──▶ told, with the map that reads it or would
    cmnd/lamp/POWER   ON                    a command      ──▶ passed over

A device on such a topic is connected, sends, and is nowhere. A thread beside the bridge looks for half a minute of
every ten, at first more often, so that "all well" is said of all that comes, and not of what is asked for.

Delivery: none. QoS 0, a session of its own that ends with each look; what is found is told, and goes nowhere.

Back pressure: a look ends after 10,000 messages, and a thousand topics are remembered, for a day.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from paho.mqtt.matcher import MQTTMatcher

from bridges.maps.listening import Listened, listen
from bridges.maps.map_files import limits_of, maps_in_force
from bridges.maps.suggesting import Suggestion, suggest
from bridges.maps.trying import Sample
from bridges.mqtt.session import MAPS, filters_of
from bridges.process import metrics
from bridges.process.logs import get_logger
from bridges.process.settings import MqttSettings, Settings
from streams.errors import ConfigurationError, TransientError
from streams.payloads import announced
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.model import parse_map

log = get_logger(__name__)

FIRST_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 30.0
FIRST_APART_SECONDS: Final = 30.0
APART_SECONDS: Final = 600.0
"""Between two looks, doubled from the first on up to this: while a system is set up devices are connected."""
FORGOTTEN_SECONDS: Final = 86_400.0
MOST_MESSAGES: Final = 10_000
MOST_TOPICS: Final = 1000
MOST_BYTES: Final = 16_384
"""Longer messages are not looked into."""
SHOWN: Final = 20
_EVERYTHING = "#"
_OWN_ALARMS = "weir/alarms/#"
_COMMANDS = frozenset({"set", "get", "cmd", "cmnd", "command", "commands"})
"""Last levels of topics on which a device is told something; of Tasmota's it is the first one."""
_PRESENCE = frozenset(
    {b"online", b"offline", b"connected", b"disconnected", b"available", b"unavailable", b"lost"}
)
"""Last wills and their like say whether somebody is there, and measure nothing."""


class UnaskedTopics:
    """What comes to the broker, could be readings, and is not asked for.

    Args:
        settings: Where the broker is, what the bridge asks for, and what nobody wants.
        clock: Seconds since the Unix epoch.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._newest: dict[str, Sample] = {}
        self._told: dict[str, Any] = {"looked_at": None, "problem": "", "topics": 0, "kinds": []}
        self._stop = threading.Event()
        self._enough = self._stop
        self._thread = threading.Thread(target=self._run, name="looking-around", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own, if `is_wanted`."""
        if is_wanted(self._settings.mqtt):
            self._thread.start()

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()
        self._enough.set()

    def as_json(self) -> dict[str, Any]:
        """Return what is told; the same object until the next look has ended. For any thread.

        ``topics``: how many could be readings; ``kinds``: what they are, the first twenty; ``looked_at``: ``None``
        before the first look has ended; ``problem``: why the last one could not be made.
        """
        return self._told

    def _run(self) -> None:
        seconds, apart = FIRST_SECONDS, FIRST_APART_SECONDS
        while not self._stop.is_set():
            try:
                self.look(seconds)
            except (TransientError, ConfigurationError) as error:
                self._told = {**self._told, "problem": str(error)}
                log.warning("topics.not_looked_for", error=str(error), retry_in_seconds=apart)
            self._stop.wait(apart)
            seconds, apart = LOOK_SECONDS, min(2 * apart, APART_SECONDS)

    def look(self, seconds: float) -> None:
        """Look once; what was found before is told, too, for a day.

        Args:
            seconds: How long.

        Raises:
            TransientError: If the broker cannot be reached or refuses.
            ConfigurationError: If maps or files of TLS are not what they must be.
        """
        mqtt, maps = self._settings.mqtt, maps_in_force(self._settings)
        heard = _Unasked(asked_for(mqtt, maps))
        self._enough = heard.enough
        if not self._stop.is_set():
            listen(mqtt, seconds, (_EVERYTHING,), into=heard, until=heard.enough, kept=False)
        now = self._clock()
        newest = sorted((self._newest | heard.newest).values(), key=lambda each: -each.ingest_time)
        self._newest = {
            each.topic: each for each in newest[:MOST_TOPICS] if each.ingest_time > now - FORGOTTEN_SECONDS
        }
        self._tell(suggest(list(self._newest.values()), maps, self._with_map), now)

    def _with_map(self, text: str) -> MapsInForce:
        return MapsInForce([parse_map(text)], limits=limits_of(self._settings))

    def _tell(self, found: Suggestion, now: float) -> None:
        kinds = kinds_of(found)
        topics = sum(each["topics"] for each in kinds)
        if topics > self._told["topics"]:
            log.warning(
                "topics.not_asked_for",
                topics=topics,
                examples=[each["example"] for each in kinds[:3]],
                remedy="`weir map suggest --listen 60s` says what they would be; WEIR_MQTT__NOT_WANTED names others",
            )
        self._told = {"looked_at": round(now, 3), "problem": "", "topics": topics, "kinds": kinds[:SHOWN]}
        metrics.BRIDGE_UNASKED_TOPICS.set(topics)


class _Unasked(Listened):
    """Keeps the newest message of each topic that is not asked for, until there is enough of it."""

    def __init__(self, asked: Sequence[str]) -> None:
        super().__init__()
        self.newest: dict[str, Sample] = {}
        self.enough = threading.Event()
        self._asked = MQTTMatcher()  # type: ignore[no-untyped-call]
        for filter_ in asked:
            self._asked[filter_] = filter_
        self._passed_over: set[str] = set()
        self._messages = 0

    def take(self, sample: Sample) -> None:
        """Take a message; what comes before the connection has ended is too much."""
        if self.enough.is_set():
            return
        self._messages += 1
        topic = sample.topic
        if topic in self._passed_over:
            pass
        elif is_command(topic) or any(self._asked.iter_match(topic)):  # type: ignore[no-untyped-call]
            self._passed_over.add(topic)
        elif 0 < len(sample.payload) <= MOST_BYTES and sample.payload.strip().lower() not in _PRESENCE:
            self.newest[topic] = sample
        if self._messages >= MOST_MESSAGES or len(self.newest) >= MOST_TOPICS:
            self.enough.set()


def is_wanted(mqtt: MqttSettings) -> bool:
    """Whether to look around: ``maps`` asks for all that can be read, and something may be wanted of the rest.

    >>> is_wanted(MqttSettings()), is_wanted(MqttSettings(topics=("sensors/#",)))
    (True, False)
    """
    return MAPS in mqtt.topics and not {_EVERYTHING} & {*mqtt.topics, *mqtt.not_wanted}


def asked_for(mqtt: MqttSettings, maps: MapsInForce) -> tuple[str, ...]:
    """Return the filters of what need not be told: asked for, announced, told by Weir itself, or not wanted."""
    asked = filters_of(mqtt.topics, maps.filters())
    shared = [each.split("/", 2)[2] for each in asked if each.startswith("$share/") and each.count("/") > 1]
    return (*asked, *shared, *announced.FILTERS, _OWN_ALARMS, *mqtt.not_wanted)


def is_command(topic: str) -> bool:
    """Whether a device is told something on a topic.

    >>> [is_command(each) for each in ("cmnd/lamp/POWER", "zigbee2mqtt/lamp/set", "plc/oven-1/state")]
    [True, True, False]
    """
    return topic.startswith("cmnd/") or topic.rpartition("/")[2].lower() in _COMMANDS


def kinds_of(found: Suggestion) -> list[dict[str, Any]]:
    """Return what could be readings, that of the most topics first.

    Each has ``template`` or the name of the ``map`` that reads it, an ``example`` of a topic, how many ``topics`` and
    ``sensors``, and the text of a map that is ``proposed``, if none reads it.

    Args:
        found: What would become of messages of which each has a topic of its own.
    """
    kinds = [
        {
            "map": name, "template": "", "example": read.example, "topics": read.messages,
            "sensors": len(read.sensors), "proposed": "",
        }
        for name, read in found.by_map.items()
    ]  # fmt: skip
    kinds += [
        {
            "map": "", "template": each.group.template, "example": each.example,
            "topics": each.readable, "sensors": each.sensors, "proposed": each.group.map_text,
        }
        for each in found.proposals
        if each.readable
    ]  # fmt: skip
    return sorted(kinds, key=lambda each: (-each["topics"], each["example"]))
