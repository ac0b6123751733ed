"""A sensor is told late, silent and back as a plain program says that reads its whole log again at each moment."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.stages.detect import model_rows
from streams.detection.attendance import ABSENCES, AGAIN_MS, Attendance
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.sensor_models import SensorModels
from streams.records.room import Room
from streams.records.rows import Row
from streams.records.types import DeviceChange, Logged, Reading, Tick, encode

EPOCH = 1_700_000_000
PLAN = DetectionPlan({"detector": "none"})
Rows = dict[str, Row[SensorModels]]
Record = tuple[int, int, Logged]
Moment = tuple[float, bool, int]
"""Seconds after the beginning, whether it is a reading (else a tick), and for how long the bridge had listened."""


def log_of(moments: Iterable[Moment]) -> list[Record]:
    """Make a log of one sensor, in the order of time."""
    records: list[Record] = []
    for offset, (second, is_reading, steady) in enumerate(sorted(moments)):
        at = EPOCH + second
        content: Logged = Reading("a", at, {"t": float(offset)}) if is_reading else Tick(at, steady)
        records.append((offset, round(at * 1000), content))
    return records


def found(records: Sequence[Record], plan: DetectionPlan = PLAN) -> list[DeviceChange]:
    outcome = DetectionOutcome()
    detect(plan, {}, records, outcome)
    return outcome.devices


def told(changes: Iterable[DeviceChange]) -> list[tuple[str, float]]:
    return [(each.state, each.since - EPOCH) for each in changes]


def every(seconds: float, until: float, begin: float = 0.0) -> list[Moment]:
    """Readings at regular times."""
    return [(begin + number * seconds, True, 0) for number in range(int((until - begin) / seconds) + 1)]


def ticks(until: float, step: float = 5.0, steady: int = 10**6) -> list[Moment]:
    return [(number * step + 2, False, steady) for number in range(int(until / step))]


def usual_of(heard: Sequence[float]) -> float | None:
    """The second longest of the longest two of the newest gaps and of the 32 before them."""
    gaps = [after - before for before, after in pairwise(heard)]
    if len(gaps) < 8:
        return None
    cut = 32 * ((len(gaps) - 1) // 32)
    parts = gaps[cut:], gaps[max(0, cut - 32) : cut]
    return sorted(gap for part in parts for gap in sorted(part)[-2:])[-2]


def plainly(records: Sequence[Record]) -> list[tuple[str, float]]:
    """Say what must be told, with room for absences counted as a bucket that fills again."""
    heard: list[float] = []
    changes: list[tuple[str, int]] = []
    state, room, counted_at = "", float(ABSENCES), 0.0
    for _, ms, content in records:
        at = ms / 1000 - EPOCH
        if isinstance(content, Reading):
            if not heard or at - heard[-1] >= 1:
                heard.append(at)
                if state != "online":
                    changes.append(("online", max(ms, changes[-1][1] + 1) if changes else ms))
                state = "online"
            continue
        assert isinstance(content, Tick)
        if not heard or (usual := usual_of(heard)) is None:
            continue
        gone = min(at - heard[-1], float(content.steady or 0))
        silent = gone > max(300, 5 * usual)
        if not (silent or gone > max(60, 2 * usual)) or (state, silent) in (
            ("silent", True),
            ("late", False),
        ):
            continue
        if state == "online":
            room, counted_at = min(ABSENCES, room + (at - counted_at) / (AGAIN_MS / 1000)), at
            if room < 1 - 1e-9:
                continue
            room -= 1
        elif state == "silent":
            continue
        state = "silent" if silent else "late"
        changes.append((state, max(ms, changes[-1][1] + 1)))  # one after another, in one millisecond, too
    return [(state, ms / 1000 - EPOCH) for state, ms in changes]


def test_late_silent_and_back_are_told_with_when_it_was_heard_last_and_how_often_it_usually_comes() -> None:
    changes = found(log_of([*every(60, 600), *ticks(1600), (1500.0, True, 0)]))
    assert told(changes) == [("online", 0), ("late", 722), ("silent", 902), ("online", 1500)]
    assert [(each.last and each.last - EPOCH, each.usual) for each in changes] == [
        (None, None), (600, 60), (600, 60), (600, 60),
    ]  # fmt: skip
    assert len({each.id for each in changes}) == 4


def test_nothing_is_told_of_a_sensor_whose_gap_is_not_known_or_while_nobody_listened() -> None:
    assert told(found(log_of([*every(60, 420), *ticks(20_000)]))) == [("online", 0)]
    assert told(found(log_of([*every(60, 600), *ticks(20_000, steady=100)]))) == [("online", 0)]


def test_a_sensor_of_many_readings_a_second_is_told_when_it_stops() -> None:
    assert told(found(log_of([*every(0.125, 60), *ticks(400)]))) == [
        ("online", 0), ("late", 122), ("silent", 362),
    ]  # fmt: skip


def test_a_copy_that_the_broker_kept_is_no_sign_of_life() -> None:
    log = log_of([*every(60, 600), *ticks(2000)])
    [newest] = [
        content for _, ms, content in log if isinstance(content, Reading) and ms == (EPOCH + 600) * 1000
    ]
    kept = [(len(log) + number, (EPOCH + at) * 1000, newest) for number, at in enumerate((700, 1000))]
    records = sorted([*log, *kept], key=lambda each: each[1])
    again = [(offset, ms, content) for offset, (_, ms, content) in enumerate(records)]
    assert told(found(again)) == [("online", 0), ("late", 722), ("silent", 902)]


def test_a_limit_of_silence_makes_its_sensor_silent_and_one_of_a_quantity_alone_does_not() -> None:
    limited = DetectionPlan({"detector": "none", "series": {"*/t": {"silent_after_seconds": 30}}})
    log = log_of([*every(60, 120), *ticks(200)])
    change = found(log, limited)[1]
    assert (change.state, change.since - EPOCH, change.quantity) == ("silent", 32, "t")
    other = [(offset, ms, Reading("a", each.collected_at, {"h": 1.0} if ms > EPOCH * 1000 else {"t": 1.0, "h": 1.0}))
             if isinstance(each, Reading) else (offset, ms, each)
             for offset, ms, each in log_of([*every(2, 200), *ticks(200)])]  # fmt: skip
    assert told(found(other, limited)) == [("online", 0)]


def test_what_comes_and_goes_is_told_so_often_and_what_is_not_told_is_counted() -> None:
    away = [moment for number in range(40) for moment in every(10, number * 3600 + 3000, begin=number * 3600)]
    changes = found(log_of([*away, *ticks(40 * 3600)]))
    absences = [each for each in changes if each.state == "late"]
    assert len(absences) == 12 + 40 // 2 - 1, "one more every two hours, while there is room for it"
    assert sum(each.untold for each in changes) + len(absences) in (39, 40)
    assert max(each.untold for each in changes) >= 1
    assert told(changes) == plainly(log_of([*away, *ticks(40 * 3600)]))


def test_a_sensor_that_is_taken_for_gone_is_unknown_and_begins_anew() -> None:
    plan = DetectionPlan({"detector": "none"}, room=Room(silent_ms=3_600_000))
    changes = found(log_of([*every(60, 600), *ticks(6000), (5000.0, True, 0)]), plan)
    assert told(changes) == [
        ("online", 0), ("late", 722), ("silent", 902), ("unknown", 4202), ("online", 5000),
    ]  # fmt: skip
    assert changes[-1].last is None


moments = st.tuples(
    st.integers(0, 4000).map(lambda half: half / 2),
    st.sampled_from([True, True, False]),
    st.sampled_from([10**6, 10**6, 10**6, 90, 0]),
)
laid = st.lists(
    st.tuples(st.sampled_from([0.5, 10, 10, 30, 31, 400, 2000]), st.integers(1, 40)), min_size=1, max_size=8
)


@given(laid, st.sampled_from([5.0, 30.0]), st.lists(moments, max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_log_is_told_as_a_plain_program_says(
    stretches: list[tuple[float, int]], step: float, drawn: list[Moment]
) -> None:
    at, readings = 0.0, list[Moment]()
    for gap, count in stretches:
        for _ in range(count):
            readings.append((at, True, 0))
            at += gap
    records = log_of([*readings, *ticks(at + 3000, step), *drawn])
    assert told(found(records)) == plainly(records)


@given(laid, st.integers(1, 50), st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_a_worker_that_ends_anywhere_and_reads_again_what_it_had_tells_the_same(
    stretches: list[tuple[float, int]], batch: int, again: int
) -> None:
    at, readings = 0.0, list[Moment]()
    for gap, count in stretches:
        readings += every(gap, at + gap * (count - 1), begin=at)
        at += gap * count
    records, form = log_of([*readings, *ticks(at + 1000, 30)]), model_rows(PLAN)
    rows: Rows = {}
    changelog: dict[bytes, bytes] = {}
    devices: list[DeviceChange] = []
    for begin in range(0, len(records), batch):
        outcome = DetectionOutcome()
        detect(PLAN, rows, records[max(0, begin - again) : begin + batch], outcome)
        devices += outcome.devices
        changelog |= {key or b"": value or b"" for key, value in form.records(outcome.changed)}
        rows = {}
        form.restore(dict(changelog), 0, rows)
    assert [encode(each) for each in devices] == [encode(each) for each in found(records)]


@pytest.mark.parametrize("state", [(), (3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), (0, 1, 2), ("x",) * 11])
def test_what_is_no_state_is_refused(state: tuple[object, ...]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Attendance.from_state(state)
