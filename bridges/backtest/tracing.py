"""What the page draws: the readings of a few series in bins, and what each configuration expected of them.

A second pass over the source, of the chosen sensors only: memory stays small however many sensors there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from bridges.backtest.backtesting import Backtest
from bridges.process.parallel import Progress
from bridges.sources.source import Source
from streams.backtest.net import Doubts
from streams.backtest.trace import SeriesTrace, TraceRun


def traces(
    backtest: Backtest, ranked: Sequence[Mapping[str, Any]], progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Trace series.

    Args:
        backtest: As it was run.
        ranked: The series to trace, in the order in which they are drawn: ``sensor_id`` and ``quantity``.
        progress: Told how far it is.

    Returns:
        Plain values for `bridges.backtest.html_report.page`.
    """
    doubts = Doubts()
    return doubts.settle(lambda: _traces(backtest, ranked, progress, doubts))


def _traces(
    backtest: Backtest, ranked: Sequence[Mapping[str, Any]], progress: Progress | None, doubts: Doubts
) -> list[dict[str, Any]]:
    chosen = {
        (each["sensor_id"], each["quantity"]): SeriesTrace(len(backtest.configurations)) for each in ranked
    }
    if not chosen:
        return []
    source: Any = backtest.source
    sensors = tuple(sorted({sensor_id for sensor_id, _ in chosen}))
    narrowed = cast(Source, replace(source, selection=replace(source.selection, sensors=sensors)))
    run = TraceRun([each.plan() for each in backtest.configurations], chosen, doubts)
    total, done = narrowed.total(narrowed.partitions), 0
    for chunk in narrowed.read(narrowed.partitions):
        run.apply(chunk.partition, chunk.records)
        done += chunk.done
        if progress is not None:
            progress(done, total)
    return [
        {"sensor_id": sensor_id, "quantity": quantity, **trace.data()}
        for (sensor_id, quantity), trace in chosen.items()
    ]
