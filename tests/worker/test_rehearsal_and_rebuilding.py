"""Rehearse beside a live system, rebuild it from its log, and fill what it misses."""

import asyncio
import os
from pathlib import Path

import pymongo
import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from bridges.kafka.clients import ensure_topics
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings, load
from bridges.sources.kafka_source import Log
from streams.records.topics import AGGREGATES, ANOMALIES, READINGS
from tests.support.recorded_day import recorded_day, send
from tests.support.worker_process import WorkerProcess, until_consumed


@pytest.fixture
def live(
    kafka: str,
    topic_prefix: str,
    mongo: str,
    mongo_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Settings of a live system, in the environment as an operator has them."""
    for name, value in {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": topic_prefix,
        "WEIR_KAFKA__PARTITIONS": "2",
        "WEIR_KAFKA__RETENTION_DAYS": "36500",
        "WEIR_MONGO__URI": mongo,
        "WEIR_MONGO__DATABASE": mongo_database,
        "WEIR_WORKER__CHECKPOINT_SECONDS": "0.2",
        "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": "3",
        "WEIR_WORKER__DATA_DIR": str(tmp_path / "worker"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    settings = load()
    ensure_topics(settings)
    send(settings, recorded_day(sensors=12, steps=300, seed=5))
    monkeypatch.chdir(tmp_path)
    return settings


def weir(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


async def run_live(live: Settings, folder: Path, name: str) -> None:
    """Run a worker of the live system until it has consumed everything."""
    variables = {name: value for name, value in os.environ.items() if name.startswith("WEIR_")}
    worker = WorkerProcess(variables, folder, name)
    try:
        worker.start()
        await until_consumed(live, [worker])
        worker.stop()
    finally:
        worker.kill()


def records(settings: Settings, name: str) -> int:
    topic = settings.topic(name)
    with Log(settings) as log:
        return sum(
            len(messages)
            for p in log.partitions_of(topic)
            for messages in log.read(topic, p, *log.ends(topic, p))
        )


def test_a_rehearsal_runs_beside_the_live_system_and_is_removed_without_a_trace(
    live, mongo: str, mongo_database: str, tmp_path: Path
) -> None:
    admin = KafkaAdmin(live)
    before = (
        admin.topics(live.kafka.namespace),
        admin.groups(live.kafka.namespace),
        records(live, READINGS.name),
    )
    (tmp_path / "b.toml").write_text(
        '[detection]\nraise_at = 0.999\n[detection.series."sensor-*/humidity"]\nhigh = 90\n'
    )
    started = weir("rehearsal", "start", "b", "--config", "b.toml", "--skip-unreadable")
    try:
        assert started.exit_code == 0, started.output
        assert "has consumed everything" in started.output
        assert "rehearsal-b." in started.output
        again = weir("rehearsal", "start", "b", "--config", "b.toml", "--skip-unreadable")
        assert "0 readings of 12 sensors published" in again.output, again.output
        assert weir("rehearsal", "status").output.startswith("b: ")
    finally:
        dropped = weir("rehearsal", "drop", "b")
    assert dropped.exit_code == 0, dropped.output
    with pymongo.MongoClient[dict[str, object]](mongo) as client:
        left = client[mongo_database].list_collection_names()
    assert not [name for name in left if "rehearsal" in name]
    assert before == (
        admin.topics(live.kafka.namespace), admin.groups(live.kafka.namespace), records(live, READINGS.name),
    )  # fmt: skip
    assert not (tmp_path / ".weir" / "rehearsals" / "b").exists()
    assert weir("rehearsal", "drop", "b").exit_code == 1


def test_a_reset_rebuilds_and_a_backfill_fills_what_is_missing(
    live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEIR_WORKER__SINKS", "false")
    monkeypatch.setenv("WEIR_DETECTION__RAISE_AT", "0.999")
    live = load()
    asyncio.run(run_live(live, tmp_path, "first"))
    emitted = records(live, AGGREGATES.name)
    assert emitted > 100

    told = weir("reset", "--results")
    assert "nothing has been done" in told.output, told.output
    assert "weir-windows-changelog" in told.output
    assert records(live, AGGREGATES.name) == emitted
    done = weir("reset", "--results", "--yes")
    assert done.exit_code == 0, done.output
    assert records(live, AGGREGATES.name) == 0
    assert not [name for name in KafkaAdmin(live).topics(live.kafka.namespace) if name.endswith("-changelog")]
    asyncio.run(run_live(live, tmp_path, "second"))
    assert records(live, AGGREGATES.name) == emitted
    assert weir("replay", "--verify").exit_code == 0

    # Results that somebody lost are counted, then written; then nothing is missing any more.
    admin = KafkaAdmin(live)
    anomalies = live.topic(ANOMALIES.name)
    admin.delete_topics([anomalies])
    ensure_topics(live)
    counted = weir("backfill")
    assert "are missing" in counted.output, counted.output
    assert "nothing has been written" in counted.output, counted.output
    filled = weir("backfill", "--yes")
    assert "results written" in filled.output, filled.output
    assert weir("replay", "--verify").exit_code == 0
    assert "nothing is missing" in weir("backfill").output

    # Under other settings the results that exist would come out differently: nothing is written then.
    monkeypatch.setenv("WEIR_WINDOWS__GRACE_SECONDS", "60")
    refused = weir("backfill", "--yes")
    assert refused.exit_code == 2
    assert "would come out differently" in refused.output
