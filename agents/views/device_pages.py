"""The page of devices on the worker's web server: which there are, and whether they are there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from faust.web import Request, Response, View

from agents.web.queries import LONGEST_TEXT, BadRequest, Listing, answer, read_find
from streams.device_states import check_states
from streams.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.worker_pages import WorkerPages
    from agents.web.routes import Pages


async def list_devices(pages: "Pages[WorkerApp]", view: View, request: Request) -> Response:
    """List devices by id, over all workers."""
    mine = cast("WorkerPages", pages)
    listing, query = Listing.of(request.query), request.query
    where = {name: query.get(name, "")[:LONGEST_TEXT] for name in ("place", "machine", "group")}
    states = read_states(query)
    own = mine.watch.devices.page(listing, find=read_find(query), states=states, where=where)
    return answer(view, await mine.listed(request, "/api/devices", listing, own))


def read_states(query: Mapping[str, str]) -> list[str]:
    """Read which states of devices are asked for; none: all.

    Raises:
        BadRequest: If there is no such state.
    """
    states = [each for each in query.get("state", "").split(",") if each]
    try:
        check_states(states)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from None
    return states
