"""Publish simulated or recorded sensors over MQTT, at a chosen speed, so that a kill -9 costs nothing.

    messages (in the order of their keys) ──▶ due? ──▶ publish, QoS 1 ──▶ [ in flight ] ──▶ acknowledged
                        ▲                                                                       │
                        └──────── after a restart: from the first message ◀── state file ◀──────┘
                                  that is not known to be acknowledged

Delivery: at least once. The state file is at most `SAVE_SECONDS` old; what is sent twice because of it has
    the same bytes, so the same reading id, and counts once.
Back pressure: at `max_inflight` unacknowledged messages nothing more is published; a simulation that is
    behind its schedule catches up without pausing.
"""

import json
import math
import time
import urllib.error
import urllib.request
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from bridges.process import metrics
from bridges.process.logs import get_logger
from bridges.simulator.ahead import AheadOfClock
from streams.errors import ConfigurationError, TransientError
from streams.signals import Key, Message, MessageKind, MessageSource, merged

log = get_logger(__name__)

SAVE_SECONDS = 0.25
RETRY_SECONDS = 0.5
# Waits are cut into slices, so that acknowledgements are noticed and a stop is obeyed.
SLICE_SECONDS = 0.05


class Publication(Protocol):
    """A message on its way to the broker."""

    def is_acknowledged(self) -> bool:
        """Tell whether the broker has it.

        Raises:
            TransientError: If it was lost with its connection.
        """
        ...

    def wait(self, seconds: float) -> None:
        """Wait until the broker has it, or for so long."""
        ...


class Outlet(Protocol):
    """Where messages go: `bridges.mqtt.outlet.MqttOutlet`."""

    def open(self, stopped: Event) -> None:
        """Connect, waiting for the broker as long as it takes, or until stopped."""
        ...

    def publish(self, message: Message) -> Publication:
        """Hand a message over.

        Raises:
            TransientError: If the connection is lost: `close`, `open`, and go back.
        """
        ...

    def check(self) -> None:
        """Raise `TransientError` if the connection was lost."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


@dataclass(slots=True)
class Position:
    """How far the broker has acknowledged everything.

    Args:
        after: Key of the last message of which it and all before it are acknowledged; ``None`` at the start.
        counts: Messages up to there, by kind: counted by their place in the order, a repetition only once.
    """

    after: Key | None = None
    counts: Counter[MessageKind] = field(default_factory=Counter)

    def passed(self, message: Message) -> None:
        """Move on by one message."""
        self.after = message.key
        self.counts[message.kind] += 1

    def copy(self) -> "Position":
        """Return a position that does not change with this one."""
        return Position(self.after, self.counts.copy())


class StateFile:
    """Keeps the position over restarts; written whole, then renamed, so that it is never half written.

    Args:
        path: The file; ``None`` keeps nothing.
        plan: What is simulated: a state of another plan is refused.
    """

    def __init__(self, path: Path | None, plan: dict[str, Any]) -> None:
        self._path = path
        self._plan = json.loads(json.dumps(plan))

    def load(self) -> tuple[Position, bool]:
        """Return the position, and whether the simulation is finished.

        Raises:
            ConfigurationError: If the file cannot be read or belongs to another simulation.
        """
        state = read_state(self._path)
        if state is None:
            return Position(), False
        if state["plan"] != self._plan:
            raise ConfigurationError(
                f"{self._path} is the state of another simulation ({state['plan']}, now {self._plan}):"
                " use the same options, or remove the file to begin anew"
            )
        after = None if state["after"] is None else Key(*state["after"])
        counts = Counter({MessageKind(kind): count for kind, count in state["counts"].items()})
        return Position(after, counts), state["finished"]

    def save(self, position: Position, *, acknowledged: int, finished: bool) -> None:
        """Keep the position.

        Args:
            position: Where to go on after a restart.
            acknowledged: Messages acknowledged by now, for those who watch.
            finished: Nothing is left to do.
        """
        if self._path is None:
            return
        state = {
            "plan": self._plan,
            "after": position.after,
            "counts": {kind.value: position.counts[kind] for kind in MessageKind},
            "acknowledged": acknowledged,
            "finished": finished,
        }
        draft = self._path.with_name(self._path.name + ".new")
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(state), encoding="utf-8")
        draft.replace(self._path)


def read_state(path: Path | None) -> dict[str, Any] | None:
    """Read a state file; ``None`` if there is none yet.

    Raises:
        ConfigurationError: If it is there but cannot be read.
    """
    if path is None or not path.exists():
        return None
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return {name: state[name] for name in ("plan", "after", "counts", "acknowledged", "finished")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"cannot read the state of the simulation in {path}: {error!r}") from None


class Simulation:
    """Publishes sources in order, at a speed, from where the state file says.

    Args:
        sources: What to publish.
        outlet: Where to.
        state: Keeps the position.
        start: Simulated time at which it all begins, seconds since the Unix epoch.
        speed: Simulated seconds per second; 0 is as fast as the broker takes it.
        max_inflight: Bound of unacknowledged messages.
        overlap: Seconds; what was sent in so many seconds before a connection was lost is sent again.
        ready_url: Publish only once this address answers 200; empty: at once.
        then: From this simulated time on, another speed.
        max_ahead: Seconds that simulated time may be ahead of the clock before it is told.
    """

    def __init__(
        self,
        sources: Sequence[MessageSource],
        outlet: Outlet,
        state: StateFile,
        *,
        start: float,
        speed: float,
        max_inflight: int,
        overlap: float = 0.0,
        ready_url: str = "",
        then: tuple[float, float] | None = None,
        max_ahead: float = math.inf,
    ) -> None:
        self._sources = sources
        self._outlet = outlet
        self._state = state
        self._speed = speed
        self._then = then
        self.ahead = AheadOfClock(max_ahead)
        self._max_inflight = max_inflight
        self._overlap = overlap
        self._ready_url = ready_url
        self._stopped = Event()
        self._in_flight: deque[tuple[Message, Publication]] = deque()
        self._history: deque[tuple[float, Position]] = deque()
        self._next_save = 0.0
        self._waiting_for = "not started"
        self.position, self.finished = state.load()
        self._anchor_at = start if self.position.after is None else self.position.after.at
        self._anchor_wall: float | None = None

    def stop(self) -> None:
        """Ask `run` to end soon; safe from a signal handler."""
        self._stopped.set()

    def run(self) -> bool:
        """Publish until the sources end or `stop`; returns whether the sources ended."""
        while not self.finished and not self._stopped.is_set():
            try:
                self._waiting_for = "the MQTT broker does not answer"
                self._outlet.open(self._stopped)
                self._waiting_for = "nobody reads what is published"
                self._await_reader()
                self._waiting_for = ""
                self._publish_all()
            except TransientError as error:
                log.warning("connection.lost", reason=str(error), in_flight=len(self._in_flight))
                metrics.SIMULATOR_RECONNECTS.inc()
                self._go_back()
            finally:
                self._outlet.close()
        self._save(self.position, finished=self.finished)
        log.info("simulation.ended", finished=self.finished, **self.counts())
        return self.finished

    def why_not_ready(self) -> str:
        """Return why nothing is published now; empty when all is well."""
        return self._waiting_for

    def counts(self) -> dict[str, int]:
        """Return the messages acknowledged, by kind."""
        return {kind.value: self.position.counts[kind] for kind in MessageKind}

    def _publish_all(self) -> None:
        if self._anchor_wall is None:
            self._anchor_wall = time.monotonic()
        self._remember(time.monotonic())  # what is lost at once must be sent again, too
        done = self.position.after
        for message in merged(self._sources, done):
            if done is not None and message.key <= done:
                continue
            self._wait_until_due(message.key.at)
            while len(self._in_flight) >= self._max_inflight and not self._stopped.is_set():
                self._wait(SLICE_SECONDS)
            if self._stopped.is_set():
                break
            self._in_flight.append((message, self._outlet.publish(message)))
            metrics.SIMULATOR_PUBLISHED.labels(message.kind.value).inc()
            metrics.SIMULATOR_EVENT_TIME.set(message.key.at)
            self.ahead.sent(message.key.at, time.time())
            self._settle()
        else:
            self._drain()
            self.finished = not self._in_flight
            return
        self._drain()

    def _wait_until_due(self, at: float) -> None:
        if self._then is not None and at >= self._then[0]:
            self._anchor_at, self._speed = at, self._then[1]
            self._anchor_wall, self._then = time.monotonic(), None
        if self._speed <= 0 or self._anchor_wall is None:
            return
        due = self._anchor_wall + (at - self._anchor_at) / self._speed
        while (left := due - time.monotonic()) > 0 and not self._stopped.is_set():
            self._wait(min(left, SLICE_SECONDS))
            self._outlet.check()

    def _wait(self, seconds: float) -> None:
        """Wait for so long, or a little longer than the oldest message in flight."""
        if self._in_flight:
            self._in_flight[0][1].wait(seconds)
            self._settle()
        if not self._in_flight:
            self._stopped.wait(seconds)
        self._outlet.check()

    def _drain(self) -> None:
        """Wait until everything is acknowledged; when stopped, for a few seconds only."""
        deadline = time.monotonic() + 5.0
        while self._in_flight and not (self._stopped.is_set() and time.monotonic() > deadline):
            self._in_flight[0][1].wait(SLICE_SECONDS)
            self._settle()
            self._outlet.check()

    def _settle(self) -> None:
        """Move the position past what is acknowledged; keep it from time to time."""
        while self._in_flight and self._in_flight[0][1].is_acknowledged():
            message, _ = self._in_flight.popleft()
            self.position.passed(message)
            metrics.SIMULATOR_ACKNOWLEDGED.labels(message.kind.value).inc()
        now = time.monotonic()
        if now < self._next_save:
            return
        self._next_save = now + SAVE_SECONDS
        # The file, too, is behind by the overlap: simulator and broker can be killed one after the other.
        self._save(self._remember(now), finished=False)

    def _save(self, position: Position, *, finished: bool) -> None:
        acknowledged = self.position.counts.total()
        self._state.save(position, acknowledged=acknowledged, finished=finished)

    def _remember(self, now: float) -> Position:
        """Note the position; return the newest one that is at least the overlap old."""
        self._history.append((now, self.position.copy()))
        while len(self._history) > 1 and self._history[1][0] <= now - self._overlap:
            self._history.popleft()
        return self._history[0][1]

    def _go_back(self) -> None:
        self._in_flight.clear()
        if self._history:
            self.position = self._remember(time.monotonic()).copy()
            self._history.clear()

    def _await_reader(self) -> None:
        """Wait until somebody reads: a broker throws away what nobody has subscribed to."""
        told = False
        while self._ready_url and not self._stopped.is_set() and not answers(self._ready_url):
            if not told:
                log.info("reader.awaited", url=self._ready_url)
                told = True
            self._outlet.check()
            self._stopped.wait(RETRY_SECONDS)


def answers(url: str) -> bool:
    """Tell whether a GET of the address gives 200."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
