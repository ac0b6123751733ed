"""Detectors of anomalies in one series, behind river's interface."""

from streams.detectors.base import MAX_NATS, Detector, Expectation, nats_of, score_of
from streams.detectors.registry import detector_names, make_detector
from streams.detectors.tailwatch.tailwatch import TailWatch

__all__ = [
    "MAX_NATS", "Detector", "Expectation", "TailWatch", "detector_names", "make_detector", "nats_of",
    "score_of",
]  # fmt: skip
