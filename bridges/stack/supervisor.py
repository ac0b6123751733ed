"""Start the parts in order, restart what dies, stop everything in reverse order.

    waiting ─▶ starting ─▶ running ◀─▶ not ready
                  ▲            │
                  └─ restarting ◀ died        done (finished its work)   stopped

One thread, the main one, starts and stops processes and decides; a thread for each part asks it how it is, so
that a part that hangs delays nothing.
"""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from bridges.process.backoff import Backoff
from bridges.stack.child_process import Program, StartFailed
from bridges.stack.part import Part
from streams.errors import ConfigurationError, WeirError

LOOK_SECONDS = 0.1
ASK_SECONDS = 1.0
CONFIGURATION_EXIT = 2  # what `weir` ends with when an operator must change something
EVENTS_KEPT = 200
SILENCES = (
    3  # so many bad answers in a row before a part that was ready is not: one may be late on a busy machine
)
FIRST_STARTS = 3


class State(StrEnum):
    """What a part does now."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    NOT_READY = "not ready"
    RESTARTING = "restarting"
    DONE = "done"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass
class Watched:
    """A part and what is known of it."""

    part: Part
    state: State = State.WAITING
    note: str = ""
    rate: float | None = None
    warning: str = ""
    warning_told: bool = False
    restarts: int = 0
    started_at: float = 0.0
    restart_at: float = 0.0
    ever_ready: bool = False
    backoff: Backoff = field(default_factory=Backoff)
    why_not_ready: str | None = None
    """Last answer of the part; ``None`` while it has not been asked since its start."""


class Supervisor:
    """Run parts until asked to stop.

    Args:
        levels: Parts by start order: a level starts when all of the one before are ready.
        show: Called several times a second with the supervisor, to draw the screen.
    """

    def __init__(self, levels: Sequence[Sequence[Part]], show: Callable[["Supervisor"], None]) -> None:
        self.levels = [[Watched(part) for part in level] for level in levels]
        self.events: deque[tuple[float, str]] = deque(maxlen=EVENTS_KEPT)
        self.event_count = 0
        self._show = show
        self._stopping = threading.Event()
        self._hurry = False
        self._preparing = False

    @property
    def all(self) -> list[Watched]:
        """All parts, in start order."""
        return [watched for level in self.levels for watched in level]

    def tell(self, text: str) -> None:
        """Add a line to the events that the screen shows."""
        self.events.append((time.time(), text))
        self.event_count += 1
        self._show(self)

    @property
    def is_stopping(self) -> bool:
        """Whether it stops, or has stopped."""
        return self._stopping.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for so long, or until it stops; returns whether it does."""
        return self._stopping.wait(seconds)

    def request_stop(self) -> None:
        """Stop soon; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Start everything, look after it until a signal comes, stop everything.

        Raises:
            ConfigurationError: If a port is taken or a part refuses its settings at its first start.
            StartFailed: If a part cannot be started at all.
        """
        with self.signals():
            try:
                for watched in self.all:
                    self._ask_in_background(watched)
                for level in self.levels:
                    self._start_level(level)
                if not self._stopping.is_set():
                    self.tell("everything runs: Ctrl-C stops it")
                while not self._pause():
                    self._look_after(self.all)
            except _Interrupted:
                pass
            finally:
                self._stopping.set()
                self._stop_all()
                self.tell("everything has stopped")

    def _start_level(self, level: list[Watched]) -> None:
        for watched in level:
            if self._stopping.is_set():
                return
            self._launch(watched)
        while any(self._holds_up(watched) for watched in level):
            if self._pause():
                return
            self._look_after(self.all)

    def _holds_up(self, watched: Watched) -> bool:
        """Tell whether the next level has to wait for this part: until it is ready, and not for ever."""
        if watched.ever_ready or watched.state is State.DONE:
            return False
        program = watched.part.program
        if program is None:
            return watched.why_not_ready is None  # an existing system is asked once, and watched from then on
        if time.monotonic() - watched.started_at < program.start_seconds:
            return True
        self.tell(f"{watched.part.name} is still not ready: {watched.note or 'no answer'}; going on")
        watched.ever_ready = True
        return False

    def _launch(self, watched: Watched) -> None:
        program = watched.part.program
        watched.started_at, watched.why_not_ready = time.monotonic(), None
        watched.state, watched.note = State.STARTING, ""
        self._show(self)
        if program is None:
            return
        self._preparing = True
        try:
            program.launch()
        except WeirError as error:
            if not watched.restarts:
                raise
            self._restart_later(watched, str(error))
        finally:
            self._preparing = False

    def _look_after(self, parts: Sequence[Watched]) -> None:
        now = time.monotonic()
        for watched in parts:
            program = watched.part.program
            if watched.state is State.RESTARTING:
                if now >= watched.restart_at and program is not None:
                    self._launch(watched)
            elif watched.state in (State.STARTING, State.RUNNING, State.NOT_READY):
                if program is not None and not program.is_running():
                    self._died(watched, program)
                elif watched.why_not_ready is not None:
                    self._answered(watched, watched.why_not_ready)
                self._warned(watched)
        self._show(self)

    def _answered(self, watched: Watched, why_not_ready: str) -> None:
        watched.note = why_not_ready
        if not why_not_ready:
            if watched.state is not State.RUNNING:
                took = time.monotonic() - watched.started_at
                when = f"after {took:.1f} s" if watched.state is State.STARTING else "again"
                watched.state, watched.ever_ready = State.RUNNING, True
                self.tell(f"{watched.part.name} is ready {when}{_process(watched)}")
        elif watched.state is State.RUNNING:
            watched.state = State.NOT_READY
            self.tell(f"{watched.part.name} is not ready: {why_not_ready}")

    def _warned(self, watched: Watched) -> None:
        """Tell a warning once: its text may change with every look (a count in it, say)."""
        if watched.warning and not watched.warning_told:
            self.tell(f"{watched.part.name}: {watched.warning}")
        watched.warning_told = bool(watched.warning)

    def _died(self, watched: Watched, program: Program) -> None:
        code = program.exit_code
        program.kill()  # children that outlived it
        if code == 0 and watched.part.may_end:
            watched.state, watched.note, watched.rate = State.DONE, "", None
            self.tell(f"{watched.part.name} has finished: {program.log_tail(1)}")
            return
        how = (
            f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with code {code}"
        )
        if not watched.ever_ready:
            if code == CONFIGURATION_EXIT:
                raise ConfigurationError(f"{watched.part.name} {how}: {program.log_tail()}")
            if watched.restarts >= FIRST_STARTS:
                raise StartFailed(f"{watched.part.name} {how} at each start: {program.log_tail()}")
        self._restart_later(watched, how)

    def _restart_later(self, watched: Watched, why: str) -> None:
        now = time.monotonic()
        delay = watched.backoff.delay(ran_for=now - watched.started_at)
        watched.state, watched.note, watched.rate = State.RESTARTING, why, None
        watched.restart_at, watched.restarts = now + delay, watched.restarts + 1
        self.tell(f"{watched.part.name} {why}: starting it again in {delay:.1f} s")

    def _stop_all(self) -> None:
        for level in reversed(self.levels):
            running = [one for one in level if one.part.program is not None and one.part.program.is_running()]
            for watched in running:
                watched.state, watched.note, watched.rate = State.STOPPING, "", None
                if watched.part.program is not None:
                    watched.part.program.terminate()
            self._show(self)
            started = time.monotonic()
            for watched in level:
                if watched.part.program is not None:
                    self._stop(watched, watched.part.program, started)
        self._show(self)

    def _stop(self, watched: Watched, program: Program, since: float) -> None:
        while program.is_running() and time.monotonic() - since < program.stop_seconds and not self._hurry:
            time.sleep(LOOK_SECONDS)
            self._show(self)
        if program.is_running():
            self.tell(f"{watched.part.name} did not stop in {time.monotonic() - since:.0f} s: killed")
        program.kill()
        if watched.state is State.STOPPING:
            watched.state = State.STOPPED

    def _ask_in_background(self, watched: Watched) -> None:
        threading.Thread(
            target=self._ask, args=(watched,), name=f"ask-{watched.part.name}", daemon=True
        ).start()

    def _ask(self, watched: Watched) -> None:
        part = watched.part
        silences = 0
        while not self._stopping.wait(ASK_SECONDS if watched.state is State.RUNNING else LOOK_SECONDS):
            asked_of = watched.started_at
            if watched.state not in (State.STARTING, State.RUNNING, State.NOT_READY):
                continue
            answer = part.why_not_ready()
            silences = silences + 1 if answer else 0
            if watched.state is State.RUNNING and 0 < silences < SILENCES:
                continue
            rate = part.rate.look(time.monotonic()) if part.rate is not None and not answer else None
            warning = "" if answer else part.warns()
            if asked_of == watched.started_at:  # otherwise this was said by the process before
                watched.why_not_ready, watched.rate, watched.warning = answer, rate, warning

    def _pause(self) -> bool:
        return self._stopping.wait(LOOK_SECONDS)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Turn SIGINT, SIGTERM and SIGHUP into a clean stop; the second one stops waiting for anybody."""

        def handle(_number: int, _frame: object) -> None:
            self._hurry = self._stopping.is_set()
            self._stopping.set()
            if self._preparing:  # a download, for example
                self._preparing = False
                raise _Interrupted

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _process(watched: Watched) -> str:
    program = watched.part.program
    return "" if program is None else f" (process {program.pid})"


class _Interrupted(BaseException):
    """A stop was asked for while a part was being prepared."""
