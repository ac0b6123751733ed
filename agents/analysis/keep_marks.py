"""The agents that keep anomalies and labels, to be drawn beside the series they are about."""

from collections.abc import Callable
from typing import Any, TypeVar

from mode import CrashingSupervisor

from agents.lane.batch import Batch
from agents.lane.state import WriteBehindState
from bridges.process.settings import Settings
from streams.analysis.marks import Mark, Marks, mark_of_anomaly, mark_of_label
from streams.errors import InputError
from streams.records.rows import Row
from streams.records.topics import ANOMALIES, LABELS
from streams.records.types import Anomaly, Label, decode_as

R = TypeVar("R", Anomaly, Label)


def add_anomalies_to(app: Any, settings: Settings) -> WriteBehindState[Marks]:
    """Add the agent that keeps each sensor's latest anomalies; returns its state."""
    return _add(app, settings, ANOMALIES.name, Anomaly, mark_of_anomaly)


def add_labels_to(app: Any, settings: Settings) -> WriteBehindState[Marks]:
    """Add the agent that keeps each sensor's latest labels; returns its state."""
    return _add(app, settings, LABELS.name, Label, mark_of_label)


def _add(
    app: Any, settings: Settings, topic: str, kind: type[R], mark_of: Callable[[R], tuple[str, Mark]]
) -> WriteBehindState[Marks]:
    state = WriteBehindState[Marks](
        app,
        f"marked_{topic}",
        partitions=settings.kafka.partitions,
        to_state=Marks.to_state,
        from_state=lambda _, values: Marks.from_state(values),
    )

    def apply(batch: Batch) -> dict[str, Row[Marks]]:
        rows = state.rows[batch.partition]
        changed = {}
        for record in batch.records:
            try:
                content = decode_as(kind, record.value or b"")
            except InputError:
                continue  # the sink sets it aside
            row = rows.get(content.sensor_id)
            if row is None:
                row = rows[content.sensor_id] = Row(Marks())
            row.state.put(*mark_of(content))
            row.applied_through = record.offset
            changed[content.sensor_id] = row
        return changed

    @app.agent(app.batched_topic(topic), name=f"mark_{topic}", supervisor_strategy=CrashingSupervisor)  # type: ignore[untyped-decorator]
    async def mark(stream: Any) -> None:
        """Keep the latest of each sensor.

        Delivery: at least once; the same mark again changes nothing.
        Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
        """
        await state.follow(stream, apply, release=True)

    return state
