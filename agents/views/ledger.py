"""The ledger: at every hop, what went in came out as something that has a name.

    MQTT ─▶ bridge:   received = readings + labels + dead letters + in flight          (the bridge's own counts)
    Kafka ─▶ worker:  taken, without a missing offset; pending = end - next offset
    Kafka ─▶ sink:    taken = stored + already there + refused + unreadable + not kept + given back + under way

Counts are those since the process started; offsets make them comparable over restarts.
"""

from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from faust.types import TP

from agents.views.watch import Watch
from agents.web.fetch import fetch
from agents.web.peers import ask_all, own_url
from streams.records.catalogue import CATALOGUE
from streams.records.types import Reading

if TYPE_CHECKING:
    from agents.app import WorkerApp

Json = dict[str, Any]

BRIDGE_TIMEOUT_SECONDS = 2.0


def worker_ledger(app: "WorkerApp", watch: Watch) -> Json:
    """Return this worker's page of the ledger; taken in one go, so that it is of one moment."""
    continuity, counts = watch.continuity, app.counts
    readings = {
        "taken": continuity.taken,
        "readings": watch.readings,
        "ticks": watch.ticks,
        "unreadable": continuity.taken - watch.readings - watch.ticks,
        "repeated": continuity.repeated,
        "missing": continuity.missing,
        "next_offsets": continuity.positions(),
        "balanced": continuity.missing == 0,
    }
    windows = {
        "values_aggregated": counts.values_aggregated,
        "values_duplicate": counts.values_duplicate,
        "values_late": counts.values_late,
        "values_left_out": counts.values_left_out,
        "readings_skipped": counts.readings_skipped,
        "windows_closed": counts.windows_closed,
        "open_values": _open_values(app),
    }
    detection = {
        "readings_judged": counts.readings_judged,
        "raised": counts.anomalies_raised,
        "cleared": counts.anomalies_cleared,
    }
    sinks = {} if app.sinks is None else sink_parts(app.sinks)
    return {
        "worker": own_url(app),
        "readings": readings,
        "windows": windows,
        "detection": detection,
        "sinks": sinks,
        "balanced": readings["balanced"] and all(each["balanced"] for each in sinks.values()),
    }


def sink_parts(sinks: Any) -> Json:
    """Return what each sink has done, by its collection."""
    return {name: _sink_part(sink) for name, sink in sinks.collections.items()}


def _sink_part(sink: Any) -> Json:
    counts, continuity = sink.counts, sink.continuity
    accounted = {
        "stored": counts.stored,
        "already_there": counts.already_there,
        "refused": counts.refused,
        "unreadable": counts.unreadable,
        "not_kept": counts.not_kept,
        "given_back": counts.released,
        "under_way": sink.under_way,
    }
    return {
        "taken": continuity.taken,
        **accounted,
        "repeated": continuity.repeated,
        "missing": continuity.missing,
        "next_offsets": continuity.positions(),
        "balanced": continuity.missing == 0 and continuity.taken == sum(accounted.values()),
    }


def _open_values(app: "WorkerApp") -> int:
    """Count the values that are in open windows (in each, where windows overlap)."""
    if app.windows is None:
        return 0
    return sum(
        summary.count
        for partition in app.owned_partitions()
        for row in app.windows.rows.get(partition, {}).values()
        for series in row.state.series.values()
        for summary in series.open.values()
    )


async def kafka_part(app: "WorkerApp") -> Json:
    """Return where each topic begins and ends."""
    consumer = app.consumer
    topics = sorted({tp.topic for tp in consumer.assignment()} - set(app.tables.changelog_topics))
    partitions = [TP(topic, number) for topic in topics for number in range(app.settings.kafka.partitions)]
    begin, end = await consumer.earliest_offsets(*partitions), await consumer.highwaters(*partitions)
    part: Json = {}
    for tp in partitions:
        if tp in begin and tp in end:
            topic = part.setdefault(tp.topic, {"offsets": 0, "begin": {}, "end": {}})
            topic["begin"][tp.partition], topic["end"][tp.partition] = begin[tp], end[tp]
            topic["offsets"] += end[tp] - begin[tp]
    return part


async def bridge_part(app: "WorkerApp") -> Json:
    """Return the bridge's own ledger; ``reachable`` is false if it does not answer."""
    settings = app.settings
    url = settings.web.bridge_url or f"http://{settings.bridge.metrics_host}:{settings.bridge.metrics_port}"
    page = f"{url.rstrip('/')}/api/ledger"
    try:
        answer = await fetch(app.http_client, page, seconds=BRIDGE_TIMEOUT_SECONDS)
        if answer.status != 200:
            return {"reachable": False, "url": url, "reason": f"it answers {answer.status}"}
        return {"reachable": True, "url": url, **msgspec.json.decode(answer.body, type=dict)}
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
        return {"reachable": False, "url": url, "reason": f"{type(error).__name__}: {error}"}


async def whole_ledger(app: "WorkerApp", watch: Watch) -> Json:
    """Return the ledger of the bridge, of Kafka and of all workers, and whether every part balances."""
    answers = await ask_all(app, "/api/ledger")
    kafka, bridge = await kafka_part(app), await bridge_part(app)
    workers = [worker_ledger(app, watch), *(answers.found[url] for url in sorted(answers.found))]
    readings = kafka.get(app.name_of(CATALOGUE.of(Reading).topic))
    return {
        "balanced": not answers.missing
        and all(each["balanced"] for each in workers)
        and bool(bridge.get("balanced")),  # a bridge that cannot be asked is not known to balance
        "bridge": bridge,
        "kafka": kafka,
        "pending": None if readings is None else _pending(readings, workers),
        "workers": workers,
        "missing": answers.missing,
    }


def _pending(topic: Json, workers: list[Json]) -> Json:
    """Return how many readings and ticks no worker, and no sink, has taken yet; unknown partitions count whole."""
    pending = {"worker": 0, "sink": 0}
    for partition, end in topic["end"].items():
        for name, of in (("worker", _readings_of), ("sink", _sensors_of)):
            offsets = [offsets for worker in workers if (offsets := _next(of(worker), partition)) is not None]
            pending[name] += max(0, end - max(offsets, default=topic["begin"][partition]))
    return pending


def _readings_of(worker: Json) -> Json:
    part: Json = worker["readings"]
    return part


def _sensors_of(worker: Json) -> Json:
    part: Json = worker["sinks"].get(CATALOGUE.of(Reading).collection, {})
    return part


def _next(part: Json, partition: int) -> int | None:
    # Another worker's page came as JSON, where keys are text.
    offsets = part.get("next_offsets", {})
    found: int | None = offsets.get(partition, offsets.get(str(partition)))
    return found
