"""Words of presence become changes, each once: what devices and brokers are known to get wrong changes nothing."""

from typing import Any

import msgspec
import pytest

from bridges.maps.map_files import built_in
from streams.errors import InputError
from streams.payloads import known_presence
from streams.payloads.accepted import Refusal
from streams.payloads.formats.sparkplug import payload_class
from streams.payloads.in_force import MapsInForce
from streams.payloads.known_presence import KnownPresence
from streams.payloads.maps.model import parse_map
from streams.records.types import Presence

T = 1_790_000_000.0


class Heard:
    """The maps in force, and a clock that goes on a second with each message."""

    def __init__(self, *own: str) -> None:
        self.maps = MapsInForce([parse_map(text) for text in own], built_in())
        self.now = T

    def __call__(self, topic: str, payload: str | bytes, *, retained: bool = False) -> list[Presence]:
        """Return the changes of presence that come of a message."""
        self.now += 1
        raw = payload.encode() if isinstance(payload, str) else payload
        items = self.maps.decode(topic.encode(), raw, self.now, retained=retained)
        return [item for item in items if isinstance(item, Presence)]

    def states(self, topic: str, payload: str | bytes, *, retained: bool = False) -> list[tuple[str, str]]:
        return [(each.sensor_id, each.state) for each in self(topic, payload, retained=retained)]

    def refused(self, topic: str, payload: str | bytes) -> str:
        raw = payload.encode() if isinstance(payload, str) else payload
        try:
            items = self.maps.decode(topic.encode(), raw, self.now)
        except InputError as error:
            return error.reason.value
        return next((item.reason.value for item in items if isinstance(item, Refusal)), "")


WORDS = [
    ("zigbee2mqtt/attic lamp/availability", '{"state": "offline"}', "attic@_lamp", "disconnected", "offline"),
    ("zigbee2mqtt/attic lamp/availability", "online", "attic@_lamp", "online", "online"),
    ("zigbee2mqtt/bridge/state", '{"state": "online"}', "zigbee2mqtt:bridge", "online", "online"),
    ("tele/plug-3/LWT", "Offline", "plug-3", "disconnected", "Offline"),
    ("shellies/shelly1-0D12/online", "false", "shelly1-0D12", "disconnected", "false"),
    ("shellyplus1-a8/online", "true", "shellyplus1-a8", "online", "true"),
    ("greenhouse-node/status", "offline", "greenhouse-node", "disconnected", "offline"),
    ("homie/boiler-room/$state", "lost", "boiler-room", "disconnected", "lost"),
    ("homie/5/boiler-room/$state", "sleeping", "boiler-room", "disconnected", "sleeping"),
    ("homie/boiler-room/$state", "alert", "boiler-room", "online", "alert"),
    ("home/OMG_ESP32/LWT", "online", "OMG_ESP32", "online", "online"),
    ("v1/gateway/disconnect", '{"device": "Meter 4"}', "Meter@_4", "disconnected", "v1/gateway/disconnect"),
    ("frigate/available", "offline", "frigate", "disconnected", "offline"),
]  # fmt: skip


@pytest.mark.parametrize(("topic", "payload", "sensor", "state", "reason"), WORDS)
def test_words_of_many_systems_become_records_that_say_where_they_come_from(
    topic: str, payload: str, sensor: str, state: str, reason: str
) -> None:
    [found] = Heard()(topic, payload)
    assert (found.sensor_id, found.state, found.reason) == (sensor, state, reason)
    assert (found.since, found.topic, found.retained) == (T + 1, topic, False)


def test_a_word_that_is_repeated_is_no_change() -> None:
    """Devices that say Online every few seconds: arendst/Tasmota#885."""
    heard = Heard()
    assert len(heard("tele/plug-3/LWT", "Online")) == 1
    assert [heard("tele/plug-3/LWT", "Online") for _ in range(5)] == [[]] * 5
    [gone] = heard("tele/plug-3/LWT", "Offline")
    assert gone.since == T + 7


def test_wi_fi_that_comes_and_goes_is_each_time_a_change() -> None:
    """A will that is not kept, and online right after it, every few seconds: blakeblackshear/frigate#3280."""
    heard = Heard()
    words = ["online", "offline"] * 20
    changes = [change for word in words for change in heard("frigate/available", word)]
    assert [each.state for each in changes] == ["online", "disconnected"] * 20
    assert [each.since for each in changes] == [T + 1 + number for number in range(40)]


def test_kept_words_that_come_again_with_a_new_subscription_are_no_changes() -> None:
    heard = Heard()
    heard("zigbee2mqtt/lamp/availability", '{"state": "online"}')
    assert heard("zigbee2mqtt/lamp/availability", '{"state": "online"}', retained=True) == []


def test_a_kept_word_says_only_since_when_at_the_latest() -> None:
    [found] = Heard()("tele/plug-3/LWT", "Offline", retained=True)
    assert (found.state, found.retained) == ("disconnected", True)


def test_who_starts_anew_knows_what_was_said_before() -> None:
    before, after = Heard(), Heard()
    [born] = before("tele/plug-3/LWT", "Online")
    after.maps.presence.restore([msgspec.json.decode(msgspec.json.encode(born), type=Presence)])
    assert after("tele/plug-3/LWT", "Online", retained=True) == []
    assert after.states("tele/plug-3/LWT", "Offline") == [("plug-3", "disconnected")]


def test_a_word_that_is_cleared_is_withdrawn_once_and_only_if_there_was_one() -> None:
    """A retained "offline" of a device that is gone for good, cleared by hand, is not shown for ever."""
    heard = Heard()
    assert heard("zigbee2mqtt/old lamp/availability", "") == []
    heard("zigbee2mqtt/old lamp/availability", '{"state": "offline"}')
    assert heard.states("zigbee2mqtt/old lamp/availability", "") == [("old@_lamp", "withdrawn")]
    assert heard("zigbee2mqtt/old lamp/availability", "") == []
    assert heard.states("zigbee2mqtt/old lamp/availability", "online") == [("old@_lamp", "online")]


UNREADABLE = [
    ("zigbee2mqtt/lamp/availability", '{"state": "onl', "not_json"),
    ("zigbee2mqtt/lamp/availability", '{"power": 4}', "bad_value"),
    ("tele/plug-3/LWT", "perhaps", "bad_value"),
    ("tele/plug-3/LWT", b"\xff\xfe", "not_utf8"),
    ("shellies/shelly1/online", "maybe", "bad_value"),
    ("homie/boiler/$state", "confused", "bad_value"),
]


@pytest.mark.parametrize(("topic", "payload", "reason"), UNREADABLE)
def test_what_is_no_word_of_presence_on_a_topic_of_presence_is_a_dead_letter(
    topic: str, payload: str | bytes, reason: str
) -> None:
    heard = Heard()
    assert heard.refused(topic, payload) == reason


def test_topics_that_only_may_be_of_presence_are_left_to_the_next_map() -> None:
    heard = Heard()
    assert heard.refused("oven/status", "12.5") == ""
    assert heard.refused("sensors/a1/status", "12.5") == ""


def test_a_map_has_words_of_its_own() -> None:
    heard = Heard(
        'name = "own"\n[[rule]]\ntopic = "plant/{sensor}/alive"\nwhat = "presence"\nwords = { da = 1, weg = 0 }\n'
    )
    assert heard.states("plant/press/alive", "Weg") == [("press", "disconnected")]
    assert heard.states("plant/press/alive", "da") == [("press", "online")]


def test_a_gateway_that_goes_takes_its_devices_along_and_brings_them_back() -> None:
    heard = Heard()
    for lamp in ("a", "b"):
        heard(f"zigbee2mqtt/{lamp}/availability", '{"state": "online"}')
    heard("zigbee2mqtt/c/availability", '{"state": "offline"}')
    changes = heard("zigbee2mqtt/bridge/state", '{"state": "offline"}')
    assert [(each.sensor_id, each.state, each.reason) for each in changes] == [
        ("zigbee2mqtt:bridge", "disconnected", "offline"),
        ("a", "disconnected", "zigbee2mqtt:bridge is disconnected"),
        ("b", "disconnected", "zigbee2mqtt:bridge is disconnected"),
    ]
    assert heard.states("zigbee2mqtt/bridge/state", '{"state": "online"}') == [
        ("zigbee2mqtt:bridge", "online"), ("a", "online"), ("b", "online"),
    ]  # fmt: skip


def sparkplug(number: int | None = None, **metric: Any) -> bytes:
    payload = payload_class()(timestamp=round(T * 1000), seq=0)
    if number is not None:
        payload.metrics.add(name="bdSeq", datatype=4, long_value=number)
    if metric:
        payload.metrics.add(**metric)
    written: bytes = payload.SerializeToString()
    return written


def test_the_death_of_a_node_is_that_of_its_devices_and_they_are_born_again() -> None:
    heard = Heard()
    load: dict[str, Any] = {"name": "Load", "datatype": 10, "double_value": 1.0}
    assert heard.states("spBv1.0/Mill/NBIRTH/line", sparkplug(3)) == [("Mill:line", "online")]
    assert heard.states("spBv1.0/Mill/DBIRTH/line/saw", sparkplug(**load)) == [("Mill:line:saw", "online")]
    assert heard.states("spBv1.0/Mill/DDATA/line/saw", sparkplug(**load)) == []
    [node, saw] = heard("spBv1.0/Mill/NDEATH/line", sparkplug(3))
    assert (node.state, node.session) == ("disconnected", 3)
    assert (saw.state, saw.reason) == ("disconnected", "Mill:line is disconnected")
    assert heard.states("spBv1.0/Mill/NBIRTH/line", sparkplug(4)) == [("Mill:line", "online")]
    assert heard.states("spBv1.0/Mill/DBIRTH/line/saw", sparkplug(**load)) == [("Mill:line:saw", "online")]
    assert heard.states("spBv1.0/Mill/DDEATH/line/saw", sparkplug()) == [("Mill:line:saw", "disconnected")]


def test_the_will_of_an_older_connection_says_nothing_of_the_newer_one() -> None:
    """A node that connected anew before the broker missed it: eclipse-sparkplug/sparkplug#524."""
    heard = Heard()
    heard("spBv1.0/Mill/NBIRTH/line", sparkplug(255))
    [anew] = heard("spBv1.0/Mill/NBIRTH/line", sparkplug(0))
    assert (anew.state, anew.session, anew.since) == ("online", 0, T + 2)
    assert heard("spBv1.0/Mill/NDEATH/line", sparkplug(255)) == []
    assert heard.states("spBv1.0/Mill/NDEATH/line", sparkplug(0)) == [("Mill:line", "disconnected")]


def test_of_bridges_that_share_the_topics_each_writes_what_it_hears() -> None:
    """What one of them takes for a repetition may be the change back that it has not heard."""
    heard = Heard()
    heard.maps.presence.shared = True
    [first] = heard("tele/plug-3/LWT", "Online")
    [again] = heard("tele/plug-3/LWT", "Online")
    assert again == first


def test_devices_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_presence, "MAX_DEVICES", 100)
    heard = Heard()
    for number in range(300):
        heard(f"zigbee2mqtt/lamp{number}/availability", "online")
    known: KnownPresence = heard.maps.presence
    assert (len(known._known), sum(map(len, known._behind.values()))) == (100, 100)
    assert heard("zigbee2mqtt/lamp299/availability", "online") == []
    assert len(heard("zigbee2mqtt/lamp0/availability", "online")) == 1
