"""The page of a series' history: from MongoDB, so that it reaches back beyond what this worker remembers."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from faust.web import Request, Response, View

from agents.views.store_asking import PATIENCE_SECONDS, asked_store
from agents.web.queries import BadRequest, Json, answer, read_number, read_time
from bridges.mongo.history_reading import AskedRange, FoundHistory, read_histories
from bridges.mongo.mongo_history import alarms_between, anomalies_between, newest_findings
from streams.errors import ConfigurationError, InputError
from streams.signals.wire import iso
from streams.window_history import MOST_POINTS, HistoryPoint, check_windows

if TYPE_CHECKING:
    from agents.views.worker_pages import WorkerPages

DEFAULT_POINTS = 300
DEFAULT_FINDINGS = 20
MOST_FINDINGS = 200
MOST_SENSORS = 100
_DAY = 86_400.0


class AskedHistory(NamedTuple):
    """What a request asks for: a series, a range, and how many points at most."""

    sensor: str
    quantity: str
    since: float
    until: float
    points: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "AskedHistory":
        """Read the parameters.

        Raises:
            BadRequest: If one is missing, or is not acceptable.
        """
        _check_series(query, "/api/history")
        until, since = read_time(query, "to"), read_time(query, "from")
        until = round(time.time(), 3) if until is None else until
        since = until - _DAY if since is None else since
        if since >= until:
            raise BadRequest(f"from must be before to, got {iso(since)} and {iso(until)}")
        points = read_number(query, "points", DEFAULT_POINTS, least=2, greatest=MOST_POINTS)
        return cls(query["sensor"], query["quantity"], since, until, int(points))


def _check_series(query: Mapping[str, str], path: str) -> None:
    for name in ("sensor", "quantity"):
        if not query.get(name):
            raise BadRequest(f"{name} must be given: {path}?sensor=ID&quantity=NAME")


def _told(found: FoundHistory) -> Json:
    history = found.history
    return {
        "tier": found.tier.word,
        "step_seconds": history.step,
        "windows": history.windows,
        "points": list(history.points()),
    }


def _sensors(request: Request) -> list[str]:
    """Return the sensors that are asked for; a parameter may be given several times."""
    sensors = list(dict.fromkeys(filter(None, request.rel_url.query.getall("sensor"))))
    if len(sensors) > MOST_SENSORS:
        raise BadRequest(f"sensor must be given at most {MOST_SENSORS} times, got {len(sensors)}")
    return sensors


async def history(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Return points of series, and the anomalies and alarms that were open meanwhile."""
    app, asked = pages.app, AskedHistory.of(request.query)
    policy = app.settings.windows.policy()
    try:
        check_windows(policy)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from None
    sensors = _sensors(request)
    window = policy.size_ms / 1000
    slow = f"no answer within {PATIENCE_SECONDS:g} s: ask for a shorter range"
    try:
        # What people look at must not hold up what flows: few at once, and not for long.
        async with asked_store(app, PATIENCE_SECONDS, slow) as mongo, pages.histories:
            found = await read_histories(
                mongo,
                (
                    AskedRange((each, asked.quantity), asked.since, asked.until, asked.points, window)
                    for each in sensors
                ),
            )
            anomalies = await anomalies_between(mongo, sensors, asked.quantity, asked.since, asked.until)
            alarms = await alarms_between(mongo, sensors, asked.quantity, asked.since, asked.until)
    except InputError as error:
        raise BadRequest(error.detail) from None
    told = dict(zip(sensors, map(_told, found), strict=True))
    return answer(
        view,
        {
            **({"sensor": asked.sensor, **told[asked.sensor]} if len(told) == 1 else {"series": told}),
            "quantity": asked.quantity,
            "from": asked.since,
            "to": asked.until,
            "columns": HistoryPoint.__struct_fields__,
            "anomalies": [msgspec.to_builtins(each) for each in anomalies],
            "alarms": alarms,
        },
    )


async def list_findings(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Return what model analysis found of a series."""
    _check_series(request.query, "/api/findings")
    limit = read_number(request.query, "limit", DEFAULT_FINDINGS, least=1, greatest=MOST_FINDINGS)
    sensor, quantity = (request.query[name] for name in ("sensor", "quantity"))
    async with asked_store(pages.app, PATIENCE_SECONDS) as mongo, pages.histories:
        return answer(view, {"rows": await newest_findings(mongo, sensor, quantity, int(limit))})
