"""The stages that keep anomalies and labels, to be drawn beside the series they are about."""

from collections.abc import Callable, Iterable
from typing import Final, Generic, NamedTuple, TypeVar

from agents.lane.core.changelog import RowForm
from agents.lane.core.stage import Stage, count_nothing, decoded_as
from streams.analysis.marks import Mark, Marks, mark_of_anomaly, mark_of_label
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import RecordType
from streams.records.room import ENOUGH, Room
from streams.records.rows import Row, is_key
from streams.records.types import Anomaly, Label

R = TypeVar("R", Anomaly, Label)
MarkOf = Callable[[R], tuple[str, Mark]]


class MarkPlan(NamedTuple, Generic[R]):
    """What is kept.

    Args:
        mark_of: Makes the mark of a record, and its identity.
        room: Sensors of one partition that have marks; the one whose last came longest ago makes room.
    """

    mark_of: MarkOf[R]
    room: Room = ENOUGH


class Marked(NamedTuple):
    """What came of some anomalies or labels."""

    changed: dict[str, Row[Marks]]


MARK_ROWS: Final = RowForm(
    begin=lambda _: Marks(), to_state=Marks.to_state, from_state=lambda _, values: Marks.from_state(values)
)


def anomaly_mark_stage() -> "Stage[MarkPlan[Anomaly], tuple[int, Anomaly], Marks, Marked]":
    """Keep each sensor's latest anomalies."""
    return _stage(CATALOGUE.of(Anomaly), mark_of_anomaly)


def label_mark_stage() -> "Stage[MarkPlan[Label], tuple[int, Label], Marks, Marked]":
    """Keep each sensor's latest labels."""
    return _stage(CATALOGUE.of(Label), mark_of_label)


def _stage(kind: RecordType[R], mark_of: MarkOf[R]) -> "Stage[MarkPlan[R], tuple[int, R], Marks, Marked]":
    """Keep the latest of each sensor.

    Delivery: at least once; the same mark again changes nothing.
    Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
    """
    return Stage(
        name=f"mark_{kind.topic.name}",
        reads=kind,
        table=f"marked_{kind.topic.name}",
        form=MARK_ROWS,
        plan=MarkPlan(mark_of),
        read=decoded_as(kind),
        run=_run,
        writes=(),
        count=count_nothing,  # what cannot be read the sink of the topic sets aside, and counts
        release=True,
    )


def _run(plan: MarkPlan[R], rows: dict[str, Row[Marks]], records: Iterable[tuple[int, R]]) -> Marked:
    changed: dict[str, Row[Marks]] = {}
    for offset, content in records:
        sensor_id, mark = content.sensor_id, plan.mark_of(content)
        row = rows.get(sensor_id)
        if row is None:
            if not is_key(sensor_id):
                continue  # they are only shown: the anomaly, or label, itself is where it was
            changed.update(plan.room.make_room(rows, offset))
            row = rows[sensor_id] = Row(MARK_ROWS.begin(sensor_id))
        row.state.put(*mark)
        row.applied_through = offset
        changed[sensor_id] = row
    return Marked(changed)
