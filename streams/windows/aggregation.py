"""Turn the records of `readings` into aggregates and late readings: what the live agent and a replay both call."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from streams.counters.sensor_counters import SensorCounters, settle_all
from streams.errors import InputError, Reason, shown
from streams.records.dead_letters import without_room
from streams.records.identity import event_ms, reading_id, rounded, window_id
from streams.records.rows import Row, is_key
from streams.records.rule_records import RuleChange
from streams.records.types import Aggregate, DeadLetter, LateReading, Logged, Reading, Tick
from streams.windows.event_clock import is_ahead
from streams.windows.policy import ClosedWindow, WindowPolicy
from streams.windows.sensor_windows import IN_TIME, SensorWindows
from streams.windows.window_rules import WindowRules, put_among_windows, rules_of_windows


@dataclass(slots=True)
class AggregationOutcome:
    """What came of some records: results, and what became of each reading.

    Args:
        aggregates: Of the windows that closed, in order.
        late: Readings that came after their windows had closed, one per quantity. (In ``aggregates``, too, as
            supplements, unless they are too old.)
        refused: Dead letters of readings for whose sensor, or for some of whose quantities, there is no room.
        changed: Rows that changed, by sensor, in the order of their first change.
        applied, duplicates, skipped, ticks: Values put into windows in time; values that are known; readings
            that the row contained already (read again after a crash); ticks seen.
        left_out: Values for which there is no room.
        supplemented, unchecked: Late values put into supplements; those of them that might be repetitions.
        rates, rates_left_out: Rates of counters put into windows; those for which there is no room.
        falls: What falls of counters were (`streams.counters.counter.FALLS`), in order.
        let_go: Sensors whose rows have left, since they were silent for long.
        tick_places: Time of each tick, and how many of the aggregates stand before it, with those that it closed.
        rule_places: How many of the aggregates stand before these rules of the log were in force, in order.
    """

    aggregates: list[Aggregate] = field(default_factory=list)
    late: list[LateReading] = field(default_factory=list)
    changed: dict[str, Row[SensorWindows]] = field(default_factory=dict)
    applied: int = 0
    duplicates: int = 0
    skipped: int = 0
    ticks: int = 0
    refused: list[DeadLetter] = field(default_factory=list)
    left_out: int = 0
    supplemented: int = 0
    unchecked: int = 0
    rates: int = 0
    rates_left_out: int = 0
    falls: list[str] = field(default_factory=list)
    let_go: int = 0
    tick_places: list[tuple[float, int]] = field(default_factory=list)
    rule_places: list[tuple[int, WindowRules | None]] = field(default_factory=list)

    def rules_from(self, rows: dict[str, Row[SensorWindows]]) -> None:
        """Note which rules of a partition are in force for what comes from here on.

        Args:
            rows: Of the partition.
        """
        self.rule_places.append((len(self.aggregates), rules_of_windows(rows)))

    def close(self, policy: WindowPolicy, sensor_id: str, windows: Iterable[ClosedWindow]) -> None:
        """Publish windows that have closed.

        Args:
            policy, sensor_id: As for `to_aggregate`.
            windows: In their order.
        """
        self.aggregates += [to_aggregate(policy, sensor_id, window) for window in windows]

    def refuse(self, place: tuple[int, int], reading: Reading, values: int, why: InputError) -> None:
        """Set a reading aside, or a part of it.

        Args:
            place: Its offset and ingest time (ms).
            reading: The reading, whole.
            values: How many of its values have no room.
            why: For what there is no room.
        """
        self.left_out += values
        self.refused.append(without_room(*place, reading, why))


def aggregate(
    policy: WindowPolicy,
    rows: dict[str, Row[SensorWindows]],
    records: Iterable[tuple[int, int, Logged]],
    outcome: AggregationOutcome,
) -> None:
    """Apply records of one partition, in offset order, to the rows of its sensors.

    Args:
        policy: How windows are drawn and closed.
        rows: The partition's rows by sensor id; new sensors are added.
        records: Offset, ingest time (ms) and content of each record.
        outcome: Collects the results.
    """
    changed = outcome.changed
    counting = bool(policy.counters)
    applied = 0
    outcome.rules_from(rows)
    for offset, ingest_ms, record in records:
        # `isinstance` costs each reading 3 % more: it asks the metaclass of structs.
        if type(record) is not Reading:
            if type(record) is not Tick:
                if isinstance(record, RuleChange):
                    changed.update(put_among_windows(rows, offset, record))
                    outcome.rules_from(rows)
                continue
            outcome.ticks += 1
            tick_ms = round(record.tick_at * 1000)
            _close_idle(policy, rows, offset, tick_ms, outcome)
            _let_go(policy, rows, offset, tick_ms, outcome)
            outcome.tick_places.append((record.tick_at, len(outcome.aggregates)))
            continue
        reading: Reading = record
        sensor_id = reading.sensor_id
        row = rows.get(sensor_id)
        if row is None:
            if not policy.room.for_a_row(sensor_id, len(rows)):
                outcome.refuse((offset, ingest_ms), reading, len(reading.values), _no_row(policy, sensor_id))
                continue
            row = rows[sensor_id] = Row(SensorWindows())
        elif offset <= row.applied_through:
            outcome.skipped += 1
            continue
        row.applied_through = offset
        row.seen_ms = ingest_ms
        changed[sensor_id] = row
        sensor = row.state
        values = reading.values
        ms = rounded(reading.collected_at * 1000.0)
        became = sensor.observe(policy, ms, reading.sequence, values, ingest_ms)
        applied += len(values)
        watermark_ms = sensor.watermark_ms
        if became is not IN_TIME or ms < watermark_ms:
            duplicates, late = became
            applied -= len(duplicates) + len(late)
            outcome.duplicates += len(duplicates)
            if not duplicates:
                _take_back(policy, sensor, reading, late, (offset, ingest_ms), outcome)
        if counting and ((counters := sensor.counters) is None or counters.idle != len(sensor.series)):
            _take_rates(policy, sensor, reading, ms, (offset, ingest_ms), outcome)
        if watermark_ms >= sensor.next_close_ms:
            for window in sensor.take_closed(policy):
                outcome.aggregates.append(to_aggregate(policy, sensor_id, window))
    outcome.applied += applied


def _no_row(policy: WindowPolicy, sensor_id: str) -> InputError:
    if not is_key(sensor_id):
        return InputError(Reason.BAD_SENSOR_ID, f"a sensor's id must not contain NUL, got {sensor_id[:80]!r}")
    return InputError(
        Reason.TOO_MANY_SENSORS,
        f"at most {policy.room.sensors} sensors of a partition have windows and models "
        f"(WEIR_WINDOWS__MAX_SENSORS), got one more: {sensor_id}",
    )


def _take_back(
    policy: WindowPolicy,
    sensor: SensorWindows,
    reading: Reading,
    not_in_time: Sequence[str],
    place: tuple[int, int],
    outcome: AggregationOutcome,
) -> None:
    """Put what some windows have closed for into supplements to them, or set it aside.

    Args:
        policy: How windows are drawn.
        sensor: Has observed the reading.
        reading: It, known to be in no open window twice.
        not_in_time: The quantities that are in no open window: late, or without room.
        place: Its offset and ingest time (ms).
        outcome: Collects the results.
    """
    ms, values = event_ms(reading.collected_at), reading.values
    late = sensor.is_late(policy, ms)
    known = sensor.note_late(ms, values, reading.sequence) if late else False
    if known:
        outcome.duplicates += len(values)
        return
    left_out = [quantity for quantity in not_in_time if not sensor.make_room(policy, quantity)]
    if left_out:
        outcome.refuse(place, reading, len(left_out), _no_quantity(policy, reading, left_out))
    counted = {name: value for name, value in values.items() if name not in left_out}
    too_old = ms < sensor.stream_ms - policy.late_ms
    if counted and not too_old:
        closed = sensor.supplement(policy, ms, counted, place[0], checked=known is not None)
        outcome.close(policy, reading.sensor_id, closed)
    if late:
        if not too_old:
            outcome.supplemented += len(counted)
            outcome.unchecked += len(counted) if known is None else 0
        outcome.late += [
            _late_reading(reading, quantity, sensor.watermark_ms, too_old=too_old) for quantity in counted
        ]


def _take_rates(
    policy: WindowPolicy,
    sensor: SensorWindows,
    reading: Reading,
    ms: int,
    place: tuple[int, int],
    outcome: AggregationOutcome,
) -> None:
    """Put the rates that follow from a reading into the windows of its event time, or into supplements to them.

    Args:
        policy: How windows are drawn, and which series are counters.
        sensor: Has observed the reading.
        reading, ms: It, and its event time.
        place: Its offset and ingest time (ms).
        outcome: Collects the results.
    """
    counters = sensor.counters
    if counters is None:
        counters = sensor.counters = SensorCounters()
    ahead = is_ahead(ms, place[1])
    rates, falls = counters.observe(
        policy.counters, reading.sensor_id, sensor.series, reading.values, ms, ahead=ahead
    )
    outcome.falls += falls
    if not rates:
        return
    counted = {quantity: rate for quantity, rate in rates.items() if sensor.make_room(policy, quantity)}
    outcome.rates_left_out += len(rates) - len(counted)
    if ms < sensor.stream_ms - policy.late_ms:
        return
    outcome.rates += len(counted)
    if not sensor.is_late(policy, ms):
        for quantity, rate in counted.items():
            sensor.take_rate(policy, ms, quantity, rate)
    if ms < sensor.watermark_ms and counted:
        closed = sensor.supplement(policy, ms, counted, place[0], checked=True)
        outcome.close(policy, reading.sensor_id, closed)


def settle_counters(policy: WindowPolicy, rows: dict[str, Row[SensorWindows]]) -> None:
    """Let go of counters that are none any more, in rows that came back.

    Args:
        policy: Which series are counters now.
        rows: Of a partition.
    """
    settle_all(policy.counters, ((sensor_id, row.state.counters) for sensor_id, row in rows.items()))


def _no_quantity(policy: WindowPolicy, reading: Reading, left_out: Sequence[str]) -> InputError:
    return InputError(
        Reason.TOO_MANY_QUANTITIES,
        f"at most {policy.room.quantities} quantities of a sensor have windows and models "
        f"(WEIR_WINDOWS__MAX_QUANTITIES), {reading.sensor_id} has got {len(left_out)} more: "
        f"{shown(left_out[0])}",
    )


def close_all(policy: WindowPolicy, rows: dict[str, Row[SensorWindows]], outcome: AggregationOutcome) -> None:
    """Close every open window: the end of a recording, where no tick will come.

    Args:
        policy: How windows are drawn and closed.
        rows: The partition's rows by sensor id.
        outcome: Collects the aggregates.
    """
    for sensor_id in sorted(rows):
        _close(policy, sensor_id, rows[sensor_id].state, outcome)


def _close(policy: WindowPolicy, sensor_id: str, sensor: SensorWindows, outcome: AggregationOutcome) -> None:
    sensor.close_all(policy)
    outcome.close(policy, sensor_id, sensor.take_closed(policy))
    if sensor.supplements is not None:
        outcome.close(policy, sensor_id, sensor.supplements.take_all(policy))


def _close_idle(
    policy: WindowPolicy,
    rows: dict[str, Row[SensorWindows]],
    offset: int,
    tick_ms: int,
    outcome: AggregationOutcome,
) -> None:
    idle = [
        sensor_id
        for sensor_id, row in rows.items()
        if offset > row.applied_through and row.state.awaits(policy, tick_ms)
    ]
    for sensor_id in sorted(idle):  # rows recovered from a changelog stand in another order
        row = rows[sensor_id]
        row.applied_through = offset
        outcome.changed[sensor_id] = row
        outcome.close(policy, sensor_id, row.state.take_idle(policy, tick_ms))


def _let_go(
    policy: WindowPolicy,
    rows: dict[str, Row[SensorWindows]],
    offset: int,
    tick_ms: int,
    outcome: AggregationOutcome,
) -> None:
    """Let go of sensors that have been silent for long; windows that lie far in the future are closed before."""
    for sensor_id, row in policy.room.take_silent(rows, offset, tick_ms):
        _close(policy, sensor_id, row.state, outcome)
        outcome.changed[sensor_id] = row
        outcome.let_go += 1


def to_aggregate(policy: WindowPolicy, sensor_id: str, window: ClosedWindow) -> Aggregate:
    """Make the record of a closed window.

    Args:
        policy: Says which quantiles are told, where the window has a sketch.
        sensor_id: Whose window.
    """
    start_ms, end_ms, summary = window.start_ms, window.end_ms, window.summary
    sketch = summary.sketch
    quantiles = None if sketch is None else {str(p): sketch.quantile(p) for p in policy.quantiles}
    return Aggregate(  # by position, which takes a third of the time
        window_id(sensor_id, window.quantity, start_ms, end_ms).hex(), sensor_id, window.quantity,
        start_ms / 1000, end_ms / 1000,
        summary.count, summary.mean, summary.variance, summary.minimum, summary.maximum, summary.first, summary.last,
        quantiles, summary.first_ms / 1000, summary.last_ms / 1000, window.supplement, window.unchecked,
    )  # fmt: skip


def _late_reading(reading: Reading, quantity: str, watermark_ms: int, *, too_old: bool) -> LateReading:
    identity = reading_id(reading.sensor_id, reading.collected_at, reading.values, reading.sequence)
    return LateReading(
        id=identity.hex(),
        sensor_id=reading.sensor_id,
        quantity=quantity,
        collected_at=reading.collected_at,
        value=reading.values[quantity],
        watermark=watermark_ms / 1000,
        too_old=too_old,
    )
