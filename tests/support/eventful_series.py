"""Series with an eventful past, and series on which a fault is small beside the course."""

import math
import random

from tests.support.normal_series import Reading, normal_series

SEEDS = range(10)
SIGMA = 0.2


def flooded(seed: int, count: int) -> list[Reading]:
    """Hourly, 50 ± 0.2, with seven floods in the first 600 readings that rise at once and decay."""
    rng = random.Random(f"flood {seed}")
    starts = [40 + 80 * flood + rng.randrange(20) for flood in range(7)]
    readings = []
    for index in range(count):
        water = sum(300 * math.exp((start - index) / 8) for start in starts if start <= index)
        readings.append((1.7e9 + 3600.0 * index, 50 + rng.gauss(0, SIGMA) + water))
    return readings


def steady(seed: int, count: int, wrong: dict[int, float]) -> list[Reading]:
    """Every five minutes, 21 ± 0.2, with some values wrong."""
    rng = random.Random(seed)
    values = [rng.gauss(21, SIGMA) for _ in range(count)]
    return [(1.7e9 + 300.0 * index, wrong.get(index, value)) for index, value in enumerate(values)]


OWN_SIGMA = {
    "white": 1.0, "autocorrelated": 1.0, "daily": 0.5, "weekly": 0.5, "duty cycle": 0.3, "drifting": 0.5,
    "quantised": 0.5,
}  # fmt: skip
"""Standard deviation of a kind of series around its own course."""
LOCAL_FAULTS = (
    "10 sigma spike, at once",
    "5 sigma shift, within a day",
    "5 sigma drift in two days",
    "noise x 4",
    "ramp of 0.6 sigma an hour, within a day",
)
"""Small beside the course of a series."""


def with_local_fault(kind: str, fault: str, seed: int) -> tuple[list[Reading], float, float]:
    """Return readings with a fault after ten days, and between which times a raise finds it."""
    at = 10 * 288 + seed * 37 % 288
    readings = normal_series(kind, 13 * 288, seed)
    rng = random.Random(seed)
    sigma = OWN_SIGMA[kind] if seed % 2 else -OWN_SIGMA[kind]
    until = {LOCAL_FAULTS[0]: at + 2, LOCAL_FAULTS[1]: at + 288, LOCAL_FAULTS[4]: at + 288}.get(
        fault, len(readings) - 1
    )
    for index in range(at, len(readings)):
        time, value = readings[index]
        if fault == LOCAL_FAULTS[0] and index == at:
            value += 10 * sigma
        elif fault == LOCAL_FAULTS[1]:
            value += 5 * sigma
        elif fault == LOCAL_FAULTS[2]:
            value += 5 * sigma * min(1.0, (index - at) / 576)
        elif fault == LOCAL_FAULTS[3]:
            value += rng.gauss(0, abs(sigma) * math.sqrt(15))
        elif fault == LOCAL_FAULTS[4]:
            value += 0.6 * sigma * (index - at) / 12
        readings[index] = (time, value)
    return readings, readings[at][0], readings[min(until, len(readings) - 1)][0]


def with_lost_season(seed: int, *, halved: bool) -> tuple[list[Reading], float]:
    """Return daily readings whose season is lost after ten days, or comes twice a day, and since when."""
    at = 10 * 288 + seed * 37 % 288
    readings = normal_series("daily", 13 * 288, seed)
    for index in range(at, len(readings)):
        time, value = readings[index]
        value -= 5 * math.sin(2 * math.pi * time / 86400)
        readings[index] = (time, value + halved * 5 * math.sin(4 * math.pi * time / 86400))
    return readings, readings[at][0]


def sampled(interval: float, days: int, seed: int) -> list[Reading]:
    """One process, a day's wave and noise that lasts an hour, seen every so many seconds."""
    rng = random.Random(seed)
    keep = math.exp(-interval / 3600.0)
    state, readings = 0.0, []
    for index in range(int(days * 86400 / interval)):
        state = keep * state + math.sqrt(1 - keep * keep) * rng.gauss(0, 1)
        time = 1.7e9 + interval * index
        wave = 20 + 5 * math.sin(2 * math.pi * time / 86400)
        readings.append((time, round(wave + state + rng.gauss(0, 0.1), 3)))
    return readings
