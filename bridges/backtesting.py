"""Run a backtest over a source, in several processes if wanted: the same outcome for any number of them."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bridges.sources.base import Source, check_found
from streams.backtest.baselines import BASELINES, BaselineRun
from streams.backtest.configuration import Configuration
from streams.backtest.outcome import Outcome
from streams.backtest.runs import Coverage, DetectionRun, WindowRun
from streams.errors import WeirError

Progress = Callable[[int, int], None]
"""Told the units done and the total; units are the source's own."""


class UnreadableRecords(WeirError):
    """The source has records that cannot be read, and was not told to pass over them."""


@dataclass(frozen=True)
class Backtest:
    """What to run.

    Args:
        source: Recorded readings.
        configurations: To run them through.
        skip_unreadable: Pass over what cannot be read, as the live worker does, and count it.
        windows, detection: Leave out one of the two.
        baselines: Run the baselines, too, under the thresholds of the last configuration.
        seed: Of the baseline that goes by chance.
    """

    source: Source
    configurations: tuple[Configuration, ...]
    skip_unreadable: bool = False
    windows: bool = True
    detection: bool = True
    baselines: bool = False
    seed: int = 1

    def run(self, processes: int = 1, progress: Progress | None = None) -> Outcome:
        """Run it.

        Args:
            processes: At most so many; each takes some of the source's partitions.
            progress: Told how far it is.

        Raises:
            UnreadableRecords: With the first of them.
            NothingToRead: If nothing was selected.
        """
        partitions = self.source.partitions
        processes = max(1, min(processes, len(partitions)))
        if processes == 1:
            total = self.source.total(partitions)
            outcome = run_partitions(self, partitions, _Summing(progress, total))
        else:
            outcome = _run_apart(self, processes, progress)
        if outcome.unreadable and not self.skip_unreadable:
            where, detail = outcome.unreadable_shown[0]
            raise UnreadableRecords(
                f"{outcome.unreadable} records cannot be read, the first is {where}: {detail}; "
                "correct them, or pass over them with --skip-unreadable, as the live worker does"
            )
        check_found(self.source, outcome.sensors)
        return outcome


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


def run_partitions(backtest: Backtest, partitions: Sequence[int], progress: Callable[[int], None]) -> Outcome:
    """Run some partitions of the source, in this process.

    Args:
        backtest: What to run.
        partitions: Of its source.
        progress: Called with the units that each chunk used up.
    """
    outcome = Outcome()
    coverage = Coverage()
    runs = _runs_of(backtest)
    seconds = dict.fromkeys(("read", *runs), 0.0)
    clock = time.process_time
    begun = clock()
    for chunk in backtest.source.read(partitions):
        for where, detail in chunk.unreadable:
            outcome.note_unreadable(where, detail)
        if records := chunk.records:
            coverage.apply(records)
            seconds["read"] += (now := clock()) - begun
            for key, run in runs.items():
                run.apply(chunk.partition, records)
                begun, now = now, clock()
                seconds[key] += now - begun
            begun = now
        progress(chunk.done)
    seconds["read"] += clock() - begun
    for key, run in runs.items():
        if isinstance(run, WindowRun):
            run.close()
            outcome.windows[key] = run.results()
        else:
            outcome.detections[key] = run.results()
    outcome.sensors = coverage.sensors
    outcome.ticks = coverage.ticks
    outcome.seconds = seconds
    return outcome


def _runs_of(backtest: Backtest) -> dict[str, WindowRun | DetectionRun | BaselineRun]:
    """Make one run for each distinct window policy and detection plan: equal ones need to run only once."""
    runs: dict[str, WindowRun | DetectionRun | BaselineRun] = {}
    for each in backtest.configurations:
        if backtest.windows and each.windows_key not in runs:
            runs[each.windows_key] = WindowRun(each.policy())
        if backtest.detection and each.detection_key not in runs:
            runs[each.detection_key] = DetectionRun(each.plan())
    if backtest.baselines:
        plan = backtest.configurations[-1].plan()
        runs |= {name: BaselineRun(name, plan, backtest.seed) for name in BASELINES}
    return runs


# -- in several processes ------------------------------------------------------------------------------------------

_POLL_SECONDS = 0.2
_shared: Any = None
"""In a process of the pool: units done by each share of the work, then a flag that says stop."""


class _Stopped(Exception):
    """The main process has given up."""


def _enter_pool(shared: Any) -> None:
    global _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the main process decides


def _run_share(backtest: Backtest, partitions: Sequence[int], index: int) -> Outcome:
    def progress(done: int) -> None:
        _shared[index] += done
        if _shared[-1]:
            raise _Stopped

    return run_partitions(backtest, partitions, progress)


def _run_apart(backtest: Backtest, processes: int, progress: Progress | None) -> Outcome:
    partitions = backtest.source.partitions
    shares = [partitions[index::processes] for index in range(processes)]
    total = sum(backtest.source.total(share) for share in shares)
    context = multiprocessing.get_context("spawn")
    shared = context.Array("q", processes + 1)
    with ProcessPoolExecutor(processes, context, _enter_pool, (shared,)) as pool:
        futures: list[Future[Outcome]] = [
            pool.submit(_run_share, backtest, share, index) for index, share in enumerate(shares)
        ]
        try:
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                if progress is not None:
                    progress(sum(shared[:-1]), total)
                for future in done:
                    future.result()  # the first failure ends it all
        except BaseException:
            shared[-1] = 1
            for future in futures:
                with suppress(BaseException):
                    future.result()
            raise
    outcome = Outcome()
    for future in futures:
        outcome.merge(future.result())
    return outcome
