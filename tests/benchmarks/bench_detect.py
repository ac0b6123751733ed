"""What detection costs: microseconds of processor time a reading, for 10,000 series in turn, and bytes a series.

    python -m pytest tests/benchmarks/bench_detect.py -s

Readings come in rounds, one of each series, so that no model is in the processor's cache when its turn comes: the
worst case for a worker. Processor time of this process, so that a busy machine disturbs less; the best of the rounds
is printed beside the mean for the same reason.
"""

import random
import time
import tracemalloc

from streams.detection.series_model import DetectionConfig, SeriesModel

SERIES = 10_000
WARM = 110
ROUNDS = 20


def test_ten_thousand_series_in_turn_cost_seven_microseconds_a_reading() -> None:
    rng = random.Random(1)
    config = DetectionConfig()
    tracemalloc.start()
    few = [SeriesModel(config) for _ in range(200)]
    for step in range(WARM):
        for model in few:
            model.observe(300.0 * step, rng.gauss(20, 1))
    memory = tracemalloc.get_traced_memory()[0] / len(few)
    tracemalloc.stop()

    models = [SeriesModel(config) for _ in range(SERIES)]
    for step in range(WARM):
        for model in models:
            model.observe(300.0 * step, rng.gauss(20, 1))
    rounds = []
    for step in range(WARM, WARM + ROUNDS):
        values = [rng.gauss(20, 1) for _ in models]
        at = 300.0 * step
        start = time.process_time()
        for model, value in zip(models, values, strict=True):
            model.observe(at, value)
        rounds.append(1e6 * (time.process_time() - start) / SERIES)
    start = time.process_time()
    states = [model.to_bytes() for model in models]
    encode = 1e6 * (time.process_time() - start) / SERIES
    start = time.process_time()
    for state in states:
        SeriesModel.from_bytes(state, config)
    decode = 1e6 * (time.process_time() - start) / SERIES
    mean = sum(rounds) / len(rounds)
    size = sum(map(len, states)) / SERIES
    print(
        f"\n{SERIES} series in turn: {mean:.2f} us a reading (best round {min(rounds):.2f}); encode {encode:.1f} us,"
        f" decode {decode:.1f} us, {size:.0f} bytes of state, {memory:.0f} bytes in memory"
    )
    assert mean <= 7
    assert encode <= 10
    assert size <= 1500
    assert max(map(len, states)) <= 1500
    assert memory <= 3000
