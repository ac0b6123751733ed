"""The ledger: at every hop, what went in came out as something that has a name.

    MQTT ─▶ bridge:   received = readings + labels + dead letters + in flight          (the bridge's own counts)
    Kafka ─▶ worker:  begin <= reached <= end of every partition that the topic has, nothing lost (`accounts`)
    Kafka ─▶ sink:    taken = stored + already there + refused + unreadable + not kept + given back + under way

Counts are those since the process started; offsets are absolute, and hold over restarts.
"""

from typing import TYPE_CHECKING, Any, cast

import aiohttp
import msgspec
from faust.types import TP

from agents.lane.faust.consumer import BatchConsumer
from agents.views.accounts import accounts
from agents.views.inside.ledger_hops import ledger_hops
from agents.views.watching.watch import Watch
from agents.web.fetch import fetch
from agents.web.peers import ask_all, own_url
from agents.web.queries import Json
from agents.web.tables import sensor_rows
from streams.records.catalogue import CATALOGUE
from streams.records.types import Reading

if TYPE_CHECKING:
    from agents.app import WorkerApp


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
        "reached": _reached(app, watch),
        "balanced": continuity.missing == 0,
    }
    windows = {
        "values_aggregated": counts.values_aggregated,
        "values_duplicate": counts.values_duplicate,
        "values_late": counts.values_late,
        "values_supplemented": counts.values_supplemented,
        "values_unchecked": counts.values_unchecked,
        "values_left_out": counts.values_left_out,
        "readings_skipped": counts.readings_skipped,
        "rates_made": counts.rates_made,
        "rates_left_out": counts.rates_left_out,
        "counters_fell": counts.counters_fell,
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
        "lost": lost_parts(app),
        "balanced": readings["balanced"]
        and all(each["balanced"] for each in sinks.values())
        and not app.lane.resuming.losses
        and not app.lane.resuming.unasked,  # what MongoDB has is not known
    }


def lost_parts(app: "WorkerApp") -> list[Json]:
    """Return what was deleted before it was read, each with its topic and partition."""
    return [
        {"topic": topic, "partition": partition, **msgspec.to_builtins(loss)}
        for (topic, partition), losses in sorted(app.lane.resuming.losses.items())
        for loss in losses
    ]


def _reached(app: "WorkerApp", watch: Watch) -> dict[int, int]:
    """Return up to where (exclusive) each partition of `readings` that is this worker's is worked through."""
    topic, seen = app.name_of(CATALOGUE.of(Reading).topic), watch.continuity.positions()
    found = {}
    for partition in app.owned_partitions():
        states = [state.reached(partition) for state in app.lane.states if state.source == topic]
        begun = app.lane.resuming.positions.get(TP(topic, partition))
        known = [offset for offset in states or (seen.get(partition, begun),) if offset is not None]
        if known:
            found[partition] = min(known)
    return found


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
    """Count the values that are in open windows (in each, where windows overlap) and supplements."""
    return sum(row.state.open_values() for _, row in sensor_rows(app, app.windows))


async def kafka_part(app: "WorkerApp") -> Json:
    """Return where every partition of each topic begins and ends, and the topic's id."""
    consumer = cast(BatchConsumer, app.consumer)
    described = await consumer.describe_topics(app.sources)
    partitions = [
        TP(topic, number) for topic in sorted(described) for number in range(described[topic].partitions)
    ]
    begin, end = await consumer.earliest_offsets(*partitions), await consumer.highwaters(*partitions)
    part: Json = {}
    for tp in partitions:
        if tp in begin and tp in end:
            known = described[tp.topic]
            topic = part.setdefault(tp.topic, {"id": known.topic_id, "offsets": 0, "begin": {}, "end": {}})
            topic["begin"][tp.partition], topic["end"][tp.partition] = begin[tp], end[tp]
            topic["offsets"] += end[tp] - begin[tp]
    return part


async def bridge_part(app: "WorkerApp", page: str = "/api/ledger") -> Json:
    """Return a page of the bridge's, its ledger by default; ``reachable`` is false if it does not answer."""
    settings = app.settings
    url = settings.web.bridge_url or f"http://{settings.bridge.metrics_host}:{settings.bridge.metrics_port}"
    try:
        answer = await fetch(app.http_client, url.rstrip("/") + page, seconds=BRIDGE_TIMEOUT_SECONDS)
        if answer.status != 200:
            return {"reachable": False, "url": url, "reason": f"it answers {answer.status}"}
        return {"reachable": True, "url": url, **msgspec.json.decode(answer.body, type=dict)}
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
        return {"reachable": False, "url": url, "reason": f"{type(error).__name__}: {error}"}


async def whole_ledger(app: "WorkerApp", watch: Watch) -> Json:
    """Return the ledger of the bridge, of Kafka and of all workers, and whether every part balances."""
    answers = await ask_all(app, "/api/ledger")
    workers = [worker_ledger(app, watch), *(answers.found[url] for url in sorted(answers.found))]
    # After the workers: nobody has reached more than there is by now.
    kafka, bridge = await kafka_part(app), await bridge_part(app)
    name = app.name_of(CATALOGUE.of(Reading).topic)
    readings = kafka.get(name)
    law = {} if readings is None else _accounts(name, readings, workers)
    return {
        "hops": ledger_hops(bridge, law, workers, answers.missing),
        "balanced": not answers.missing
        and all(each["balanced"] for each in (*workers, *law.values()))
        and bool(law)
        and bool(bridge.get("balanced")),  # a bridge that cannot be asked is not known to balance
        "bridge": bridge,
        "kafka": kafka,
        "accounts": law,
        "pending": None if readings is None else _pending(readings, workers),
        "workers": workers,
        "missing": answers.missing,
    }


def _accounts(name: str, topic: Json, workers: list[Json]) -> Json:
    lost = [each for worker in workers for each in worker["lost"] if each["topic"] == name]
    return accounts(topic, (worker["readings"]["reached"] for worker in workers), lost)


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
