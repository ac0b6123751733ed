"""Documents: derived ids, Dates, and an order-safe life cycle for anomalies."""

from datetime import UTC, datetime

import msgspec
import pytest
from bson import ObjectId
from bson import encode as to_bson
from hypothesis import given
from hypothesis import strategies as st

from streams.alarms.acting import action_of
from streams.errors import InputError, Reason
from streams.records.catalogue import CATALOGUE
from streams.records.documents import anomaly_document, date, late_document, reading_document
from streams.records.identity import aggregate_id, anomaly_id, dead_letter_id, insight_id, reading_id
from streams.records.types import (
    Aggregate,
    Anomaly,
    DeadLetter,
    DeviceChange,
    HourBand,
    Insight,
    Label,
    LateReading,
    Presence,
    Reading,
    Tick,
    encode,
)
from tests.support.alarm_records import alarm

MOMENT = 1_725_890_469.0
BY_COLLECTION = {each.collection: each for each in CATALOGUE.kept}
VERSIONS = CATALOGUE.of(Anomaly).stored.versions
assert VERSIONS is not None
older_than, newest_changes = VERSIONS.older_than, VERSIONS.newest

ANOMALY = Anomaly(
    id=anomaly_id("s1", "temperature", MOMENT).hex(),
    sensor_id="s1",
    quantity="temperature",
    state="raised",
    changed_at=MOMENT,
    raised_at=MOMENT,
    score=0.99,
    value=40.0,
    expected=21.0,
    lower=19.0,
    upper=23.0,
    direction="high",
    cause="level",
    seen=500,
)
RECORDS = {
    "sensors": Reading("s1", MOMENT, {"temperature": 21.5, "humidity": 40.0}, sequence=7),
    "aggregates": Aggregate(
        aggregate_id("s1", "temperature", MOMENT, MOMENT + 60).hex(),
        "s1",
        "temperature",
        MOMENT,
        MOMENT + 60,
        3,
        21.5,
        0.5,
        21.0,
        22.0,
        21.0,
        22.0,
        quantiles={"0.5": 21.5},
    ),
    "anomalies": ANOMALY,
    "bands": HourBand("s1", "temperature", MOMENT // 3600 * 3600, 20.5, 22.5),
    "late_readings": LateReading(
        reading_id("s1", MOMENT, {"temperature": 21.5}).hex(), "s1", "temperature", MOMENT, 21.5, MOMENT + 90
    ),
    "dead_letters": DeadLetter(
        dead_letter_id("mqtt", "sensors/x/reading", b"\xff{").hex(),
        "not_json",
        "no JSON",
        "mqtt",
        "sensors/x/reading",
        MOMENT,
        b"\xff{",
    ),
    "presence": Presence("s1", "disconnected", MOMENT, "0", "sensors/s1/LWT"),
    "device_changes": DeviceChange("0" * 24, "s1", "late", MOMENT, MOMENT - 90, 30.0),
    "labels": Label("s1", "temperature", MOMENT, MOMENT + 30, "spike"),
    "insights": Insight(
        insight_id("profile", "s1", "temperature", MOMENT, "observed").hex(),
        "profile",
        "s1",
        "temperature",
        MOMENT,
        "observed",
        "usually 21 ± 0.5",
        {"location": 21.0, "quantiles": {"0.05": 20.0, "0.95": 22.0}, "trend": None},
    ),
    "actions": action_of("shelve", at=MOMENT, by="Ada", sensor_id="s1", until=MOMENT + 60),
    "alarms": alarm(cleared_at=MOMENT),
}


def test_every_collection_of_the_catalogue_is_tried_here() -> None:
    assert set(RECORDS) == set(BY_COLLECTION)


@pytest.mark.parametrize("collection", RECORDS)
def test_the_same_record_gives_the_same_id_and_mongodb_can_hold_it(collection: str) -> None:
    value = encode(RECORDS[collection])
    first, second = (BY_COLLECTION[collection].document(value, None) for _ in range(2))
    assert first is not None and second is not None
    assert isinstance(first["_id"], ObjectId)
    assert first == second
    assert to_bson(first) == to_bson(second)


@pytest.mark.parametrize("collection", RECORDS)
@given(junk=st.binary(max_size=60))
def test_bytes_that_are_no_record_raise_nothing_but_an_input_error(collection: str, junk: bytes) -> None:
    try:
        BY_COLLECTION[collection].document(junk, None)
    except InputError as error:
        assert error.reason in Reason


def test_a_reading_looks_as_documented() -> None:
    assert reading_document(Reading("464fc87d3c5a", MOMENT, {"temperature": 21.5})) == {
        "_id": ObjectId(reading_id("464fc87d3c5a", MOMENT, {"temperature": 21.5})),
        "temperature": 21.5,
        "collected_at": datetime(2024, 9, 9, 14, 1, 9, tzinfo=UTC),
        "metadata": {"sensor_id": "464fc87d3c5a"},
    }


def test_the_id_in_the_record_s_header_is_the_document_s_id() -> None:
    header = reading_id("another", MOMENT, {"temperature": 1.0})
    document = reading_document(Reading("s1", MOMENT, {"temperature": 1.0}), header)
    assert document["_id"] == ObjectId(header)


@pytest.mark.parametrize("header", [b"", b"too short", b"more than twelve bytes"])
def test_a_header_that_is_no_id_is_replaced_by_the_derived_one(header: bytes) -> None:
    reading = Reading("s1", MOMENT, {"temperature": 1.0})
    assert reading_document(reading, header)["_id"] == ObjectId(
        reading_id("s1", MOMENT, {"temperature": 1.0})
    )


def test_a_tick_is_not_kept() -> None:
    assert BY_COLLECTION["sensors"].document(encode(Tick(MOMENT)), None) is None


@pytest.mark.parametrize("name", ["_id", "metadata", "collected_at", "sequence"])
def test_a_quantity_cannot_overwrite_what_the_document_is_about(name: str) -> None:
    with pytest.raises(InputError, match=name) as caught:
        reading_document(Reading("s1", MOMENT, {name: 1.0}))
    assert caught.value.reason is Reason.WRONG_SHAPE


@pytest.mark.parametrize("event_time", [1e12, -1e12, 1e300, float("nan"), float("inf")])
def test_a_time_that_is_no_date_is_refused(event_time: float) -> None:
    with pytest.raises(InputError) as caught:
        date(event_time)
    assert caught.value.reason is Reason.BAD_TIME


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_date_keeps_the_millisecond(milliseconds: int) -> None:
    assert round((date(milliseconds / 1000) - date(0)).total_seconds() * 1000) == milliseconds


def test_quantities_of_one_late_reading_do_not_share_an_id() -> None:
    late = RECORDS["late_readings"]
    assert isinstance(late, LateReading)
    other = msgspec.structs.replace(late, quantity="humidity")
    assert late_document(late)["_id"] != late_document(other)["_id"]
    assert late_document(late)["reading_id"] == late_document(other)["reading_id"]


@pytest.mark.parametrize("text", ["", "zz", "abcd", "g" * 24])
def test_an_id_that_is_not_hexadecimal_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError) as caught:
        anomaly_document(msgspec.structs.replace(ANOMALY, id=text))
    assert caught.value.reason is Reason.UNREADABLE_RECORD


def _life() -> list[dict[str, object]]:
    cleared = msgspec.structs.replace(
        ANOMALY, state="cleared", changed_at=MOMENT + 60, cleared_at=MOMENT + 60
    )
    peak = msgspec.structs.replace(ANOMALY, score=0.999, changed_at=MOMENT + 5)
    return [anomaly_document(each) for each in (ANOMALY, peak, cleared)]


def _apply(stored: dict[str, object] | None, change: dict[str, object]) -> dict[str, object]:
    """Do what MongoDB does with `older_than` and an upsert."""
    if stored is None:
        return change
    later, same_time = older_than(change)["$or"]
    is_older = stored["changed_at"] < later["changed_at"]["$lt"]
    is_before = (
        stored["changed_at"] == same_time["changed_at"] and stored["state"] in same_time["state"]["$in"]
    )
    return change if is_older or is_before else stored


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1).map(lambda order: [*order, 0, 1, 2]), st.randoms())
def test_an_anomaly_ends_cleared_in_whatever_order_and_how_often_its_changes_come(
    order: list[int], randomness: object
) -> None:
    randomness.shuffle(order)  # type: ignore[attr-defined]
    life, stored = _life(), None
    for index in order:
        stored = _apply(stored, life[index])
    assert stored == life[2]
    assert newest_changes([life[index] for index in order]) == [life[2]]


def test_of_two_changes_at_one_event_time_the_later_state_stays() -> None:
    at_once = anomaly_document(msgspec.structs.replace(ANOMALY, state="cleared", cleared_at=MOMENT))
    raised = anomaly_document(ANOMALY)
    assert _apply(raised, at_once) == at_once
    assert _apply(at_once, raised) == at_once
    assert newest_changes([at_once, raised]) == newest_changes([raised, at_once]) == [at_once]


def test_an_unknown_state_replaces_only_what_is_older() -> None:
    odd = anomaly_document(msgspec.structs.replace(ANOMALY, state="acknowledged"))
    assert older_than(odd)["$or"][1]["state"] == {"$in": []}
    assert newest_changes([odd, anomaly_document(ANOMALY)]) == [anomaly_document(ANOMALY)]


def test_a_dead_letter_from_kafka_keeps_its_place() -> None:
    letter = DeadLetter("0" * 24, "unreadable_record", "?", "kafka", "readings", MOMENT, b"x", 3, 99)
    document = BY_COLLECTION["dead_letters"].document(encode(letter), None)
    assert document is not None
    assert (document["partition"], document["offset"], bytes(document["payload"])) == (3, 99, b"x")
