"""From records of `readings` to aggregates, late readings and rows."""

from random import Random

import pytest

from streams.errors import ConfigurationError
from streams.records.identity import aggregate_id, reading_id
from streams.records.rows import CHANGES, Row, decode_row, encode_news, encode_row
from streams.records.types import Reading, Tick, decode_readings, encode
from streams.windows.aggregation import AggregationOutcome, aggregate, close_all
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import WINDOW_CHANGES, SensorWindows
from tests.support.changelog import recovered

POLICY = WindowPolicy.of(size=60, grace=0, idle=30)
Rows = dict[str, Row[SensorWindows]]


def reading(
    event_time: float, value: float = 1.0, sensor: str = "s1", sequence: int | None = None
) -> Reading:
    return Reading(sensor, event_time, {"temperature": value}, sequence)


def run(
    *records: tuple[int, int, Reading | Tick], rows: Rows | None = None
) -> tuple[AggregationOutcome, Rows]:
    rows = {} if rows is None else rows
    outcome = AggregationOutcome()
    aggregate(POLICY, rows, records, outcome)
    return outcome, rows


def test_a_window_that_closes_becomes_an_aggregate_with_a_derived_id() -> None:
    outcome, _ = run((0, 0, reading(1.0, 2.0)), (1, 0, reading(2.0, 4.0)), (2, 0, reading(60.0, 9.0)))
    (result,) = outcome.aggregates
    assert result.id == aggregate_id("s1", "temperature", 0, 60).hex()
    assert (result.count, result.mean, result.variance, result.min, result.max) == (2, 3.0, 2.0, 2.0, 4.0)
    assert (result.first, result.last, result.quantiles) == (2.0, 4.0, None)
    assert (outcome.applied, outcome.duplicates, set(outcome.changed)) == (3, 0, {"s1"})


def test_a_late_reading_is_returned_with_its_id_and_the_watermark() -> None:
    outcome, _ = run((0, 0, reading(120.0)), (1, 0, reading(5.0, 7.0, sequence=3)))
    (late,) = outcome.late
    assert late.id == reading_id("s1", 5.0, {"temperature": 7.0}, 3).hex()
    assert (late.value, late.collected_at, late.watermark) == (7.0, 5.0, 120.0)
    assert outcome.applied == 1


def test_what_a_row_contains_already_is_skipped() -> None:
    records = [(0, 0, reading(1.0)), (1, 0, reading(2.0))]
    _, rows = run(*records)
    again, rows = run(*records, (2, 0, reading(3.0)), rows=rows)
    assert (again.skipped, again.applied) == (2, 1)
    assert rows["s1"].applied_through == 2


def test_a_redelivered_reading_with_a_new_offset_is_a_duplicate() -> None:
    outcome, _ = run((0, 0, reading(1.0)), (7, 0, reading(1.0)))
    assert (outcome.applied, outcome.duplicates) == (1, 1)


def test_a_tick_closes_the_windows_of_idle_sensors_only() -> None:
    outcome, rows = run(
        (0, 1_000, reading(1.0, sensor="b")),
        (1, 1_000, reading(1.0, sensor="a")),
        (2, 40_000, reading(1.0, sensor="busy")),
        (3, 41_000, Tick(41.0)),
    )
    assert [result.sensor_id for result in outcome.aggregates] == ["a", "b"]
    assert outcome.ticks == 1
    assert rows["a"].applied_through == 3
    assert rows["busy"].applied_through == 2


def test_a_tick_that_a_row_contains_already_changes_nothing() -> None:
    records: list[tuple[int, int, Reading | Tick]] = [(0, 1_000, reading(1.0)), (1, 41_000, Tick(41.0))]
    _, rows = run(*records)
    again, _ = run(*records, rows=rows)
    assert again.aggregates == []
    assert again.changed == {}


def test_the_end_of_a_recording_closes_everything_in_the_order_of_sensors() -> None:
    _, rows = run((0, 0, reading(1.0, sensor="b")), (1, 0, reading(1.0, sensor="a")))
    outcome = AggregationOutcome()
    close_all(POLICY, rows, outcome)
    assert [result.sensor_id for result in outcome.aggregates] == ["a", "b"]


def test_quantiles_are_in_the_aggregate_where_the_policy_asks_for_them() -> None:
    policy = WindowPolicy.of(size=60, grace=0, quantiles=(0.5, 0.95))
    outcome = AggregationOutcome()
    records = [(number, 0, reading(number / 10, float(number))) for number in range(1, 101)]
    rows: Rows = {}
    aggregate(policy, rows, records, outcome)
    close_all(policy, rows, outcome)
    quantiles = outcome.aggregates[0].quantiles
    assert quantiles is not None
    assert quantiles["0.95"] == pytest.approx(95, rel=0.03)


def test_a_row_survives_its_encoding() -> None:
    _, rows = run((0, 0, reading(1.0)), (9, 0, reading(2.0)))
    data = encode_row(rows["s1"], SensorWindows.to_state)
    restored = decode_row(data, SensorWindows.from_state)
    assert restored.applied_through == 9
    assert restored.state.to_state() == rows["s1"].state.to_state()


def uneasy(seed: int, steps: int = 3000) -> list[tuple[int, int, Reading | Tick]]:
    """A sensor of two quantities: steady, out of order, twice, late, silent until a tick closes its windows."""
    rng = Random(seed)
    time = 1e9
    records: list[tuple[int, int, Reading | Tick]] = []
    for offset in range(steps):
        ingest_ms = round(time * 1000)
        if rng.random() < 0.01:
            time += 60.0
            records.append((offset, ingest_ms, Tick(time)))
            continue
        time += rng.choice((0.0, 1.0, 1.0, 1.0, 1.0, 1.0)) if rng.random() < 0.98 else 30.0
        event_time = time - (rng.choice((3.0, 7.5, 200.0)) if rng.random() < 0.05 else 0.0)
        values = {"temperature": rng.gauss(20.0, 1.0)} | ({"pressure": 1.0} if rng.random() < 0.1 else {})
        records.append((offset, ingest_ms, Reading("s1", event_time, values)))
    return records


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "policy",
    [
        WindowPolicy.of(size=60, grace=10, idle=30),
        WindowPolicy.of(size=60, step=20, grace=5, idle=30, quantiles=(0.5,)),
    ],
)
def test_a_row_written_whole_and_its_newest_changes_are_the_row(policy: WindowPolicy, seed: int) -> None:
    rng = Random(seed)
    changelog: dict[bytes, bytes] = {}  # as compaction leaves it: the newest of each key
    rows: Rows = {}
    little = checkpoints = 0
    for offset, ingest_ms, record in uneasy(seed):
        aggregate(policy, rows, [(offset, ingest_ms, record)], AggregationOutcome())
        if "s1" not in rows or rng.random() < 0.5:
            continue  # the next checkpoint has both
        key, value = encode_news("s1", rows["s1"], SensorWindows.to_state, WINDOW_CHANGES)
        changelog[key] = value
        checkpoints += 1
        little += key == b"s1" + CHANGES
        back = recovered(changelog, "s1", SensorWindows.from_state, WINDOW_CHANGES)
        assert back.applied_through == rows["s1"].applied_through
        assert back.state.to_state() == rows["s1"].state.to_state()
        if rng.random() < 0.05:
            rows["s1"] = back
    assert 0.5 < little / checkpoints < 0.95


def test_a_live_reading_of_a_long_window_writes_little_of_its_row() -> None:
    """With n readings of 16 bytes in the window: some 16 √2n, the least for a row and what has changed since."""
    policy = WindowPolicy.of(size=7200, grace=10, idle=30)
    rows: Rows = {}
    readings, written = 3600, 0
    for second in range(readings):
        aggregate(policy, rows, [(second, 0, reading(float(second)))], AggregationOutcome())
        written += len(encode_news("s1", rows["s1"], SensorWindows.to_state, WINDOW_CHANGES)[1])
    assert written / readings < 16 * (2 * readings) ** 0.5


def test_changes_that_follow_another_state_are_refused() -> None:
    sensor = SensorWindows()
    for second in range(3):
        sensor.observe(POLICY, 1000 * second, None, {"temperature": 1.0}, 0)
    assert sensor.take_changes() is None
    changes = sensor.take_changes()
    assert changes is not None
    with pytest.raises(ConfigurationError, match="expected changes after 0 readings, got those after 3"):
        SensorWindows().apply_changes(changes)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x93\x63\x00\xc0", b"not a row"])
def test_a_row_of_another_release_or_a_broken_one_stops_the_worker(data: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"rows? of its changelog (have version|cannot be read)"):
        decode_row(data, SensorWindows.from_state)


def test_many_records_are_decoded_at_once_or_not_at_all() -> None:
    records = [reading(1.0), Tick(2.0)]
    assert decode_readings([encode(record) for record in records]) == records
    assert decode_readings([encode(reading(1.0)), b"{"]) is None
    assert decode_readings([None]) is None
