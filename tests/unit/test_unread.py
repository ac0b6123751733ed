"""Topics that nothing reads: counted all, kept as bounded examples, and told with a map that was tried on them."""

import json
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from agents.views.ledger import bridge_part
from bridges.maps.map_files import built_in
from bridges.maps.unread_topics import UnreadPage, unread_as_json
from streams.payloads.accepted import Limits, Refusal
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.model import parse_map
from streams.payloads.unread import MOST_BYTES, MOST_EXAMPLES, MOST_KINDS, UnreadTopics
from tests.unit.test_web_guard import serving, settings_with

NOW = 1_790_000_000.0


def noted(*messages: tuple[bytes, bytes]) -> UnreadTopics:
    unread = UnreadTopics()
    for topic, payload in messages:
        unread.take(topic, payload, NOW, dead_letter=True)
    return unread


def test_what_nothing_reads_is_noted_whether_it_is_a_dead_letter_or_passed_over() -> None:
    maps = MapsInForce([], built_in())
    maps.decode(b"plant/7/oven/telemetry", b'{"t": 1}', NOW)
    maps.decode(b"zigbee2mqtt/oven", b'{"t": 1}', NOW)
    maps.decode(b"sensors/a1/t", b"1", NOW)
    maps.decode(b"somewhere/status", b'{"t": 1}', NOW)  # only the filter of a built-in map brings it
    found = {kind.examples.popitem()[0]: kind.dead_letters for kind in maps.unread.snapshot()}
    assert found == {b"plant/7/oven/telemetry": 1, b"somewhere/status": 0}
    quiet = MapsInForce(unmatched="ignore")
    assert quiet.decode(b"plant/7/oven/telemetry", b'{"t": 1}', NOW) == []
    assert (quiet.unread.messages, quiet.unread.snapshot()[0].dead_letters) == (1, 0)


def test_readings_of_the_own_form_behind_other_levels_say_which_setting_reads_them() -> None:
    maps = MapsInForce([], built_in())
    for topic in (b"site1/sensors/a1/t", b"plant/7/sensors/reading", b"site1/labels/a1/t"):
        (refused,) = maps.decode(topic, b'{"t": 1}', NOW)
        assert isinstance(refused, Refusal)
        assert refused.reason == "unknown_topic"
        assert "set WEIR_MQTT__PREFIX to identity" in refused.detail
    (other,) = maps.decode(b"site1/meters/a1/t", b'{"t": 1}', NOW)
    assert isinstance(other, Refusal)
    assert other.detail == "no map reads such a message on the topic 'site1/meters/a1/t'"


def test_each_kind_is_told_with_an_example_and_a_map_that_reads_it() -> None:
    unread = noted(
        (b"plant/7/oven/telemetry", b'{"ts": 1790000000, "zone": {"t": 212.5}}'),
        (b"plant/8/press/telemetry", b'{"ts": 1790000001, "zone": {"t": 31.0}}'),
        (b"attic", b"so it is"),
    )
    plant, attic = unread_as_json(unread.snapshot(), Limits())
    assert (plant["messages"], plant["dead_letters"], plant["passed_over"]) == (2, 2, 0)
    assert plant["examples"][0] == {
        "topic": "plant/7/oven/telemetry",
        "payload": '{"ts": 1790000000, "zone": {"t": 212.5}}',
    }
    [suggestion] = plant["suggestions"]
    assert suggestion["topics"] == "plant/{level2}/{sensor}/telemetry"
    assert (suggestion["readable"], suggestion["examples"], suggestion["sensors"]) == (2, 2, 2)
    own = MapsInForce([parse_map(suggestion["map"])])
    assert own.decode(b"plant/9/kiln/telemetry", b'{"ts": 1790000001, "zone": {"t": 31.0}}', NOW)
    assert attic["suggestions"][0]["readable"] == 0
    names = [
        each["map"].split('"')[1] for kind in (plant, attic) for each in kind["suggestions"] if each["map"]
    ]
    assert len(set(names)) == len(names)


def test_kinds_examples_and_bytes_are_bounded_and_what_gave_way_is_counted() -> None:
    unread = UnreadTopics()
    for number in range(MOST_KINDS + 10):
        unread.take(b"kind%d/x" % number, b"x" * 70_000, NOW + number, dead_letter=False)
        unread.take(b"kind%d/x" % number, b"x" * 70_000, NOW + number, dead_letter=False)
    for number in range(100):
        unread.take(b"kind41/%d" % number, b"1", NOW + 99, dead_letter=True)
    kinds = unread.snapshot()
    assert len(kinds) == MOST_KINDS
    assert unread.messages == 2 * (MOST_KINDS + 10) + 100
    assert sum(kind.messages for kind in kinds) + unread.forgotten == unread.messages
    assert kinds[0].messages == 102 and kinds[0].last == NOW + 99
    assert max(len(kind.examples) for kind in kinds) == MOST_EXAMPLES
    assert max(len(each.payload) for kind in kinds for each in kind.examples.values()) == MOST_BYTES


def test_a_snapshot_is_of_its_moment_and_the_same_until_something_comes() -> None:
    unread = noted((b"a/b", b"1"))
    before = unread.snapshot()
    assert unread.snapshot() is before
    unread.take(b"a/c", b"1", NOW, dead_letter=True)
    assert (before[0].messages, len(before[0].examples)) == (1, 1)
    assert unread.snapshot()[0].messages == 2
    page = UnreadPage(unread.snapshot, Limits())
    first = page()
    assert page() is first
    unread.take(b"a/d", b"1", NOW, dead_letter=True)
    assert page()["kinds"][0]["messages"] == 3


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=12))
def test_whatever_comes_can_be_told(messages: list[tuple[bytes, bytes]]) -> None:
    told = unread_as_json(noted(*messages).snapshot(), Limits())
    json.dumps(told).encode()
    assert sum(kind["messages"] for kind in told) == len(messages)


async def test_a_worker_shows_what_the_bridge_tells() -> None:
    async def unread(request: web.Request) -> web.Response:
        return web.json_response({"kinds": [request.path]})

    async with serving(unread) as url, aiohttp.ClientSession() as session:
        app: Any = SimpleNamespace(settings=settings_with(bridge_url=url), http_client=session)
        assert await bridge_part(app, "/api/unread") == {
            "reachable": True,
            "url": url,
            "kinds": ["/api/unread"],
        }
