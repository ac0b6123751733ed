"""Normal series of 26 kinds, each one process in time that a sensor sees at any rate, without any fault."""

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy

from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.records.types import Reading as Record
from tests.support.normal_series import Reading

DAY = 86400.0
START = 1.7e9
Numbers = Any  # of numpy
Draw = numpy.random.Generator


def _wander(draw: Draw, t: Numbers, tau: float, sd: float) -> Numbers:
    """Return noise that lasts for ``tau`` seconds (Ornstein and Uhlenbeck's process)."""
    keep = math.exp(-(t[1] - t[0]) / tau)
    noise = draw.normal(0, sd * math.sqrt(1 - keep * keep), len(t))
    noise[0] = draw.normal(0, sd)
    return numpy.array(list(accumulate(noise.tolist(), lambda state, step: keep * state + step)))


def _wave(t: Numbers, later: float = 0.0) -> Numbers:
    return numpy.sin(2 * math.pi * (t - later) / DAY)


def _sun(t: Numbers) -> Numbers:
    return numpy.clip(_wave(t, 6 * 3600), 0, None)


def _hour(t: Numbers) -> Numbers:
    return t % DAY / 3600


def _switched(draw: Draw, t: Numbers, least: float, most: float) -> Numbers:
    """Return what goes on and off, each time for so many seconds."""
    interval = t[1] - t[0]
    on, at, found = False, 0.0, numpy.zeros(len(t))
    while at < t[-1] - t[0]:
        until = at + draw.uniform(least, most)
        found[math.ceil(at / interval) : math.ceil(until / interval)] = on
        on, at = not on, until
    return found


def _clouds(draw: Draw, t: Numbers) -> Numbers:
    return 1 / (1 + numpy.exp(-1 - _wander(draw, t, DAY, 1.5) - _wander(draw, t, 900, 1)))


def _noise(draw: Draw, t: Numbers, sd: float) -> Numbers:
    return draw.normal(0, sd, len(t))


def _occupancy(draw: Draw, t: Numbers) -> Numbers:
    hour = _hour(t)
    people = numpy.where(
        t // DAY % 7 < 5, numpy.clip(numpy.minimum((hour - 7.5) * 12, (18.5 - hour) * 12), 0, 20), 0
    )
    return numpy.round(numpy.clip(people * (1 + _wander(draw, t, 1800, 0.2)), 0, None))


def _walk(draw: Draw, t: Numbers) -> Numbers:
    return 20 + numpy.cumsum(_noise(draw, t, 0.1 * math.sqrt((t[1] - t[0]) / 300))) + _noise(draw, t, 0.2)


def _fridge(draw: Draw, t: Numbers) -> Numbers:
    pull = 1 - math.exp(-(t[1] - t[0]) / 1500)
    towards = 9 - 8 * _switched(draw, t, 900, 2400)
    course = accumulate(towards.tolist(), lambda now, aim: now + pull * (aim - now), initial=5.0)
    return numpy.round(numpy.array(list(course))[1:] + _noise(draw, t, 0.05), 1)


def _thermostat(draw: Draw, t: Numbers) -> Numbers:
    aims = numpy.where((_hour(t) > 6) & (_hour(t) < 22), 21.0, 17.0).tolist()
    outside = (5 + 3 * _wave(t) + _wander(draw, t, DAY, 2)).tolist()
    parts = max(1, int((t[1] - t[0]) // 120))
    hours = (t[1] - t[0]) / 3600 / parts
    room, heats, found = 20.0, False, []
    for aim, cold in zip(aims, outside, strict=True):
        for _ in range(parts):
            heats = room < aim - 0.4 or (heats and room <= aim + 0.4)
            room += hours * (3.0 * heats - 0.08 * (room - cold))
        found.append(room)
    return numpy.round(numpy.array(found) + _noise(draw, t, 0.03), 1)


def _door(draw: Draw, t: Numbers) -> Numbers:
    interval, found = t[1] - t[0], numpy.zeros(len(t))
    for day in range(int((t[-1] - t[0]) / DAY) + 1):
        for _ in range(draw.poisson(25)):
            at = int((day * DAY + draw.uniform(7, 20) * 3600) / interval)
            found[at : at + round((draw.exponential(60) + 5) / interval)] = 1
    return found


def _light(draw: Draw, t: Numbers) -> Numbers:
    lamp = numpy.where((_hour(t) > 17) & (_hour(t) < 22.5), 150, 0) * _switched(draw, t, 3600, 4 * 3600)
    return numpy.round(600 * _sun(t) * _clouds(draw, t) + lamp * (1 + _noise(draw, t, 0.01)))


def _wind(draw: Draw, t: Numbers) -> Numbers:
    speed = numpy.abs(4 + _wander(draw, t, 5 * 3600, 2.5) + _wander(draw, t, 2 * DAY, 1.5))
    return numpy.round(speed * numpy.exp(_wander(draw, t, 20, 0.25)), 1)


def _rain(draw: Draw, t: Numbers) -> Numbers:
    interval, found = t[1] - t[0], numpy.zeros(len(t))
    at = draw.exponential(1.5 * DAY)
    while at < t[-1] - t[0]:
        lasts = draw.uniform(0.5, 4) * 3600
        first, last = int(at / interval), min(len(t), int((at + lasts) / interval))
        if last > first + 1:
            heavy = numpy.exp(_wander(draw, t[first:last], 600, 0.7))
            found[first:last] = draw.gamma(1, 2) * heavy
        at += lasts + draw.exponential(1.5 * DAY)
    return numpy.round(found, 1)


def _charge(draw: Draw, t: Numbers) -> Numbers:
    power = 22 * _sun(t) * _clouds(draw, t) - 5 * (1 + _wander(draw, t, 1800, 0.3))
    steps = (power * (t[1] - t[0]) / 3600).tolist()
    course = accumulate(steps, lambda now, step: min(100.0, max(5.0, now + step)), initial=60.0)
    return numpy.round(numpy.array(list(course))[1:], 1)


def _used(draw: Draw, t: Numbers) -> Numbers:
    load = 1 + 0.5 * _wave(t, 8 * 3600) + _wander(draw, t, 1800, 0.3) + _switched(draw, t, 600, 3600)
    return numpy.cumsum(numpy.clip(load, 0.05, None) * (t[1] - t[0]) / 3600)


def _used_in_the_month(draw: Draw, t: Numbers) -> Numbers:
    used = _used(draw, t)
    for first in numpy.flatnonzero(numpy.diff((t + 12 * DAY) // (30 * DAY))) + 1:
        used[first:] -= used[first]
    return numpy.round(used, 2)


def _weather(draw: Draw, t: Numbers) -> Numbers:
    slow = _wander(draw, t, 2 * DAY, 3) + _wander(draw, t, 3600, 0.5)
    return 20 + 5 * _wave(t) + slow + _noise(draw, t, 0.1)


def _humidity(draw: Draw, t: Numbers) -> Numbers:
    air = 92 + 8 * _wave(t, 12 * 3600) + _wander(draw, t, 2 * DAY, 6) + _wander(draw, t, 3600, 0.7)
    return numpy.round(numpy.minimum(100, air), 1)


def _battery(draw: Draw, t: Numbers) -> Numbers:
    volts = 3.0 - 0.001 * (t - t[0]) / DAY + 0.02 * _wave(t) + _wander(draw, t, 2 * DAY, 0.01)
    return numpy.round(volts + _noise(draw, t, 0.003), 2)


def _autocorrelated(draw: Draw, t: Numbers) -> Numbers:
    return 20 + _wander(draw, t, 3600, 1) + _noise(draw, t, 0.1)


PROCESSES: dict[str, Callable[[Draw, Numbers], Numbers]] = {
    "white": lambda draw, t: 20 + _noise(draw, t, 1),
    "autocorrelated": _autocorrelated,
    "daily": lambda draw, t: 20 + 5 * _wave(t) + _noise(draw, t, 0.5),
    "daily with weather": _weather,
    "weekly": lambda draw, t: 20 + numpy.where(t // DAY % 7 < 5, 5, 1.5) * _wave(t) + _noise(draw, t, 0.5),
    "weekday occupancy": _occupancy,
    "quantised": lambda draw, t: numpy.round(2 * (20 + _wander(draw, t, 4 * 3600, 1) + 2 * _wave(t))) / 2,
    "heavy-tailed": lambda draw, t: 20 + draw.standard_t(3, len(t)),
    "random walk": _walk,
    "slow drift": lambda draw, t: 20 + 0.3 * (t - t[0]) / DAY + _noise(draw, t, 0.5),
    "duty cycle": lambda draw, t: 20 + 10 * _switched(draw, t, 1800, 5400) + _noise(draw, t, 0.3),
    "fridge": _fridge,
    "thermostat": _thermostat,
    "door": _door,
    "light": _light,
    "solar": lambda draw, t: numpy.round(5000 * _sun(t) ** 1.2 * _clouds(draw, t)),
    "wind": _wind,
    "rain": _rain,
    "humidity at its ceiling": _humidity,
    "battery voltage": _battery,
    "state of charge": _charge,
    "counter": lambda draw, t: numpy.round(1000 + _used(draw, t), 2),
    "counter with reset": _used_in_the_month,
    "on change only": lambda draw, t: numpy.round(20 + 2 * _wave(t) + _wander(draw, t, 3600, 0.5), 1),
    "irregular": _autocorrelated,
    "constant": lambda draw, t: numpy.full(len(t), 42.0),
}


def seen_every(interval: float, kind: str, days: float, seed: int) -> list[Reading]:
    """Make (event time, value) of a process, seen every so many seconds.

    Args:
        interval: Between readings, in seconds; on change only: at least; irregular: a little more on average.
        kind: One of `PROCESSES`.
        days: How long.
        seed: Of the process and of its first time of day.
    """
    draw = numpy.random.default_rng([list(PROCESSES).index(kind), seed, round(interval)])
    start = START + 300.0 * int(draw.integers(0, 288))
    times = start + interval * numpy.arange(int(days * DAY / interval))
    values = PROCESSES[kind](draw, times)
    if kind == "on change only":
        changed = numpy.concatenate([[True], values[1:] != values[:-1]])
        times, values = times[changed], values[changed]
    elif kind == "irregular":
        kept = draw.uniform(0, 1, len(times)) < 0.6
        times = (times + draw.uniform(0, 0.9, len(times)) * interval)[kept]
        values = values[kept]
    return list(zip(times.tolist(), values.tolist(), strict=True))


def rates_raised(readings: list[Reading], **counter: Any) -> list[float]:
    """Return the event times at which anomalies were raised, where the series is a counter.

    Args:
        readings: Its (event time, value).
        counter: How it counts.
    """
    plan = DetectionPlan({"series": {"meter/energy": {"counter": counter or True}}})
    outcome = DetectionOutcome()
    log = (
        (offset, round(time * 1000), Record("meter", time, {"energy": value}))
        for offset, (time, value) in enumerate(readings)
    )
    detect(plan, {}, log, outcome)
    return [each.raised_at for each in outcome.anomalies if each.state == "raised"]
