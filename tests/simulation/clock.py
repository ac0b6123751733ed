"""Virtual time for whoever asks the clock of this process.

Faust, mode and aiokafka ask ``time`` for the time, and many of their modules take its functions over when they are
imported. So `install` must be called before any of them is: it puts functions into ``time`` that answer with the time
of the loop that is set here, and with the real time while none is.
"""

import time
from collections.abc import Callable

EPOCH = 1_725_890_400.0
"""Seconds since the Unix epoch at which every run begins."""

_real = {name: getattr(time, name) for name in ("monotonic", "perf_counter", "time")}
_virtual: list[Callable[[], float]] = []


def real_seconds() -> float:
    """Return the real processor time of this process, in seconds."""
    return time.process_time()


def install() -> None:
    """Put the functions into ``time``."""
    time.monotonic = _asked("monotonic", 0.0)
    time.perf_counter = _asked("perf_counter", 0.0)
    time.time = _asked("time", EPOCH)


def use(now: Callable[[], float] | None) -> None:
    """Answer with this time from now on, in seconds since the run began; ``None``: with the real time."""
    _virtual[:] = [] if now is None else [now]


def _asked(name: str, begins: float) -> Callable[[], float]:
    real = _real[name]

    def ask() -> float:
        return begins + _virtual[0]() if _virtual else real()

    return ask
