"""Model analysis on a real Kafka: what it publishes, through crashes, and what its pages say."""

import asyncio
import json
import os
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from aiokafka import AIOKafkaProducer

from agents.analysis.analysis_pages import ROUTES
from agents.analysis.app import as_worker
from agents.rebuilding import Reset
from bridges.devices.device_registry import write_devices
from bridges.kafka.clients import ensure_topics
from bridges.kafka.options import aiokafka_options
from bridges.process.settings import AnalysisSettings, KafkaSettings, Settings, WorkerSettings
from streams.analysis.analyse import AnalysisOutcome, AnalysisPlan, analyse, compare
from streams.analysis.correlation import Group
from streams.analysis.sensor import SensorAnalysis
from streams.payloads.event_times import event_time
from streams.records.identity import anomaly_id
from streams.records.rows import Row
from streams.records.topics import ANOMALIES, GROUP_BUCKETS, INSIGHTS, LABELS, READINGS
from streams.records.types import (
    Anomaly,
    Device,
    GroupBucket,
    Insight,
    Label,
    Reading,
    Tick,
    decode_as,
    decode_reading,
    encode,
)
from streams.signals import Fleet, MessageKind, parse_faults
from tests.support.patience import PATIENCE
from tests.support.readings_log import read, write
from tests.support.worker_process import AnalysisProcess, until_consumed

START = 1_750_003_200.0
DAYS = 7
PARTITIONS = 4
SCHEDULES = int(os.environ.get("WEIR_TEST_ANALYSIS_SCHEDULES", "1"))


def fleet_records() -> list[tuple[bytes | None, bytes]]:
    """A week of six simulated sensors with faults; a tick every simulated hour."""
    fleet = Fleet(
        sensors=6,
        start=START,
        interval=300.0,
        faults=parse_faults("shift:0.02,flatline:0.02,duplicate:0.02,reorder:0.02"),
        until=START + DAYS * 86_400,
        calm=288,
    )
    records: list[tuple[bytes | None, bytes]] = []
    for number, message in enumerate(fleet.messages()):
        if message.kind is MessageKind.READING:
            fields = json.loads(message.payload)
            collected_at = event_time(fields.pop("collected_at"))
            values = {name: float(value) for name, value in fields.items() if name != "sensor_id"}
            sensor_id = message.topic.split("/")[1]
            records.append((sensor_id.encode(), encode(Reading(sensor_id, collected_at, values))))
        if number % 72 == 0:
            records.append((None, encode(Tick(message.key.at))))
    return records


async def others(settings: Settings, sensor_id: str) -> None:
    """Write one anomaly and one label."""
    at = START + 5 * 86_400
    anomaly = Anomaly(
        anomaly_id(sensor_id, "temperature", at).hex(), sensor_id, "temperature", "raised", at, at, 0.9999,
        30.0, 20.0, 18.0, 22.0, "above", "value", 500,
    )  # fmt: skip
    async with AIOKafkaProducer(**aiokafka_options(settings)) as producer:
        key = sensor_id.encode()
        await producer.send_and_wait(settings.topic(ANOMALIES.name), encode(anomaly), key)
        label = Label(sensor_id, "temperature", at, at + 600, "spike")
        await producer.send_and_wait(settings.topic(LABELS.name), encode(label), key)


async def expected(settings: Settings) -> dict[int, list[bytes]]:
    """Compute in this process what must have been published about readings, by partition."""
    wanted: dict[int, list[bytes]] = {}
    for partition, records in (await read(settings, READINGS.name)).items():
        rows: dict[str, Row[SensorAnalysis]] = {}
        outcome = AnalysisOutcome()
        # The ingest time that Kafka noted is that of the test: clocks and stalls are looked at elsewhere.
        items = [(offset, 0, decode_reading(value)) for offset, (_, value) in enumerate(records)]
        analyse(AnalysisPlan({"all": "*"}), rows, items, outcome)
        wanted[partition] = [encode(insight) for insight in outcome.insights if is_about_values(insight)]
    return wanted


def is_about_values(insight: Insight) -> bool:
    return insight.kind not in ("stalled", "clock", "correlation")


async def published(settings: Settings) -> dict[int, list[bytes]]:
    return {
        partition: [value for _, value in records if is_about_values(decode_as(Insight, value))]
        for partition, records in (await read(settings, INSIGHTS.name)).items()
    }


def fetch(url: str) -> Any:
    with urlopen(url, timeout=20) as response:
        body = response.read().decode()
    return json.loads(body) if "json" in response.headers["Content-Type"] else body


async def ask(process: AnalysisProcess, path: str, seconds: float = PATIENCE) -> Any:
    """Ask until it answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await asyncio.to_thread(fetch, f"http://127.0.0.1:{process.port}{path}")
        except OSError:
            if time.monotonic() > deadline:
                raise AssertionError(f"{path} is not answered:\n{process.tail()}") from None
            await asyncio.sleep(0.2)


async def test_insights_after_kills_are_those_of_an_undisturbed_run_and_the_pages_show_them(
    kafka: str, unique_name: str, tmp_path: Path
) -> None:
    settings, variables = prepared(kafka, unique_name, tmp_path)
    await asyncio.to_thread(ensure_topics, settings)
    records = fleet_records()
    sensor_id = next(key for key, _ in records if key is not None).decode()
    process = AnalysisProcess(variables, tmp_path, "analysis-0")
    try:
        for part in thirds(records):
            await write(settings, part)
            process.start()
            await ask(process, "/health/ready")
            process.kill()
        await others(settings, sensor_id)
        await asyncio.to_thread(write_devices, settings, [Device(sensor_id, 1.0, "Boiler 1", "hall 7")])
        process.start()
        await until_consumed(as_worker(settings), [process])
        await pages_tell(process, sensor_id)
        await asyncio.to_thread(process.stop)
        await everything_was_told_once(settings)
        await asyncio.to_thread(forget_everything, settings)
        process.start()
        await ask(process, "/health/ready")
        await until_consumed(as_worker(settings), [process])
        await asyncio.to_thread(process.stop)
    finally:
        process.kill()
    await everything_was_told_once(settings)


def forget_everything(settings: Settings) -> None:
    """Reset model analysis, results and all; a reset of the worker must leave it alone."""
    assert Reset.plan(settings, results=False).changelogs == []
    reset = Reset.plan(settings, results=True, analysis=True)
    assert len(reset.changelogs) == 4
    reset.run()


@pytest.mark.timeout(SCHEDULES * 150 + 60)
@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_two_workers_that_come_and_go_tell_what_one_would_have_told(
    kafka: str, unique_name: str, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    settings, variables = prepared(kafka, unique_name, tmp_path)
    await asyncio.to_thread(ensure_topics, settings)
    processes = [AnalysisProcess(variables, tmp_path, f"analysis-{number}") for number in range(2)]
    try:
        for part in thirds(fleet_records()):
            await write(settings, part)
            for process in processes:
                process.start()
            await ask(rng.choice(processes), "/health/ready")
            await asyncio.sleep(rng.uniform(0, 2))  # into whatever goes on then
            victim = rng.choice(processes)
            if rng.random() < 0.7:
                victim.kill()
            else:
                await asyncio.to_thread(victim.stop)
        await until_consumed(as_worker(settings), processes)
        for process in processes:
            process.start()
        listed = [await all_series(process) for process in processes]
        assert listed[0] == listed[1] and len(listed[0]) == 12
        for process in processes:
            await asyncio.to_thread(process.stop)
    finally:
        for process in processes:
            process.kill()
    await everything_was_told_once(settings)


def prepared(kafka: str, unique_name: str, folder: Path) -> tuple[Settings, dict[str, str]]:
    """Make settings of a system of its own, and the variables that say the same to a process."""
    namespace = f"{unique_name}."
    variables = {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": namespace,
        "WEIR_ANALYSIS__CHECKPOINT_SECONDS": "0.5",
        "WEIR_WORKER__FETCH_RECORDS": "200",
        "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": "2",
    }
    kafka_settings = KafkaSettings(brokers=kafka, namespace=namespace, partitions=PARTITIONS)
    settings = Settings(
        kafka=kafka_settings,
        worker=WorkerSettings(sinks=False, data_dir=folder / "worker"),
        analysis=AnalysisSettings(data_dir=folder / "analysis"),
    )
    return settings, variables


def thirds(records: list[tuple[bytes | None, bytes]]) -> list[list[tuple[bytes | None, bytes]]]:
    third = len(records) // 3
    return [records[:third], records[third : 2 * third], records[2 * third :]]


async def all_series(process: AnalysisProcess, seconds: float = PATIENCE) -> list[str]:
    """Ask one worker for the ids of all series, until it knows of every worker's."""
    deadline = time.monotonic() + seconds
    while True:
        found = await ask(process, "/api/series?limit=1000")
        if (len(found["rows"]) == 12 and not found["missing"]) or time.monotonic() > deadline:
            return [row["id"] for row in found["rows"]]
        await asyncio.sleep(0.2)


async def everything_was_told_once(settings: Settings) -> None:
    wanted, got = await expected(settings), await published(settings)
    assert any(wanted.values())
    for partition, values in wanted.items():
        assert got.get(partition, []) == values, f"partition {partition}"
    await groups_got_each_bucket_once(settings)


async def pages_tell(process: AnalysisProcess, sensor_id: str) -> None:
    assert (await ask(process, "/health/ready")) == {"ready": True}
    shown = [each["path"] for each in (await ask(process, "/api"))["pages"]]
    assert shown == [route.path + route.query for route in ROUTES]
    assert (await ask(process, "/health/live")) == {"live": True}
    assert "weir_analysis_readings_total" in await ask(process, "/metrics")
    home = await ask(process, "/")
    assert "model analysis" in home
    assert "http://" not in home.replace("http://www.w3.org/2000/svg", "") and "https://" not in home
    listed = await ask(process, "/api/series?limit=5")
    assert len(listed["rows"]) == 5 and listed["next"] == listed["rows"][-1]["id"]
    following = await ask(process, f"/api/series?limit=1000&after={listed['next']}")
    assert len(following["rows"]) + 5 == 12 and following["next"] is None
    assert (await ask(process, "/api/overview"))["series"] == 12
    found = await ask(process, f"/api/series/{sensor_id}")
    deadline = time.monotonic() + PATIENCE
    while found["label"] != "Boiler 1, hall 7":
        assert time.monotonic() < deadline, "the name is not shown"
        await asyncio.sleep(0.5)
        found = await ask(process, f"/api/series/{sensor_id}")
    rows = (await ask(process, f"/api/series?prefix={sensor_id}"))["rows"]
    assert {each["label"] for each in rows} == {"Boiler 1, hall 7"}
    assert set(found["series"]) == {"temperature", "battery"}
    series = found["series"]["temperature"]
    assert len(series["history"]["means"]) >= 24 * DAYS - 2
    assert [forecast["hours"] for forecast in series["forecasts"]] == [1, 6, 24]
    assert len(series["path"]) == 24
    deadline = time.monotonic() + PATIENCE
    while not (series["anomalies"] and series["labels"]) and time.monotonic() < deadline:
        series = (await ask(process, f"/api/series/{sensor_id}/temperature"))["series"]["temperature"]
    assert [mark["what"] for mark in series["anomalies"]] == ["raised above"]
    assert [mark["what"] for mark in series["labels"]] == ["spike"]
    groups = await ask(process, "/api/groups")
    # Buckets come after their readings, and wait for a checkpoint as they do.
    while not groups["rows"] and time.monotonic() < deadline:
        groups = await ask(process, "/api/groups")
    assert [group["group"] for group in groups["rows"]] == ["all"]


async def groups_got_each_bucket_once(settings: Settings) -> None:
    """All buckets of a group stand in one partition, each once; the relations found follow from them."""
    records = await read(settings, GROUP_BUCKETS.name)
    assert sum(bool(each) for each in records.values()) == 1
    buckets = [decode_as(GroupBucket, value) for each in records.values() for _, value in each]
    times = [(bucket.quantity, bucket.sensor_id, bucket.number) for bucket in buckets]
    assert len(times) == len(set(times)) > 1000
    groups: dict[str, Row[Group]] = {}
    wanted = [encode(insight) for insight in compare(groups, enumerate(buckets))]
    told: dict[int, list[bytes]] = defaultdict(list)
    for partition, values in (await read(settings, INSIGHTS.name)).items():
        told[partition] = [value for _, value in values if decode_as(Insight, value).kind == "correlation"]
    assert [value for values in told.values() for value in values] == wanted
