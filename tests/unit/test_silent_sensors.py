"""Sensors that are silent for long leave by a tick of the log: live, after a crash and in a replay alike."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agents.analysis.learn_series import series_stage
from agents.lane.core.stage import Stage
from agents.stages.aggregate import window_stage
from agents.stages.detect import model_stage
from bridges.process.settings import Settings, WindowSettings
from streams.records.identity import event_seconds
from streams.records.room import Room
from streams.records.rows import Row
from streams.records.types import Reading, Tick, encode
from tests.support.lane_world import Record, World

AnyStage = Stage[Any, Any, Any, Any]
DAY = 86_400
BEGIN = 1_725_840_000  # a midnight
SETTINGS = Settings(windows=WindowSettings(size_seconds=60, grace_seconds=0, silent_days=10, max_sensors=3))
STAGES: list[Callable[[], AnyStage]] = [
    lambda: window_stage(SETTINGS),
    lambda: model_stage(SETTINGS),
    lambda: series_stage(SETTINGS),
]
EACH_STAGE = pytest.mark.parametrize("make", STAGES, ids=lambda make: make().name)


def log() -> list[Record]:
    """One sensor goes on, one falls silent and comes back later, one stays away; then comes another."""
    told: list[tuple[float, Reading | Tick]] = []
    for day in range(30):
        at = float(BEGIN + day * DAY)
        told.append((at + 1, Reading("steady", at + 1, {"t": 20.0})))
        if day < 3 or day == 25:
            told.append((at + 2, Reading("back", at + 2, {"t": 1.0})))
        if day < 3:
            told.append((at + 3, Reading("gone", at + 3, {"t": 2.0})))
        told.append((at + 3600, Tick(at + 3600)))
    last = BEGIN + 30.0 * DAY
    told.append((last, Reading("new", last, {"t": 3.0})))
    return [Record(number, encode(content), round(at * 1000)) for number, (at, content) in enumerate(told)]


LEAVE = next(record.offset for record in log() if record.value == encode(Tick(BEGIN + 12.0 * DAY + 3600)))
"""The first tick ten days after the last reading of those that fall silent."""


@EACH_STAGE
async def test_rows_of_silent_sensors_leave_memory_and_changelog_and_make_room(
    make: Callable[[], AnyStage],
) -> None:
    world = await World(make(), log()[: LEAVE + 1]).play(7, 1)
    assert world.state.rows[0].keys() == {"steady"}
    assert world.recovered.keys() == {"steady"}
    tombstones = {key for key, value in world.kafka.logs["changelog", 0] if value is None}
    assert tombstones == {b"back", b"back\0", b"gone", b"gone\0"}
    before = await World(make(), log()[:LEAVE]).play(7, 1)
    assert before.state.rows[0].keys() == {"steady", "back", "gone"}
    after = await World(make(), log()).play(7, 1)
    assert after.state.rows[0].keys() == {"steady", "back", "new"}, "three have room"


@EACH_STAGE
@pytest.mark.parametrize("size", [1, 5, 500])
async def test_a_replay_comes_to_the_same(make: Callable[[], AnyStage], size: int) -> None:
    stage = make()
    world = await World(stage, log()).play(size)
    rows: dict[str, Row[Any]] = {}
    numbered = [(r.offset, r.timestamp, stage.reads.read(r.value)) for r in log()]
    outcome = stage.run(stage.plan, rows, numbered)
    assert {key: stage.form.to_state(row.state) for key, row in sorted(rows.items())} == {
        key: stage.form.to_state(row.state) for key, row in sorted(world.state.rows[0].items())
    }
    replayed = [encode(record) for writes in stage.writes[:1] for record in writes.records(outcome)]
    assert [value for values in world.results.values() for value in values][: len(replayed)] == replayed


@EACH_STAGE
@pytest.mark.parametrize("died_at", [LEAVE, LEAVE + 1, LEAVE + 9])
async def test_what_is_read_again_after_a_crash_does_not_bring_back_who_has_left(
    make: Callable[[], AnyStage], died_at: int
) -> None:
    straight = await World(make(), log()).play(4)
    first = await World(make(), log()[: died_at + 1]).play(4)
    second = World(make(), log())  # offsets were not committed: it reads from the beginning
    second.kafka.logs.update(first.kafka.logs)
    second.state.take_over({0}, {0: second.kafka.newest_of("changelog", 0)})
    await second.play(4)
    assert second.results == straight.results
    assert second.rows == straight.rows == second.recovered
    assert [letter.offset for letter in second.letters] == [letter.offset for letter in straight.letters]


@EACH_STAGE
async def test_nobody_leaves_where_it_is_not_wanted_or_the_last_reading_is_not_known(
    make: Callable[[], AnyStage],
) -> None:
    rows: dict[str, Row[Any]] = {"a": Row(make().form.begin("a"))}
    assert Room(silent_ms=1).take_silent(rows, 5, BEGIN * 1000) == []  # of a release that did not note it
    rows["a"].seen_ms = 1
    assert Room(silent_ms=0).take_silent(rows, 5, BEGIN * 1000) == []
    assert [sensor for sensor, _ in Room(silent_ms=1).take_silent(rows, 5, BEGIN * 1000)] == ["a"]


def test_a_window_that_lies_ahead_is_told_before_its_sensor_leaves() -> None:
    stage = window_stage(SETTINGS)
    rows: dict[str, Row[Any]] = {}
    ahead = BEGIN + 20.0 * DAY
    log = [(n, BEGIN * 1000, Reading("a", ahead + n, {"t": 1.0})) for n in range(3)]
    outcome = stage.run(stage.plan, rows, [*log, (9, BEGIN * 1000, Tick(BEGIN + 11.0 * DAY))])
    assert [(each.start, each.count) for each in outcome.aggregates] == [
        (event_seconds(round(ahead * 1000)), 3)
    ]
    assert not rows


async def test_a_tick_that_fails_for_one_sensor_lets_go_of_the_others() -> None:
    stage = window_stage(SETTINGS)

    def run(plan: Any, rows: Any, records: Any) -> Any:
        outcome = stage.run(plan, rows, records)
        if "gone" in outcome.changed and outcome.changed["gone"].has_left:
            raise RuntimeError("a fault in letting go")
        return outcome

    world = await World(replace(stage, run=run), log()[: LEAVE + 1]).play(7)
    assert world.state.rows[0].keys() == {"steady", "gone"} == world.recovered.keys()
    assert [letter.offset for letter in world.letters] == [LEAVE]
