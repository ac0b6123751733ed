"""A worker that has failed ends, whatever its stop waits for: who started it can start it again."""

import asyncio
from threading import Event

import faust
import pytest

from agents.lane.faust import lane_worker
from agents.lane.faust.lane_worker import LaneWorker


def test_a_worker_in_which_something_fails_ends_in_time_though_its_stop_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes, ended = [], Event()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(lane_worker, "_end", end)
    monkeypatch.setattr(lane_worker, "STOP_SECONDS", 0.05)
    loop = asyncio.new_event_loop()
    app = faust.App("failing", broker="memory://", loop=loop)
    worker = LaneWorker(app, loop=loop)
    worker.on_init_dependencies()  # the application becomes a part of the worker
    loop.run_until_complete(app.crash(RuntimeError("a fault that nobody thought of")))
    assert ended.wait(10)
    assert codes == [1], "once, however many parts have failed"
    loop.close()
