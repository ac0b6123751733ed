"""The page of one reading's way from MQTT to MongoDB, and of the ledger's hops: `weir trace`'s work, asked for by HTTP.

A search reads the log, in a thread and one at a time: it ends after so many seconds, and says what it did not look at.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from faust.web import Request, Response, View

from agents.web.queries import BadRequest, Json, answer, read_time
from bridges.looking.tracing_readings import Sought, Traced, Tracer
from streams.errors import TransientError
from streams.reading_hops import ending_of, hops_of

if TYPE_CHECKING:
    from agents.views.worker_pages import WorkerPages
    from bridges.process.settings import Settings

SEARCH_SECONDS: Final = 20.0
"""So long a page's search reads the log."""
_ID: Final = re.compile(r"[0-9a-fA-F]{24}")


class TimeLimit:
    """Ends a search that takes too long.

    Args:
        seconds: How long it may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds

    def __call__(self, done: int, total: int) -> None:
        """Take note of how far a search is.

        Args:
            done, total: Records read, of how many.

        Raises:
            TransientError: If its time is over.
        """
        if time.monotonic() > self._ends and done < total:
            raise TransientError(
                f"looked at {done:,} of {total:,} records in {self._seconds:g} s: `weir trace` looks at all of them"
            )


async def trace_reading(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Find one reading, by its id or by sensor and time, at every hop."""
    sought = asked_reading(request.query)
    async with pages.searches:
        found = await asyncio.to_thread(_search, pages.app.settings, sought)
    policy, label = pages.app.settings.windows.policy(), pages.watch.devices.label
    readings: list[Json] = []
    for each in found.readings.values():
        hops = hops_of(each, found.windows(each, policy))
        readings.append(
            {
                "id": each.id,
                "sensor_id": each.reading.sensor_id,
                "label": label(each.reading.sensor_id),
                "collected_at": each.reading.collected_at,
                "values": each.reading.values,
                "hops": hops,
                "ends": ending_of(hops),
                "documents": each.documents,
            }
        )
    return answer(
        view,
        {
            "readings": readings,
            "beyond": found.beyond,
            "perhaps": found.perhaps,
            "not_looked_at": found.not_looked_at,
            "records": found.records,
        },
    )


def _search(settings: "Settings", sought: Sought) -> Traced:
    return Tracer(settings, TimeLimit(SEARCH_SECONDS), letters_seconds=SEARCH_SECONDS).trace(sought)


def asked_reading(query: Mapping[str, str]) -> Sought:
    """Read which reading is meant.

    Args:
        query: The request's parameters: ``id``, or ``sensor`` and ``at``.

    Raises:
        BadRequest: If none is.
    """
    identity, sensor = (query.get(name, "").strip() for name in ("id", "sensor"))
    if identity:
        if not _ID.fullmatch(identity):
            raise BadRequest(f"id must be that of a reading, 24 hexadecimal digits, got {identity[:100]!r}")
        return Sought.by_id(identity.lower())
    at = read_time(query, "at")
    if not sensor or at is None:
        raise BadRequest("a reading must be named: /api/trace?id=ID, or /api/trace?sensor=ID&at=TIME")
    return Sought.by_time(sensor, at)
