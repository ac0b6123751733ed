"""Records that anybody may write to the log, past the bridge: what no device can send must stop no worker."""

import json

import pytest

from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.errors import InputError, Reason
from streams.records.types import Reading, Tick, decode_reading, decode_readings
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.window_config import WindowConfig

MOMENT = 1_700_000_000.0


def written(**fields: object) -> bytes:
    """Write a reading as anybody may."""
    reading = {"sensor_id": "a1", "collected_at": MOMENT, "values": {"level": 1.0}}
    return json.dumps(reading | fields).encode()


@pytest.mark.parametrize(
    "value",
    [
        *(written(collected_at=time) for time in (9.3e15, 1e17, 1e300, -1e17)),
        *(written(sequence=number) for number in (-1, 2**63, 2**64, 2**70)),
        *(b'{"tick_at": %s}' % time for time in (b"1e17", b"1e300", b"-1e18")),
        b'{"sensor_id":"a1","collected_at":1.7e9,"values":{"level":1' + b"0" * 400 + b"}}",
    ],
)
def test_times_and_counters_that_no_date_or_document_can_hold_are_unreadable(value: bytes) -> None:
    assert decode_readings([written(), value]) is None
    with pytest.raises(InputError) as refused:
        decode_reading(value)
    assert refused.value.reason is Reason.UNREADABLE_RECORD


@pytest.mark.parametrize("sensor_id", ["a1\0", "\0set-aside-0", "\0policy", "\0claim"])
def test_an_id_that_would_be_a_mark_in_the_changelog_has_no_row_and_is_a_dead_letter(sensor_id: str) -> None:
    found = decode_readings([written(), written(sensor_id=sensor_id), written(collected_at=MOMENT + 1)])
    assert found is not None
    records = [(offset, round(MOMENT * 1000), record) for offset, record in enumerate(found)]
    windows, models, outcome = {}, {}, AggregationOutcome()  # type: ignore[var-annotated]
    aggregate(WindowConfig().policy(), windows, records, outcome)
    detect(DetectionPlan(), models, records, DetectionOutcome())
    assert windows.keys() == models.keys() == {"a1"}
    assert [letter.reason for letter in outcome.refused] == [Reason.BAD_SENSOR_ID]
    assert outcome.applied == 2


def test_what_is_within_bounds_is_read_as_before() -> None:
    latest = written(collected_at=253_370_764_799.0, sequence=2**63 - 1)
    assert decode_reading(latest) == Reading("a1", 253_370_764_799.0, {"level": 1.0}, 2**63 - 1)
    assert decode_readings([b'{"tick_at":5.0}', latest]) == [Tick(5.0), decode_reading(latest)]


@pytest.mark.parametrize("also", [{}, {"level": 1.0}], ids=["alone", "beside another"])
def test_a_name_that_is_longer_than_any_may_be_is_unreadable_however_it_is_written(
    also: dict[str, float],
) -> None:
    longest = written(values=also | {"x" * 256: 1.0})
    assert decode_readings([longest]) == [decode_reading(longest)]
    for name in ("x" * 257, "\u00e9" * 257):
        value = written(values=also | {name: 1.0})
        assert decode_readings([value]) is None
        with pytest.raises(InputError, match="length <= 256"):
            decode_reading(value)


def test_the_name_of_a_quantity_is_in_memory_once_for_all_readings() -> None:
    found = decode_readings([written(sensor_id=f"a{number}") for number in range(100)])
    assert found is not None
    assert len({id(name) for each in found if isinstance(each, Reading) for name in each.values}) == 1
