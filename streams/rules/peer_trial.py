"""What limits of peers would have done: found once all partitions are read, and put to what other limits did.

windows of all partitions ──▶ compare_gathered ──▶ anomalies ──▶ told, raised, time in alarm
                                                   └──▶ with the stretches of other limits, the time in any of them
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.raising import AlarmOutcome, SensorAlarms, raise_alarms
from streams.backtest.intervals import Series
from streams.backtest.peer_runs import InputsBySource, compare_gathered
from streams.peers.peer_plan import PeerPlan
from streams.records.alarm_records import AlarmInput
from streams.records.rows import Row
from streams.records.types import Anomaly
from streams.rules.limit_trial import FLOOD_SECONDS, SeriesLoad, TrialResults
from streams.rules.seen import SeriesSeen


def add_beside_peers(
    results: TrialResults,
    plan: PeerPlan,
    inputs: InputsBySource,
    supplements: Counter[Series],
    alarms: AlarmRules,
    seen: Mapping[Series, SeriesSeen],
) -> None:
    """Compare what was gathered from all partitions, and add what is found to the results of a trial.

    Args:
        results: Of all other limits.
        plan: Who is compared, and by which limits.
        inputs: By partition.
        supplements: To windows of each series.
        alarms: What the settings say of alarms.
        seen: What was read of each series.
    """
    found = compare_gathered(plan, inputs)
    ticks = sorted({each.tick_at for some in inputs.values() for each in some if each.tick_at is not None})
    results.late_for_peers, results.few_peers = found.late_of + supplements, found.few_of
    add_found(results, found.anomalies, ticks, alarms, lambda series: _last_of(series, seen))


def add_found(
    results: TrialResults,
    anomalies: Sequence[Anomaly],
    ticks: Sequence[float],
    alarms: AlarmRules,
    last_of: Callable[[Series], float],
) -> None:
    """Add what limits of peers have found to the results of a trial.

    Args:
        results: Of all other limits.
        anomalies: In order.
        ticks: Between them, by time.
        alarms: What the settings say of alarms.
        last_of: Tells the event time at which a series ends.
    """
    changed: dict[Series, SeriesLoad] = {}
    for anomaly in anomalies:
        changed.setdefault((anomaly.sensor_id, anomaly.quantity), SeriesLoad()).take(anomaly)
        results.intervals.add(anomaly)
    for series, told_at in _told(alarms, anomalies, ticks):
        changed[series].told += 1
        results.told_at[int(told_at // FLOOD_SECONDS)] += 1
    for series, load in changed.items():
        load.end(last_of(series))
        results.intervals.by_series[series].sort(key=attrgetter("raised_at"))
        results.loads.setdefault(series, SeriesLoad()).put_to(load)


def _told(
    alarms: AlarmRules, anomalies: Sequence[Anomaly], ticks: Sequence[float]
) -> Iterable[tuple[Series, float]]:
    """Yield of which series somebody would have been told that an alarm stands, and when."""
    in_order: list[tuple[float, AlarmInput]] = [
        *((tick_at, AlarmInput("", tick_at=tick_at)) for tick_at in ticks),
        *((each.changed_at, AlarmInput(each.sensor_id, found=each)) for each in anomalies),
    ]
    in_order.sort(key=lambda each: each[0])
    rows: dict[str, Row[SensorAlarms]] = {}
    outcome = AlarmOutcome()
    raise_alarms(alarms, rows, enumerate(each for _, each in in_order), outcome)
    for alarm in outcome.alarms:
        if alarm.event == "raised" and not alarm.quiet:
            yield (alarm.sensor_id, alarm.quantity), alarm.changed_at


def _last_of(series: Series, seen: Mapping[Series, SeriesSeen]) -> float:
    """Return the event time of the last reading of a series; of a rate, that of its sensor."""
    if (own := seen.get(series)) is not None:
        return own.last
    return max(each.last for (sensor_id, _), each in seen.items() if sensor_id == series[0])
