"""How fast a backtest is in one process: readings a second of CPU time, from encoded records or Kafka to figures.

Measures CPU time of this process, so that a busy machine disturbs little. ``weir backtest`` prints microseconds a
reading for each configuration on your own data. WEIR_BENCH_READINGS sets how many readings (default 500,000).
"""

import asyncio
import json
import math
import os
import time
from collections.abc import Callable, Iterator

import pytest

from bridges.backtest.backtesting import Backtest
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import KafkaSettings, Settings
from bridges.rules.rules_run import limits_only
from bridges.sources import Selection, open_source
from streams.backtest.configuration import Configuration
from streams.backtest.runs import Coverage, DetectionRun, LogRecord, WindowRun
from streams.records.types import Reading, decode_readings, encode
from streams.rules.limit_trial import LimitTrial
from streams.rules.seen import SeenSeries
from tests.benchmarks.bench_worker import fill

READINGS = int(os.environ.get("WEIR_BENCH_READINGS", "500_000"))
SENSORS = 1000
CHUNK = 5000
START = 1_760_000_000.0
MUST = {"windows": 150_000, "windows and default detector": 60_000}


def encoded(count: int) -> list[bytes]:
    """Make records of `readings`: 1,000 sensors in turn, a reading every 10 s each, a daily season and noise."""
    values = []
    for index in range(count):
        step, sensor = divmod(index, SENSORS)
        noise = math.sin(index * 12.9898) * 43758.5453 % 1.0
        temperature = round(20 + 5 * math.sin((step * 10 + sensor * 60) / 86400 * 2 * math.pi) + noise, 2)
        reading = Reading(f"sensor-{sensor:05}", START + 10.0 * step, {"temperature": temperature})
        values.append(encode(reading))
    return values


def chunks(values: list[bytes]) -> Iterator[list[LogRecord]]:
    """Decode as the Kafka source does."""
    for at in range(0, len(values), CHUNK):
        decoded = decode_readings(values[at : at + CHUNK])
        assert decoded is not None
        yield [(at + i, 1000 * (at + i), record) for i, record in enumerate(decoded)]


def measured(values: list[bytes], runs: list[Callable[[int, list[LogRecord]], None]]) -> float:
    """Return readings a second of CPU time."""
    coverage = Coverage()
    begun = time.process_time()
    for records in chunks(values):
        coverage.apply(records)
        for run in runs:
            run(0, records)
    return len(values) / (time.process_time() - begun)


@pytest.mark.timeout(300)
def test_readings_a_second_in_one_process() -> None:
    values = encoded(READINGS)
    plain = Configuration("plain")
    windows = measured(values, [WindowRun(plain.policy()).apply])
    both = measured(values, [WindowRun(plain.policy()).apply, DetectionRun(plain.plan()).apply])
    rates = {
        "reading and decoding": measured(values, []),
        "windows": windows,
        "windows and default detector": both,
    }
    print(json.dumps({name: round(rate) for name, rate in rates.items()}))
    for name, least in MUST.items():
        assert rates[name] >= least, f"{name}: {rates[name]:,.0f} readings/s, must be {least:,}"


@pytest.mark.timeout(300)
def test_readings_a_second_through_rules() -> None:
    values, settings = encoded(READINGS), Settings()
    rates = {}
    for name, high in (("a limit that nothing crosses", 100.0), ("one that a hundredth crosses", 25.95)):
        plan = limits_only(Configuration(name, {}, {"high": high})).plan()
        seen, trial = SeenSeries(), LimitTrial(plan, settings.alarms.rules(), settings.bridge.tick_seconds)

        def work(
            partition: int, records: list[LogRecord], seen: SeenSeries = seen, trial: LimitTrial = trial
        ) -> None:
            seen.apply(records)
            trial.apply(partition, records)

        rates[name] = measured(values, [work])
    print(json.dumps({"rules": {name: round(rate) for name, rate in rates.items()}}))
    assert min(rates.values()) > 150_000


@pytest.mark.timeout(600)
def test_readings_a_second_from_kafka(kafka: str, unique_name: str) -> None:
    settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=f"{unique_name}.", partitions=4))
    ensure_topics(settings)
    asyncio.run(fill(settings, READINGS, SENSORS))
    rates = {}
    for name, detection in (("windows", False), ("windows and default detector", True)):
        source = open_source("kafka", settings, Selection())
        outcome = Backtest(source, (Configuration("plain"),), detection=detection).run()
        rates[name] = round(READINGS / sum(outcome.seconds.values()))
    print(json.dumps({"from Kafka": rates}))
