"""The agent that learns each series and publishes what is worth knowing about it."""

from collections import Counter
from time import perf_counter
from typing import Any

from aiokafka.partitioner import murmur2
from mode import CrashingSupervisor

from agents.lane.batch import Batch
from agents.lane.state import WriteBehindState
from bridges.process import metrics
from bridges.process.settings import Settings
from streams.analysis.analyse import AnalysisOutcome, analyse
from streams.analysis.sensor import SensorAnalysis
from streams.records.rows import Row
from streams.records.topics import GROUP_BUCKETS, INSIGHTS
from streams.records.types import encode


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key as Kafka's default partitioner chooses it."""
    return int((murmur2(key) & 0x7FFF_FFFF) % partitions)


def add_to(app: Any, settings: Settings) -> WriteBehindState[SensorAnalysis]:
    """Add the agent to the application; returns its state, for the pages."""
    partitions = settings.kafka.partitions
    state = WriteBehindState[SensorAnalysis](
        app,
        "sensors",
        partitions=partitions,
        to_state=SensorAnalysis.to_state,
        from_state=lambda _, values: SensorAnalysis.from_state(values),
    )
    insights = settings.topic(INSIGHTS.name)
    group_buckets = settings.topic(GROUP_BUCKETS.name)

    def apply(batch: Batch) -> dict[str, Row[SensorAnalysis]]:
        begun = perf_counter()
        outcome = AnalysisOutcome()
        analyse(app.analysis_plan, state.rows[batch.partition], batch.contents, outcome)
        for insight in outcome.insights:
            state.result(insights, batch.partition, insight.sensor_id.encode(), encode(insight))
        for bucket in outcome.buckets:
            key = bucket.group.encode()
            into = partition_of(key, partitions)
            state.result(group_buckets, batch.partition, key, encode(bucket), into=into)
        _count(outcome, len(batch.unreadable), perf_counter() - begun)
        return outcome.changed

    @app.agent(app.readings_topic, name="analyse_readings", supervisor_strategy=CrashingSupervisor)  # type: ignore[untyped-decorator]
    async def analyse_readings(stream: Any) -> None:
        """Learn each reading's series; publish forecasts, profiles, drift and the health of sensors.

        A record that cannot be read is counted; the worker sets it aside as a dead letter.

        Delivery: each reading is learned once; rows remember the offset they contain, insights have derived ids.
        Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
        """
        await state.follow(stream, apply, release=True)

    return state


def _count(outcome: AnalysisOutcome, unreadable: int, seconds: float) -> None:
    metrics.ANALYSIS_READINGS.labels("learned").inc(outcome.applied)
    metrics.ANALYSIS_READINGS.labels("skipped").inc(outcome.skipped)
    metrics.ANALYSIS_READINGS.labels("unreadable").inc(unreadable)
    metrics.ANALYSIS_APPLY_SECONDS.observe(seconds)
    for kind, number in Counter(insight.kind for insight in outcome.insights).items():
        metrics.ANALYSIS_INSIGHTS.labels(kind).inc(number)
