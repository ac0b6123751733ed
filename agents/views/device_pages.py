"""The page of devices on the worker's web server: which there are, and whether they are there."""

from typing import TYPE_CHECKING, cast

import msgspec
from faust.web import Request, Response, View

from agents.views.sensor_choice import SensorChoice
from agents.views.store_asking import asked_store
from agents.web.queries import BadRequest, Listing, answer, read_number
from bridges.mongo.mongo_history import newest_of_device
from streams.device_past import past_of

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.worker_pages import WorkerPages
    from agents.web.routes import Pages

PATIENCE_SECONDS = 10.0
DEFAULT_SPELLS = 20
MOST_SPELLS = 500


async def list_devices(pages: "Pages[WorkerApp]", view: View, request: Request) -> Response:
    """List devices by id, over all workers."""
    mine, listing = cast("WorkerPages", pages), Listing.of(request.query)
    own = mine.watch.devices.page(listing, SensorChoice.of(request.query))
    return answer(view, await mine.listed(request, "/api/devices", listing, own))


async def show_past(pages: "Pages[WorkerApp]", view: View, request: Request) -> Response:
    """List the states that a device was in, newest first, from MongoDB."""
    mine, query = cast("WorkerPages", pages), request.query
    sensor_id = query.get("sensor", "")
    if not sensor_id:
        raise BadRequest("sensor must be given: /api/devices/history?sensor=ID")
    limit = int(read_number(query, "limit", DEFAULT_SPELLS, least=1, greatest=MOST_SPELLS))
    async with asked_store(mine.app, PATIENCE_SECONDS) as mongo, mine.histories:
        words, changes = await newest_of_device(mongo, sensor_id, limit)
    told = mine.watch.devices.told.get(sensor_id)
    spells = past_of(words, changes, None if told is None else told.last)
    rows = [msgspec.to_builtins(each) for each in reversed(spells[-limit:])]
    return answer(view, {"sensor": sensor_id, "rows": rows})
