"""Turn the records of `readings` into anomalies: what the live agent, a replay and a backtest all call."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from streams.counters.sensor_counters import SensorCounters
from streams.detection.arrival_gaps import SAME_MS
from streams.detection.attendance import Attendance, device_change
from streams.detection.causes import cause_apart
from streams.detection.detection_plan import DetectionPlan
from streams.detection.hour_bands import JudgedValue, judge_in_hour
from streams.detection.log_rules import put_in_force, rules_of
from streams.detection.sensor_models import SensorModels
from streams.detection.series_model import SeriesModel
from streams.detection.silence import Told
from streams.detection.verdicts import AnomalyChange, ChangeKind
from streams.records.identity import anomaly_id, event_ms
from streams.records.rows import Row
from streams.records.rule_records import RuleChange
from streams.records.types import Anomaly, DeviceChange, HourBand, Logged, Reading, Tick
from streams.windows.event_clock import AHEAD_MS, is_ahead


@dataclass(slots=True)
class DetectionOutcome:
    """What came of some records.

    Args:
        anomalies: Changes in the life of anomalies, in order.
        bands: What was usual of each series, of each hour in which it was judged.
        changed: Rows that changed, by sensor, in the order of their first change.
        devices: Changes of what is told of devices, in order.
        in_order: The anomalies, and the times of ticks between them: what alarms follow from.
        rates: Rates of counters given to models.
        left_out: Values of sensors or quantities for which there is no room.
        let_go: Sensors whose rows have left, since they were silent for long.
        unjudged: Values beyond a limit of which is not known whether its condition held, by series.
        applied, skipped: Readings given to the models; readings that the row contained already (read again after
            a crash). A reading that a model has seen, or that is older than the newest it saw, or the first one ahead
            of its arrival, is counted by the model itself.
    """

    anomalies: list[Anomaly] = field(default_factory=list)
    bands: list[HourBand] = field(default_factory=list)
    devices: list[DeviceChange] = field(default_factory=list)
    changed: dict[str, Row[SensorModels]] = field(default_factory=dict)
    in_order: list[Anomaly | float] = field(default_factory=list)
    applied: int = 0
    skipped: int = 0
    rates: int = 0
    left_out: int = 0
    let_go: int = 0
    unjudged: Counter[tuple[str, str]] = field(default_factory=Counter)

    def tell(self, sensor_id: str, quantity: str, changes: Iterable[AnomalyChange]) -> None:
        """Add what changed in the lives of anomalies of a series.

        Args:
            sensor_id, quantity: The series.
            changes: In their order.
        """
        anomalies = [to_anomaly(sensor_id, quantity, change) for change in changes]
        self.anomalies += anomalies
        self.in_order += anomalies


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
        records: Offset, ingest time (ms) and content of each record; ticks are passed on, tell of sensors that
            have fallen silent, and let go of those that are for long; a change of rules is in force for what comes
            after it.
        outcome: Collects the results.
    """
    changed = outcome.changed
    counting = bool(plan.counters)
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
            row = rows[sensor_id] = Row(SensorModels())
        elif offset <= row.applied_through:
            outcome.skipped += 1
            continue
        row.applied_through = offset
        row.seen_ms = ingest_ms
        changed[sensor_id] = row
        outcome.applied += 1
        models = row.state
        event_time = reading.collected_at
        news = None if models.silence is None else _news(models, event_time, reading)
        attendance = models.attendance
        if attendance is None:
            _begin_attendance(models, sensor_id, ingest_ms, outcome)
        elif not 0 <= ingest_ms - attendance.heard_ms < SAME_MS and not _is_copy(models, event_time, reading):
            outcome.devices += attendance.hear(sensor_id, ingest_ms) or ()
        ahead = event_time * 1000 - ingest_ms > AHEAD_MS and ingest_ms > 0
        for quantity, value in reading.values.items():
            model = models.get(quantity)
            if model is None:
                model = _begin_model(plan, rows, reading, quantity, ingest_ms)
                if model is None:
                    outcome.left_out += 1
                    continue
            newest = models.newest
            if event_time < model.hour_ends:
                changes = model.observe(event_time, value, reading, ahead, newest)
            else:
                changes = judge_in_hour(
                    JudgedValue(quantity, value, reading, ahead, newest), model, outcome.bands
                )
            if newest is not None and model.take_unjudged():
                outcome.unjudged[sensor_id, quantity] += 1
            if changes:
                outcome.tell(sensor_id, quantity, changes)
        if models.newest is not None:
            models.newest.take(event_time, reading.values, models)
        if counting and ((counters := models.counters) is None or counters.idle != len(models)):
            _judge_rates(plan, rows, reading, ingest_ms, outcome)
        if models.silence is not None:
            heard = list(reading.values) if news is None else news
            if models.counters is not None:
                heard += list(models.counters.rates_of(heard))
            if told := models.silence.hear(heard, ingest_ms):
                _tell(sensor_id, told, models, outcome)


def _begin_attendance(
    models: SensorModels, sensor_id: str, ingest_ms: int, outcome: DetectionOutcome
) -> None:
    """Tell that a sensor is heard for the first time, if it is known when."""
    if ingest_ms > 0:
        models.attendance = Attendance(ingest_ms)
        outcome.devices.append(device_change(sensor_id, models.attendance.state, ingest_ms))


def _begin_model(
    plan: DetectionPlan, rows: dict[str, Row[SensorModels]], reading: Reading, quantity: str, ingest_ms: int
) -> SeriesModel | None:
    """Begin the model of a series that is new, with the limits in force; ``None`` if there is no room."""
    sensor_id = reading.sensor_id
    models = rows[sensor_id].state
    if len(models) >= plan.room.quantities:
        return None
    model = models[quantity] = SeriesModel(plan.config_for(sensor_id, quantity))
    if (rules := rules_of(rows)) is not None:
        rules.lay_over(sensor_id, quantity, model)
    if model.limits is not None:
        models.attend(ingest_ms)
    return model


def _judge_rates(
    plan: DetectionPlan,
    rows: dict[str, Row[SensorModels]],
    reading: Reading,
    ingest_ms: int,
    outcome: DetectionOutcome,
) -> None:
    """Have the rates judged that follow from a reading: each is one of its own series, behind the reading."""
    sensor_id = reading.sensor_id
    models = rows[sensor_id].state
    if models.counters is None:
        models.counters = SensorCounters()
    ms = event_ms(reading.collected_at)
    rates, _ = models.counters.observe(
        plan.counters, sensor_id, models, reading.values, ms, ahead=is_ahead(ms, ingest_ms)
    )
    for quantity, rate in rates.items():
        model = models.get(quantity) or _begin_model(plan, rows, reading, quantity, ingest_ms)
        if model is None:
            outcome.left_out += 1
            continue
        outcome.rates += 1
        if reading.collected_at < model.hour_ends:
            changes = model.observe(reading.collected_at, rate, reading, False, models.newest)
        else:
            changes = judge_in_hour(
                JudgedValue(quantity, rate, reading, False, models.newest), model, outcome.bands
            )
        if models.newest is not None and model.take_unjudged():
            outcome.unjudged[sensor_id, quantity] += 1
        if changes:
            outcome.tell(sensor_id, quantity, changes)
    if rates and models.newest is not None:
        models.newest.take(reading.collected_at, rates, models)


def _is_copy(models: SensorModels, event_time: float, reading: Reading) -> bool:
    """Tell whether a reading is a copy of one that came before."""
    for quantity in reading.values:
        model = models.get(quantity)
        return model is not None and model.last_time == event_time and not _news(models, event_time, reading)
    return False


def _news(models: SensorModels, event_time: float, reading: Reading) -> list[str]:
    """List the quantities of a reading that is no copy of one that came before."""
    return [
        quantity
        for quantity in reading.values
        if (model := models.get(quantity)) is None
        or model.last_time != event_time
        or not model.repeats(event_time, reading)
    ]


def _pass_on(
    plan: DetectionPlan,
    rows: dict[str, Row[SensorModels]],
    offset: int,
    tick: Tick,
    outcome: DetectionOutcome,
) -> None:
    outcome.in_order.append(tick.tick_at)
    tick_ms = round(tick.tick_at * 1000)
    since_ms = tick_ms - 1000 * (tick.steady or 0)
    left = dict(plan.room.take_silent(rows, offset, tick_ms))
    due = {
        sensor_id: row
        for sensor_id, row in rows.items()
        if offset > row.applied_through
        and (
            ((watch := row.state.silence) is not None and watch.due_ms <= tick_ms)
            or ((attendance := row.state.attendance) is not None and attendance.due_ms <= tick_ms)
        )
    }
    # In one order, whatever order rows have: after a restart it is another.
    for sensor_id in sorted(left.keys() | due.keys()):
        if (row := left.get(sensor_id)) is not None:
            outcome.let_go += 1
            _let_go(sensor_id, row.state, tick_ms, outcome)
        elif _pass_time(sensor_id, row := due[sensor_id], (tick_ms, since_ms), outcome):
            row.applied_through = offset
        else:
            continue
        outcome.changed[sensor_id] = row


def _let_go(sensor_id: str, models: SensorModels, tick_ms: int, outcome: DetectionOutcome) -> None:
    """Tell that a sensor is taken for gone."""
    if models.silence is not None:
        _tell(sensor_id, models.silence.give_up(tick_ms), models, outcome)
    if models.attendance is not None:
        outcome.devices.append(device_change(sensor_id, "unknown", tick_ms, models.attendance.heard_ms))


def _pass_time(
    sensor_id: str, row: Row[SensorModels], times: tuple[int, int], outcome: DetectionOutcome
) -> bool:
    """Let time pass for a sensor; tells whether that changed its state.

    Args:
        sensor_id, row: The sensor.
        times: Of the tick, and since when everything that was sent has come (ms).
        outcome: Collects the results.
    """
    models, (tick_ms, since_ms) = row.state, times
    silence, attendance = models.silence, models.attendance
    told: Told | None = None
    if silence is not None and silence.due_ms <= tick_ms:
        told = silence.take_tick(tick_ms, since_ms)
        if told is not None and silence.is_over:
            models.silence = None
        _tell(sensor_id, told or [], models, outcome)
    devices: list[DeviceChange] | None = None
    if attendance is not None:
        if attendance.due_ms <= tick_ms:
            devices = attendance.take_tick(sensor_id, tick_ms, since_ms)
        for quantity, change in told or ():
            if (
                change.kind == ChangeKind.RAISED
                and tick_ms - round(change.value * 1000) >= attendance.heard_ms
            ):
                devices = (devices or []) + attendance.fall_silent(sensor_id, tick_ms, quantity)
        outcome.devices += devices or ()
    return told is not None or devices is not None


def _tell(sensor_id: str, told: Told, models: SensorModels, outcome: DetectionOutcome) -> None:
    for quantity, change in told:
        outcome.tell(sensor_id, quantity, [msgspec.structs.replace(change, seen=models[quantity].seen)])


def to_anomaly(sensor_id: str, quantity: str, change: AnomalyChange) -> Anomaly:
    """Make the record of a change in an anomaly's life.

    Args:
        sensor_id, quantity: As in the record.
        change: As the series' model told it.
    """
    return Anomaly(
        id=anomaly_id(sensor_id, quantity, change.raised_at, cause_apart(change.cause)).hex(),
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
        condition=change.condition,
    )
