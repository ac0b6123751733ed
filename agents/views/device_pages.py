"""The page of devices on the worker's web server: which there are, and whether they are there."""

from typing import TYPE_CHECKING, cast

from faust.web import Request, Response, View

from agents.views.sensor_choice import SensorChoice
from agents.web.queries import Listing, answer

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.worker_pages import WorkerPages
    from agents.web.routes import Pages


async def list_devices(pages: "Pages[WorkerApp]", view: View, request: Request) -> Response:
    """List devices by id, over all workers."""
    mine, listing = cast("WorkerPages", pages), Listing.of(request.query)
    own = mine.watch.devices.page(listing, SensorChoice.of(request.query))
    return answer(view, await mine.listed(request, "/api/devices", listing, own))
