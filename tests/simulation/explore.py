"""Play many seeds in processes, and say which of them did not come out as an undisturbed run.

    python -m tests.simulation.explore --seeds 1000              what CI does: `make simulate`
    python -m tests.simulation.explore --first 123 --seeds 1 --trace    one seed alone, with everything that happened

Each process is a fresh interpreter: time must be virtual before Faust is imported, and the order of sets of strings
fixed before Python starts (PYTHONHASHSEED), or a seed would not be the same run each time.
"""

import argparse
import gc
import multiprocessing
import os
import pickle
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeVar, cast

T = TypeVar("T")

_TOGETHER = 10  # seeds that a process is given at once
_TELL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a seed.

    Args:
        seed: The seed.
        schedule: What it drew, as text.
        kinds: The kinds of its faults.
        differences: How the results differ from an undisturbed run; empty if they do not.
        failures: Why workers ended by themselves.
        digest: Of the trace.
        trace: Its lines, if they were asked for.
        seconds, processor_seconds: Virtual time and real processor time that it took.
    """

    seed: int
    schedule: str
    kinds: tuple[str, ...]
    differences: list[str]
    failures: list[str]
    digest: str
    trace: list[str] = field(repr=False)
    seconds: float
    processor_seconds: float

    def __str__(self) -> str:
        lines = [self.schedule, *(f"    ended: {each}" for each in self.failures)]
        return "\n".join((*lines, *(f"    differs: {each}" for each in self.differences[:12])))


def play_some(seeds: Sequence[int], *, trace: bool = False, put_back: str = "") -> list[Played]:
    """Play seeds, each in a child of this process, which must be one of `_in_pool`."""
    return [_in_child(partial(_play, seed, trace, put_back)) for seed in seeds]


def _play(seed: int, trace: bool, put_back: str) -> Played:
    from tests.simulation import clock
    from tests.simulation.faults_put_back import back
    from tests.simulation.run import play_seed

    began = clock.real_seconds()
    with back(put_back):
        schedule, run, differences = play_seed(seed, trace=trace)
    return Played(
        seed,
        str(schedule),
        tuple(fault.kind for fault in schedule.faults),
        differences,
        run.failures,
        run.trace.digest,
        run.trace.lines or [],
        run.seconds,
        clock.real_seconds() - began,
    )


def _in_child(work: Callable[[], T]) -> T:
    """Work in a forked process: what runs leave behind ends with it, where collecting it took half of the time."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        gc.disable()
        try:
            answer: tuple[bool, Any] = True, work()
        except BaseException as error:
            answer = False, f"{error!r}\n{traceback.format_exc()}"
        with os.fdopen(write, "wb") as out:
            pickle.dump(answer, out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as found:
        done, answer_of_child = pickle.load(found)
    os.waitpid(child, 0)
    if not done:
        raise RuntimeError(f"a run failed: {answer_of_child}")
    return cast(T, answer_of_child)


def in_processes(work: Callable[[Any], T], tasks: Iterable[Any], processes: int = 2) -> Iterator[T]:
    """Do work on tasks, each in a process of its own in which the simulation can run; yields what comes, in order.

    Args:
        work: A function of a module.
        tasks: What it is called with, one after the other.
        processes: How many work at once.
    """
    yield from _in_pool(partial(_apart, work), tasks, processes)


def _apart(work: Callable[[Any], T], task: Any) -> T:
    return _in_child(lambda: work(task))


def _in_pool(work: Callable[[Any], T], tasks: Iterable[Any], processes: int) -> Iterator[T]:
    known = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        yield from _pool(processes).map(work, tasks)
    finally:
        if known is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = known


@cache
def _pool(processes: int) -> ProcessPoolExecutor:
    """Return processes that are ready, for all that is still to come: to get ready takes each some seconds."""
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _prepare)


def _prepare() -> None:
    """Make a fresh process ready: virtual time first, then Faust, which asks for it."""
    from tests.simulation import clock

    clock.install()
    import structlog
    from mode.threads import ServiceThread

    from tests.simulation import run
    from tests.simulation.one_loop import bury
    from tests.simulation.readings import WORKLOADS

    quiet = structlog.make_filtering_bound_logger(50)
    structlog.configure(wrapper_class=quiet, logger_factory=structlog.ReturnLoggerFactory())
    ServiceThread.on_crash = _say_nothing  # type: ignore[method-assign]  # it prints, even when collected
    sys.unraisablehook = lambda _: None  # who was killed in a run says so when it is collected
    for day in range(WORKLOADS):
        run.undisturbed(day)  # once for all children
    bury()
    gc.freeze()


def seeds_needed(put_back: str, first: int, most: int, processes: int = 2) -> Played | None:
    """Play seeds with a fault of the past put back in, up to the first that finds it; ``None`` if none does."""
    with closing(explore(first, most, processes=processes, put_back=put_back)) as playing:
        return next((played for played in playing if played.differences), None)


def _say_nothing(*_: Any, **__: Any) -> None: ...


def explore(
    first: int, seeds: int, *, processes: int = 2, trace: bool = False, put_back: str = ""
) -> Generator[Played, None, None]:
    """Play seeds one after the other, in processes."""
    together = 2 if put_back else _TOGETHER
    chunks = [range(at, min(at + together, first + seeds)) for at in range(first, first + seeds, together)]
    work = partial(play_some, trace=trace, put_back=put_back)
    for some in _in_pool(work, chunks, processes):
        yield from some


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--trace", action="store_true", help="print everything that happened")
    parser.add_argument("--digests", action="store_true", help="print a digest of each run")
    parser.add_argument("--put-back", default="", help="play with a fault of the past in it")
    chosen = parser.parse_args()
    began = told = time.monotonic()
    kinds: Counter[str] = Counter()
    failed, done, ended, cost = [], 0, 0, 0.0
    for played in explore(
        chosen.first,
        chosen.seeds,
        processes=chosen.processes,
        trace=chosen.trace,
        put_back=chosen.put_back,
    ):
        done, ended, cost = done + 1, ended + len(played.failures), cost + played.processor_seconds
        kinds.update(played.kinds)
        if chosen.trace:
            print(played.schedule, *(line.rstrip() for line in played.trace), sep="\n")
        if chosen.digests:
            print(played.seed, played.digest)
        if played.differences:
            failed.append(played.seed)
            print(played, flush=True)
        if time.monotonic() - told > _TELL_SECONDS and sys.stderr.isatty():
            told = time.monotonic()
            print(f"{done} of {chosen.seeds} seeds, {len(failed)} differ", file=sys.stderr)
    if not chosen.digests:
        print(
            f"{done} seeds in {time.monotonic() - began:.0f} s ({cost / done:.2f} s of processor time each), "
            f"{sum(kinds.values())} faults, {ended} workers ended by themselves; {len(failed)} differ"
        )
        print(", ".join(f"{kind} {number}" for kind, number in kinds.most_common()))
    if failed:
        print(f"differ: {failed}; one alone: make simulate SEEDS=1 FIRST={failed[0]} TRACE=1")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
