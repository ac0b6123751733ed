"""The data of a backtest's report: plain values that depend on nothing but the readings, the settings and the version.

No clock, no machine, no cost goes in: those who run the same backtest twice can compare the bytes.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from streams.backtest.baselines import BASELINES
from streams.backtest.configuration import Configuration
from streams.backtest.difference import Difference, difference
from streams.backtest.evaluation import open_seconds
from streams.backtest.intervals import Interval, Series
from streams.backtest.outcome import Judged, Outcome, digest_of, judge_all, judge_configuration
from streams.records.types import Label

FORMAT = "weir-backtest-1"


class BacktestReport:
    """Everything that is told about a backtest.

    Args:
        outcome: What came of it.
        configurations: In their order; the last is the one that is judged, the first is what it is compared with.
        labels: Ground truth within what was read; ``None`` if none was given.
        tolerance: Seconds after a label in which an anomaly still finds it.
    """

    def __init__(
        self,
        outcome: Outcome,
        configurations: Sequence[Configuration],
        labels: Sequence[Label] | None = None,
        tolerance: float = 0.0,
    ) -> None:
        self.outcome = outcome
        self.configurations = configurations
        self.labels = labels
        self.tolerance = tolerance
        self.judged = judge_all(outcome, configurations, labels, tolerance)
        self.baselines = [
            judge_configuration(outcome, name, None, outcome.detections[name], labels, tolerance)
            for name in BASELINES
            if name in outcome.detections
        ]
        self.differences: list[tuple[Judged, Judged, Difference]] = [
            (self.judged[0], other, difference(self.judged[0].intervals, other.intervals, outcome.ends))
            for other in self.judged[1:]
        ]

    def ranking(self) -> list[dict[str, Any]]:
        """Rank series by what a reader should look at first: changes, missed labels, anomalies."""
        changes: dict[Series, dict[str, int]] = {}
        for _, _, found in self.differences:
            for name, intervals in (
                ("appeared", found.appeared),
                ("vanished", found.vanished),
                ("moved", [after for _, after in found.moved]),
            ):
                for interval in intervals:
                    counts = changes.setdefault((interval.sensor_id, interval.quantity), {})
                    counts[name] = counts.get(name, 0) + 1
        ranked = [self._ranked(series, changes.get(series, {})) for series in self._all_series()]
        ranked.sort(key=_interest)
        return ranked

    def _all_series(self) -> list[Series]:
        return sorted(self._readings)

    @cached_property
    def _readings(self) -> dict[Series, int]:
        """Readings of each series; of rates of counters, how many there were in the last configuration with any."""
        rates: dict[Series, int] = {}
        for results in self.outcome.detections.values():
            rates |= results.rates
        return rates | {
            (sensor_id, quantity): readings
            for sensor_id, sensor in self.outcome.sensors.items()
            for quantity, readings in sensor.quantities.items()
        }

    def _ranked(self, series: Series, changes: Mapping[str, int]) -> dict[str, Any]:
        sensor_id, quantity = series
        end = self.outcome.sensors[sensor_id].last
        own: Mapping[str, Any] = {
            each.name: {
                "anomalies": len(each.intervals.get(series, ())),
                "alarm_seconds": open_seconds(each.intervals.get(series, ()), end),
                "missed": sum(_concerns(label, series) for label in each.verdict.missed)
                if each.verdict
                else None,
            }
            for each in self.judged
        }
        return {
            "sensor_id": sensor_id,
            "quantity": quantity,
            "readings": self._readings[series],
            "labels": sum(_concerns(label, series) for label in self.labels or ()),
            "appeared": changes.get("appeared", 0),
            "vanished": changes.get("vanished", 0),
            "moved": changes.get("moved", 0),
            "configurations": own,
        }

    @property
    def silence_not_tried(self) -> list[str]:
        """Configurations with a limit of silence, where nothing that was read says when somebody listened."""
        return [
            each.name for each in self.configurations if not self.outcome.listening and each.plan().of_silence
        ]

    def data(self, source: Mapping[str, Any], selection: Mapping[str, Any], version: str) -> dict[str, Any]:
        """Return the report as plain values.

        Args:
            source: What was read, as the source describes itself.
            selection: Sensors and range that were asked for.
            version: Weir's version.
        """
        outcome = self.outcome
        sensors = outcome.sensors.values()
        return {
            "format": FORMAT,
            "weir": version,
            "source": dict(source),
            "selection": dict(selection),
            "first": min((sensor.first for sensor in sensors), default=None),
            "last": max((sensor.last for sensor in sensors), default=None),
            "sensors": len(outcome.sensors),
            "series": len(self._all_series()),
            "readings": outcome.readings,
            "ticks": outcome.ticks,
            "silence_not_tried": self.silence_not_tried,
            "unreadable": outcome.unreadable,
            "unprocessable": outcome.unprocessable.records,
            "sensor_days": outcome.sensor_days,
            "labels": None if self.labels is None else [_plain(label) for label in self.labels],
            "tolerance_seconds": self.tolerance,
            "configurations": [
                {**self._described(each), **_told(judged)}
                for each, judged in zip(self.configurations, self.judged, strict=True)
            ],
            "baselines": [_told(each) for each in self.baselines],
            "differences": [
                {
                    "before": before.name,
                    "after": after.name,
                    "same": found.same,
                    "moved": [[_plain(old), _plain(new)] for old, new in found.moved],
                    "vanished": [_plain(each) for each in found.vanished],
                    "appeared": [_plain(each) for each in found.appeared],
                }
                for before, after, found in self.differences
            ],
            "ranking": self.ranking(),
        }

    def _described(self, configuration: Configuration) -> dict[str, Any]:
        windows = self.outcome.windows.get(configuration.windows_key)
        detections = self.outcome.detections.get(configuration.detection_key)
        return {
            "windows": configuration.windows,
            "detection": configuration.detection,
            "digests": {
                "windows": digest_of(windows.digests) if windows else None,
                "anomalies": digest_of(detections.digests) if detections else None,
            },
        }


def _told(judged: Judged) -> dict[str, Any]:
    return {
        "name": judged.name,
        "figures": judged.figures,
        "anomalies": [
            _plain(each) for series in sorted(judged.intervals) for each in judged.intervals[series]
        ],
        "missed": [_plain(each) for each in judged.verdict.missed] if judged.verdict else None,
    }


def _plain(record: Interval | Label) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def _concerns(label: Label, series: Series) -> bool:
    return label.sensor_id == series[0] and label.quantity in (series[1], "*")


def _interest(ranked: dict[str, Any]) -> tuple[Any, ...]:
    own = ranked["configurations"].values()
    return (
        -(ranked["appeared"] + ranked["vanished"] + ranked["moved"]),
        -sum(each["missed"] or 0 for each in own),
        -sum(each["anomalies"] for each in own),
        -ranked["labels"],
        ranked["sensor_id"],
        ranked["quantity"],
    )


def encoded(data: Mapping[str, Any]) -> bytes:
    """Encode a report's data as JSON, with its keys in order: equal reports have equal bytes."""
    return msgspec.json.format(msgspec.json.encode(dict(data), order="sorted"), indent=1) + b"\n"
