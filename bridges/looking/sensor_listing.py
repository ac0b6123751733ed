"""List the sensors that the workers know, a page at a time."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from bridges.process.settings import Settings
from bridges.stack import probes
from streams.errors import TransientError


def list_sensors(settings: Settings, find: str, page: int) -> Iterator[dict[str, Any]]:
    """Yield sensors by id, as ``/api/sensors`` tells them.

    Args:
        settings: Where a worker is.
        find: Only those whose id, name, place, machine or group holds it; empty: all.
        page: How many are asked for at once.

    Raises:
        TransientError: If the worker, or one that it asks, does not answer: some would be missing.
    """
    return asked_pages(settings, f"/api/sensors?{urlencode({'find': find, 'limit': page})}")


def asked_pages(settings: Settings, path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a listing of the worker, page after page.

    Args:
        settings: Where a worker is.
        path: Of the listing, with what is asked for.

    Raises:
        TransientError: If the worker, or one that it asks, does not answer: some would be missing.
    """
    address = probes.asked_at(settings.web.host, settings.web.port)
    after = ""
    while True:
        found, reason = probes.page_or_reason(address, f"{path}&{urlencode({'after': after})}")
        if found is None:
            raise TransientError(
                f"the worker at {address} does not answer: {reason}; is it running, and is WEIR_WEB__PORT its port?"
            )
        if missing := found.get("missing"):
            raise TransientError(
                f"workers do not answer, whose sensors would be missing: {', '.join(missing)}"
            )
        if why := found.get("not_whole"):
            raise TransientError(f"not all sensors are counted: {why}; ask again in a moment")
        yield from found["rows"]
        if not found["next"]:
            return
        after = found["next"]
