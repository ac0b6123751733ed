"""Tables without ticks have bounds: what changed longest ago makes room. Rows of alarms leave once these are over."""

from dataclasses import replace
from typing import Any

import pytest

from agents.analysis.keep_marks import MarkPlan, anomaly_mark_stage, label_mark_stage
from agents.lane.core.stage import Stage
from agents.stages.alarm import alarm_stage
from agents.stages.take_actions import action_stage
from bridges.process.settings import Settings, WindowSettings
from streams.analysis.correlation import MAX_SENSORS, SLOTS, Group
from streams.analysis.marks import mark_of_anomaly, mark_of_label
from streams.records.alarm_records import Action, AlarmInput
from streams.records.room import Room
from streams.records.types import Anomaly, Label, encode
from tests.support.lane_world import Record, World
from tests.support.poisoned_logs import MOMENT
from tests.unit.test_alarms import cleared, raised, tick

AnyStage = Stage[Any, Any, Any, Any]
ROOM = Room(sensors=20)


def anomaly(sensor: str, number: int) -> Anomaly:
    at = float(MOMENT + number)
    return Anomaly(f"{number:024}", sensor, "t", "raised", at, at, 0.9, 1.0, None, None, None, "above", "", 1)


STAGES: dict[str, tuple[AnyStage, Any]] = {
    "anomalies": (replace(anomaly_mark_stage(), plan=MarkPlan(mark_of_anomaly, ROOM)), anomaly),
    "labels": (
        replace(label_mark_stage(), plan=MarkPlan(mark_of_label, ROOM)),
        lambda sensor, number: Label(sensor, "t", float(MOMENT + number), float(MOMENT + number + 1), "x"),
    ),
    "actions": (
        replace(action_stage(), plan=ROOM),
        lambda sensor, number: Action(f"{number:024}", sensor, "comment", float(MOMENT + number), "a", "b"),
    ),
}
EACH = pytest.mark.parametrize("name", STAGES)


def log(name: str) -> list[Record]:
    """A hundred sensors, of which one comes again and again."""
    make = STAGES[name][1]
    told = [make("steady" if number % 5 == 0 else f"s{number}", number) for number in range(125)]
    return [Record(number, encode(each), MOMENT * 1000) for number, each in enumerate(told)]


@EACH
@pytest.mark.parametrize("size", [1, 7, 500])
async def test_new_sensors_always_have_room_and_take_that_of_those_who_came_longest_ago(
    name: str, size: int
) -> None:
    world = await World(STAGES[name][0], log(name)).play(size)
    rows = world.state.rows[0]
    assert 18 <= len(rows) <= 20
    assert {"steady", "s124", "s123"} <= rows.keys()
    assert "s1" not in rows
    assert world.recovered == world.rows
    other = await World(STAGES[name][0], log(name)).play(3, 1)
    assert other.rows == world.rows


@EACH
async def test_what_is_read_again_after_a_crash_takes_nobodys_room(name: str) -> None:
    straight = await World(STAGES[name][0], log(name)).play(4)
    first = await World(STAGES[name][0], log(name)[:90]).play(4)
    second = World(STAGES[name][0], log(name))
    second.kafka.logs.update(first.kafka.logs)
    second.state.take_over({0}, {0: second.kafka.newest_of("changelog", 0)})
    await second.play(4)
    assert second.rows == straight.rows == second.recovered
    assert second.results == straight.results


def alarm_log() -> list[Record]:
    """Alarms of three sensors: one is over, one stands, one comes again later; ticks of thirty days."""
    over, stands, again = (raised(0.0, sensor=name) for name in ("over", "stands", "again"))
    inputs: list[AlarmInput] = [
        over,
        stands,
        again,
        cleared(over, 60.0),
        cleared(again, 60.0),
    ]
    for day in range(1, 31):
        if day == 18:
            back = raised(18.0 * 86_400, sensor="again")
            inputs += [back, cleared(back, 18.0 * 86_400 + 60)]
        inputs.append(tick(day * 86_400.0))
    return [Record(number, encode(each), MOMENT * 1000) for number, each in enumerate(inputs)]


@pytest.mark.parametrize("size", [1, 4, 500])
async def test_rows_of_alarms_that_are_long_over_leave_and_those_that_stand_stay(size: int) -> None:
    settings = Settings(windows=WindowSettings(silent_days=10))
    world = await World(alarm_stage(settings), alarm_log()).play(size)
    assert world.state.rows[0].keys() == {"", "stands", "again"}
    assert world.recovered == world.rows
    kept = await World(alarm_stage(Settings(windows=WindowSettings(silent_days=0))), alarm_log()).play(size)
    assert kept.state.rows[0].keys() == {"", "over", "stands", "again"}
    assert world.results == kept.results


async def test_a_tick_of_alarms_that_fails_leaves_no_row_half_changed() -> None:
    stage = alarm_stage(Settings(windows=WindowSettings(silent_days=10)))
    records = alarm_log()
    bad = records[6]  # the second tick: alarms are over by it

    def run(plan: Any, rows: Any, numbered: Any) -> Any:
        numbered = list(numbered)
        outcome = stage.run(plan, rows, numbered)
        if any(offset == bad.offset for offset, _ in numbered):
            raise RuntimeError("a fault that nobody thought of")
        return outcome

    world = await World(replace(stage, run=run), records).play(7)
    clean = await World(stage, [each for each in records if each.offset != bad.offset]).play(7)
    assert world.results == clean.results
    assert world.rows == clean.rows == world.recovered
    assert [letter.offset for letter in world.letters] == [bad.offset]


def test_sensors_of_a_group_that_are_silent_for_two_days_make_room_for_others() -> None:
    group = Group("g")
    for number in range(MAX_SENSORS):
        group.put("t", f"a{number:02}", 1000, 1.0)
    group.put("t", "z", 1000 + SLOTS - 1, 1.0)
    assert "z" not in group.quantities["t"]
    group.put("t", "a05", 1000 + SLOTS, 1.0)
    group.put("t", "z", 1000 + SLOTS, 1.0)
    assert group.quantities["t"].keys() == {"a05", "z"}
    for name in ("u", "v", "w"):
        group.put(name, "a", 1000, 1.0)
    group.put("x", "a", 1000 + SLOTS, 1.0)
    assert group.quantities.keys() == {"t", "x"}
