"""Is the worker alive, does it do its work, and how far behind is it?"""

from typing import Any

from bridges import metrics


def why_not_ready(app: Any) -> str:
    """Return why the worker does not do all of its work; an empty text when it does."""
    if app.should_stop:
        return "the worker is stopping"
    if app.rebalancing:
        return "partitions are being assigned"
    if len(app.tables) and not app.tables.recovery.completed.is_set():
        return "state is being recovered from the changelogs"
    if app.sinks is not None and app.sinks.mongo.why_away:
        return f"MongoDB: {app.sinks.mongo.why_away}"
    return ""


def lag(app: Any) -> dict[str, dict[int, int]]:
    """Return for each topic and owned partition how many records are not committed yet, as last fetched."""
    behind: dict[str, dict[int, int]] = {}
    consumer = app.consumer
    for tp in sorted(consumer.assignment()):
        if tp.topic in app.tables.changelog_topics:
            continue
        end, committed = consumer.highwater(tp), consumer._committed_offset.get(tp)
        if end is not None:
            behind.setdefault(tp.topic, {})[tp.partition] = max(0, end - (committed or 0))
    return behind


def refresh_gauges(app: Any) -> None:
    """Bring the gauges up to date, just before they are read."""
    metrics.WORKER_READY.set(not why_not_ready(app))
    metrics.CONSUMER_LAG.clear()  # partitions that went elsewhere must not stay
    for topic, partitions in lag(app).items():
        for partition, records in partitions.items():
            metrics.CONSUMER_LAG.labels(topic, str(partition)).set(records)
    for state in (app.windows, app.models):
        if state is not None:
            owned = app.owned_partitions()
            rows = sum(len(each) for partition, each in state.rows.items() if partition in owned)
            metrics.TABLE_ROWS.labels(state.name).set(rows)
