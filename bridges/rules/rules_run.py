"""Run limits over a source, in several processes if wanted: the same outcome for any number of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bridges.process.parallel import Done, Progress, in_processes
from bridges.sources.kafka_source import KafkaSource
from bridges.sources.source import Source, check_found
from streams.alarms.alarm_rules import AlarmRules
from streams.backtest.configuration import Configuration
from streams.backtest.intervals import Series
from streams.backtest.outcome import Outcome
from streams.backtest.peer_runs import GatheringRun, InputsBySource
from streams.detection.detection_plan import DetectionPlan
from streams.peers.peer_plan import PeerPlan
from streams.rules.limit_trial import LimitTrial, TrialResults
from streams.rules.peer_trial import add_beside_peers
from streams.rules.rule_set import limits_alone
from streams.rules.seen import SeenSeries, sensors_seen


@dataclass(frozen=True)
class RulesRun:
    """What to run.

    Args:
        source: Recorded readings.
        before, after: The settings in force, and with the rules.
        alarms: What the settings say of alarms.
        tick_seconds: How far apart ticks are.
    """

    source: Source
    before: Configuration
    after: Configuration
    alarms: AlarmRules
    tick_seconds: float

    def run(self, processes: int = 1, progress: Progress | None = None) -> "RulesOutcome":
        """Run it.

        Args:
            processes: At most so many; each takes some of the source's partitions.
            progress: Told how far it is.

        Raises:
            NothingToRead: If nothing was selected.
        """
        outcome = RulesOutcome()
        source = self.source
        for part in in_processes(_run_rules, self, source.partitions, source.total, processes, progress):
            outcome.merge(part)
        check_found(source, outcome.read.sensors)
        for name, plan in self.peer_plans().items():
            results: TrialResults = getattr(outcome, name)
            gathered = outcome.inputs[name], outcome.supplements[name]
            add_beside_peers(results, plan, *gathered, self.alarms, outcome.seen.by_series)
        return outcome

    def peer_plans(self) -> dict[str, PeerPlan]:
        """Return by whom series are compared before and after, where any limit compares them."""
        before, plan = limits_only(self.before).peer_plan(), self.plan_after()
        policy = replace(self.after.policy(), counters=plan.counters)
        found = {}
        if before.used or _rules_compare(self.source):
            found["before"] = before
        if (after := PeerPlan(plan, policy, 1, self.tick_seconds)).used:
            found["after"] = after
        return found

    def plan_after(self) -> DetectionPlan:
        """Return the limits with the rules, which would take the place of all that were applied."""
        return plan_with_rules(self.before, self.after, from_log=False)


@dataclass
class RulesOutcome:
    """What came of it.

    Args:
        seen: What was read.
        before, after: What came of the limits in force, and of those with the rules.
        inputs: What is compared with peers, before and after, by partition.
        supplements: How many there were to windows of each series, before and after.
        read: The sensors, and what could not be read, as a backtest tells them.
    """

    seen: SeenSeries = field(default_factory=SeenSeries)
    before: TrialResults = field(default_factory=TrialResults)
    after: TrialResults = field(default_factory=TrialResults)
    inputs: dict[str, InputsBySource] = field(default_factory=dict)
    supplements: dict[str, Counter[Series]] = field(default_factory=dict)
    read: Outcome = field(default_factory=Outcome)

    def merge(self, other: "RulesOutcome") -> None:
        """Add what came of other partitions; no sensor stands in two."""
        self.seen.merge(other.seen)
        self.before.merge(other.before)
        self.after.merge(other.after)
        self.read.merge(other.read)
        for name, inputs in other.inputs.items():
            self.inputs.setdefault(name, {}).update(inputs)
            self.supplements.setdefault(name, Counter()).update(other.supplements[name])


def limits_only(configuration: Configuration) -> Configuration:
    """Return a configuration with nothing but its limits."""
    return Configuration(configuration.name, configuration.windows, limits_alone(configuration.detection))


def plan_with_rules(before: Configuration, after: Configuration, *, from_log: bool = True) -> DetectionPlan:
    """Return the limits with rules; which series are counters stays as the settings say, as where rules are applied.

    Args:
        before, after: The settings in force, and with the rules.
        from_log: Whether rules that stand in the log set limits, where they match.

    Raises:
        ConfigurationError: If one is not acceptable.
    """
    return limits_only(after).plan(from_log=from_log, counters=limits_only(before).plan().counters)


def _run_rules(run: RulesRun, partitions: Sequence[int], progress: Done) -> RulesOutcome:
    plans = [limits_only(run.before).plan(), run.plan_after()]  # those that were applied are followed
    outcome = RulesOutcome(SeenSeries(plans[1].counters))
    trials = [LimitTrial(plan, run.alarms, run.tick_seconds) for plan in plans]
    # Without any limit in force there is nothing that they could have raised.
    at_work = trials if _has_limits(plans[0]) or _has_rules(run.source) else trials[1:]
    peers = {name: GatheringRun(plan.policy, plan) for name, plan in run.peer_plans().items()}
    for chunk in run.source.read(partitions):
        for where, detail in chunk.unreadable:
            outcome.read.note_unreadable(where, detail)
        if chunk.records:
            outcome.seen.apply(chunk.records)
            for trial in at_work:
                trial.apply(chunk.partition, chunk.records)
            for windows in peers.values():
                windows.apply(chunk.partition, chunk.records)
        progress(chunk.done)
    outcome.before, outcome.after = (trial.results(outcome.seen.by_series) for trial in trials)
    for name, windows in peers.items():
        windows.close()
        outcome.inputs[name], outcome.supplements[name] = windows.inputs, windows.supplements
    outcome.read.sensors = sensors_seen(outcome.seen.by_series)
    return outcome


def _has_limits(plan: DetectionPlan) -> bool:
    return any(each.limits is not None for each in (plan.default, *plan.patterns.values()))


def _rules_compare(source: Source) -> bool:
    return isinstance(source, KafkaSource) and any(
        rule.compares_peers for each in source.history for rule in each.change.rules
    )


def _has_rules(source: Source) -> bool:
    return isinstance(source, KafkaSource) and bool(source.history)


def why_not_exact(source: Source, *, allow_missing: bool) -> list[str]:
    """Say why the worker may have raised something else on these readings; nothing if it would not.

    Args:
        source: What is read.
        allow_missing: Whether a range may be read of which retention has deleted the beginning.
    """
    reasons = []
    if source.describe()["kind"] == "mongo":
        reasons.append("MongoDB gives readings by event time: those that came late count as if they had not")
    if allow_missing:
        reasons.append("of the beginning of the range retention may have deleted some")
    return reasons
