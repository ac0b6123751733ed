"""What the live worker emitted is what a replay recomputes, byte for byte, whatever happened to the worker."""

import asyncio
import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.cli import main
from bridges.kafka.clients import ensure_topics
from bridges.kafka.options import librdkafka_options
from bridges.process.alarm_settings import AlarmSettings
from bridges.process.settings import BridgeSettings, KafkaSettings, Settings
from bridges.replay.verifying import Verification
from bridges.rules.rule_writer import write_change
from bridges.sources import Selection
from bridges.sources.kafka_source import KafkaSource, Log
from streams.alarms.acting import action_of
from streams.alarms.incidents import Incidents
from streams.backtest.peer_runs import GatheringRun, compare_gathered
from streams.detection.limits.limit_rules import FORECAST, LIMIT_CAUSES
from streams.records.alarm_records import Alarm
from streams.records.rule_parts import AppliedRule
from streams.records.topics import (
    ACTIONS,
    AGGREGATES,
    ALARM_INPUTS,
    ALARMS,
    ANOMALIES,
    BANDS,
    LATE_READINGS,
    PEER_INPUTS,
    READINGS,
)
from streams.records.types import Aggregate, Anomaly, decode_as, encode
from streams.rules.rule_changes import change_to
from tests.simulation.notified import INCIDENTS, device_of, incidents_by_hand
from tests.support.patience import PATIENCE
from tests.support.recorded_day import EPOCH, recorded_day, send
from tests.support.topic_records import records_of
from tests.support.worker_process import WorkerProcess, until_consumed

DETECTION: Any = {
    "raise_at": 0.999, "rest_seconds": 300.0, "clear_seconds": 60.0,
    "high": 34.5, "deadband": 1.0, "severity": "critical", "rise_per_hour": 2000.0, "rate_seconds": 20.0,
    "series": {
        "sensor-00*/temperature": {"peers": "pattern", "peers_after_seconds": 0, "warm_up": 20, "raise_at": 0.995},
        "sensor-02*/humidity": {"counter": {"wraps_at": 60, "per": "minute", "over_seconds": 15}},
        "sensor-01*/humidity": {"follows": ["temperature"], "peers_after_seconds": 0, "warm_up": 20, "raise_at": 0.99},
    },
    "silent_after_seconds": 400.0,
}  # fmt: skip
TICK_SECONDS = 30.0
"""As `recorded_day` has them."""
STEPS = 700
ESCALATE_SECONDS = (300.0, 600.0)
CHANGES = {
    part: change_to(rules, at=EPOCH + part, by=by, why=f"part {part}")
    for part, by, rules in (
        (
            1,
            "Ada",
            [
                AppliedRule("sensor-01[0-4]/temperature", high=20.6, deadband=0.3),
                AppliedRule(
                    "sensor-01*/temperature", high=20.3, count=2, within_seconds=60.0, when="humidity > 42.1"
                ),
                AppliedRule("sensor-00[0-4]/*", silent_after_gaps=5.0, severity="critical"),
                AppliedRule("sensor-03*/temperature", above_peers=0.2, below_peers=0.3, deadband=0.1),
            ],
        ),
        (
            7,
            "Bob",
            [
                AppliedRule("sensor-0[12]*/temperature", low=19.4, rise_per_hour=900.0, severity="info"),
                AppliedRule(
                    "*/temperature @ row 3",
                    above_peers=0.3,
                    delay_seconds=60.0,
                    place="row 3",
                    sensors=tuple(f"sensor-03{number}" for number in range(6)),
                ),
            ],
        ),
    )
}
"""Rules that are applied while the workers run, by the part of the day before which they are."""
BESIDE = {"peers", "relation", "deviation"}
APPLIED = {each.fingerprint for each in CHANGES.values()}


async def live_system(kafka: str, namespace: str, folder: Path) -> tuple[Settings, dict[str, str]]:
    """Run workers over a bad day, with kills; returns when everything has been consumed and they have stopped."""
    settings = Settings(
        kafka=KafkaSettings(brokers=kafka, namespace=namespace, partitions=4, retention_days=36_500),
        detection=DETECTION,
        bridge=BridgeSettings(tick_seconds=TICK_SECONDS),
        alarms=AlarmSettings(escalate_seconds=ESCALATE_SECONDS),
    )
    variables = {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": namespace,
        "WEIR_KAFKA__RETENTION_DAYS": "36500",
        "WEIR_WORKER__CHECKPOINT_SECONDS": "0.2",
        "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": "2",
        "WEIR_WORKER__FETCH_RECORDS": "500",
        "WEIR_WORKER__SINKS": "false",
        "WEIR_BRIDGE__TICK_SECONDS": str(TICK_SECONDS),
        "WEIR_ALARMS__ESCALATE_SECONDS": ",".join(map(str, ESCALATE_SECONDS)),
        **{
            f"WEIR_DETECTION__{name.upper()}": json.dumps(value) if name == "series" else str(value)
            for name, value in DETECTION.items()
        },
    }
    await asyncio.to_thread(ensure_topics, settings)
    records = recorded_day(sensors=40, steps=STEPS, seed=7)
    workers = [WorkerProcess(variables, folder, f"worker-{number}") for number in range(2)]
    try:
        workers[0].start()
        await asyncio.to_thread(plan_work, settings)
        for part in range(10):
            size = len(records) // 10 + 1
            if part in CHANGES:
                await asyncio.to_thread(write_change, settings, CHANGES[part])
            await asyncio.to_thread(send, settings, records[part * size : (part + 1) * size])
            await asyncio.sleep(0.5)  # spread over the workers' lives: what is tested does not depend on it
            await asyncio.to_thread(act, settings, EPOCH + part * STEPS)
            if part in (2, 6):
                workers[0].kill()
                workers[part // 6].start()
        for topic in (READINGS, PEER_INPUTS, ACTIONS, ALARM_INPUTS):
            await until_consumed(settings, workers, topic=topic.name)
        for worker in workers:
            if worker.running:
                await asyncio.to_thread(worker.stop)
    finally:
        for worker in workers:
            worker.kill()
    return settings, variables


async def test_live_equals_replay_through_disorder_silence_and_crashes(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, variables = await live_system(kafka, topic_prefix, tmp_path)

    verified = await asyncio.to_thread(Verification.plan(settings, Selection()).run)
    assert not verified.whole.mismatches, verified.whole.shown[0]
    for name in (AGGREGATES.name, LATE_READINGS.name, ANOMALIES.name, BANDS.name):
        assert verified.by_topic[settings.topic(name)].matched > 10, f"the log must give {name} to compare"
    assert verified.unreadable > 0, "the log must have unreadable records"
    anomalies = await asyncio.to_thread(records_of, settings, Anomaly)
    causes = {each.cause for each in anomalies}
    alarms = await asyncio.to_thread(records_of, settings, Alarm)
    assert {each.event for each in alarms} >= {
        "raised", "again", "returned", "shelved", "restored", "acknowledged", "escalated",
    }  # fmt: skip
    assert {each.state for each in alarms} >= {"suppressed", "shelved", "unacknowledged", "normal"}
    compare_incidents_by_hand(alarms)
    compared = verified.by_topic[settings.topic(ALARMS.name)]
    assert len({(each.id, each.number) for each in alarms}) == compared.matched + compared.beyond
    assert {each.rule for each in alarms} == {each.rule for each in anomalies} == {"", *APPLIED}
    aggregates = await asyncio.to_thread(records_of, settings, Aggregate)
    assert sum(each.quantity == "humidity_per_minute" for each in aggregates) > 100, "rates must be compared"
    # A forecast asks for two days: `tests/unit/test_forecast_limits.py` cuts logs of them anywhere.
    assert causes > {*LIMIT_CAUSES - {FORECAST}, "peers", "relation"}, (
        f"limits, peers and detectors must have been compared: {causes}"
    )
    silent = [each for each in anomalies if (each.cause, each.state) == ("silence", "raised")]
    assert {each.sensor_id: each.rule for each in silent} == {
        f"sensor-{number:03}": CHANGES[1].fingerprint if number < 5 else "" for number in range(10)
    }
    assert {each.kind for each in alarms} >= {"anomaly", "limit", "rate", "peers", "silence"}
    await asyncio.to_thread(compare_with_what_follows_from_readings_alone, settings, anomalies)
    in_processes = await asyncio.to_thread(Verification.plan(settings, Selection()).run, 2)
    assert in_processes == verified

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told = await weir("replay", "--verify")
    assert (told.exit_code, "live equals replay" in told.output) == (0, True), told.output

    # A range and a choice of sensors: fewer results, and they still agree.
    day = Selection(("sensor-00*",), EPOCH + 1000, EPOCH + 3000)
    some = await asyncio.to_thread(Verification.plan(settings, day).run)
    assert not some.whole.mismatches, some.whole.shown[0]
    assert 0 < some.whole.matched < verified.whole.matched / 4

    # Under other settings live and replay differ, and the first difference is named.
    monkeypatch.setenv("WEIR_WINDOWS__GRACE_SECONDS", "40")
    told = await weir("replay", "--verify")
    assert told.exit_code == 3
    assert "live and replay differ first at 2024-09-09T14:0" in told.output, told.output
    monkeypatch.delenv("WEIR_WINDOWS__GRACE_SECONDS")

    # One result that no reading accounts for is found.
    forged = Aggregate("0" * 24, "sensor-001", "temperature", EPOCH, EPOCH + 60, 1, 0, 0, 0, 0, 0, 0)
    append(settings, AGGREGATES.name, encode(forged))
    told = await weir("replay", "--verify")
    assert told.exit_code == 3
    assert "sensor-001/temperature: unexpected" in told.output, told.output


async def test_where_retention_has_deleted_the_beginning_only_windows_beyond_its_reach_are_compared(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings, _ = await live_system(kafka, topic_prefix, tmp_path)
    await asyncio.to_thread(forget_beginning, settings, 0.2)

    verification = await asyncio.to_thread(Verification.plan, settings, Selection())
    assert not verification.models
    assert "anomalies are not compared" in " ".join(verification.describe())
    assert "nor are windows of rates of counters" in " ".join(verification.describe())
    verified = await asyncio.to_thread(verification.run)
    assert not verified.whole.mismatches, verified.whole.shown[0]
    assert verified.by_topic[settings.topic(AGGREGATES.name)].matched > 10
    assert settings.topic(ANOMALIES.name) not in verified.by_topic
    # What was applied where the beginning is gone is in force where reading begins: `rules` knows.
    left = await asyncio.to_thread(KafkaSource.open, settings, Selection())
    firsts = [next(iter(left.read([partition]))).records[0] for partition in left.partitions]
    assert [record for _, _, record in firsts] == [CHANGES[1]] * 4

    # Of results that are gone, as retention leaves it, nothing is said; a backfill takes them for lost.
    matched = verified.by_topic[settings.topic(AGGREGATES.name)].matched
    await asyncio.to_thread(forget_beginning, settings, 0.999, AGGREGATES.name)
    again = await asyncio.to_thread(verification.run)
    assert not again.whole.mismatches, again.whole.shown[0]
    left_out = again.by_topic[settings.topic(AGGREGATES.name)]
    assert left_out.deleted > 10
    assert left_out.matched + left_out.deleted == matched
    lost = await asyncio.to_thread(replace(verification, deleted_too=True).run)
    assert lost.by_topic[settings.topic(AGGREGATES.name)].missing == left_out.deleted


def compare_incidents_by_hand(alarms: list[Alarm]) -> None:
    """Compare incidents with those found in the plainest way, in whatever order partitions are read, and read twice."""
    found = Incidents(INCIDENTS, device_of)
    for number in random.Random(7).sample(range(4), 4):
        own = [each for each in alarms if int(each.sensor_id[-3:]) % 4 == number]
        for each in (*own[: len(own) // 2], *own):
            found.take(each)
    wanted = incidents_by_hand(list({(each.id, each.number): each for each in alarms}.values()))
    assert sorted([each.id for each in incident.members] for incident in found) == sorted(wanted)
    assert len(wanted) > 3


def compare_with_what_follows_from_readings_alone(settings: Settings, anomalies: list[Anomaly]) -> None:
    """What was found beside peers does not depend on the order in which partitions came to be read."""
    plan = settings.peer_plan()
    run = GatheringRun(settings.windows.policy(), plan)
    source = KafkaSource.open(settings, Selection())
    for chunk in source.read(source.partitions):
        run.apply(chunk.partition, chunk.records)
    outcome = compare_gathered(plan, run.inputs)
    followed = {encode(each) for each in outcome.anomalies}
    live = {encode(each) for each in anomalies if each.cause in BESIDE}
    assert outcome.compared > 500
    by_limit = [each for each in anomalies if each.cause == "deviation"]
    assert {each.rule for each in by_limit if each.state == "raised"} == APPLIED
    assert all(each.state == "cleared" for each in ends_of(by_limit) if each.sensor_id > "sensor-035"), (
        by_limit
    )
    assert live <= followed
    last = max(each.end for some in run.inputs.values() for each in some) - 2 * plan.wait
    assert all(decode_as(Anomaly, each).changed_at > last for each in followed - live)


def ends_of(anomalies: list[Anomaly]) -> list[Anomaly]:
    """Return the newest record of each anomaly."""
    return [*{each.id: each for each in anomalies}.values()]


async def weir(*arguments: str):
    return await asyncio.to_thread(CliRunner().invoke, main, list(arguments))


def act(settings: Settings, at: float) -> None:
    """Do what people do, at some time of the recorded day."""
    actions = [
        action_of("acknowledge", at=at, by="Ada", sensor_id=f"sensor-{number:03}") for number in range(10)
    ]
    actions += [
        action_of("shelve", at=at, by="Ada", sensor_id=f"sensor-{number:03}", until=at + 600)
        for number in range(10, 20)
    ]
    actions += [
        action_of("unshelve", at=at + 1, by="Ada", sensor_id=f"sensor-{number:03}")
        for number in range(15, 20)
    ]
    producer = Producer({**librdkafka_options(settings), "partitioner": "murmur2"})
    topic = settings.topic(ACTIONS.name)
    for action in actions:
        producer.produce(topic, encode(action), action.sensor_id.encode())
    assert producer.flush(30) == 0


def plan_work(settings: Settings) -> None:
    """Plan work for ten sensors, and wait until the worker knows of it."""
    work = action_of(
        "planned_work",
        at=EPOCH,
        by="Ada",
        sensors="sensor-02*",
        start=EPOCH,
        until=EPOCH + 5000,
        why="new valves",
    )
    producer = Producer(librdkafka_options(settings))
    for partition in range(settings.kafka.partitions):
        producer.produce(settings.topic(ACTIONS.name), encode(work), b"", partition)
    assert producer.flush(30) == 0
    topic, deadline = settings.topic(ALARM_INPUTS.name), time.monotonic() + PATIENCE
    with Log(settings) as log:
        while not all(log.ends(topic, partition)[1] for partition in range(settings.kafka.partitions)):
            assert time.monotonic() < deadline, "the worker has not taken the actions"
            time.sleep(0.2)


def append(settings: Settings, name: str, value: bytes) -> None:
    producer = Producer(librdkafka_options(settings))
    producer.produce(settings.topic(name), value, b"sensor-001", 0)
    assert producer.flush(30) == 0


def forget_beginning(settings: Settings, share: float, name: str = READINGS.name) -> None:
    """Delete the first records of each partition of a topic, as retention does."""
    topic = settings.topic(name)
    with Log(settings) as log:
        ends = {partition: log.ends(topic, partition)[1] for partition in log.partitions_of(topic)}
    asked = [TopicPartition(topic, partition, int(end * share)) for partition, end in ends.items()]
    admin = AdminClient(librdkafka_options(settings))
    for future in admin.delete_records(asked).values():
        future.result(30)
