"""The agent that watches each series with a model of its own, and raises and clears anomalies."""

from typing import Any

from mode import CrashingSupervisor

from agents.lane.batch import Batch
from agents.lane.state import WriteBehindState
from bridges.process.settings import Settings
from streams.detection.detecting import (
    MODEL_CHANGES,
    DetectionOutcome,
    SensorModels,
    detect,
    models_from_state,
    models_to_state,
)
from streams.records.rows import Row
from streams.records.topics import ANOMALIES
from streams.records.types import encode


def add_to(app: Any, settings: Settings) -> WriteBehindState[SensorModels]:
    """Add the agent to the application; returns its state, for the views."""
    plan = settings.detection.plan()
    state = WriteBehindState[SensorModels](
        app,
        "models",
        partitions=settings.kafka.partitions,
        to_state=models_to_state,
        from_state=lambda sensor_id, values: models_from_state(plan, sensor_id, values),
        changes=MODEL_CHANGES,
    )
    anomalies = settings.topic(ANOMALIES.name)
    counts = app.counts

    def apply(batch: Batch) -> dict[str, Row[SensorModels]]:
        outcome = DetectionOutcome()
        detect(plan, state.rows[batch.partition], batch.contents, outcome)
        for anomaly in outcome.anomalies:
            state.result(anomalies, batch.partition, anomaly.sensor_id.encode(), encode(anomaly))
        counts.detected(outcome)
        return outcome.changed

    @app.agent(app.readings_topic, name="detect_anomalies", supervisor_strategy=CrashingSupervisor)  # type: ignore[untyped-decorator]
    async def detect_anomalies(stream: Any) -> None:
        """Score each reading with its series' model, learn it, and publish what changes in an anomaly's life.

        Delivery: each reading is learned once; rows remember the offset they contain, anomalies have derived ids.
        Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
        """
        await state.follow(stream, apply)

    return state
