"""What an application has counted since it started: for the metrics and the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from bridges.process.metrics import (
    ALARM_ACTIONS,
    ALARM_CHANGES,
    ALARM_INPUTS_UNREADABLE,
    COUNTER_FALLS,
    COUNTER_RATES,
    LET_GO,
    LIMITS_UNJUDGED,
    PEER_VALUES,
    WORKER_ANOMALIES,
    WORKER_LATE,
    WORKER_READINGS,
    WORKER_RESULTS,
    WORKER_UNCHECKED,
    WORKER_UNREADABLE,
)
from streams.alarms.raising import AlarmOutcome
from streams.detection.detecting import DetectionOutcome
from streams.peers.comparing import PeerOutcome
from streams.records.catalogue import CATALOGUE
from streams.records.types import Aggregate, Anomaly
from streams.windows.aggregation import AggregationOutcome


class Applied(NamedTuple):
    """What is counted of a batch beside its outcome.

    Args:
        unreadable: Records that could not be read.
        seconds: How long it took.
    """

    unreadable: int
    seconds: float


@dataclass(slots=True)
class Counts:
    """Totals since the start of this application; a value is one quantity of one reading."""

    values_aggregated: int = 0
    values_duplicate: int = 0
    values_late: int = 0
    values_supplemented: int = 0
    values_unchecked: int = 0
    values_left_out: int = 0
    rates_made: int = 0
    rates_left_out: int = 0
    counters_fell: int = 0
    readings_skipped: int = 0
    ticks: int = 0
    unreadable: int = 0
    unprocessable: int = 0
    windows_closed: int = 0
    readings_judged: int = 0
    anomalies_raised: int = 0
    anomalies_cleared: int = 0
    alarms_to_tell: int = 0
    alarms_quiet: int = 0
    actions_refused: int = 0

    def aggregated(self, outcome: AggregationOutcome, applied: Applied) -> None:
        """Add what came of a batch in the windows."""
        unreadable = applied.unreadable
        self.values_aggregated += outcome.applied
        self.values_duplicate += outcome.duplicates
        self.values_late += len(outcome.late)
        self.values_supplemented += outcome.supplemented
        self.values_unchecked += outcome.unchecked
        self.values_left_out += outcome.left_out
        self.readings_skipped += outcome.skipped
        self.ticks += outcome.ticks
        self.unreadable += unreadable
        self.windows_closed += sum(1 for each in outcome.aggregates if each.supplement is None)
        WORKER_READINGS.labels("aggregated").inc(outcome.applied)
        WORKER_READINGS.labels("supplemented").inc(outcome.supplemented)
        WORKER_READINGS.labels("duplicate").inc(outcome.duplicates)
        WORKER_READINGS.labels("left_out").inc(outcome.left_out)
        WORKER_READINGS.labels("skipped").inc(outcome.skipped)
        self.rates_made += outcome.rates
        self.counters_fell += len(outcome.falls)
        self.rates_left_out += outcome.rates_left_out
        COUNTER_RATES.labels("windows").inc(outcome.rates)
        COUNTER_RATES.labels("left_out").inc(outcome.rates_left_out)
        for fall in outcome.falls:
            COUNTER_FALLS.labels(fall).inc()
        LET_GO.labels("windows").inc(outcome.let_go)
        WORKER_LATE.inc(len(outcome.late))
        WORKER_UNCHECKED.inc(outcome.unchecked)
        WORKER_UNREADABLE.inc(unreadable)
        WORKER_RESULTS.labels(CATALOGUE.of(Aggregate).topic.name).inc(len(outcome.aggregates))

    def detected(self, outcome: DetectionOutcome, _: Applied) -> None:
        """Add what came of a batch in the models."""
        self.readings_judged += outcome.applied
        LET_GO.labels("models").inc(outcome.let_go)
        LIMITS_UNJUDGED.inc(outcome.unjudged.total())
        self._found(outcome.anomalies)

    def _found(self, anomalies: Iterable[Anomaly]) -> None:
        for anomaly in anomalies:
            raised = anomaly.state == "raised"
            self.anomalies_raised += raised
            self.anomalies_cleared += not raised
            WORKER_ANOMALIES.labels(anomaly.state).inc()

    def beside_peers(self, outcome: PeerOutcome, applied: Applied) -> None:
        """Add what came of a batch beside their peers."""
        for became, number in outcome.became.items():
            PEER_VALUES.labels(became).inc(number)
        PEER_VALUES.labels("unreadable").inc(applied.unreadable)
        LET_GO.labels("peers").inc(outcome.let_go)
        self._found(outcome.anomalies)

    def actions_taken(self, taken: int, applied: Applied) -> None:
        """Add what came of a batch of actions."""
        ALARM_ACTIONS.labels("taken").inc(taken)
        ALARM_INPUTS_UNREADABLE.inc(applied.unreadable)

    def alarmed(self, outcome: AlarmOutcome, applied: Applied) -> None:
        """Add what came of a batch of inputs of alarms."""
        for alarm in outcome.alarms:
            self.alarms_to_tell += not alarm.quiet
            self.alarms_quiet += bool(alarm.quiet)
            ALARM_CHANGES.labels(alarm.event, alarm.quiet or "none").inc()
        for reason, number in outcome.refused.items():
            self.actions_refused += number
            ALARM_ACTIONS.labels(reason).inc(number)
        ALARM_INPUTS_UNREADABLE.inc(applied.unreadable)
