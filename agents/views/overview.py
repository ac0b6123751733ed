"""What the start page shows, put together from all workers."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from agents.views import ledger
from agents.views.alarm_pages import alarm_counts, with_open_anomalies
from agents.views.watching.watch import Watch
from agents.web import readiness as health
from agents.web.peers import ask_all, own_url
from agents.web.queries import Json
from agents.web.tables import count_sensors
from streams.conditions import NAMED, SINCE_START, WITHIN_THE_HOUR, Observed, what_is_wrong
from streams.device_states import DeviceState
from streams.records.claims import Loss
from streams.records.types import Anomaly

if TYPE_CHECKING:
    from agents.app import WorkerApp


ANOMALIES = 25
_ALMOST_AN_HOUR = 3540.0


async def worker_overview(app: "WorkerApp", watch: Watch) -> Json:
    """Return this worker's share."""
    partitions = app.owned_partitions()
    watch.tick_distance.keep_only(partitions)
    return {
        "worker": own_url(app),
        "not_ready": health.why_not_ready(app),
        "store_away": "" if app.sinks is None else app.sinks.mongo.why_away,
        "loss": _loss(ledger.worker_ledger(app, watch)),
        "partitions": sorted(partitions),
        "lag": {topic: sum(partitions.values()) for topic, partitions in (await health.lag(app)).items()},
        "lag_grows": watch.backlog.grows(),
        "pace": watch.backlog.pace(),
        "totals": watch.totals(),
        "sensors": _sensors(app),
        "devices": watch.devices.counts(),
        "idle_patterns": watch.patterns.idle,
        "outdated_rules": watch.patterns.outdated,
        "ticks_apart": watch.tick_distance.too_far,
        "ticks_expected": watch.tick_distance.expected,
        "unheard": watch.devices.in_state[DeviceState.UNKNOWN][:NAMED],
        "open_anomalies": _open_anomalies(app),
        "alarms": alarm_counts(app),
        "rates": watch.rates.series(),
        "anomalies": [_anomaly(each, watch) for each in watch.anomalies.newest(ANOMALIES)],
    }


async def whole_overview(app: "WorkerApp", watch: Watch) -> Json:
    """Return the sums over all workers, and each worker's state."""
    answers, bridge = await asyncio.gather(ask_all(app, "/api/overview"), ledger.bridge_part(app))
    parts = [await worker_overview(app, watch), *(answers.found[url] for url in sorted(answers.found))]
    return {
        "conditions": [each.as_json() for each in what_is_wrong(observed(parts, answers.missing, bridge))],
        "workers": [
            {name: part[name] for name in ("worker", "not_ready", "partitions", "lag")}
            for part in sorted(parts, key=lambda each: str(each["worker"]))
        ],
        "missing": answers.missing,
        "totals": _summed(part["totals"] for part in parts),
        "lag": _summed(part["lag"] for part in parts),
        "sensors": sum(part["sensors"] for part in parts),
        "devices": _summed(part.get("devices", {}) for part in parts),
        "open_anomalies": sum(part["open_anomalies"] for part in parts),
        "alarms": _summed(part.get("alarms", {}) for part in parts),
        "rates": _added(part["rates"] for part in parts),
        "anomalies": _newest(each for part in parts for each in part["anomalies"]),
    }


def observed(parts: list[Json], missing: list[str], bridge: Json) -> Observed:
    """Put together what is known of the whole system.

    Args:
        parts: What each worker says of itself.
        missing: Workers that do not answer.
        bridge: The bridge's ledger, or why there is none.
    """
    items = bridge.get("items", {})
    hour = bridge.get("last_hour")  # an older bridge has none
    counted = hour or items
    is_whole_hour = hour is not None and hour["seconds"] >= _ALMOST_AN_HOUR
    topics = bridge.get("refused_topics", {})
    unasked = bridge.get("unasked_topics", {})
    unbalanced = {name for part in parts for name in part["loss"]["unbalanced"]}
    if bridge["reachable"] and not bridge.get("balanced", True):
        unbalanced.add("bridge")
    away = sorted({part["store_away"] for part in parts} - {""})
    return Observed(
        missing_records=sum(part["loss"]["missing"] for part in parts),
        lost=tuple(_told(each) for part in parts for each in part["loss"]["lost"]),
        unbalanced=tuple(sorted(unbalanced)),
        # What MongoDB's absence makes not ready is told once, as that.
        not_ready={
            part["worker"]: part["not_ready"]
            for part in parts
            if part["not_ready"] and part["not_ready"] != f"MongoDB: {part['store_away']}"
        },
        store_away=away[0] if away else "",
        silent_workers=tuple(missing),
        received=counted.get("received"),
        refused=counted.get("dead_letters", {}),
        lately=WITHIN_THE_HOUR if is_whole_hour else SINCE_START,
        refused_topics=topics.get("count", 0),
        worst_topics=topics.get("worst", ()),
        unasked=unasked.get("topics", 0),
        unasked_of=[each["example"] for each in unasked.get("kinds", ())],
        unprocessable=sum(part.get("totals", {}).get("unprocessable", 0) for part in parts),
        at_qos_0=tuple(bridge.get("at_qos_0", ())),
        bridge_silent="" if bridge["reachable"] else bridge["reason"],
        lag=sum(sum(part["lag"].values()) for part in parts),
        lag_grows=_added_up(parts, "lag_grows"),
        pace=_added_up(parts, "pace"),
        open_anomalies=sum(part["open_anomalies"] for part in parts),
        alarms=_summed(part.get("alarms", {}) for part in parts),
        silent=sum(part.get("devices", {}).get("silent", 0) for part in parts),
        disconnected=sum(part.get("devices", {}).get("disconnected", 0) for part in parts),
        unheard=sum(part.get("devices", {}).get("unknown", 0) for part in parts),
        unheard_of=sorted(name for part in parts for name in part.get("unheard", ())),
        idle_patterns=() if missing else _idle_patterns(parts),
        outdated_rules=tuple(
            dict.fromkeys(rule for part in parts for rule in part.get("outdated_rules") or ())
        ),
        ticks_apart={
            part["worker"]: (apart, part["ticks_expected"])
            for part in parts
            if (apart := part.get("ticks_apart")) is not None
        },
    )


def _idle_patterns(parts: list[Json]) -> tuple[str, ...]:
    """Return the patterns that take no series of any worker; none while a worker has not looked."""
    each = [idle for part in parts if (idle := part.get("idle_patterns")) is not None]
    if len(each) < len(parts) or not any(part["sensors"] for part in parts):
        return ()
    # A rule that has come to one worker only is in no other's list.
    names = dict.fromkeys(chain.from_iterable(each))
    return tuple(name for name in names if all(name in idle for idle in each))


def _added_up(parts: list[Json], name: str) -> float | None:
    """Add what each worker says; ``None`` while one does not know."""
    each = [part.get(name) for part in parts]
    return None if None in each else sum(filter(None, each))


def _anomaly(anomaly: Anomaly, watch: Watch) -> Json:
    """Return an anomaly as plain values, with what people call its sensor and the unit of its values."""
    devices = watch.devices
    unit = devices.unit(anomaly.sensor_id, anomaly.quantity)
    return {**msgspec.to_builtins(anomaly), "label": devices.label(anomaly.sensor_id), "unit": unit}


def _loss(part: Json) -> Json:
    """Return what is missing, and whose counts do not add up, from a worker's page of the ledger."""
    hops = {"readings": part["readings"], **part["sinks"]}
    return {
        "missing": sum(hop["missing"] for hop in hops.values()),
        "lost": part["lost"],
        "unbalanced": sorted(
            name for name, hop in hops.items() if not hop["balanced"] and not hop["missing"]
        ),
    }


def _told(lost: Json) -> str:
    loss = msgspec.convert(
        {name: value for name, value in lost.items() if name not in ("topic", "partition")}, Loss
    )
    return f"{lost['topic']}-{lost['partition']}: {loss}"


def _sensors(app: "WorkerApp") -> int:
    return count_sensors(app, app.models) if app.windows is None else count_sensors(app, app.windows)


def _open_anomalies(app: "WorkerApp") -> int:
    return sum(models.open_anomalies for _, models in with_open_anomalies(app))


def _summed(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for part in parts:
        for name, count in part.items():
            total[name] += count
    return dict(sorted(total.items()))


def _added(parts: Iterable[dict[str, list[tuple[int, float]]]]) -> dict[str, list[tuple[int, float]]]:
    """Add the workers' rates second by second."""
    total: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for part in parts:
        for name, series in part.items():
            for second, rate in series:
                total[name][second] += rate
    return {name: sorted(series.items()) for name, series in total.items()}


def _newest(anomalies: Iterable[Json]) -> list[Json]:
    """Return the newest anomalies of all workers, each as of its newest change."""
    known: dict[str, Json] = {}
    for each in anomalies:
        if each["id"] not in known or known[each["id"]]["changed_at"] < each["changed_at"]:
            known[each["id"]] = each
    return sorted(known.values(), key=lambda each: (-each["raised_at"], each["id"]))[:ANOMALIES]
