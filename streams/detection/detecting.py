"""Turn the records of `readings` into anomalies: what the live agent, a replay and a backtest all call."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from streams.detection.limits import LIMIT_CAUSES
from streams.detection.log_rules import RULES_ROW, PartitionRules, put_in_force, rules_of
from streams.detection.series_model import DetectionPlan, SeriesModel
from streams.detection.verdicts import AnomalyChange
from streams.records.identity import anomaly_id
from streams.records.rows import Changes, Row
from streams.records.rule_records import RuleChange
from streams.records.types import Anomaly, Logged, Reading, Tick
from streams.windows.event_clock import AHEAD_MS

SensorModels = dict[str, SeriesModel]
"""The models of one sensor, by quantity."""


@dataclass(slots=True)
class DetectionOutcome:
    """What came of some records.

    Args:
        anomalies: Changes in the life of anomalies, in order.
        changed: Rows that changed, by sensor, in the order of their first change.
        in_order: The same, and the times of ticks between them: what alarms follow from.
        left_out: Values of sensors or quantities for which there is no room.
        let_go: Sensors whose rows have left, since they were silent for long.
        applied, skipped: Readings given to the models; readings that the row contained already (read again after
            a crash). A reading that a model has seen, or that is older than the newest it saw, or the first one ahead
            of its arrival, is counted by the model itself.
    """

    anomalies: list[Anomaly] = field(default_factory=list)
    changed: dict[str, Row[SensorModels]] = field(default_factory=dict)
    in_order: list[Anomaly | float] = field(default_factory=list)
    applied: int = 0
    skipped: int = 0
    left_out: int = 0
    let_go: int = 0


def detect(
    plan: DetectionPlan,
    rows: dict[str, Row[SensorModels]],
    records: Iterable[tuple[int, int, Logged]],
    outcome: DetectionOutcome,
) -> None:
    """Apply records of one partition, in offset order, to the models of its sensors.

    Args:
        plan: How each series is watched.
        rows: The partition's rows by sensor id; new sensors are added.
        records: Offset, ingest time (ms) and content of each record; ticks are passed on,
            and let go of sensors that are silent; a change of rules is in force for what comes after it.
        outcome: Collects the results.
    """
    changed = outcome.changed
    for offset, ingest_ms, record in records:
        if type(record) is not Reading:  # `isinstance` asks the metaclass of structs
            if type(record) is Tick:
                _pass_on(plan, rows, offset, record, outcome)
            elif isinstance(record, RuleChange) and plan.from_log:
                changed.update((key, rows[key]) for key in put_in_force(rows, offset, record))
            continue
        reading: Reading = record
        sensor_id = reading.sensor_id
        row = rows.get(sensor_id)
        if row is None:
            if not plan.room.for_a_row(sensor_id, len(rows)):
                outcome.left_out += len(reading.values)
                continue
            row = rows[sensor_id] = Row({})
        elif offset <= row.applied_through:
            outcome.skipped += 1
            continue
        row.applied_through = offset
        row.seen_ms = ingest_ms
        changed[sensor_id] = row
        outcome.applied += 1
        models = row.state
        event_time = reading.collected_at
        ahead = event_time * 1000 - ingest_ms > AHEAD_MS and ingest_ms > 0
        for quantity, value in reading.values.items():
            model = models.get(quantity)
            if model is None:
                if len(models) >= plan.room.quantities:
                    outcome.left_out += 1
                    continue
                model = models[quantity] = SeriesModel(plan.config_for(sensor_id, quantity))
                if (rules := rules_of(rows)) is not None:
                    rules.lay_over(sensor_id, quantity, model)
            changes = model.observe(event_time, value, reading, ahead)
            if changes:
                anomalies = [to_anomaly(sensor_id, quantity, change) for change in changes]
                outcome.anomalies += anomalies
                outcome.in_order += anomalies


def _pass_on(
    plan: DetectionPlan,
    rows: dict[str, Row[SensorModels]],
    offset: int,
    tick: Tick,
    outcome: DetectionOutcome,
) -> None:
    outcome.in_order.append(tick.tick_at)
    for silent, left in plan.room.take_silent(rows, offset, round(tick.tick_at * 1000)):
        outcome.changed[silent] = left
        outcome.let_go += 1


def to_anomaly(sensor_id: str, quantity: str, change: AnomalyChange) -> Anomaly:
    """Make the record of a change in an anomaly's life.

    Args:
        sensor_id, quantity: As in the record.
        change: As the series' model told it.
    """
    limit = change.cause if change.cause in LIMIT_CAUSES else ""
    return Anomaly(
        id=anomaly_id(sensor_id, quantity, change.raised_at, limit).hex(),
        sensor_id=sensor_id,
        quantity=quantity,
        state=change.kind,
        changed_at=change.event_time,
        raised_at=change.raised_at,
        cleared_at=change.cleared_at,
        score=change.score,
        value=change.value,
        expected=change.expected,
        lower=change.lower,
        upper=change.upper,
        direction=change.direction,
        cause=change.cause,
        seen=change.seen,
        severity=change.severity,
        rule=change.rule,
    )


def models_to_state(models: SensorModels) -> list[tuple[str, bytes]]:
    """Return a sensor's models as plain values, or the rules of the partition."""
    if isinstance(models, PartitionRules):
        return models.to_state()
    return [(quantity, model.to_bytes()) for quantity, model in models.items()]


def models_from_state(plan: DetectionPlan, sensor_id: str, state: Any) -> SensorModels:
    """Restore a sensor's models from `models_to_state`.

    Args:
        plan: How each series is watched now; for what no longer fits see `SeriesModel.from_bytes`.
        sensor_id: The sensor.
        state: What `models_to_state` returned.

    Raises:
        InputError: ``unreadable_record`` if the bytes are not a model's state.
    """
    if sensor_id == RULES_ROW:
        return PartitionRules.from_state(state)
    return {
        quantity: SeriesModel.from_bytes(data, plan.config_for(sensor_id, quantity))
        for quantity, data in state
    }


def _take_changes(models: SensorModels) -> list[tuple[str, bytes]] | None:
    """Return what has changed since the last call as plain values, if it is little; ``None``: write the whole."""
    if not models:  # nothing tells whether the row was written whole: a reading without values made it
        return None
    changes: list[tuple[str, bytes]] | None = []
    for quantity, model in models.items():
        data = model.take_changes()  # of each, since the whole row has them all
        if data is None:
            changes = None
        elif changes is not None:
            changes.append((quantity, data))
    return changes


def _apply_changes(models: SensorModels, changes: Any) -> None:
    """Take over what `_take_changes` returned."""
    for quantity, data in changes:
        models[quantity].apply_changes(data)


MODEL_CHANGES: Final = Changes(_take_changes, _apply_changes)
"""How a sensor's models are written when little of them has changed."""
