"""A worker that consumes a backlog of known size, says what it cost, and ends: ``python -m ... WHICH READINGS``.

WHICH is ``windows`` (windows alone), ``detection`` (windows and detection) or ``naive`` (an ordinary Faust agent, one
event at a time, a windowed table updated for each). Cost is taken from the first batch to the last checkpoint.
"""

import asyncio
import json
import os
import resource
import sys
import time
from itertools import pairwise
from typing import Any, NamedTuple

import faust

from agents.lane.lane_app import LaneApp
from agents.stages.aggregate import window_stage
from agents.stages.detect import model_stage
from bridges.process import logs
from bridges.process.settings import Settings, load
from streams.records.topics import READINGS

PARTS = 10
"""The run is measured as a whole, and in so many parts of equal size."""


class Mark(NamedTuple):
    """A moment: wall clock and processor time in seconds, and readings applied by then."""

    wall: float
    cpu: float
    readings: int


def measured(which: str, readings: int) -> Any:
    """Build the application with a task that measures it."""
    settings = load()
    logs.configure(settings, "bench")
    app, applied = _naive(settings) if which == "naive" else _weir(settings, detection=which == "detection")

    async def measure() -> None:
        begun = await _first_reading(applied)
        marks = [begun]
        while applied() < readings or _holding(app):
            await asyncio.sleep(0.01)
            if applied() >= max(readings * len(marks) // PARTS, marks[-1].readings + 1):
                marks.append(_mark(applied()))
        cost = _cost(begun, _mark(applied()))
        cost["cpu_us_by_part"] = [
            _cost(first, second)["cpu_us_per_reading"] for first, second in pairwise(marks)
        ]
        sys.stdout.write(f"\n{json.dumps(cost)}\n")
        sys.stdout.flush()
        os._exit(0)  # what was measured is over; a clean stop would only take time

    app.task(measure)
    return app


def _weir(settings: Settings, *, detection: bool) -> tuple[LaneApp, Any]:
    app = LaneApp(settings)
    app.add(window_stage(settings))
    if not detection:
        return app, lambda: app.counts.values_aggregated
    app.add(model_stage(settings))
    return app, lambda: min(app.counts.values_aggregated, app.counts.readings_judged)


def _naive(settings: Settings) -> tuple[Any, Any]:
    app = faust.App(
        f"{settings.kafka.namespace}naive",
        broker=f"kafka://{settings.kafka.brokers}",
        store="memory://",
        topic_partitions=settings.kafka.partitions,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=settings.worker.data_dir,
    )
    topic = app.topic(settings.topic(READINGS.name), value_serializer="json")
    table = app.Table("windows", default=lambda: [0, 0.0, 0.0, 0.0]).tumbling(60.0)
    seen = [0]

    @app.agent(topic)
    async def aggregate_one_by_one(stream: Any) -> None:
        async for reading in stream:
            value = reading["values"]["temperature"]
            window = table[reading["sensor_id"]]
            count, total, low, high = window.value()
            table[reading["sensor_id"]] = [count + 1, total + value, min(low, value), max(high, value)]
            seen[0] += 1

    return app, lambda: seen[0]


def _holding(app: Any) -> bool:
    return any(state.held.records for state in app.lane.states) if isinstance(app, LaneApp) else False


async def _first_reading(applied: Any) -> Mark:
    while not applied():
        await asyncio.sleep(0.002)
    return _mark(applied())


def _mark(readings: int) -> Mark:
    return Mark(time.perf_counter(), time.process_time(), readings)


def _cost(first: Mark, second: Mark) -> dict[str, Any]:
    readings = second.readings - first.readings
    seconds = second.wall - first.wall
    return {
        "readings": readings,
        "seconds": seconds,
        "readings_per_second": readings / seconds,
        "cpu_us_per_reading": (second.cpu - first.cpu) / readings * 1e6,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    application = measured(sys.argv[1], int(sys.argv[2]))
    application.in_worker = True
    application.Worker(
        quiet=True, loglevel="WARNING", override_logging=False, redirect_stdouts=False
    ).execute_from_commandline()
