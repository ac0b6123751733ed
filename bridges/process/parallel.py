"""Spread work over processes, show how far it is, and leave none of them behind."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[int, int], None]
"""Told the units done and the total; units are the source's own."""
Done = Callable[[int], None]
"""Called with the units that a step used up."""

_POLL_SECONDS = 0.2


def in_processes(
    work: Callable[[T, Sequence[int], Done], R],
    task: T,
    partitions: Sequence[int],
    total_of: Callable[[Sequence[int]], int],
    processes: int,
    progress: Progress | None,
) -> list[R]:
    """Do work on partitions, each process on its share; in this process if one is enough.

    Args:
        work: A function of a module: called with the task, the partitions of a share, and what to tell progress.
        task: Handed to each process.
        partitions: All of them.
        total_of: Units of work in some partitions.
        processes: At most so many.
        progress: Told how far it is.

    Returns:
        What each share came to, in the order of the shares.
    """
    processes = max(1, min(processes, len(partitions)))
    shares = [partitions[index::processes] for index in range(processes)]
    total = sum(total_of(share) for share in shares)
    if processes == 1:
        return [work(task, shares[0], _Summing(progress, total))]
    context = multiprocessing.get_context("spawn")
    shared = context.Array("q", processes + 1)
    with ProcessPoolExecutor(processes, context, _enter_pool, (shared,)) as pool:
        futures = [pool.submit(_do_share, work, task, share, index) for index, share in enumerate(shares)]
        try:
            _follow(futures, lambda: progress and progress(sum(shared[:-1]), total))
        except BaseException:
            shared[-1] = 1
            for future in futures:
                with suppress(BaseException):
                    future.result()
            raise
    return [future.result() for future in futures]


def _follow(futures: Sequence[Future[Any]], tell: Callable[[], object]) -> None:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        tell()
        for future in done:
            future.result()  # the first failure ends it all


class _Summing:
    """Turns units done into a sum, for who shows progress."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def __call__(self, done: int) -> None:
        self._done += done
        if self._progress is not None:
            self._progress(self._done, self._total)


class Furthest:
    """Tells of work that may begin again, no unit of it twice.

    Args:
        done: Is told.
    """

    def __init__(self, done: Done) -> None:
        self._done = done
        self._told = 0
        self._at = 0

    def begin(self) -> Done:
        """Begin the work, or begin it again; returns what it is to tell."""
        self._at = 0
        return self._tell

    def _tell(self, units: int) -> None:
        self._at += units
        self._done(max(0, self._at - self._told))
        self._told = max(self._told, self._at)


# -- in a process of the pool ----------------------------------------------------------------------------------------

_shared: Any = None
"""Units done by each share of the work, then a flag that says stop."""


class _Stopped(Exception):
    """The main process has given up."""


def _enter_pool(shared: Any) -> None:
    global _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the main process decides


def _do_share(work: Callable[[T, Sequence[int], Done], R], task: T, share: Sequence[int], index: int) -> R:
    def done(units: int) -> None:
        _shared[index] += units
        if _shared[-1]:
            raise _Stopped

    return work(task, share, done)
