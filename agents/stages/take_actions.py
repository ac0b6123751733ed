"""The stage that puts what people do in one order with what is found: the order in which alarms follow from both."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from agents.counts import Applied, Counts
from agents.lane.core.changelog import RowForm
from agents.lane.core.stage import Stage, Writes, decoded_as
from streams.records.alarm_records import Action, AlarmInput
from streams.records.catalogue import CATALOGUE
from streams.records.room import ENOUGH, Room
from streams.records.rows import Row, is_key

TAKEN_ROWS: Final = RowForm(begin=lambda _: None, to_state=lambda _: None, from_state=lambda _, __: None)


@dataclass(slots=True)
class Taken:
    """What came of some actions: a row of a sensor says only how far they are taken."""

    inputs: list[AlarmInput] = field(default_factory=list)
    changed: dict[str, Row[None]] = field(default_factory=dict)


def action_stage() -> Stage[Room, tuple[int, Action], None, Taken]:
    """Take each action once into the log that alarms are made of.

    Delivery: each action counts once; rows remember the offset they contain.
    Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
    """
    return Stage(
        name="take_actions",
        reads=CATALOGUE.of(Action),
        table="taken_actions",
        form=TAKEN_ROWS,
        plan=ENOUGH,
        read=decoded_as(CATALOGUE.of(Action)),
        run=_run,
        writes=(Writes(CATALOGUE.of(AlarmInput), attrgetter("inputs"), awaited=True),),
        count=_count,
        prompt=True,
    )


def _run(room: Room, rows: dict[str, Row[None]], records: Iterable[tuple[int, Action]]) -> Taken:
    taken = Taken()
    for offset, action in records:
        if not is_key(action.sensor_id):
            continue  # no row, no alarm: whoever wrote it did not ask `acting.action_of`
        row = rows.get(action.sensor_id)
        if row is None:
            taken.changed.update(room.make_room(rows, offset))
            row = rows[action.sensor_id] = Row(None)
        if offset > row.applied_through:
            row.applied_through = offset
            taken.changed[action.sensor_id] = row
            taken.inputs.append(AlarmInput(action.sensor_id, action=action))
    return taken


def _count(counts: Counts, outcome: Taken, applied: Applied) -> None:
    counts.actions_taken(len(outcome.inputs), applied)
