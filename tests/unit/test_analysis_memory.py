"""How much one series takes, at its largest, when there are 10,000 of them."""

import math
import random
import sys
from pathlib import Path

import msgspec
import pytest

from streams.analysis.sensor import MAX_QUANTITIES, SensorAnalysis
from streams.analysis.series import SeriesAnalysis

pytestmark = pytest.mark.untraced

SERIES = 10_000
MEMORY_BYTES = 36_000
ROW_BYTES = 18_000
# What a producer's batch holds (agents/lane/writer.py).
BATCH_BYTES = 512 * 1024


@pytest.fixture(scope="module")
def grown() -> bytes:
    """The state of a series that has seen five weeks of noisy readings: everything in it is full."""
    source, sensor = random.Random(1), SensorAnalysis()
    start = 1_750_003_200_000
    for index in range(35 * 288):
        value = 20 + 3 * math.cos(index / 288 * math.tau) + source.gauss(0, 0.3) + (index > 6000) * 5
        sensor.observe(
            start + index * 300_000, start + index * 300_000, index, {"temperature": value}, [], [], 10_000
        )
    return msgspec.msgpack.encode(sensor.series["temperature"].to_state())


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_series_at_its_largest_fits_its_share_of_a_changelog_record(grown) -> None:
    assert len(grown) < ROW_BYTES
    assert len(grown) * MAX_QUANTITIES < BATCH_BYTES


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's size from /proc")
def test_ten_thousand_series_at_their_largest_fit_in_360_megabytes(grown) -> None:
    before = resident_bytes()
    kept = [SeriesAnalysis.from_state(msgspec.msgpack.decode(grown)) for _ in range(SERIES)]
    each = (resident_bytes() - before) / len(kept)
    assert each < MEMORY_BYTES, f"{each:.0f} bytes a series"
