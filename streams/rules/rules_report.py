"""All that a check of rules has found, as plain values: for tables, drawings and programs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

import msgspec

from streams.backtest.difference import Difference, difference
from streams.backtest.evaluation import ANY_QUANTITY, evaluate_by_labels
from streams.backtest.intervals import Interval, Series
from streams.chosen_devices import NearNames
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import LimitRules
from streams.records.types import Label
from streams.rules.limit_trial import FLOOD_SECONDS, SeriesLoad, TrialResults, most_asked_first
from streams.rules.remarks import ERROR, RuleRemark, remarks_of
from streams.rules.rule_set import LimitRule, RuleReach, reach_of
from streams.rules.seen import SeenSeries

FORMAT: Final = "weir-rules-1"
_DAY: Final = 86_400.0
_WORST: Final = 3
Json = dict[str, Any]


@dataclass(frozen=True)
class OperatorBudget:
    """How many alarms people can answer.

    Args:
        operators: How many people answer.
        per_hour: Alarms that one of them can answer in an hour; ``None``: nobody says.
    """

    operators: int = 1
    per_hour: float | None = None


@dataclass
class RulesReport:
    """What a check has found.

    Args:
        rules: Of the file.
        plan: What follows from them and from the settings in force.
        seen: What was read.
        before, after: What came of the limits in force, and of those with the rules.
        labels: Ground truth within what was read; ``None`` if none was given.
        tolerance: Seconds after a label in which an alarm still finds it.
        budget: How many alarms are bearable.
        near: Finds near names.
    """

    rules: Sequence[LimitRule]
    plan: DetectionPlan
    seen: SeenSeries
    before: TrialResults
    after: TrialResults
    labels: Sequence[Label] | None
    tolerance: float
    budget: OperatorBudget
    near: NearNames
    reach: dict[str, RuleReach] = field(init=False)
    remarks: list[RuleRemark] = field(init=False)
    changes: Difference | None = field(init=False)

    def __post_init__(self) -> None:
        """Work out what all parts of the report need."""
        self.reach = reach_of(self.rules, self.plan, sorted(self.seen.by_series))
        self.remarks = [
            remark
            for rule in self.rules
            for remark in remarks_of(
                rule,
                self.reach[rule.name],
                self.seen.by_series,
                self.after,
                self.near,
                exempts=any(rule.name in reach.taken for reach in self.reach.values()),
            )
        ]
        self.changes = None
        if not (self.before.not_kept or self.after.not_kept):
            ends = {series[0]: 0.0 for series in self.seen.by_series}
            for (sensor_id, _), seen in self.seen.by_series.items():
                ends[sensor_id] = max(ends[sensor_id], seen.last)
            self.changes = difference(self.before.intervals.by_series, self.after.intervals.by_series, ends)

    @property
    def seconds(self) -> float:
        """Event time from the first to the last reading."""
        all_seen = self.seen.by_series.values()
        return max(each.last for each in all_seen) - min(each.first for each in all_seen)

    @property
    def per_operator_hour(self) -> float:
        """Alarms of all limits together, for each person and hour."""
        told = sum(load.told for load in self.after.loads.values())
        hours = max(self.seconds, 1.0) / 3600
        return told / hours / self.budget.operators

    @property
    def within_budget(self) -> bool:
        """Whether the budget is kept, if there is one."""
        return self.budget.per_hour is None or self.per_operator_hour <= self.budget.per_hour

    @property
    def sound(self) -> bool:
        """Whether no rule is one that cannot be meant so."""
        return not any(each.level == ERROR for each in self.remarks)

    def data(self) -> Json:
        """Return the report as plain values."""
        all_seen = self.seen.by_series.values()
        return {
            "format": FORMAT,
            "first": min(each.first for each in all_seen),
            "last": max(each.last for each in all_seen),
            "readings": self.seen.readings,
            "series": len(self.seen.by_series),
            "rules": [self._of_rule(rule) for rule in self.rules],
            "outside_of_rules": self._outside(),
            "load": self._load(),
            "labels": None if self.labels is None else len(self.labels),
            "remarks": [each._asdict() for each in self.remarks],
            "appeared": None if self.changes is None else _plain(self.changes.appeared),
            "vanished": None if self.changes is None else _plain(self.changes.vanished),
            "moved": None if self.changes is None else [_plain(pair) for pair in self.changes.moved],
            "not_compared": self.before.not_kept + self.after.not_kept,
        }

    def _of_rule(self, rule: LimitRule) -> Json:
        series = self.reach[rule.name].series
        return {
            "rule": rule.name,
            "limits": described_limits(rule.limits),
            "series": len(series),
            "taken_by_others": self.reach[rule.name].taken,
            **self._load_of(series),
            "changes": self._changes_of(set(series)),
            "labels": self._labels_of(set(series)),
            "worst_series": list(self._worst(series)),
        }

    def _load_of(self, series: Sequence[Series]) -> Json:
        loads = [self.after.loads[each] for each in series if each in self.after.loads]
        seen = [self.seen.by_series[each] for each in series]
        alarms = sum(load.told for load in loads)
        return {
            "readings": sum(each.readings for each in seen),
            "lowest": min((each.lowest for each in seen), default=None),
            "highest": max((each.highest for each in seen), default=None),
            "alarms": alarms,
            "alarms_per_day": alarms * _DAY / max(self.seconds, 1.0),
            "raises": sum(load.raised for load in loads),
            "minutes_in_alarm": sum(load.seconds for load in loads) / 60,
            "longest_minutes": max((load.longest for load in loads), default=0.0) / 60,
            "still_open": sum(load.still_open for load in loads),
        }

    def _changes_of(self, series: set[Series]) -> Json | None:
        if self.changes is None:
            return None

        def of(intervals: Sequence[Interval]) -> int:
            return sum((each.sensor_id, each.quantity) in series for each in intervals)

        return {
            "appear": of(self.changes.appeared),
            "vanish": of(self.changes.vanished),
            "move": of([after for _, after in self.changes.moved]),
        }

    def _labels_of(self, series: set[Series]) -> Json | None:
        if self.labels is None:
            return None
        sensors = {sensor_id for sensor_id, _ in series}
        own = [
            label
            for label in self.labels
            if (label.sensor_id, label.quantity) in series
            or (label.quantity == ANY_QUANTITY and label.sensor_id in sensors)
        ]
        intervals = {each: found for each, found in self.after.intervals.by_series.items() if each in series}
        verdict = evaluate_by_labels(intervals, own, self.tolerance)
        return {
            "labels": verdict.labels, "found": verdict.found, "raises_in_labels": verdict.true,
            "raises_outside": verdict.false, "median_delay_seconds": verdict.median_delay,
        }  # fmt: skip

    def _worst(self, series: Sequence[Series]) -> Iterator[Json]:
        loads = self.after.loads
        for each in most_asked_first(loads.keys() & set(series), loads)[:_WORST]:
            load = loads[each]
            yield {
                "series": "/".join(each), "alarms": load.told, "minutes_in_alarm": load.seconds / 60,
            }  # fmt: skip

    def _outside(self) -> Json:
        """Tell what limits raise on series that no rule of the file takes: those in force stay."""
        taken = {each for reach in self.reach.values() for each in reach.series}
        loads: list[SeriesLoad] = [load for each, load in self.after.loads.items() if each not in taken]
        return {
            "series": len(self.seen.by_series) - len(taken),
            "alarms": sum(load.told for load in loads),
            "raises": sum(load.raised for load in loads),
        }

    def _load(self) -> Json:
        worst = max(self.after.told_at.items(), key=lambda pair: (pair[1], -pair[0]), default=(0, 0))
        return {
            "alarms": sum(load.told for load in self.after.loads.values()),
            "alarms_in_force": sum(load.told for load in self.before.loads.values()),
            "operators": self.budget.operators,
            "per_operator_hour": self.per_operator_hour,
            "budget_per_operator_hour": self.budget.per_hour,
            "within_budget": self.within_budget,
            "most_in_ten_minutes": worst[1],
            "most_at": worst[0] * FLOOD_SECONDS if worst[1] else None,
        }


def described_limits(limits: LimitRules | None) -> Json:
    """Return what limits say, as plain values; what is not limited is left out."""
    if limits is None:
        return {}
    plain: Mapping[str, Any] = msgspec.structs.asdict(limits)
    defaults = msgspec.structs.asdict(LimitRules())
    kept = {
        name: value
        for name, value in plain.items()
        if name == "severity"
        or (value != defaults[name] and (not isinstance(value, float) or isfinite(value)))
    }
    kept.pop("rule", None)
    if limits.when is not None:
        kept["when"] = str(limits.when)
    else:
        kept.pop("when_seconds", None)
    if not limits.of_peers:
        kept.pop("peers_of", None)
    if not limits.of_forecast:
        for name in ("ahead", "ahead_share"):
            kept.pop(name, None)
    if not limits.of_rate:
        kept.pop("rate_seconds", None)
    return kept


def _plain(intervals: Sequence[Interval]) -> list[Json]:
    return [msgspec.to_builtins(each) for each in intervals]
