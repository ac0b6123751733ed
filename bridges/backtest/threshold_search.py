"""Tune the raise threshold over a source: train on the earlier readings, report on the later ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from bridges.backtest.backtesting import Backtest
from bridges.process.parallel import Progress
from bridges.sources.source import Source
from streams.backtest.configuration import Configuration
from streams.backtest.outcome import Outcome
from streams.backtest.tuning import (
    Budget,
    Trial,
    best,
    between,
    ladder,
    split_labels,
    threshold_of,
    tried,
)
from streams.errors import ConfigurationError
from streams.records.types import Label
from streams.signals.wire import iso


@dataclass(frozen=True)
class Tuned:
    """What came of tuning.

    Args:
        split: Event time between training and held-out readings.
        trials: On the training range, from the most to the least sensitive.
        chosen: The best of them within the budget; ``None`` if none keeps to it.
        held_out: The chosen one on the held-out range.
        held_out_base: The configuration it started from, there.
    """

    split: float
    trials: list[Trial]
    chosen: Trial | None
    held_out: Trial | None
    held_out_base: Trial | None


@dataclass(frozen=True)
class Tuning:
    """What to tune.

    Args:
        source: Recorded readings, bounded by event time.
        base: Configuration to start from.
        budget: Alarms that are acceptable.
        labels: Ground truth, if there is any.
        tolerance: Seconds after a label in which it may still be found.
        share: Of the event time that is for training.
        split: In place of a share.
        processes: Processes to use.
        skip_unreadable: Pass over what cannot be read.
    """

    source: Source
    base: Configuration
    budget: Budget
    labels: Sequence[Label] | None = None
    tolerance: float = 0.0
    share: float = 0.7
    split: float | None = None
    processes: int = 1
    skip_unreadable: bool = False

    def run(self, progress: Progress | None = None) -> Tuned:
        """Search on the training range, then report on the held-out one, never on the same.

        Raises:
            ConfigurationError: If the split leaves one of the ranges, or its labels, empty.
            NothingToRead, UnreadableRecords: As of a backtest.
        """
        whole = self._outcome(self.source, [], progress)
        first = min(sensor.first for sensor in whole.sensors.values())
        last = max(sensor.last for sensor in whole.sensors.values())
        split = first + self.share * (last - first) if self.split is None else self.split
        if not first < split <= last:
            raise ConfigurationError(
                f"the split, {iso(split)}, must lie within the readings, {iso(first)} to {iso(last)}"
            )
        training, held_out = self._labels(split)
        trials = self._train(split, training, progress)
        chosen = best(trials, self.budget)
        if chosen is None:
            return Tuned(split, trials, None, None, None)
        pair = [self.base, chosen.configuration]
        outcome = self._outcome(self.source, pair, progress)
        nats = (threshold_of(self.base), chosen.nats)
        base, tuned = (
            self._tried(outcome, each, surprise, held_out, since=split)
            for each, surprise in zip(pair, nats, strict=True)
        )
        return Tuned(split, trials, chosen, tuned, base)

    def _labels(self, split: float) -> tuple[list[Label] | None, list[Label] | None]:
        if self.labels is None:
            return None, None
        training, held_out = split_labels(self.labels, split)
        if not training or not held_out:
            raise ConfigurationError(
                f"{len(training)} labels lie before the split at {iso(split)} and {len(held_out)} after it: "
                "both ranges need some; choose another --split"
            )
        return training, held_out

    def _train(self, split: float, labels: list[Label] | None, progress: Progress | None) -> list[Trial]:
        source: Any = self.source
        earlier = cast(Source, replace(source, selection=replace(source.selection, until=split)))
        trials: list[Trial] = []
        steps = ladder(self.base)
        while steps:
            outcome = self._outcome(earlier, [each for _, each in steps], progress)
            trials += [self._tried(outcome, each, nats, labels) for nats, each in steps]
            refined = len(trials) > len(steps)
            chosen = best(trials, self.budget)
            steps = [] if refined or chosen is None else ladder(self.base, between(trials, chosen))
        return sorted(trials, key=lambda trial: trial.nats)

    def _tried(
        self,
        outcome: Outcome,
        configuration: Configuration,
        nats: float,
        labels: list[Label] | None,
        since: float | None = None,
    ) -> Trial:
        intervals = outcome.detections[configuration.detection_key].intervals.by_series
        return tried(configuration, nats, intervals, outcome.sensors, labels, self.tolerance, since)

    def _outcome(
        self, source: Source, configurations: Sequence[Configuration], progress: Progress | None
    ) -> Outcome:
        run = Backtest(source, tuple(configurations), skip_unreadable=self.skip_unreadable, windows=False)
        return run.run(self.processes, progress)
