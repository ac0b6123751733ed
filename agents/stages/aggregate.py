"""The agent that turns readings into aggregates of windows."""

from typing import Any

from mode import CrashingSupervisor

from agents.lane.batch import Batch
from agents.lane.state import WriteBehindState
from bridges.process.settings import Settings
from streams.records.dead_letters import from_kafka
from streams.records.rows import Row
from streams.records.topics import AGGREGATES, DEAD_LETTERS, LATE_READINGS
from streams.records.types import encode
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.sensor_windows import WINDOW_CHANGES, SensorWindows


def add_to(app: Any, settings: Settings) -> WriteBehindState[SensorWindows]:
    """Add the agent to the application; returns its state, for the views."""
    policy = settings.windows.policy()
    state = WriteBehindState[SensorWindows](
        app,
        "windows",
        partitions=settings.kafka.partitions,
        to_state=SensorWindows.to_state,
        from_state=lambda _, values: SensorWindows.from_state(values),
        changes=WINDOW_CHANGES,
    )
    aggregates = settings.topic(AGGREGATES.name)
    late_readings = settings.topic(LATE_READINGS.name)
    dead_letters = settings.topic(DEAD_LETTERS.name)
    counts = app.counts

    def apply(batch: Batch) -> dict[str, Row[SensorWindows]]:
        outcome = AggregationOutcome()
        aggregate(policy, state.rows[batch.partition], batch.contents, outcome)
        for result in outcome.aggregates:
            state.result(aggregates, batch.partition, result.sensor_id.encode(), encode(result))
        for late in outcome.late:
            state.result(late_readings, batch.partition, late.sensor_id.encode(), encode(late))
        for record, error in batch.unreadable:
            if not state.set_aside(batch.partition, record.offset):
                continue  # read again after a crash
            letter = from_kafka(batch.topic, batch.partition, record, error)
            state.result(dead_letters, batch.partition, batch.topic.encode(), encode(letter))
        counts.aggregated(outcome, len(batch.unreadable))
        return outcome.changed

    @app.agent(app.readings_topic, name="aggregate_readings", supervisor_strategy=CrashingSupervisor)  # type: ignore[untyped-decorator]
    async def aggregate_readings(stream: Any) -> None:
        """Put each reading into its windows and publish the windows that close.

        Delivery: each reading counts once; rows remember the offset they contain, results have derived ids.
        Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
        """
        await state.follow(stream, apply)

    return state
