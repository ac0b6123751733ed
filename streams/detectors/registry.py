"""Detectors by name and parameters, as configuration gives them.

detector = "tailwatch"                      the default
detector = "HalfSpaceTrees"                 any of river's, with its parameters
parameters = {n_trees = 25, features = ["value", "difference"], protect_quantile = 0.999}
detector = "none"                           limits alone
detector = "vote"                           an ensemble
parameters = {votes = 2, members = [{detector = "tailwatch"}, {detector = "LODA", parameters = {n_bins = 20}}]}
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from streams.detectors.base import Detector
from streams.detectors.ensemble import Ensemble
from streams.detectors.tailwatch.tailwatch import TailWatch
from streams.detectors.without import NoDetector

# river itself takes half a second to import, so its adapter is imported when one of these is asked for.
_RIVER: Final = (
    "GaussianScorer", "HalfSpaceTrees", "LODA", "LocalOutlierFactor", "OneClassSVM", "PredictiveAnomalyDetection",
    "StandardAbsoluteDeviation",
)  # fmt: skip
NONE: Final = "none"
"""The name of no detector."""
_DRIFT: Final = ("ADWIN", "KSWIN", "PageHinkley")
_ENSEMBLES: Final = ("max", "vote")


def detector_names() -> list[str]:
    """List the names that `make_detector` knows."""
    return ["tailwatch", NONE, *_ENSEMBLES, *_RIVER, *_DRIFT]


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
    given = dict(parameters or {})
    try:
        if name == "tailwatch":
            return TailWatch(warm_up=warm_up, **given)
        if name == NONE:
            return NoDetector(**given)
        if name in _ENSEMBLES:
            return _ensemble("max" if name == "max" else "vote", given, warm_up)
        if name in _RIVER or name in _DRIFT:
            from streams.detectors.river_detectors import DriftDetector, RiverDetector

            return (RiverDetector if name in _RIVER else DriftDetector)(name, warm_up=warm_up, **given)
    except TypeError as error:
        raise ValueError(f"detector {name}: {error}") from None
    raise ValueError(f"detector must be one of {', '.join(detector_names())}, got {name!r}")


def _ensemble(how: Literal["max", "vote"], parameters: dict[str, Any], warm_up: int) -> Ensemble:
    members = [
        make_detector(member["detector"], member.get("parameters"), warm_up)
        for member in parameters.pop("members", ())
    ]
    return Ensemble(members, how, **parameters)
