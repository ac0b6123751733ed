"""An event loop with virtual time, whose order of ready tasks is drawn from a seed.

Nothing is waited for: when nothing is ready, time jumps to the next timer. A run is what the seed makes of it.

    timers ──due──▶ queue of each place ──drawn──▶ runs
                       │
                       ├─ frozen: kept until the place is woken
                       └─ dead: kept for ever, so that not even a ``finally`` runs

A *place* is what has an event loop of its own in reality: a thread of a worker, or a server. Between places the order
is free, and drawn; within one, callbacks run in the order in which they were scheduled, as asyncio promises, while
tasks that are ready beside each other take turns as drawn: asyncio promises nothing about these.
"""

import asyncio
import heapq
import random
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any, cast

Place = tuple[str, str]
"""A process, and a thread in it."""

SERVERS: Place = ("servers", "main")
PLACE: ContextVar[Place] = ContextVar("PLACE", default=SERVERS)

_BESIDE = 4  # ready tasks of a place among which one is drawn
_STEP_SECONDS = 2e-5
"""Time that each step takes, so that who waits for time by turning in a circle gets there."""


class StuckError(Exception):
    """Nothing is ready, nothing is scheduled: everything waits for something that never comes."""


def _number(self: Any) -> int:
    """Return the hash of what is numbered when it is first put into a set: sets have the same order in each run."""
    try:
        return int(self.number)
    except AttributeError:
        self.number = next(self.get_loop().numbers)
        return int(self.number)


class SimulatedTask(asyncio.Task[Any]):
    """A task that knows its place."""

    place: Place
    __hash__ = _number


class SimulatedFuture(asyncio.Future[Any]):
    """A future."""

    __hash__ = _number


class _Ready:
    """What is ready, in a queue for each place; takes the place of the deque of asyncio's own loop."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw.random
        self.queues: dict[Place, deque[asyncio.Handle]] = {}
        self.aside: dict[str, list[asyncio.Handle]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.queues.values()))

    def append(self, handle: Any) -> None:
        place = handle._context.get(PLACE, SERVERS)
        if self.aside and place[0] in self.aside:
            self.aside[place[0]].append(handle)
        elif place in self.queues:
            self.queues[place].append(handle)
        else:
            self.queues[place] = deque((handle,))

    def clear(self) -> None:
        self.queues.clear()

    def draw(self) -> asyncio.Handle:
        """Take the next handle: of a place drawn; of its tasks ready beside each other, one drawn."""
        queues = self.queues
        places = list(queues)
        place = places[int(self._draw() * len(places))] if len(places) > 1 else places[0]
        queue = queues[place]
        position = 0
        if len(queue) > 1 and _is_task(queue[0]):
            beside = 1
            while beside < len(queue) and beside < _BESIDE and _is_task(queue[beside]):
                beside += 1
            position = int(self._draw() * beside)
        handle = queue[position]
        del queue[position]
        if not queue:
            del queues[place]
        return handle

    def put_aside(self, process: str) -> None:
        """Keep what is ready of a process, and what will be."""
        aside = self.aside.setdefault(process, [])
        for place in [each for each in self.queues if each[0] == process]:
            aside.extend(self.queues.pop(place))

    def put_back(self, process: str) -> None:
        """Let a process go on."""
        for handle in self.aside.pop(process, ()):
            self.append(handle)


def _is_task(handle: Any) -> bool:
    return type(getattr(handle._callback, "__self__", None)) is SimulatedTask


class SimulatedLoop(asyncio.BaseEventLoop):
    """The loop.

    Args:
        seed: Draws the order.
        seconds: Virtual seconds after which a run is taken for stuck.
    """

    def __init__(self, seed: int, *, seconds: float = 3600.0) -> None:
        super().__init__()
        self._now = 0.0
        self._limit = seconds
        self._ready: Any = _Ready(random.Random(f"order {seed}"))
        self.steps = 0
        self.numbers = count()
        self.tasks: list[SimulatedTask] = []
        """Every task there was: one of a dead process that were collected would run its ``finally``."""
        self.set_task_factory(_make_task)
        self.set_exception_handler(lambda *_: None)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def create_future(self) -> SimulatedFuture:
        """Make a future."""
        return SimulatedFuture(loop=self)

    def _run_once(self) -> None:
        self._go_on()
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        while ready.queues and not self._stopping:  # type: ignore[attr-defined]
            while scheduled and scheduled[0]._when <= self._now:
                self._due(heapq.heappop(scheduled))
            self._now += _STEP_SECONDS
            self.steps += 1
            handle = ready.draw()
            if not handle._cancelled:
                try:
                    handle._context.run(handle._callback, *handle._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException:  # asyncio would log it
                    pass

    def _go_on(self) -> None:
        """If nothing is ready, let time jump to the next timer."""
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        while not ready.queues:
            if not scheduled:
                raise StuckError(f"everything waits, at {self._now:.3f} s")
            handle = heapq.heappop(scheduled)
            if not handle._cancelled:
                self._now = max(self._now, handle._when)
                if self._now > self._limit:
                    raise StuckError(f"not done after {self._limit} s")
            self._due(handle)

    def _due(self, handle: Any) -> None:
        handle._scheduled = False
        if not handle._cancelled:
            self._ready.append(handle)

    def freeze(self, process: str) -> None:
        """Stop a process: nothing of it runs until it is woken. Its timers go on, and are due when it wakes."""
        self._ready.put_aside(process)

    def wake(self, process: str) -> None:
        """Let a frozen process go on."""
        self._ready.put_back(process)

    def kill(self, process: str) -> None:
        """End a process at once: nothing of it ever runs again, not even to clean up."""
        self._ready.put_aside(process)

    def spawn(self, place: Place, main: Callable[[], Coroutine[Any, Any, Any]]) -> "asyncio.Task[Any]":
        """Start a task, and all that follows from it, in a place."""
        context = copy_context()
        context.run(PLACE.set, place)
        return context.run(lambda: self.create_task(main()))

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Run a function at once: another thread could interleave only where it talks to somebody."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Schedule a callback: all threads are this one."""
        return self.call_soon(callback, *args, context=context)

    def close(self) -> None:
        """Run nothing any more, and keep everything until `bury` lets go of it."""
        self._closed = True

    def _check_closed(self) -> None: ...
    def _write_to_self(self) -> None: ...
    def _process_events(self, _: Any) -> None: ...


def _make_task(loop: Any, coroutine: Any, context: Context | None = None) -> SimulatedTask:
    task = SimulatedTask(coroutine, loop=loop, context=context)
    task.place = PLACE.get() if context is None else context.get(PLACE, SERVERS)
    loop.tasks.append(task)
    return task


def tasks_here() -> "set[asyncio.Task[Any]]":
    """Return the tasks of the place that asks: what `asyncio.all_tasks` says in a thread of its own."""
    place, loop = PLACE.get(), cast(SimulatedLoop, events.get_running_loop())
    return {task for task in loop.tasks if task.place == place and not task.done()}


def in_servers() -> Context:
    """Return a context in which what is scheduled belongs to the servers."""
    context = copy_context()
    context.run(PLACE.set, SERVERS)
    return context
