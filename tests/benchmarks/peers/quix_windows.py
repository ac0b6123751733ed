"""Quix Streams on the benchmark's log: 60 s tumbling windows with count, mean, min and max.

Arguments: brokers, topic, number of readings.
Runs in an environment of its own (`peers/requirements.lock`); prints a line of JSON with what it cost.
"""

import json
import sys
import tempfile
import time

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Mean, Min

brokers, topic_name, readings = sys.argv[1], sys.argv[2], int(sys.argv[3])
app = Application(
    broker_address=brokers,
    consumer_group=f"quix-{time.time_ns()}",
    auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(),
    loglevel="WARNING",
)
topic = app.topic(
    topic_name,
    value_deserializer="json",
    timestamp_extractor=lambda value, headers, timestamp, timestamp_type: int(value["collected_at"] * 1000),
)
moments: list[tuple[float, float]] = []


def mark(value: dict) -> float:  # type: ignore[type-arg]
    """Note when a reading is taken, and take its value."""
    moments.append((time.perf_counter(), time.process_time()))
    return float(value["values"]["temperature"])


windows = app.dataframe(topic).apply(mark).tumbling_window(60_000, grace_ms=10_000)
windows.agg(count=Count(), mean=Mean(), min=Min(), max=Max()).final().to_topic(
    app.topic(f"{topic_name}-quix")
)
app.run(count=readings, timeout=30)  # at the latest when nothing has come for so long
(begun, cpu_begun), (ended, cpu_ended) = moments[0], moments[-1]
seconds, cpu, readings = ended - begun, cpu_ended - cpu_begun, len(moments)
print(
    json.dumps(
        {
            "readings": readings,
            "readings_per_second": readings / seconds,
            "cpu_us_per_reading": cpu / readings * 1e6,
        }
    )
)
