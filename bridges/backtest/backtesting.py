"""Run a backtest over a source, in several processes if wanted: the same outcome for any number of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bridges.process.parallel import Done, Furthest, Progress, in_processes
from bridges.sources.source import Source, check_found
from streams.backtest.baselines import BASELINES, BaselineRun
from streams.backtest.configuration import Configuration
from streams.backtest.net import Doubts
from streams.backtest.outcome import Outcome
from streams.backtest.peer_runs import GatheringRun, compare_gathered
from streams.backtest.runs import Coverage, DetectionRun, RowTimes, WindowRun
from streams.errors import WeirError

_PEERS: Final = "peers "
"""Stands before the key of a detection in that of what it compares."""


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
        nab: Keep the event time of every reading, for NAB's scores: eight bytes a value.
    """

    source: Source
    configurations: tuple[Configuration, ...]
    skip_unreadable: bool = False
    windows: bool = True
    detection: bool = True
    baselines: bool = False
    seed: int = 1
    nab: bool = False

    def run(self, processes: int = 1, progress: Progress | None = None) -> Outcome:
        """Run it.

        Args:
            processes: At most so many; each takes some of the source's partitions.
            progress: Told how far it is.

        Raises:
            UnreadableRecords: With the first of them.
            NothingToRead: If nothing was selected.
        """
        source = self.source
        outcome = Outcome()
        for part in in_processes(run_partitions, self, source.partitions, source.total, processes, progress):
            outcome.merge(part)
        self._compare_peers(outcome)
        if outcome.unreadable and not self.skip_unreadable:
            where, detail = outcome.unreadable_shown[0]
            raise UnreadableRecords(
                f"{outcome.unreadable} records cannot be read, the first is {where}: {detail}; "
                "correct them, or pass over them with --skip-unreadable, as the live worker does"
            )
        check_found(self.source, outcome.sensors)
        return outcome

    def _compare_peers(self, outcome: Outcome) -> None:
        """Compare peers across all partitions, and add what is found to the results of their configuration."""
        for each in self.configurations:
            key = each.detection_key
            if (inputs := outcome.peer_inputs.pop(key, None)) is None:
                continue
            begun = time.process_time()
            found = compare_gathered(each.peer_plan(), inputs)
            outcome.detections[key].add(found.anomalies)
            outcome.beside_peers[key] = found.became
            took = outcome.seconds.pop(f"{_PEERS}{key}", 0.0) + time.process_time() - begun
            outcome.seconds[key] = outcome.seconds.get(key, 0.0) + took


def run_partitions(backtest: Backtest, partitions: Sequence[int], progress: Done) -> Outcome:
    """Run some partitions of the source, in this process.

    Args:
        backtest: What to run.
        partitions: Of its source.
        progress: Called with the units that each chunk used up.
    """
    doubts, told = Doubts(), Furthest(progress)
    outcome = doubts.settle(lambda: _run_partitions(backtest, partitions, told.begin(), doubts))
    outcome.unprocessable = doubts.set_aside
    return outcome


def _run_partitions(backtest: Backtest, partitions: Sequence[int], progress: Done, doubts: Doubts) -> Outcome:
    outcome = Outcome()
    coverage, times = Coverage(), RowTimes()
    runs = _runs_of(backtest, doubts)
    seconds = dict.fromkeys(("read", *runs), 0.0)
    clock = time.process_time
    begun = clock()
    for chunk in backtest.source.read(partitions):
        for where, detail in chunk.unreadable:
            outcome.note_unreadable(where, detail)
        if records := chunk.records:
            coverage.apply(records)
            if backtest.nab:
                times.apply(records)
            seconds["read"] += (now := clock()) - begun
            for key, run in runs.items():
                run.apply(chunk.partition, records)
                begun, now = now, clock()
                seconds[key] += now - begun
            begun = now
        progress(chunk.done)
    seconds["read"] += clock() - begun
    for key, run in runs.items():
        if isinstance(run, GatheringRun):
            run.close()
            outcome.peer_inputs[key.removeprefix(_PEERS)] = run.inputs
        elif isinstance(run, WindowRun):
            run.close()
            outcome.windows[key] = run.results()
        else:
            outcome.detections[key] = run.results()
    outcome.sensors = coverage.sensors
    outcome.ticks = coverage.ticks
    outcome.listening = coverage.listening
    outcome.times = times.by_series
    outcome.seconds = seconds
    return outcome


def _runs_of(backtest: Backtest, doubts: Doubts) -> dict[str, WindowRun | DetectionRun | BaselineRun]:
    """Make one run for each distinct window policy and detection plan: equal ones need to run only once."""
    runs: dict[str, WindowRun | DetectionRun | BaselineRun] = {}
    for each in backtest.configurations:
        if backtest.windows and each.windows_key not in runs:
            runs[each.windows_key] = WindowRun(each.policy(), doubts=doubts, name=each.windows_key)
        if backtest.detection and each.detection_key not in runs:
            runs[each.detection_key] = DetectionRun(each.plan(), doubts=doubts, name=each.detection_key)
            if (peers := each.peer_plan()).used:
                key = f"{_PEERS}{each.detection_key}"
                runs[key] = GatheringRun(each.policy(), peers, doubts=doubts, name=key)
    if backtest.baselines:
        plan = backtest.configurations[-1].plan()
        runs |= {name: BaselineRun(name, plan, backtest.seed) for name in BASELINES}
    return runs
