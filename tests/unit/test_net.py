"""A record in which a stage fails is set aside, and everything else is as if it had never come."""

import asyncio
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from faust.types import TP

from agents.analysis.compare_groups import group_stage
from agents.analysis.keep_marks import anomaly_mark_stage
from agents.analysis.learn_series import series_stage
from agents.lane.core.batch import Batch
from agents.lane.core.held import NotAppliedError
from agents.stages.aggregate import window_stage
from agents.stages.detect import model_stage
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings, WindowSettings
from streams.detectors.registry import detector_names
from streams.records.doubt import TooManyFailedError
from streams.records.rows import encode_row
from streams.records.types import Reading, Tick, encode
from tests.support.lane_world import AnyStage, Event, World
from tests.support.poisoned_logs import (
    MOMENT,
    POISON,
    SETTINGS,
    anomalies,
    buckets,
    fails_in_run,
    log_of,
    poison_anomaly,
    poison_bucket,
    poison_reading,
    readings,
)

CASES: list[tuple[Callable[[], AnyStage], Callable[[], Iterator[bytes]], Callable[[int], bytes]]] = [
    (lambda: window_stage(SETTINGS), readings, poison_reading),
    (lambda: model_stage(SETTINGS), readings, poison_reading),
    (lambda: series_stage(SETTINGS), readings, poison_reading),
    (group_stage, buckets, poison_bucket),
    (anomaly_mark_stage, anomalies, poison_anomaly),
]
EACH_STAGE = pytest.mark.parametrize(
    ("make", "log", "poison"), CASES, ids=[make().name for make, _, _ in CASES]
)


@EACH_STAGE
@pytest.mark.parametrize("places", [(20,), (0, 21, 22, 59)])
@pytest.mark.parametrize("size", [1, 7, 500])
async def test_a_record_in_which_a_stage_fails_is_set_aside_and_the_others_are_unharmed(
    make: Callable[[], AnyStage],
    log: Callable[[], Iterator[bytes]],
    poison: Callable[[int], bytes],
    places: tuple[int, ...],
    size: int,
) -> None:
    records, bad = log_of(log(), poison, places)
    clean = await World(make(), [each for each in records if each.offset not in bad]).play(size)
    world = await World(fails_in_run(make()), records).play(size)
    assert world.results == clean.results
    assert world.rows == clean.rows == world.recovered
    assert [letter.offset for letter in world.letters] == sorted(bad)
    for letter in world.letters:
        assert (letter.reason, letter.partition, letter.topic) == ("unprocessable", 0, world.state.source)
        assert letter.payload == records[letter.offset or 0].value
        assert "a fault that nobody thought of" in letter.detail
    assert world.counts.unprocessable == len(bad)
    assert world.kafka.read_again == 1, "found once, then one at a time"
    assert [event.acked for event in world.events] == [1] * len(world.events)
    if world.stage.name == "aggregate_readings":
        assert world.counts.values_aggregated == clean.counts.values_aggregated


async def test_a_row_that_cannot_be_written_names_the_record_that_made_it_so() -> None:
    stage = window_stage(SETTINGS)

    def to_state(state: Any) -> Any:
        if any(
            summary.maximum == POISON for series in state.series.values() for summary in series.open.values()
        ):
            raise OverflowError("a row that cannot be written")
        return state.to_state()

    records, bad = log_of(readings(), poison_reading, (20, 21))
    clean = await World(
        replace(stage, form=replace(stage.form, changes=None)),
        [each for each in records if each.offset not in bad],
    ).play()
    world = await World(
        replace(stage, form=replace(stage.form, to_state=to_state, changes=None)), records
    ).play()
    assert world.results == clean.results
    assert world.rows == clean.rows == world.recovered
    assert [letter.offset for letter in world.letters] == sorted(bad)


async def test_a_result_that_is_larger_than_a_record_is_set_aside_with_what_made_it() -> None:
    stage = series_stage(SETTINGS)
    large = replace(stage.writes[0], records=lambda outcome: list(huge(outcome)))

    def huge(outcome: Any) -> Iterator[Any]:
        for sensor, row in outcome.changed.items():
            if POISON in row.state._marks or any(
                b[3] == POISON for s in row.state.series.values() for b in s.open.values()
            ):
                yield Reading(sensor, 0.0, {"x" * 600_000: 1.0})

    records, bad = log_of(readings(), poison_reading, (20,))
    world = await World(replace(stage, writes=(large,)), records).play()
    assert [letter.offset for letter in world.letters] == sorted(bad)
    assert "600" in world.letters[0].detail


async def test_if_everything_fails_the_worker_stops_and_sets_nothing_aside() -> None:
    records, _ = log_of(readings(), poison_reading, range(0))

    def run(plan: Any, rows: Any, records: Any) -> Any:
        raise RuntimeError("a fault of the code")

    world = World(replace(window_stage(SETTINGS), run=run), records, most=10)
    with pytest.raises(
        TooManyFailedError, match=r"11 records more have failed than succeeded.*a fault of the code"
    ):
        await world.play()
    with pytest.raises(TooManyFailedError):  # that of the shutdown
        await world.lane.checkpoint()
    assert not any(world.kafka.logs.values())
    assert not any(event.acked for event in world.events)


async def test_a_tick_in_which_one_row_fails_closes_the_windows_of_all_others() -> None:
    stage = window_stage(SETTINGS)

    def run(plan: Any, rows: Any, records: Any) -> Any:
        outcome = stage.run(plan, rows, records)
        if any(each.sensor_id == "b" and each.start == MOMENT + 50 for each in outcome.aggregates):
            raise RuntimeError("the last window of b")
        return outcome

    last = encode(Tick(MOMENT + 1000.0))
    records, _ = log_of([*readings(), last], poison_reading, ())
    clean = await World(stage, records).play()
    world = await World(replace(stage, run=run), records).play()
    expected = [
        v for v in clean.results["aggregates"] if not (b'"b"' in v and str(MOMENT + 50).encode() in v)
    ]
    assert [
        v for v in world.results["aggregates"] if str(MOMENT + 50).encode() not in v or b'"b"' not in v
    ] == expected
    # The tick before would have closed it, too: the row is as it was, and fails again.
    assert [letter.payload for letter in world.letters] == [encode(Tick(MOMENT + 59.0)), last]


async def test_a_failure_that_comes_while_a_checkpoint_waits_is_mended_once() -> None:
    records, bad = log_of(readings(), poison_reading, (3,))
    world = World(fails_in_run(window_stage(SETTINGS)), records)
    batch = Batch(world.state.source, 0, records, 0, len(records))
    event = Event(batch)
    world.events.append(event)
    world.state.put(event)
    with pytest.raises(NotAppliedError):
        world.state.held.apply_waiting()
    with pytest.raises(NotAppliedError):  # tried again, what is half there would be skipped as known
        world.state.held.apply_waiting()
    await asyncio.gather(world.lane.checkpoint(), world.lane.checkpoint())
    assert world.kafka.read_again == 1
    assert [letter.offset for letter in world.letters] == sorted(bad)
    assert event.acked == 1


async def test_what_was_set_aside_before_a_crash_is_not_set_aside_again() -> None:
    records, bad = log_of(readings(), poison_reading, (3, 30))
    stage = fails_in_run(window_stage(SETTINGS))
    world = await World(stage, records).play()
    after = World(stage, records)
    after.kafka.logs.update(world.kafka.logs)
    after.state.take_over({0}, {0: dict(world.kafka.logs["changelog", 0])})
    after.lane.recovery.active_offsets[TP("changelog", 0)] = len(world.kafka.logs["changelog", 0]) - 1
    await after.play()
    assert [letter.offset for letter in after.letters] == sorted(bad)
    assert after.rows == world.rows


async def test_a_reading_without_room_is_set_aside_once_though_it_is_read_again_after_a_crash() -> None:
    stage = window_stage(Settings(windows=WindowSettings(max_sensors=1)))
    records, _ = log_of(readings(), poison_reading, ())
    first = await World(stage, records[:100]).play()
    refused = sum(b'"a"' not in record.value and b"tick_at" not in record.value for record in records)
    after = World(stage, records)
    after.kafka.logs.update(first.kafka.logs)
    after.state.take_over({0}, {0: first.kafka.newest_of("changelog", 0)})
    await after.play()
    offsets = [letter.offset for letter in after.letters]
    assert len(offsets) == len(set(offsets)) == refused
    assert {(letter.reason, letter.partition) for letter in after.letters} == {("too_many_sensors", 0)}


@pytest.mark.parametrize("name", detector_names())
def test_a_copy_of_a_row_goes_on_as_the_row_does(name: str) -> None:
    members = (
        {"members": [{"detector": "tailwatch"}, {"detector": "LODA"}]} if name in {"max", "vote"} else {}
    )
    settings = Settings(detection=DetectionSettings(detector=name, parameters=members))
    stage = model_stage(settings)
    rows: dict[str, Any] = {}
    log = [(n, 0, Reading("a", float(MOMENT + n), {"t": 20.0 + n % 7})) for n in range(700)]
    stage.run(stage.plan, rows, log[:600])
    copies = deepcopy(rows)
    before = encode_row(copies["a"], stage.form.to_state)
    stage.run(stage.plan, rows, log[600:])
    assert encode_row(copies["a"], stage.form.to_state) == before
    stage.run(stage.plan, copies, log[600:])
    assert encode_row(copies["a"], stage.form.to_state) == encode_row(rows["a"], stage.form.to_state)
