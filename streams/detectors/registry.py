"""Detectors by name and parameters, as configuration gives them."""

from collections.abc import Callable, Mapping
from typing import Any

from streams.detectors.base import Detector
from streams.detectors.tailwatch import TailWatch

_DETECTORS: dict[str, Callable[..., Detector]] = {
    "tailwatch": TailWatch,
}


def detector_names() -> list[str]:
    """List the names that `make_detector` knows."""
    return sorted(_DETECTORS)


def make_detector(name: str, parameters: Mapping[str, Any] | None = None, warm_up: int = 100) -> Detector:
    """Make a detector.

    Args:
        name: One of `detector_names`.
        parameters: Its parameters, where they differ from its defaults.
        warm_up: Readings before the first score.

    Raises:
        ValueError: If there is no such detector or it does not take these parameters.

    >>> make_detector("tailwatch", {"season_seconds": 0}).ready
    False
    """
    if name not in _DETECTORS:
        raise ValueError(f"detector must be one of {', '.join(detector_names())}, got {name!r}")
    try:
        return _DETECTORS[name](warm_up=warm_up, **(parameters or {}))
    except TypeError as error:
        raise ValueError(f"detector {name}: {error}") from None
