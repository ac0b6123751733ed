"""List places, machines, groups or quantities with what the workers count of their sensors, a page at a time."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from bridges.looking.sensor_listing import asked_pages
from bridges.process.settings import Settings
from streams.place_counts import MOST_LEVELS


def counted_places(settings: Settings, by: str, find: str, state: str, page: int) -> Iterator[dict[str, Any]]:
    """Yield places with what lies below them, of each level the worst first, as ``/api/places`` tells them.

    Args:
        settings: Where a worker is.
        by: One of `streams.place_counts.WAYS`.
        find: Count only sensors whose id, name, place, machine, group or a unit holds it; empty: all.
        state: Count only those in this state; empty: in any.
        page: How many are asked for at once.

    Raises:
        TransientError: If the worker, or one that it asks, does not answer: some would be missing.
    """
    asked = urlencode({"by": by, "find": find, "state": state, "levels": MOST_LEVELS, "limit": page})
    return asked_pages(settings, f"/api/places?{asked}")
