"""Sensor health: each sensor is measured against itself."""

import random

import pytest

from streams.analysis.digest import Digest
from streams.analysis.findings import Finding, InsightState
from streams.analysis.health import SensorHealth
from streams.analysis.values import CONVERSIONS, MAX_SECONDS, Stuck, UnitWatch

T0 = 1_750_000_000_000


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.kind.value, finding.state.value) for finding in findings]


def sending(
    health: SensorHealth, readings: int, every: int = 10_000, start: int = T0, delay: int = 200
) -> int:
    """Send readings at a steady pace; returns the time of the next one."""
    for index in range(readings):
        at = start + index * every
        health.observe(at, at + delay, None)
    return start + readings * every


def test_a_silent_sensor_stalls_by_its_own_cadence_and_is_told_once() -> None:
    slow, fast = SensorHealth(), SensorHealth()
    sending(fast, 40, every=1_000)
    end = sending(slow, 40, every=60_000)
    assert slow.cadence == 60.0
    assert fast.tick(T0 + 39_000 + 61_000).state is InsightState.RAISED
    assert slow.tick(end + 4 * 60_000 - 60_000) is None
    finding = slow.tick(end + 6 * 60_000)
    assert finding.details["cadence_seconds"] == 60.0
    assert slow.tick(end + 7 * 60_000) is None


def test_a_sensor_that_sends_again_is_no_longer_stalled() -> None:
    health = SensorHealth()
    end = sending(health, 40)
    assert health.tick(end + 600_000).state is InsightState.RAISED
    cleared = health.observe(end + 700_000, end + 700_200, None)
    assert told(cleared) == [("stalled", "cleared")]
    assert health.tick(end + 700_300) is None


def test_what_nobody_heard_is_no_stall() -> None:
    health = SensorHealth()
    end = sending(health, 40)
    assert health.tick(end + 600_000, since=end + 590_000) is None
    assert health.tick(end + 800_000, since=end + 590_000).details["silent_seconds"] == pytest.approx(
        810, abs=1
    )


def test_a_sensor_that_uploads_an_hour_at_once_is_not_stalled_between_uploads() -> None:
    health = SensorHealth()
    for hour in range(6):
        arrival = T0 + (hour + 1) * 3_600_000
        for minute in range(8):
            health.observe(T0 + hour * 3_600_000 + minute * 450_000, arrival, None)
    assert health.tick(T0 + 6 * 3_600_000 + 3_500_000) is None


def test_a_clock_that_is_ahead_is_noticed_after_three_readings_and_cleared_when_set_right() -> None:
    health = SensorHealth()
    end = sending(health, 10)
    findings = []
    for index in range(5):
        arrival = end + index * 10_000
        findings += health.observe(arrival + 90_000, arrival, None)
    assert told(findings) == [("clock", "raised")]
    assert findings[0].details["offset_seconds"] == pytest.approx(90)
    for index in range(5, 12):
        arrival = end + index * 10_000
        findings += health.observe(arrival - 100, arrival, None)
    assert told(findings) == [("clock", "raised"), ("clock", "cleared")]


def test_one_reading_from_the_future_is_no_wrong_clock() -> None:
    health = SensorHealth()
    end = sending(health, 10)
    assert health.observe(end + 300_000, end, None) == []


def test_a_clock_steadily_behind_is_noticed() -> None:
    health, findings = SensorHealth(), []
    for index in range(64):
        at = T0 + index * 10_000
        findings += health.observe(at, at + 600_000, None)
    assert told(findings) == [("clock", "raised")]
    assert findings[0].details["direction"] == "behind"


def test_a_replay_of_old_readings_is_no_clock_behind() -> None:
    health, findings = SensorHealth(), []
    for index in range(200):
        findings += health.observe(T0 + index * 10_000, T0 + 86_400_000 + index * 20, None)
    assert findings == []


def test_sequence_numbers_that_never_came_are_counted() -> None:
    health = SensorHealth()
    for sequence in (5, 6, 9, 8, 12):
        health.observe(T0 + sequence * 1000, T0 + sequence * 1000, sequence)
    finding = health.take_missing(T0 / 1000)
    assert finding.details == {"missing": 3, "missing_total": 3}  # 7, 10 and 11; 8 was only late
    assert health.take_missing(T0 / 1000) is None


def test_a_sensor_that_counts_anew_misses_nothing() -> None:
    health = SensorHealth()
    for index, sequence in enumerate((1000, 1001, 0, 1, 2)):
        health.observe(T0 + index * 1000, T0 + index * 1000, sequence)
    assert health.missing == 0


def test_health_goes_on_after_a_restore() -> None:
    one, other = SensorHealth(), SensorHealth()
    source = random.Random(1)
    at = T0
    for index in range(300):
        at += source.randrange(500, 30_000)
        arrival = at + source.randrange(0, 60_000) - 15_000
        if index % 7 == 0:
            other = SensorHealth.from_state(other.to_state())
        assert one.observe(at, arrival, index) == other.observe(at, arrival, index)
    assert one.to_state() == other.to_state()


def runs(stuck: Stuck, lengths: list[int], start: float = 0.0) -> list[Finding]:
    findings, time = [], start
    for number, length in enumerate(lengths):
        for _ in range(length):
            time += 60.0
            if (finding := stuck.observe("temperature", time, 20.0 + number % 7)) is not None:
                findings.append(finding)
    return findings


def test_a_value_that_stands_still_far_longer_than_usual_is_stuck_until_it_moves() -> None:
    findings = runs(Stuck(), [1, 3, 2, 5] * 20 + [60, 1])
    assert told(findings) == [("stuck", "raised"), ("stuck", "cleared")]
    assert findings[1].details["readings"] == 60


def test_a_coarse_thermometer_that_always_repeats_itself_is_not_stuck() -> None:
    source = random.Random(2)
    assert runs(Stuck(), [source.randrange(1, 40) for _ in range(200)]) == []


def test_a_value_that_has_never_moved_has_no_usual_to_compare_with() -> None:
    assert runs(Stuck(), [100_000]) == []


def usual_room(scatter: float = 0.5, level: float = 21.0) -> UnitWatch:
    source, digest, watch = random.Random(3), Digest(), UnitWatch()
    for _ in range(500):
        digest.add(source.gauss(level, scatter))
    watch.learn_usual(digest)
    watch.observe("temperature", 0.0, level)
    return watch


@pytest.mark.parametrize("conversion", CONVERSIONS[::2], ids=lambda conversion: conversion.name)
def test_a_change_of_unit_is_recognised_and_its_end_too(conversion) -> None:
    watch = usual_room()
    source, findings = random.Random(4), []
    for index in range(20):
        value = source.gauss(21.0, 0.3)
        if 5 <= index < 12:
            value = conversion.factor * value + conversion.offset
        quantity = "temperature" if conversion.of == "temperature" else "level"
        if (finding := watch.observe(quantity, 60.0 * index, value)) is not None:
            findings.append(finding)
    assert told(findings) == [("unit", "raised"), ("unit", "cleared")]
    assert findings[0].details["conversion"] == conversion.name


def test_a_spike_is_no_change_of_unit() -> None:
    watch = usual_room()
    assert [watch.observe("temperature", index, 21.0 if index % 2 else 69.8) for index in range(10)] == [
        None
    ] * 10


def test_a_heater_that_is_switched_on_is_no_change_of_unit() -> None:
    watch = usual_room()
    assert [watch.observe("temperature", index, 45.0) for index in range(10)] == [None] * 10


def test_a_new_unit_that_stays_is_taken_as_normal_after_a_day() -> None:
    watch = usual_room()
    states = []
    for index in range(200):
        finding = watch.observe("temperature", index * MAX_SECONDS / 100, 69.8)
        if finding is not None:
            states.append(finding.state)
    assert states == [InsightState.RAISED, InsightState.CLEARED]
