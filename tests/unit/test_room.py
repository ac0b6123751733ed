"""Whoever invents sensors, quantities, elements or topics fills what is kept up to a bound, and no further."""

import json
import tracemalloc
from collections.abc import Iterator

import pytest

from bridges.maps.map_files import built_in
from streams.analysis.analyse import AnalysisOutcome, AnalysisPlan, analyse
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.sensor_models import SensorModels
from streams.errors import InputError, Reason
from streams.payloads.accepted import Limits, Refusal
from streams.payloads.flat import decode
from streams.payloads.in_force import MapsInForce
from streams.records.room import Room
from streams.records.rows import Row, decode_row, encode_row
from streams.records.types import Reading, decode_reading
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.sensor_windows import SensorWindows
from streams.windows.window_config import WindowConfig

NOW = 1_725_890_460.0
CONFIG = WindowConfig(max_sensors=3, max_quantities=4)
POLICY = CONFIG.policy()
Log = list[tuple[int, int, Reading]]


def inventive() -> Iterator[Reading]:
    """Ever new quantities of one sensor, ever new sensors, and between them what was there first."""
    for number in range(50):
        at = NOW + number
        yield Reading("a", at, {"t": 1.0, f"q{number}": 2.0})
        yield Reading(f"s{number}", at, {"t": float(number)})


LOG: Log = [(offset, round(NOW * 1000), reading) for offset, reading in enumerate(inventive())]


def run(log: Log, *, written: bool) -> tuple[AggregationOutcome, dict[str, Row[SensorWindows]]]:
    rows: dict[str, Row[SensorWindows]] = {}
    outcome = AggregationOutcome()
    for record in log:
        if written:
            rows = {
                sensor: decode_row(encode_row(row, SensorWindows.to_state), SensorWindows.from_state)
                for sensor, row in rows.items()
            }
        aggregate(POLICY, rows, [record], outcome)
    return outcome, rows


def test_windows_have_room_for_the_first_sensors_and_quantities_and_set_the_rest_aside() -> None:
    outcome, rows = run(LOG, written=False)
    assert set(rows) == {"a", "s0", "s1"}
    assert list(rows["a"].state.series) == ["t", "q0", "q1", "q2"]
    assert rows["a"].state.series["t"].open[int(NOW // 60)].count == 50
    assert (outcome.applied, outcome.left_out, outcome.late) == (50 + 3 + 2, 47 + 48, [])
    reasons = [letter.reason for letter in outcome.refused]
    assert reasons.count(Reason.TOO_MANY_QUANTITIES) == 47
    assert reasons.count(Reason.TOO_MANY_SENSORS) == 48
    assert len({letter.id for letter in outcome.refused}) == 95
    for letter in outcome.refused:
        assert letter.offset is not None
        assert decode_reading(letter.payload) == LOG[letter.offset][2]
    assert "WEIR_WINDOWS__MAX_QUANTITIES" in outcome.refused[-2].detail


def test_a_replay_finds_room_for_the_same() -> None:
    straight, restarted = run(LOG, written=False), run(LOG, written=True)
    assert straight[0].refused == restarted[0].refused
    assert straight[0].applied == restarted[0].applied


def test_a_quantity_without_room_is_never_taken_for_late() -> None:
    late = (len(LOG), round(NOW * 1000), Reading("a", NOW - 3600, {"t": 1.0, "new": 2.0}))
    far = (len(LOG) - 1, round(NOW * 1000) + 600_000, Reading("a", NOW + 600, {"t": 1.0}))
    outcome, _ = run([*LOG[:-1], far, late], written=False)
    assert [each.quantity for each in outcome.late] == ["t"]
    assert outcome.refused[-1].reason == Reason.TOO_MANY_QUANTITIES


def test_models_and_analysis_have_room_for_as_many() -> None:
    models: dict[str, Row[SensorModels]] = {}
    watched = DetectionOutcome()
    detect(DetectionPlan({}, CONFIG.room), models, LOG, watched)
    assert {sensor: list(row.state) for sensor, row in models.items()} == {
        "a": ["t", "q0", "q1", "q2"], "s0": ["t"], "s1": ["t"],
    }  # fmt: skip
    assert watched.left_out == 47 + 48
    learned = AnalysisOutcome()
    analyse(AnalysisPlan({}, room=Room(sensors=3)), {}, LOG, learned)
    assert (len(learned.changed), learned.left_out) == (3, 48)


def test_as_many_as_have_room_lose_nothing() -> None:
    room = Room(sensors=50, quantities=51)
    models: dict[str, Row[SensorModels]] = {}
    outcome = DetectionOutcome()
    detect(DetectionPlan({}, room), models, LOG[:98], outcome)
    assert outcome.left_out == 0


@pytest.mark.parametrize("element", [b"5", b'{"t":1}', b"null", b"[]"])
def test_a_payload_of_too_many_elements_is_one_dead_letter(element: bytes) -> None:
    payload = b"[" + b",".join([element] * 8000) + b"]"
    with pytest.raises(InputError, match=r"too_many_elements.*at most 4096.*got 8000"):
        decode(b"sensors/a1/reading", payload, NOW, Limits())


def test_elements_that_cannot_be_read_are_a_hundred_dead_letters_at_most() -> None:
    good = b'{"t":1,"collected_at":1725890469}'
    payload = b"[" + b",".join([good, *[b'"x"'] * 4000, good]) + b"]"
    items = decode(b"sensors/a1/reading", payload, NOW, Limits())
    refusals = [item for item in items if isinstance(item, Refusal)]
    assert (len(items), len(refusals)) == (102, 100)
    assert refusals[-1].payload == payload
    assert "3901 more elements" in refusals[-1].detail


def test_long_topics_are_refused_and_not_remembered() -> None:
    maps = MapsInForce(limits=Limits(prefix="ignored"))
    body = json.dumps({"t": 1, "collected_at": NOW}).encode()
    for number in range(20):
        topic = b"x" * 60_000 + b"/%d/sensors/a1/reading" % number
        [refusal] = maps.decode(topic, body, NOW)
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.TOO_LARGE
        assert len(refusal.detail) < 300
    assert maps.routes.remembered_bytes == 0
    topic = b"x/" * 200 + b"sensors/a1/reading"
    assert isinstance(maps.decode(topic, body, NOW)[0], Reading)


def test_remembered_topics_take_no_more_than_is_counted_for_them() -> None:
    for form in ("sensors/a%05d/reading", "tele/a%05d/SENSOR", "shellies/a%05d/relay/0", "site/a%05d/any"):
        maps = MapsInForce([], built_in())
        topics = [(form % number).encode() for number in range(2000)]
        maps.routes.of(b"warm/up")
        counted = maps.routes.remembered_bytes
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for topic in topics:
            maps.routes.of(topic)
        took = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert took <= maps.routes.remembered_bytes - counted, form
