"""Rebalances while readings flow and tables recover, in memory, with many seeds: stock Faust against the lane."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.types import TP, TransportT

from agents.lane.core.writers import Writers
from agents.lane.lane_app import LaneApp
from agents.stages.aggregate import window_stage
from bridges.process.settings import KafkaSettings, Settings, WorkerSettings
from streams.errors import InputError
from streams.records.dead_letters import from_kafka
from streams.records.topics import AGGREGATES, DEAD_LETTERS, LATE_READINGS
from streams.records.types import decode_reading, encode
from streams.windows.aggregation import AggregationOutcome
from streams.windows.aggregation import aggregate as aggregate_purely
from tests.support.memory_kafka import LaneConsumer, MemoryLog, MemoryWriters, StockConsumer, transport
from tests.support.patience import PATIENCE
from tests.support.readings_log import bad_day

PARTITIONS = 2
READINGS = 100_000  # at most; the storm ends before
REBALANCES = 6
SEEDS = int(os.environ.get("WEIR_TEST_STORM_SEEDS", "4"))


async def test_the_lane_gives_the_results_of_an_undisturbed_run_through_every_storm(tmp_path: Path) -> None:
    for seed in range(SEEDS):
        log = MemoryLog(PARTITIONS, seed)
        app = _lane_app(log, tmp_path / str(seed))
        await _storm(app, log)
        assert _results(log) == _undisturbed(log), f"seed {seed}"
    print(f"ran {SEEDS} storms of {REBALANCES} rebalances each")


async def test_partitions_that_leave_while_their_state_is_recovered_and_come_back_lose_nothing(
    tmp_path: Path,
) -> None:
    for seed in range(SEEDS // 2):
        log = MemoryLog(PARTITIONS, 300 + seed)
        await _storm(_lane_app(log, tmp_path / str(seed)), log, leaving=True)
        assert _results(log) == _undisturbed(log), f"seed {seed}"


async def test_a_worker_that_dies_before_its_offsets_are_committed_repeats_nothing(tmp_path: Path) -> None:
    log = MemoryLog(PARTITIONS, 200)
    await _storm(_lane_app(log, tmp_path / "first"), log)
    log.committed.clear()  # the last thing that a checkpoint leads to, and so the first that a crash can lose
    successor = _lane_app(log, tmp_path / "successor")
    successor.in_worker = True
    successor.finalize()
    await successor.start()
    try:
        await _until(lambda: _committed(log, "readings"), PATIENCE)
    finally:
        await successor.stop()
    assert any(_results(log)[DEAD_LETTERS.name])
    assert _results(log) == _undisturbed(log)


async def test_an_ordinary_agent_beside_the_lane_sees_every_event_and_commits_to_the_end(
    tmp_path: Path,
) -> None:
    log = MemoryLog(PARTITIONS, 100)
    app = _lane_app(log, tmp_path / "app")
    topic = app.topic("notes", value_type=bytes, value_serializer="raw")
    seen: set[tuple[int, int]] = set()

    @app.agent(topic)
    async def read_notes(stream: Any) -> None:
        async for event in stream.events():
            seen.add((event.message.partition, event.message.offset))

    await _storm(app, log, also="notes")
    notes = {(number, record.offset) for number, part in enumerate(log.topics["notes"]) for record in part}
    assert seen == notes
    assert _committed(log, "notes")
    assert _results(log) == _undisturbed(log)


async def test_stock_faust_loses_readings_in_the_same_storm(tmp_path: Path) -> None:
    lost = []
    for seed in range(SEEDS):
        log = MemoryLog(PARTITIONS, seed)
        app, seen = _stock_app(log, tmp_path / str(seed))
        await _storm(app, log, patience=3.0)
        lost.append(
            sum(
                (number, offset) not in seen
                for number in range(PARTITIONS)
                for offset in range(log.committed.get(TP("readings", number), 0))
            )
        )
        if lost[-1]:
            break
    print(f"stock Faust lost {lost[-1]} readings, at seed {len(lost) - 1}")
    assert lost[-1] > 0, "stock Faust lost nothing: is the lane's consumer still needed?"


def _app(folder: Path, **options: Any) -> Any:
    folder.mkdir()
    return faust.App(
        "storm", broker="kafka://in.memory:0", store="memory://", web_enabled=False, datadir=folder,
        topic_partitions=PARTITIONS, topic_disable_leader=True, table_standby_replicas=0,
        broker_commit_interval=0.2, stream_recovery_delay=0.0, **options,
    )  # fmt: skip


class StormApp(LaneApp):
    """An application on the lane, over a log in memory."""

    def __init__(self, log: MemoryLog, settings: Settings) -> None:
        self.log_of_records = log
        super().__init__(settings)
        self.conf.broker_commit_interval = 0.2
        self.conf.web_enabled = False

    def make_writers(self) -> Writers:
        return MemoryWriters(self.log_of_records)

    def make_transport(self) -> TransportT:
        made: TransportT = transport(self, self.log_of_records, LaneConsumer)
        return made

    async def prepare_topics(self, changelogs: list[str]) -> None:
        for topic in changelogs:
            self.log_of_records.create(topic)


def _lane_app(log: MemoryLog, folder: Path) -> LaneApp:
    settings = Settings(
        kafka=KafkaSettings(partitions=PARTITIONS),
        worker=WorkerSettings(application="storm", checkpoint_seconds=0.1, data_dir=folder),
    )
    app = StormApp(log, settings)
    app.add(window_stage(settings))
    return app


def _stock_app(log: MemoryLog, folder: Path) -> tuple[Any, set[tuple[int, int]]]:
    app = _app(folder)
    app.transport = transport(app, log, StockConsumer)
    topic = app.topic(
        "readings", value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw"
    )
    table = app.Table("counts", default=int, partitions=PARTITIONS)
    seen: set[tuple[int, int]] = set()

    @app.agent(topic)
    async def count(stream: Any) -> None:
        async for event in stream.events():
            table[(event.key or b"").decode()] += 1
            seen.add((event.message.partition, event.message.offset))
            if len(seen) % 25 == 0:
                await asyncio.sleep(0.02)  # as an agent that looks something up: its queue is seldom empty

    return app, seen


async def _storm(
    app: Any, log: MemoryLog, patience: float = 30.0, also: str = "readings", *, leaving: bool = False
) -> None:
    """Feed readings while the partitions are revoked and given back; ends when all is committed, or nothing moves.

    ``leaving``: one of the partitions goes after the other, and all come back, each in the middle of a recovery.
    """
    records = bad_day(sensors=20, readings=READINGS, seed=log.random.randint(0, 10**6))
    for topic in ("readings", also):
        log.create(topic)
    app.in_worker = True
    app.finalize()
    app.producer.buffer.max_messages = 20_000
    await app.start()
    try:
        await _until(lambda: _ready(app), PATIENCE)
        calm = asyncio.Event()
        feeding = asyncio.ensure_future(_feed(log, {"readings", also}, records, calm))
        for _ in range(REBALANCES):
            await asyncio.sleep(log.random.uniform(0.05, 0.4))
            if leaving:
                await _leave(app, log)
            await app.consumer._thread.rebalance()
            if log.random.random() < 0.3:
                await app.consumer._thread.rebalance()
            await _until(lambda: _ready(app), PATIENCE)
        calm.set()
        await feeding
        await _until(
            lambda: _committed(log, "readings") and _committed(log, also), patience, fail=patience > 10
        )
    finally:
        await app.stop()


async def _leave(app: Any, log: MemoryLog) -> None:
    thread = app.consumer._thread
    everything = thread.assignment()
    for away in range(PARTITIONS):
        await thread.rebalance({tp for tp in everything if tp.partition != away})
        await log.delay(0.1)
        await thread.rebalance(everything)
        await log.delay(0.1)


async def _feed(
    log: MemoryLog, topics: set[str], records: list[tuple[bytes | None, bytes]], calm: asyncio.Event
) -> None:
    """Append readings until the storm is over: some must come in every phase of every rebalance."""
    for number, (key, value) in enumerate(records):
        if calm.is_set():
            return
        for partition in range(PARTITIONS) if key is None else [None]:
            for topic in topics:
                log.append(topic, partition, key, value)
        if number % 25 == 0:
            await asyncio.sleep(0.01)


def _ready(app: Any) -> bool:
    recovered = app.tables.recovery.completed.is_set()
    return bool(
        recovered and not app.rebalancing and app.flow_control.is_active() and app.consumer.flow_active
    )


def _committed(log: MemoryLog, topic: str) -> bool:
    return all(
        log.committed.get(TP(topic, number), 0) >= len(records)
        for number, records in enumerate(log.topics[topic])
    )


async def _until(condition: Callable[[], bool], seconds: float, *, fail: bool = True) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            if fail:
                pytest.fail(f"not reached within {seconds} s")
            return
        await asyncio.sleep(0.02)


def _results(log: MemoryLog) -> dict[str, list[Counter[bytes]]]:
    return {
        topic: [Counter(record.value or b"" for record in part) for part in log.create(topic)]
        for topic in (AGGREGATES.name, LATE_READINGS.name, DEAD_LETTERS.name)
    }


def _undisturbed(log: MemoryLog) -> dict[str, list[Counter[bytes]]]:
    expected: dict[str, list[Counter[bytes]]] = {
        AGGREGATES.name: [],
        LATE_READINGS.name: [],
        DEAD_LETTERS.name: [],
    }
    policy = Settings().windows.policy()
    for part in log.topics["readings"]:
        outcome = AggregationOutcome()
        items, letters = [], []
        for record in part:
            try:
                items.append((record.offset, record.timestamp, decode_reading(record.value or b"")))
            except InputError as error:
                letters.append(from_kafka("readings", record.partition, record, error))
        aggregate_purely(policy, {}, items, outcome)
        expected[AGGREGATES.name].append(Counter(map(encode, outcome.aggregates)))
        expected[LATE_READINGS.name].append(Counter(map(encode, outcome.late)))
        expected[DEAD_LETTERS.name].append(Counter(map(encode, letters)))
    return expected
