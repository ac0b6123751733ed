"""Find the threshold that keeps to an alarm budget, and say what it does on readings it was not found on.

readings   [first ............ training ............ split)[........ held out ........ last]
training   every threshold of a ladder; the best within the budget is chosen
held out   the chosen one alone, its models warm from the training range; only what is raised after the split counts

What limits raise, they raise at every threshold: only the detector's anomalies count.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from streams.backtest.configuration import Configuration
from streams.backtest.evaluation import Burden, Evaluation, burden, evaluate_by_labels
from streams.backtest.intervals import Interval, Series
from streams.backtest.runs import SensorCoverage
from streams.detectors import score_of
from streams.errors import ConfigurationError
from streams.records.types import Label

_BUDGET = re.compile(
    r"(?:at most )?(?P<count>\d+(?:\.\d+)?) (?:alarms?|anomal(?:y|ies)|raises?) (?:per|a) sensor (?:per|a) "
    r"(?P<unit>hour|day|week|month|year)"
)
_DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.0, "year": 365.0}

# Scores from 0.99 (a normal reading in a hundred) to 1 - 1e-12, in nats.
LADDER = tuple(4.6 + 1.4 * step for step in range(17))
_REFINED = 6


@dataclass(frozen=True, slots=True)
class Budget:
    """How many alarms are acceptable.

    Args:
        text: As it was written.
        per_sensor_day: Alarms per sensor and day.
    """

    text: str
    per_sensor_day: float


def parse_budget(text: str) -> Budget:
    """Parse an alarm budget.

    Raises:
        ConfigurationError: If it is not understood.

    >>> round(parse_budget("at most 2 alarms per sensor per week").per_sensor_day, 4)
    0.2857
    """
    found = _BUDGET.fullmatch(" ".join(text.split()).lower())
    if found is None:
        raise ConfigurationError(
            "budget must read like 'at most 2 alarms per sensor per week' (hour, day, week, month or year), "
            f"got {text!r}"
        )
    return Budget(text, float(found["count"]) / _DAYS[found["unit"]])


@dataclass(frozen=True)
class Trial:
    """One threshold and what came of it.

    Args:
        configuration: With the threshold.
        nats: The threshold.
        burden: What its anomalies cost.
        verdict: How they agree with the labels; ``None`` without labels.
    """

    configuration: Configuration
    nats: float
    burden: Burden
    verdict: Evaluation | None

    @property
    def raise_at(self) -> float:
        """The threshold as a score."""
        return score_of(self.nats)


def with_threshold(base: Configuration, nats: float) -> Configuration:
    """Return a configuration with another raise threshold; exceptions for single series stay as they are.

    Args:
        base: The rest of the settings.
        nats: Surprise at which an anomaly is raised.
    """
    detection = {name: value for name, value in base.detection.items() if name != "budget_per_week"}
    detection["raise_at"] = score_of(nats)
    clear_at = detection.get("clear_at", base.plan().default.clear_at)
    detection["clear_at"] = min(float(clear_at), detection["raise_at"])
    return replace(base, name=f"raise_at {detection['raise_at']:.9g}", detection=detection)


def ladder(base: Configuration, nats: Sequence[float] = LADDER) -> list[tuple[float, Configuration]]:
    """Return the configurations of a training pass, from the most to the least sensitive."""
    return [(each, with_threshold(base, each)) for each in sorted(nats)]


def tried(
    configuration: Configuration,
    nats: float,
    intervals: Mapping[Series, Sequence[Interval]],
    coverage: Mapping[str, SensorCoverage],
    labels: Sequence[Label] | None,
    tolerance: float = 0.0,
    since: float | None = None,
) -> Trial:
    """Judge one threshold.

    Args:
        configuration, nats: The threshold.
        intervals: Its anomalies by series.
        coverage: What was read of each sensor.
        labels: Ground truth of the range that counts.
        tolerance: See `streams.backtest.evaluation.judge`.
        since: Count only what is raised from here on, and only the days after it.
    """
    days = 0.0
    for sensor_id in sorted(coverage):
        sensor = coverage[sensor_id]
        first = sensor.first if since is None else max(sensor.first, since)
        days += max(0.0, sensor.last - first) / 86400
    begin = -inf if since is None else since
    intervals = {
        series: kept
        for series, each in intervals.items()
        if (kept := [interval for interval in each if not interval.rule and interval.raised_at >= begin])
    }
    ends = {sensor_id: sensor.last for sensor_id, sensor in coverage.items()}
    return Trial(
        configuration,
        nats,
        burden(intervals, ends, days),
        None if labels is None else evaluate_by_labels(intervals, labels, tolerance),
    )


def best(trials: Sequence[Trial], budget: Budget) -> Trial | None:
    """Choose among thresholds.

    Within the budget: with labels that of the highest F1, of equal ones that with fewer alarms, then the most
    sensitive; without labels the most sensitive one above which all keep to the budget, too.

    Returns:
        ``None`` if none keeps to the budget.
    """
    within: list[Trial] = []
    for trial in sorted(trials, key=lambda each: -each.nats):
        if trial.burden.alarms_per_sensor_day > budget.per_sensor_day:
            break
        within.append(trial)
    if not within:
        return None
    if all(trial.verdict is None for trial in within):
        return within[-1]
    return max(
        within,
        key=lambda each: ((each.verdict and each.verdict.f1) or 0.0, -each.burden.anomalies, -each.nats),
    )


def between(trials: Sequence[Trial], chosen: Trial) -> list[float]:
    """Return thresholds between a trial and its neighbours, to look closer."""
    known = sorted(trial.nats for trial in trials)
    at = known.index(chosen.nats)
    low, high = known[max(0, at - 1)], known[min(len(known) - 1, at + 1)]
    step = (high - low) / (_REFINED + 1)
    return [low + step * number for number in range(1, _REFINED + 1)] if step > 0 else []


def split_labels(labels: Sequence[Label], split: float) -> tuple[list[Label], list[Label]]:
    """Share labels out: those that end before the split, and those that begin after it; one across it is in neither."""
    return [each for each in labels if each.end < split], [each for each in labels if each.start >= split]


def threshold_of(configuration: Configuration) -> float:
    """Return the default raise threshold of a configuration, in nats."""
    return configuration.plan().default.rules.raise_nats
