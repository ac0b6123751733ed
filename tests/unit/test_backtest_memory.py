"""A backtest's memory does not grow with the length of the range."""

import tracemalloc
from pathlib import Path

import pytest

from bridges.backtest.backtesting import Backtest
from bridges.sources import Selection
from bridges.sources.file_source import FileSource
from streams.backtest.configuration import Configuration
from streams.records.types import Reading, encode

pytestmark = pytest.mark.untraced

START = 1_760_000_000.0
PLAIN = (Configuration("plain"),)


def recording(path: Path, steps: int) -> FileSource:
    with path.open("wb") as file:
        for step in range(steps):
            for sensor in range(10):
                value = 20 + (step * 7919 + sensor) % 100 / 50
                file.write(encode(Reading(f"s{sensor}", START + 60.0 * step, {"temperature": value})) + b"\n")
    return FileSource.open(path, Selection())


def peak(source: FileSource) -> int:
    tracemalloc.start()
    try:
        Backtest(source, PLAIN).run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(240)
def test_a_range_four_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    short = peak(recording(tmp_path / "short.jsonl", 1500))
    long = peak(recording(tmp_path / "long.jsonl", 6000))
    assert long < 1.15 * short, f"{short:,} bytes for 15,000 readings, {long:,} for 60,000"
