"""Turn the records of `readings` into aggregates and late readings: what the live agent and a replay both call."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from streams.errors import InputError, Reason, shown
from streams.records.dead_letters import without_room
from streams.records.identity import aggregate_id, reading_id
from streams.records.rows import Row, is_key
from streams.records.types import Aggregate, DeadLetter, LateReading, Reading, Tick
from streams.windows.sensor_windows import ClosedWindow, SensorWindows, WindowPolicy


@dataclass(slots=True)
class AggregationOutcome:
    """What came of some records: results, and what became of each reading.

    Args:
        aggregates: Of the windows that closed, in order.
        late: Readings that came after their windows had closed, one per quantity.
        refused: Dead letters of readings for whose sensor, or for some of whose quantities, there is no room.
        changed: Rows that changed, by sensor, in the order of their first change.
        applied, duplicates, skipped, ticks: Values put into windows; values already in their windows; readings
            that the row contained already (read again after a crash); ticks seen.
        left_out: Values for which there is no room.
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
    records: Iterable[tuple[int, int, Reading | Tick]],
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
    applied = 0
    for offset, ingest_ms, record in records:
        if isinstance(record, Tick):
            outcome.ticks += 1
            _close_idle(policy, rows, offset, round(record.tick_at * 1000), outcome)
            continue
        sensor_id = record.sensor_id
        row = rows.get(sensor_id)
        if row is None:
            if not policy.room.for_a_row(sensor_id, len(rows)):
                outcome.refuse((offset, ingest_ms), record, len(record.values), _no_row(policy, sensor_id))
                continue
            row = rows[sensor_id] = Row(SensorWindows())
        elif offset <= row.applied_through:
            outcome.skipped += 1
            continue
        row.applied_through = offset
        changed[sensor_id] = row
        sensor = row.state
        values = record.values
        ms = round(record.collected_at * 1000)
        duplicates, late = sensor.observe(policy, ms, record.sequence, values, ingest_ms)
        applied += len(values)
        if duplicates or late:
            applied -= len(duplicates) + len(late)
            outcome.duplicates += len(duplicates)
            if len(sensor.series) >= policy.room.quantities:
                late = _with_room(policy, sensor, late, (offset, ingest_ms), record, outcome)
            outcome.late += [_late_reading(record, quantity, sensor.watermark_ms) for quantity in late]
        if sensor.watermark_ms >= sensor.next_close_ms:
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


def _with_room(
    policy: WindowPolicy,
    sensor: SensorWindows,
    late: Sequence[str],
    place: tuple[int, int],
    reading: Reading,
    outcome: AggregationOutcome,
) -> Sequence[str]:
    """Set the quantities aside for which there is no room, and return those that are late."""
    left_out = [quantity for quantity in late if not sensor.has_room(policy, quantity)]
    if left_out:
        why = InputError(
            Reason.TOO_MANY_QUANTITIES,
            f"at most {policy.room.quantities} quantities of a sensor have windows and models "
            f"(WEIR_WINDOWS__MAX_QUANTITIES), {reading.sensor_id} has got {len(left_out)} more: "
            f"{shown(left_out[0])}",
        )
        outcome.refuse(place, reading, len(left_out), why)
    return [quantity for quantity in late if quantity not in left_out]


def close_all(policy: WindowPolicy, rows: dict[str, Row[SensorWindows]], outcome: AggregationOutcome) -> None:
    """Close every open window: the end of a recording, where no tick will come.

    Args:
        policy: How windows are drawn and closed.
        rows: The partition's rows by sensor id.
        outcome: Collects the aggregates.
    """
    for sensor_id in sorted(rows):
        row = rows[sensor_id]
        row.state.close_all(policy)
        for window in row.state.take_closed(policy):
            outcome.aggregates.append(to_aggregate(policy, sensor_id, window))


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
        if offset > row.applied_through and row.state.is_idle(policy, tick_ms)
    ]
    for sensor_id in sorted(idle):  # rows recovered from a changelog stand in another order
        row = rows[sensor_id]
        row.applied_through = offset
        outcome.changed[sensor_id] = row
        row.state.close_idle(policy, tick_ms)
        for window in row.state.take_closed(policy):
            outcome.aggregates.append(to_aggregate(policy, sensor_id, window))


def to_aggregate(policy: WindowPolicy, sensor_id: str, window: ClosedWindow) -> Aggregate:
    """Make the record of a closed window.

    Args:
        policy: Says which quantiles are told, where the window has a sketch.
        sensor_id: Whose window.
    """
    start, end = window.start_ms / 1000, window.end_ms / 1000
    summary = window.summary
    sketch = summary.sketch
    return Aggregate(
        id=aggregate_id(sensor_id, window.quantity, start, end).hex(),
        sensor_id=sensor_id,
        quantity=window.quantity,
        start=start,
        end=end,
        count=summary.count,
        mean=summary.mean,
        variance=summary.variance,
        min=summary.minimum,
        max=summary.maximum,
        first=summary.first,
        last=summary.last,
        quantiles=None if sketch is None else {str(p): sketch.quantile(p) for p in policy.quantiles},
    )


def _late_reading(reading: Reading, quantity: str, watermark_ms: int) -> LateReading:
    identity = reading_id(reading.sensor_id, reading.collected_at, reading.values, reading.sequence)
    return LateReading(
        id=identity.hex(),
        sensor_id=reading.sensor_id,
        quantity=quantity,
        collected_at=reading.collected_at,
        value=reading.values[quantity],
        watermark=watermark_ms / 1000,
    )
