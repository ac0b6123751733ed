"""Detectors of anomalies in one series, behind river's interface."""

from streams.detectors.base import MAX_NATS, Detector, Expectation, nats_of, score_of
from streams.detectors.tailwatch import TailWatch

__all__ = ["MAX_NATS", "Detector", "Expectation", "TailWatch", "nats_of", "score_of"]
