"""Run contenders over labelled series, in several processes if wanted: the same figures for any number of them."""

from collections.abc import Sequence
from typing import NamedTuple

from bridges.process.parallel import Done, Progress, in_processes
from streams.scoring.contenders import Contender, Raises, run_series
from streams.scoring.fits import LabelledSeries


class _Task(NamedTuple):
    series: Sequence[LabelledSeries]
    contenders: Sequence[Contender]


def raises_of(
    contenders: Sequence[Contender],
    series: Sequence[LabelledSeries],
    processes: int = 1,
    progress: Progress | None = None,
) -> list[list[Raises]]:
    """Run each contender over each series.

    Args:
        contenders: In their order.
        series: In their order.
        processes: At most so many; each takes some of the series.
        progress: Told how many readings are done, those of each contender apart.

    Returns:
        What each contender raised, on each series.
    """
    task = _Task(series, contenders)

    def total(numbers: Sequence[int]) -> int:
        return len(contenders) * sum(len(series[number].times) for number in numbers)

    found: dict[int, list[Raises]] = {}
    for part in in_processes(_run, task, range(len(series)), total, processes, progress):
        found |= part
    return [[found[number][at] for number in range(len(series))] for at in range(len(contenders))]


def _run(task: _Task, numbers: Sequence[int], done: Done) -> dict[int, list[Raises]]:
    found: dict[int, list[Raises]] = {}
    for number in numbers:
        found[number] = []
        for contender in task.contenders:
            found[number].append(run_series(contender, task.series[number]))
            done(len(task.series[number].times))
    return found
