"""What a backtest found: put together from partitions, and turned into figures."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from streams.backtest.configuration import Configuration
from streams.backtest.evaluation import Evaluation, burden, evaluate_by_labels
from streams.backtest.gates import Figures
from streams.backtest.intervals import Interval, Series
from streams.backtest.nab_scores import PROFILES, nab_scores
from streams.backtest.net import SetAside
from streams.backtest.peer_runs import InputsBySource
from streams.backtest.runs import DetectionResults, SensorCoverage, WindowResults
from streams.records.types import Label

_SHOWN = 5
ALWAYS = (
    "anomalies", "alarms_per_sensor_day", "alarm_seconds", "flaps", "regime_changes", "skipped", "windows", "late",
    "duplicates",
)  # fmt: skip
"""Figures that need no labels."""
BY_LABELS = (
    "recall", "precision", "f1", "median_delay_seconds", "mean_delay_seconds", "missed", "false_alarms",
)  # fmt: skip
"""Figures that need labels."""
BY_ROWS = tuple(PROFILES)
"""Figures that need labels and the event times of all readings."""


@dataclass(slots=True)
class Outcome:
    """What came of readings under several configurations.

    Args:
        sensors: What was read of each sensor.
        ticks: Ticks read.
        listening: Of these, those that say since when the bridge had heard everything.
        unreadable: Records that could not be read, and the first few of them: where, and why.
        unprocessable: Records in which windows or detection failed, set aside as the worker does.
        windows: By `Configuration.windows_key`.
        detections: By `Configuration.detection_key`, or a baseline's name.
        seconds: CPU time of reading (``read``), and of each key.
        times: Event times by series, where they were kept for NAB's scores.
        peer_inputs: What is to be compared with its peers, by `Configuration.detection_key`.
        beside_peers: What became of it, likewise (`streams.peers.comparing.PeerOutcome.became`).
    """

    sensors: dict[str, SensorCoverage] = field(default_factory=dict)
    ticks: int = 0
    listening: int = 0
    unreadable: int = 0
    unreadable_shown: list[tuple[str, str]] = field(default_factory=list)
    unprocessable: SetAside = field(default_factory=SetAside)
    windows: dict[str, WindowResults] = field(default_factory=dict)
    detections: dict[str, DetectionResults] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    times: "dict[Series, array[float]]" = field(default_factory=dict)
    peer_inputs: dict[str, InputsBySource] = field(default_factory=dict)
    beside_peers: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def readings(self) -> int:
        """Readings of all sensors."""
        return sum(sensor.readings for sensor in self.sensors.values())

    @property
    def sensor_days(self) -> float:
        """Event time covered, summed over sensors, in days."""
        return sum(self.sensors[sensor_id].days for sensor_id in sorted(self.sensors))

    @property
    def ends(self) -> dict[str, float]:
        """Last event time of each sensor."""
        return {sensor_id: sensor.last for sensor_id, sensor in self.sensors.items()}

    def note_unreadable(self, where: str, detail: str) -> None:
        """Count a record that cannot be read."""
        self.unreadable += 1
        if len(self.unreadable_shown) < _SHOWN:
            self.unreadable_shown.append((where, detail))

    def merge(self, other: "Outcome") -> None:
        """Add what came of other partitions; no sensor stands in two."""
        self.sensors |= other.sensors
        self.ticks += other.ticks
        self.listening += other.listening
        self.times |= other.times
        self.unreadable += other.unreadable
        self.unreadable_shown = sorted(self.unreadable_shown + other.unreadable_shown)[:_SHOWN]
        self.unprocessable.merge(other.unprocessable)
        for key, windows in other.windows.items():
            self.windows.setdefault(key, WindowResults()).merge(windows)
        for key, detections in other.detections.items():
            self.detections.setdefault(key, DetectionResults()).merge(detections)
        for key, inputs in other.peer_inputs.items():
            self.peer_inputs.setdefault(key, {}).update(inputs)
        for key, seconds in other.seconds.items():
            self.seconds[key] = self.seconds.get(key, 0.0) + seconds


def digest_of(digests: Mapping[str, bytes]) -> str:
    """Hash the hashes of all sensors' results: equal if and only if all results are equal, byte for byte."""
    whole = blake2b(digest_size=16)
    for sensor_id in sorted(digests):
        whole.update(sensor_id.encode() + b"\0" + digests[sensor_id])
    return whole.hexdigest()


@dataclass(frozen=True)
class Judged:
    """One configuration (or baseline) with its figures.

    Args:
        name: The configuration's name.
        figures: Everything a gate can use.
        intervals: Its anomalies by series.
        verdict: How they agree with the labels; ``None`` without labels.
    """

    name: str
    figures: dict[str, float | None]
    intervals: Mapping[Series, Sequence[Interval]]
    verdict: Evaluation | None


def judge_configuration(
    outcome: Outcome,
    name: str,
    windows: WindowResults | None,
    detections: DetectionResults,
    labels: Sequence[Label] | None,
    tolerance: float,
) -> Judged:
    """Work out the figures of one configuration.

    Args:
        outcome: The whole backtest.
        name: The configuration's name.
        windows, detections: Its results; a baseline has no windows.
        labels: Ground truth, if there is any.
        tolerance: See `streams.backtest.evaluation.judge`.
    """
    intervals = detections.intervals.by_series
    load = burden(intervals, outcome.ends, outcome.sensor_days)
    figures: dict[str, float | None] = {
        "anomalies": load.anomalies,
        "alarms_per_sensor_day": load.alarms_per_sensor_day,
        "alarm_seconds": load.alarm_seconds,
        "flaps": load.flaps,
        "regime_changes": load.regime_changes,
        "skipped": detections.skipped,
        "windows": windows.aggregates if windows else None,
        "late": windows.late if windows else None,
        "duplicates": windows.duplicates if windows else None,
    }
    verdict = None if labels is None else evaluate_by_labels(intervals, labels, tolerance)
    figures |= {
        "recall": verdict.recall if verdict else None,
        "precision": verdict.precision if verdict else None,
        "f1": verdict.f1 if verdict else None,
        "median_delay_seconds": verdict.median_delay if verdict else None,
        "mean_delay_seconds": verdict.mean_delay if verdict else None,
        "missed": len(verdict.missed) if verdict else None,
        "false_alarms": verdict.false if verdict else None,
    }
    figures |= (
        nab_scores(outcome.times, intervals, labels) if labels and outcome.times else dict.fromkeys(BY_ROWS)
    )
    return Judged(name, figures, intervals, verdict)


def judge_all(
    outcome: Outcome,
    configurations: Sequence[Configuration],
    labels: Sequence[Label] | None,
    tolerance: float = 0.0,
) -> list[Judged]:
    """Work out the figures of every configuration, in their order.

    Args:
        outcome, labels, tolerance: As for `judge_configuration`.
        configurations: Those of the backtest; one without detections is judged as one that found nothing.
    """
    return [
        judge_configuration(
            outcome,
            each.name,
            outcome.windows.get(each.windows_key),
            outcome.detections.get(each.detection_key) or DetectionResults(),
            labels,
            tolerance,
        )
        for each in configurations
    ]


def gate_names(names: Sequence[str], *, labelled: bool, nab: bool = False) -> set[str]:
    """Return what a gate may name: figures of the configuration judged, or of any after its name and a dot.

    Args:
        names: Of the configurations.
        labelled: Whether there are labels.
        nab: Whether the event times of all readings are kept, which NAB's scores need beside the labels.
    """
    figures = (*ALWAYS, *(BY_LABELS if labelled else ()), *(BY_ROWS if labelled and nab else ()))
    return {*figures, *(f"{name}.{figure}" for name in names for figure in figures)}


def gate_figures(judged: Sequence[Judged], which: str) -> Figures:
    """Name the figures for a gate: alone those of configuration ``which``, after a name and a dot those of any."""
    figures: dict[str, float | None] = {}
    for each in judged:
        figures |= {f"{each.name}.{figure}": value for figure, value in each.figures.items()}
        if each.name == which:
            figures |= each.figures
    return figures
