"""Is the worker alive, does it do its work, and how far behind is it?"""

import asyncio
from typing import TYPE_CHECKING, Any, cast

from aiokafka.errors import KafkaError
from faust.exceptions import ConsumerNotStarted

from bridges.process import metrics

if TYPE_CHECKING:
    from agents.lane.core.batch import Batch
    from agents.lane.lane_app import LaneApp

POSITION_SECONDS = 1.0


def why_not_whole(app: "LaneApp") -> str:
    """Return why the worker does not have all rows of its partitions now; an empty text when it does."""
    if app.should_stop:
        return "the worker is stopping"
    if app.rebalancing:
        return "partitions are being assigned"
    return "" if app.is_recovered else "state is being recovered from the changelogs"


def why_not_ready(app: "LaneApp") -> str:
    """Return why the worker does not do all of its work; an empty text when it does."""
    if reason := why_not_whole(app):
        return reason
    # That nothing is read comes last: whatever else is wrong is why.
    return next((reason for ask in (*app.why_not, app.watch.why_not) if (reason := ask())), "")


def what_is_lost(app: "LaneApp") -> dict[str, list[str]]:
    """Return what was deleted before it was read, in words, under ``lost``; nothing if there is nothing."""
    found = [
        f"{topic}-{partition}: {loss}"
        for (topic, partition), losses in sorted(app.lane.resuming.losses.items())
        for loss in losses
    ]
    return {"lost": found} if found else {}


async def lag(app: "LaneApp") -> dict[str, dict[int, int]]:
    """Return for each topic and owned partition how many records are not fetched, or fetched and not done with.

    The distance from the committed offset would count the markers of transactions, which nobody commits.
    """
    consumer = app.consumer
    owned = [tp for tp in sorted(consumer.assignment()) if tp.topic not in app.tables.changelog_topics]
    positions = await asyncio.gather(*(_position(consumer, tp) for tp in owned))
    behind: dict[str, dict[int, int]] = {}
    for tp, position in zip(owned, positions, strict=True):
        end = max(consumer.highwater(tp) or 0, app.watch.ends.get(tp, 0))
        unfetched = 0 if position is None else max(0, end - position)
        behind.setdefault(tp.topic, {})[tp.partition] = unfetched
    for message in list(consumer.unacked):
        partitions = behind.get(message.tp.topic, {})
        if message.tp.partition in partitions and not message.acked:
            partitions[message.tp.partition] += len(cast("Batch", message.value))
    return behind


async def _position(consumer: Any, tp: Any) -> int | None:
    try:
        async with asyncio.timeout(POSITION_SECONDS):
            position: int | None = await consumer.position(tp)
            return position
    except (TimeoutError, KafkaError, ConsumerNotStarted):  # in the middle of a rebalance
        return None


async def refresh_gauges(app: "LaneApp") -> None:
    """Bring the gauges up to date, just before they are read."""
    metrics.WORKER_READY.set(not why_not_ready(app))
    metrics.CONSUMER_LAG.clear()  # partitions that went elsewhere must not stay
    for topic, partitions in (await lag(app)).items():
        for partition, records in partitions.items():
            metrics.CONSUMER_LAG.labels(topic, str(partition)).set(records)
    owned = app.owned_partitions()
    for state in app.lane.states:
        rows = sum(len(each) for partition, each in state.rows.items() if partition in owned)
        metrics.TABLE_ROWS.labels(state.name).set(rows)
