"""Readings of a partition become insights: split, restored, redelivered, it is all the same."""

import json
from collections import Counter
from functools import cache
from typing import Any

import msgspec
import pytest

from streams.analysis.analyse import AnalysisOutcome, AnalysisPlan, analyse, compare
from streams.analysis.sensor import MAX_QUANTITIES, SensorAnalysis
from streams.payloads.event_times import event_time
from streams.records.rows import Row, decode_row, encode_row
from streams.records.types import Insight, Reading, Tick, decode_as, encode
from streams.signals import Fleet, MessageKind, parse_faults

START = 1_750_003_200.0
Record = tuple[int, int, Reading | Tick]
PLAN = AnalysisPlan({"all": "*"})


@cache
def recorded(
    days: float = 6.0, interval: float = 300.0, faults: str = "", sensors: int = 2
) -> tuple[Record, ...]:
    """Readings of simulated sensors as they would stand in one partition."""
    fleet = Fleet(
        sensors=sensors, start=START, interval=interval, faults=parse_faults(faults),
        until=START + days * 86_400, calm=round(86_400 / interval),
    )  # fmt: skip
    records: list[Record] = []
    for message in fleet.messages():
        if message.kind is not MessageKind.READING:
            continue
        try:
            fields = json.loads(message.payload)
        except ValueError:
            continue
        collected_at = event_time(fields.pop("collected_at"))
        sensor_id = message.topic.split("/")[1]
        values = {
            name: float(value) for name, value in fields.items() if name not in ("sensor_id", "sequence")
        }
        reading = Reading(sensor_id, collected_at, values, fields.get("sequence"))
        records.append((len(records), round(message.key.at * 1000), reading))
    return tuple(records)


def analysed(records, rows=None) -> tuple[AnalysisOutcome, dict[str, Row[SensorAnalysis]]]:
    rows = {} if rows is None else rows
    outcome = AnalysisOutcome()
    analyse(PLAN, rows, records, outcome)
    return outcome, rows


def restored(rows):
    return {
        sensor: decode_row(encode_row(row, SensorAnalysis.to_state), SensorAnalysis.from_state)
        for sensor, row in reversed(rows.items())
    }


def states(rows):
    return {sensor: encode_row(rows[sensor], SensorAnalysis.to_state) for sensor in sorted(rows)}


@pytest.mark.parametrize("cut", [1, 700, 1729, 2500])
def test_splitting_and_restoring_anywhere_gives_the_same_insights_and_states(cut) -> None:
    records = recorded(faults="shift:0.02,flatline:0.02,late:0.01,duplicate:0.02,reorder:0.02")
    whole, rows = analysed(records)
    first, part = analysed(records[:cut])
    second, part = analysed(records[cut:], restored(part))
    assert first.insights + second.insights == whole.insights
    assert first.buckets + second.buckets == whole.buckets
    assert states(part) == states(rows)


def test_readings_that_are_read_again_after_a_crash_are_skipped() -> None:
    records = recorded()
    whole, rows = analysed(records)
    again, part = analysed(records[:1000])
    repeated, part = analysed(records[400:], part)
    assert repeated.skipped == 600
    assert again.insights + repeated.insights == whole.insights
    assert states(part) == states(rows)


def test_how_readings_are_batched_changes_nothing() -> None:
    records = recorded()
    whole, _ = analysed(records)
    rows: dict[str, Any] = {}
    insights: list[Insight] = []
    for at in range(0, len(records), 37):
        insights += analysed(records[at : at + 37], rows)[0].insights
    assert insights == whole.insights


def test_each_hour_is_forecast_once_there_is_a_track_record_and_each_day_described() -> None:
    outcome, _ = analysed(recorded())
    kinds = Counter((insight.sensor_id, insight.quantity, insight.kind) for insight in outcome.insights)
    sensor = outcome.insights[0].sensor_id
    assert kinds[sensor, "temperature", "forecast"] == 6 * 24 - 48 - 1  # the last hour is still open
    assert kinds[sensor, "temperature", "profile"] == 6
    last = [each for each in outcome.insights if each.kind == "forecast" and each.quantity == "temperature"][
        -1
    ]
    assert [forecast["hours"] for forecast in last.details["horizons"]] == [1, 6, 24]
    for forecast in last.details["horizons"]:
        assert forecast["low"] <= forecast["point"] <= forecast["high"]
        assert forecast["record"]["judged"] >= 24


def test_ids_are_unique_and_records_survive_their_encoding() -> None:
    outcome, _ = analysed(recorded(faults="flatline:0.05,unit:0.02,dropout:0.05", days=8))
    assert len({insight.id for insight in outcome.insights}) == len(outcome.insights)
    for insight in outcome.insights[::50]:
        assert decode_as(Insight, encode(insight)) == insight


def test_values_in_another_unit_are_told_and_not_learned() -> None:
    clean, clean_rows = analysed(recorded(days=4))
    faulty, rows = analysed(recorded(days=4, faults="unit:0.05"))
    told = [insight for insight in faulty.insights if insight.kind == "unit"]
    assert {insight.details["conversion"] for insight in told} == {"Celsius to Fahrenheit"}
    for sensor, row in rows.items():
        usual = clean_rows[sensor].state.series["temperature"].digest.quantile(0.99)
        series = row.state.series["temperature"]
        assert series.digest.quantile(0.99) < usual + 2
        assert max(mean for mean in series.history.means if mean == mean) < usual + 2
    assert not [insight for insight in clean.insights if insight.kind == "unit"]


def test_a_flatline_is_told_as_stuck() -> None:
    outcome, _ = analysed(recorded(days=8, faults="flatline:0.05", interval=60.0, sensors=1))
    assert [insight.state for insight in outcome.insights if insight.kind == "stuck"][:2] == [
        "raised",
        "cleared",
    ]


def test_ticks_tell_who_has_fallen_silent_and_only_once() -> None:
    records = list(recorded(days=1))
    offset, ingest, _ = records[-1]
    ticks = [(offset + 1 + number, 0, Tick(ingest / 1000 + 600 * number)) for number in range(1, 8)]
    outcome, rows = analysed(records + ticks)
    stalled = [insight for insight in outcome.insights if insight.kind == "stalled"]
    assert [insight.sensor_id for insight in stalled] == sorted(rows)
    repeated, _ = analysed(ticks, restored(rows))
    assert not repeated.insights


def test_a_repeated_reading_counts_once_and_a_late_one_is_counted_apart() -> None:
    rows: dict[str, Row[SensorAnalysis]] = {}
    times = [0, 60, 60, 120, 1000, 130, 1060]
    analysed([(at, 0, Reading("s", START + time, {"t": 1.0})) for at, time in enumerate(times)], rows)
    sensor = rows["s"].state
    assert (sensor.duplicates, sensor.late) == (1, 1)
    assert sensor.series["t"].digest.count == 5


def test_a_sensor_with_too_many_quantities_is_analysed_in_part() -> None:
    rows: dict[str, Row[SensorAnalysis]] = {}
    values = {f"q{number:02d}": 1.0 for number in range(MAX_QUANTITIES + 4)}
    analysed([(0, 0, Reading("s", START, values))], rows)
    assert len(rows["s"].state.series) == MAX_QUANTITIES
    assert rows["s"].state.left_out == 4


def test_a_sensor_that_comes_back_after_months_begins_anew() -> None:
    rows: dict[str, Row[SensorAnalysis]] = {}
    records = recorded(sensors=1)
    analysed(records, rows)
    later = [
        (
            offset + 10**6,
            ms,
            msgspec.structs.replace(reading, collected_at=reading.collected_at + 90 * 86_400),
        )
        for offset, ms, reading in records
    ]
    outcome, _ = analysed(later, rows)
    forecasts = [
        each for each in outcome.insights if each.kind == "forecast" and each.quantity == "temperature"
    ]
    assert len(forecasts) == 1 + 6 * 24 - 48 - 1  # the hour that was still open closes, too


def test_groups_compare_their_sensors_and_remember_what_they_have_applied() -> None:
    outcome, _ = analysed(recorded())
    assert {bucket.group for bucket in outcome.buckets} == {"all"}
    groups: dict[str, Any] = {}
    insights = compare(groups, enumerate(outcome.buckets))
    assert compare(groups, enumerate(outcome.buckets)) == []
    assert all(insight.kind == "correlation" for insight in insights)
    assert sorted(groups["all"].state.quantities) == ["battery", "temperature"]
