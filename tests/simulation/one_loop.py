"""Threads of mode as places of the simulated loop: Faust's consumer thread runs on it as if in a thread of its own.

What a thread has of its own in reality it has here, too: its tasks (`asyncio.all_tasks`), and the freedom to be ahead
of the main thread or behind it, which the loop draws.
"""

import asyncio
import gc
import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import mode.threads
import pytest
from faust.channels import Channel
from faust.tables.base import Collection
from mode import Service

from tests.simulation import clock
from tests.simulation.loop import PLACE, SimulatedFuture, SimulatedLoop, tasks_here

_SETS_OF = (Channel, Service, Collection)
"""What Faust keeps in sets, whose order would be that of addresses in memory."""


def _number(self: Any) -> int:
    numbers = self.__dict__
    if "_simulated_number" not in numbers:
        numbers["_simulated_number"] = next(asyncio.get_event_loop().numbers)  # type: ignore[attr-defined]
    return int(numbers["_simulated_number"])


class _Thread:
    """In place of `mode.threads.WorkerThread`: its service runs in a place of its own."""

    def __init__(self, service: Any, **_: Any) -> None:
        self._service = service

    def start(self) -> None:
        """Begin to serve."""
        process, _ = PLACE.get()
        loop = self._service.thread_loop
        loop.spawn((process, type(self._service).__name__), self._serve)

    async def _serve(self) -> None:
        try:
            await self._service._serve()
        except Exception:
            self._service.set_shutdown()

    def stop(self) -> None:
        """Nothing is left to be joined."""


@contextmanager
def threads_on(loop: SimulatedLoop) -> Iterator[None]:
    """Have mode run its threads on this loop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mode.threads.ServiceThread, "Worker", _Thread)
        patch.setattr(asyncio, "new_event_loop", lambda: loop)
        patch.setattr(asyncio, "all_tasks", lambda *_: tasks_here())
        patch.setattr(asyncio, "Future", SimulatedFuture)
        for kind in _SETS_OF:
            patch.setattr(kind, "__hash__", _number)
        yield


@contextmanager
def undisturbed_by_python(loop: SimulatedLoop) -> Iterator[None]:
    """Run with the virtual time, collect no garbage meanwhile, and let nothing that was killed say a last word.

    What is collected may run code (finalizers, generators that are closed), at a moment that no seed draws.
    """
    collects = gc.isenabled()
    gc.disable()
    clock.use(loop.time)
    asyncio.set_event_loop(loop)
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        clock.use(None)
        loop.close()
        _graves.append(loop)
        asyncio.set_event_loop(None)
        logging.disable(disabled)
        if collects:
            gc.enable()


_graves: list[SimulatedLoop] = []


def bury() -> None:
    """Let go of what runs have left behind; who was killed in one is not heard."""
    known, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with redirect_stderr(io.StringIO()):
            _graves.clear()
            gc.collect()
    finally:
        sys.unraisablehook = known
