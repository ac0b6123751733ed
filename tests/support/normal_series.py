"""Normal 5-minute series of many kinds, without any fault, and readings put into a model."""

import math
import random
from collections.abc import Callable, Iterator

from streams.detection.series_model import AnomalyChange, DetectionConfig, SeriesModel

INTERVAL = 300.0
PER_DAY = 288

Reading = tuple[float, float]


def _white(rng: random.Random, _: float) -> Iterator[float]:
    while True:
        yield rng.gauss(20, 1)


def _autocorrelated(rng: random.Random, _: float) -> Iterator[float]:
    state = 0.0
    while True:
        state = 0.95 * state + rng.gauss(0, 0.3122)
        yield 20 + state


def _daily(rng: random.Random, start: float) -> Iterator[float]:
    time = start
    while True:
        yield 20 + 5 * math.sin(2 * math.pi * time / 86400) + rng.gauss(0, 0.5)
        time += INTERVAL


def _weekly(rng: random.Random, start: float) -> Iterator[float]:
    time = start
    while True:
        amplitude = 5 if time // 86400 % 7 < 5 else 1.5
        yield 20 + amplitude * math.sin(2 * math.pi * time / 86400) + rng.gauss(0, 0.5)
        time += INTERVAL


def _quantised(rng: random.Random, start: float) -> Iterator[float]:
    state, time = 0.0, start
    while True:
        state = 0.98 * state + rng.gauss(0, 0.2)
        yield round(2 * (20 + state + 2 * math.sin(2 * math.pi * time / 86400))) / 2
        time += INTERVAL


def _heavy_tailed(rng: random.Random, _: float) -> Iterator[float]:
    """Student's t with 3 degrees of freedom."""
    while True:
        yield 20 + rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1.5, 2.0) / 3.0)


def _duty_cycle(rng: random.Random, _: float) -> Iterator[float]:
    on = False
    while True:
        on = not on
        for _ in range(rng.randrange(6, 18)):
            yield 20 + 10 * on + rng.gauss(0, 0.3)


def _drifting(rng: random.Random, _: float) -> Iterator[float]:
    trend = 0.0
    while True:
        yield 20 + trend + rng.gauss(0, 0.5)
        trend += 0.3 / PER_DAY


KINDS: dict[str, Callable[[random.Random, float], Iterator[float]]] = {
    "white": _white,
    "autocorrelated": _autocorrelated,
    "daily": _daily,
    "weekly": _weekly,
    "quantised": _quantised,
    "heavy-tailed": _heavy_tailed,
    "duty cycle": _duty_cycle,
    "drifting": _drifting,
}


def normal_series(kind: str, count: int, seed: int) -> list[Reading]:
    """Make (event time, value) of a series of the given kind."""
    rng = random.Random(f"{kind} {seed}")
    start = 1.7e9 + 300.0 * rng.randrange(PER_DAY)
    values = KINDS[kind](rng, start)
    return [(start + INTERVAL * i, next(values)) for i in range(count)]


def deviation(readings: list[Reading]) -> float:
    """Return the standard deviation of the values."""
    mean = sum(value for _, value in readings) / len(readings)
    return math.sqrt(sum((value - mean) ** 2 for _, value in readings) / len(readings))


def changes(readings: list[Reading], config: DetectionConfig | None = None) -> list[AnomalyChange]:
    """Put readings into a fresh model; return what it said."""
    model = SeriesModel(config or DetectionConfig())
    return [change for reading in readings for change in model.observe(*reading)]


def raises(readings: list[Reading], config: DetectionConfig | None = None) -> list[float]:
    """Return the event times at which anomalies were raised."""
    return [change.event_time for change in changes(readings, config) if change.kind == "raised"]
