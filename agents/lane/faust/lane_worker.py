"""The process of an application on the lane: it starts with one sentence or wholly, and always ends when told to.

prepare ──▶ run ──▶ signal ──▶ stop: checkpoint, goodbye, connections closed ──▶ exit 0
   │                   │           └ not done after `STOP_SECONDS` ──▶ exit 1: the rest is read again from Kafka
   │                   └ a second signal ──▶ exit at once
   ├ something fails ──▶ stop, in the same time ──▶ exit 1
   └ an operator must change something ──▶ exit 2; something is away ──▶ exit 1
"""

import logging
import os
import signal
import sys
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import faust

from bridges.process.logs import get_logger
from streams.errors import ConfigurationError, WeirError

if TYPE_CHECKING:
    from agents.lane.lane_app import LaneApp

log = get_logger(__name__)

STOP_SECONDS: Final = 24.0
"""How long a worker takes at most to end. `weir up` kills after 25 s, containers after 60 s."""


class LaneWorker(faust.Worker):
    """Faust's worker, which prepares before it runs and ends within a stated time."""

    app: "LaneApp"
    _refusal: ConfigurationError | None = None
    _watchdog: Timer | None = None

    def execute_from_commandline(self) -> NoReturn:
        """Run until told to stop; what prevents it from the start is one sentence on standard error."""
        for number in (signal.SIGINT, signal.SIGTERM):  # until Faust has its own: nothing is held yet
            signal.signal(number, lambda number, _: _end(128 + number))
        try:
            _apart(self.app.prepare)
        except WeirError as error:
            _told(error)
        self.app.refuse_by = self._refuse
        super().execute_from_commandline()

    def _refuse(self, error: ConfigurationError) -> None:
        """Stop, and end with what an operator must change."""
        if self._refusal is None:  # each partition says the same
            self._refusal = error
            self._schedule_shutdown(signal.SIGTERM)

    def _shutdown_loop(self) -> None:
        """End the loop; what made the application stop is told in its own words if Weir raised it."""
        try:
            super()._shutdown_loop()
        except WeirError as error:
            _told(error)
        if self._refusal is not None:
            _told(self._refusal)

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        if self._signal_stop_time:
            log.warning("stop.forced", signal=signal.name, outcome="what is not durable is read again")
            _end(128 + signal)
        self._watch_the_end()
        super()._schedule_shutdown(signal)

    def _crash(self, reason: BaseException) -> None:
        """Note that something has failed, and see that this process ends of it: who started it starts it again."""
        self._watch_the_end()
        super()._crash(reason)

    def _watch_the_end(self) -> None:
        if self._watchdog is None:
            self._watchdog = Timer(STOP_SECONDS, _give_up)
            self._watchdog.daemon = True
            self._watchdog.start()


def _told(error: WeirError) -> NoReturn:
    """End with a sentence: exit code 2 if an operator must change something, otherwise 1."""
    print(f"Error: {error}", file=sys.stderr)
    raise SystemExit(2 if isinstance(error, ConfigurationError) else 1) from None


def _give_up() -> None:
    log.error(
        "stop.given_up",
        seconds=STOP_SECONDS,
        outcome="a server does not answer; what is not durable is read again from Kafka at the next start",
    )
    _end(1)


def _end(code: int) -> NoReturn:
    """End this process without asking anybody: threads of clients may wait for servers that are away."""
    logging.shutdown()
    os._exit(code)


def _apart(call: Any) -> None:
    """Call in a thread of its own: event loops that are made in it do not become this thread's."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=work, name="prepare", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise cast(Exception, failed[0])
