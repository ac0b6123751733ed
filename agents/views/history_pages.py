"""The page of a series' history: from MongoDB, so that it reaches back beyond what this worker remembers."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from faust.web import Request, Response, View

from agents.views.store_asking import asked_store
from agents.web.queries import BadRequest, answer, read_number
from bridges.mongo.mongo_history import anomalies_between, window_history
from streams.errors import ConfigurationError, InputError
from streams.payloads.event_times import read_event_time
from streams.records.documents import date
from streams.signals.wire import iso
from streams.window_history import MOST_POINTS, HistoryPoint, check_windows, step_for

if TYPE_CHECKING:
    from agents.views.worker_pages import WorkerPages

PATIENCE_SECONDS = 10.0
DEFAULT_POINTS = 300
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
        for name in ("sensor", "quantity"):
            if not query.get(name):
                raise BadRequest(f"{name} must be given: /api/history?sensor=ID&quantity=NAME")
        until = _time(query, "to", round(time.time(), 3))
        since = _time(query, "from", until - _DAY)
        if since >= until:
            raise BadRequest(f"from must be before to, got {iso(since)} and {iso(until)}")
        points = read_number(query, "points", DEFAULT_POINTS, least=2, greatest=MOST_POINTS)
        return cls(query["sensor"], query["quantity"], since, until, int(points))


def _time(query: Mapping[str, str], name: str, default: float) -> float:
    text = query.get(name, "")
    if not text:
        return default
    try:
        found = read_event_time(text, dates=True)
        date(found)
        return found
    except InputError as error:
        raise BadRequest(f"{name}: {error.detail}") from None


async def history(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Return points of a series, and the anomalies that were open meanwhile."""
    app, asked = pages.app, AskedHistory.of(request.query)
    policy = app.settings.windows.policy()
    try:
        check_windows(policy)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from None
    step = step_for(asked.until - asked.since, asked.points, policy.size_ms / 1000)
    series = (asked.sensor, asked.quantity)
    slow = f"no answer within {PATIENCE_SECONDS:g} s: ask for a shorter range"
    try:
        # What people look at must not hold up what flows: few at once, and not for long.
        async with asked_store(app, PATIENCE_SECONDS, slow) as mongo, pages.histories:
            found = await window_history(mongo, series, asked.since, asked.until, step)
            anomalies = await anomalies_between(mongo, series, asked.since, asked.until)
    except InputError as error:
        raise BadRequest(error.detail) from None
    return answer(
        view,
        {
            "sensor": asked.sensor,
            "quantity": asked.quantity,
            "from": asked.since,
            "to": asked.until,
            "step_seconds": step,
            "windows": found.windows,
            "columns": HistoryPoint.__struct_fields__,
            "points": list(found.points()),
            "anomalies": [msgspec.to_builtins(each) for each in anomalies],
        },
    )
