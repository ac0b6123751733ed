"""A reading's hops are told with evidence: what nobody could look at is not known, and what is wrong is said first."""

import msgspec
import pytest

from streams.reading_hops import HopState, ending_of, hops_of
from streams.reading_trace import LogPlace, RecordPlace, TracedReading
from streams.records.identity import aggregate_id
from streams.records.types import HEADER_MQTT_TOPIC, Aggregate, LateReading, Reading
from streams.windows.policy import WindowPolicy

POLICY = WindowPolicy.of(size=60, grace=10)
READING = Reading("s", 30.0, {"t": 20.0})
ID = aggregate_id("s", "t", 0, 60).hex()
WINDOW = Aggregate(ID, "s", "t", 0, 60, 3, 20.0, 1.0, 19.0, 21.0, 19.0, 21.0, first_at=0.0, last_at=50.0)
PLACE = LogPlace(1, 7, 31.0, {HEADER_MQTT_TOPIC: "plant/s"})
WELL = {
    "places": [PLACE],
    "worked_through": True,
    "aggregates": [WINDOW],
    "written": {ID: RecordPlace("aggregates", 1, 3, 71.0)},
    "documents": {"sensors": 1},
}


def told(**known: object) -> tuple[dict[str, str], HopState, str]:
    it = TracedReading(READING, **{**WELL, **known})  # type: ignore[arg-type]
    hops = hops_of(it, it.windows(POLICY, looked=True))
    ends = ending_of(hops)
    return {each.name: each.state.value for each in hops}, ends.state, ends.text


def test_a_reading_that_went_through_all_hops_is_stored_and_counted() -> None:
    hops, state, text = told()
    assert hops == dict.fromkeys(("device", "log", "worker", "window", "store"), "passed")
    assert (state, text) == (HopState.PASSED, "stored, and counted by its windows")


@pytest.mark.parametrize(
    ("known", "state", "says"),
    [
        ({"places": [PLACE, PLACE._replace(offset=9)]}, HopState.PASSED, "came 2 times and counts once"),
        (
            {"worked_through": False, "aggregates": [], "documents": {"sensors": 0}},
            HopState.WAITING,
            "waits in",
        ),
        ({"worked_through": None}, HopState.UNKNOWN, "whether the worker"),
        ({"places": []}, HopState.UNKNOWN, "not found in the log"),
        ({"documents": {}}, HopState.UNKNOWN, "whether MongoDB"),
        ({"documents": {"sensors": 0}}, HopState.UNKNOWN, "not yet, or deleted"),
        ({"aggregates": [], "passed": 31.0}, HopState.WAITING, "not closed yet"),
        ({"aggregates": [], "passed": 70.0}, HopState.WRONG, "must have closed"),
        (
            {"late": {"t": LateReading("", "s", "t", 30.0, 20.0, 100.0, too_old=True)}},
            HopState.APART,
            "too late",
        ),
        ({"letters": [{"id": "1", "reason": "unprocessable", "detail": "x"}]}, HopState.WRONG, "dead letter"),
    ],
)
def test_where_a_reading_ends_is_told_by_the_worst_of_its_hops(
    known: dict[str, object], state: HopState, says: str
) -> None:
    _, ends, text = told(**known)
    assert (ends, says in text) == (state, True), text


def test_a_hop_has_the_place_of_the_record_that_tells_of_it() -> None:
    it = TracedReading(READING, **WELL)  # type: ignore[arg-type]
    hops = {each.name: each for each in hops_of(it, it.windows(POLICY, looked=True))}
    log, window = hops["log"], hops["window"]
    assert (log.topic, log.partition, log.offset, log.at) == ("readings", 1, 7, 31.0)
    assert (window.topic, window.partition, window.offset, window.at) == ("aggregates", 1, 3, 71.0)
    assert hops["device"].text == "measured and sent to plant/s"
    assert msgspec.convert(msgspec.to_builtins(window), type(window)) == window
