"""What model analysis costs: CPU per reading at several cadences, per hour and series, and at a checkpoint.

    make bench ARGS="-k bench_analysis"

Measures CPU time of this process, so that a busy machine disturbs little.
"""

import math
import random
import time

import pytest

from streams.analysis.analyse import AnalysisOutcome, AnalysisPlan, analyse
from streams.analysis.sensor import SensorAnalysis
from streams.records.rows import Row, encode_row
from streams.records.types import Reading, Tick

START = 1_750_003_200.0
SENSORS = 50
# Microseconds a reading that must not be exceeded: about twice what was measured.
CADENCES = [(1, 2, 8.0), (10, 12, 9.0), (60, 48, 15.0), (300, 240, 55.0)]


def readings(every: int, hours: int) -> list[tuple[int, int, Reading | Tick]]:
    """Make readings of sensors with a daily cycle and noise, in the order of time."""
    source = random.Random(1)
    records: list[tuple[int, int, Reading | Tick]] = []
    for seconds in range(0, hours * 3600, every):
        for sensor in range(SENSORS):
            at = START + seconds + sensor * 0.01
            value = round(20 + 3 * math.cos(seconds / 86_400 * math.tau) + source.gauss(0, 0.3), 1)
            reading = Reading(f"s{sensor}", at, {"temperature": value})
            records.append((len(records), round(at * 1000) + 50, reading))
    return records


@pytest.mark.parametrize(("every", "hours", "most"), CADENCES)
def test_cost_of_a_reading(every: int, hours: int, most: float) -> None:
    records = readings(every, hours)
    rows: dict[str, Row[SensorAnalysis]] = {}
    outcome = AnalysisOutcome()
    begun = time.process_time()
    analyse(AnalysisPlan({"all": "*"}), rows, records, outcome)
    each = (time.process_time() - begun) / len(records) * 1e6
    begun = time.process_time()
    sizes = [len(encode_row(row, SensorAnalysis.to_state)) for row in rows.values()]
    encoding = (time.process_time() - begun) / len(rows) * 1e6
    print(
        f"\na reading every {every} s: {each:.1f} µs of CPU each; "
        f"a row of {max(sizes)} bytes is encoded in {encoding:.0f} µs; {len(outcome.insights)} insights"
    )
    assert each < most
