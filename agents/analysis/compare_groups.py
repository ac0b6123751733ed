"""The agent that compares the sensors of a group with each other."""

from typing import Any

from mode import CrashingSupervisor

from agents.lane.batch import Batch
from agents.lane.state import WriteBehindState
from bridges.process import metrics
from bridges.process.logs import get_logger
from bridges.process.settings import Settings
from streams.analysis.analyse import compare
from streams.analysis.correlation import Group
from streams.errors import InputError
from streams.records.rows import Row
from streams.records.topics import GROUP_BUCKETS, INSIGHTS
from streams.records.types import GroupBucket, decode_as, encode

_log = get_logger(__name__)


def add_to(app: Any, settings: Settings) -> WriteBehindState[Group]:
    """Add the agent to the application; returns its state, for the pages."""
    state = WriteBehindState[Group](
        app,
        "groups",
        partitions=settings.kafka.partitions,
        to_state=Group.to_state,
        from_state=lambda _, values: Group.from_state(values),
    )
    insights = settings.topic(INSIGHTS.name)

    def apply(batch: Batch) -> dict[str, Row[Group]]:
        buckets = list(_decoded(batch))
        rows = state.rows[batch.partition]
        for insight in compare(rows, buckets):
            state.result(insights, batch.partition, insight.sensor_id.encode(), encode(insight))
            metrics.ANALYSIS_INSIGHTS.labels(insight.kind).inc()
        return {bucket.group: rows[bucket.group] for _, bucket in buckets}

    @app.agent(
        app.batched_topic(GROUP_BUCKETS.name), name="compare_sensors", supervisor_strategy=CrashingSupervisor
    )  # type: ignore[untyped-decorator]
    async def compare_sensors(stream: Any) -> None:
        """Keep two days of each group's sensors, and publish which of them move together.

        Delivery: each bucket counts once; rows remember the offset they contain, insights have derived ids.
        Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
        """
        await state.follow(stream, apply, release=True)

    return state


def _decoded(batch: Batch) -> Any:
    for record in batch.records:
        try:
            yield record.offset, decode_as(GroupBucket, record.value or b"")
        except InputError as error:  # no one but this application writes there
            _log.warning(
                "group_bucket.ignored",
                partition=batch.partition,
                offset=record.offset,
                detail=error.detail,
            )
