"""The page of devices on the worker's web server: which there are, and whether they are there."""

from typing import TYPE_CHECKING

import msgspec
from faust.web import Request, Response, View

from agents.views.sensor_choice import SensorChoice
from agents.views.store_asking import PATIENCE_SECONDS, asked_store
from agents.views.watching.ranked import Ranked
from agents.web.peers import ask_all
from agents.web.queries import BadRequest, Listing, answer, read_number, read_word
from bridges.mongo.mongo_history import newest_of_device
from streams.device_past import past_of
from streams.device_states import DeviceState

if TYPE_CHECKING:
    from agents.views.worker_pages import WorkerPages

DEFAULT_SPELLS = 20
MOST_SPELLS = 500


async def list_devices(pages: "WorkerPages", view: View, request: Request) -> Response:
    """List devices by id, or the worst first, over all workers."""
    devices, listing, choice = pages.watch.devices, Listing.of(request.query), SensorChoice.of(request.query)
    if read_word(request.query, "sort", ("id", "worst")) == "worst":
        own = devices.worst_page(Ranked.read(listing.after), listing.limit, choice)
    else:
        own = devices.page(listing, choice)
    return answer(view, await pages.listed(request, "/api/devices", listing, own))


async def show_past(pages: "WorkerPages", view: View, request: Request) -> Response:
    """List the states that a device was in, newest first, from MongoDB."""
    query = request.query
    sensor_id = query.get("sensor", "")
    if not sensor_id:
        raise BadRequest("sensor must be given: /api/devices/history?sensor=ID")
    limit = int(read_number(query, "limit", DEFAULT_SPELLS, least=1, greatest=MOST_SPELLS))
    async with asked_store(pages.app, PATIENCE_SECONDS) as mongo, pages.histories:
        words, changes = await newest_of_device(mongo, sensor_id, limit)
    spells, missing = past_of(words, changes), list[str]()
    if spells and spells[-1].state is DeviceState.DISCONNECTED:
        heard, missing = await _heard(pages, sensor_id)
        spells = past_of(words, changes, heard)
    rows = [msgspec.to_builtins(each) for each in reversed(spells[-limit:])]
    return answer(view, {"sensor": sensor_id, "rows": rows, "missing": missing})


async def _heard(pages: "WorkerPages", sensor_id: str) -> tuple[float | None, list[str]]:
    """Return when a device's newest reading came, whichever worker has it, and who would know and does not answer."""
    if (told := pages.watch.devices.told.get(sensor_id)) is not None:
        return told.last, []
    others = await ask_all(pages.app, "/api/devices", {"prefix": sensor_id, "limit": "1"})
    rows = [row for part in others.found.values() for row in part["rows"] if row["key"] == sensor_id]
    return next((row["last"] for row in rows), None), [] if rows else others.missing
