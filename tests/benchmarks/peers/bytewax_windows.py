"""Bytewax on the benchmark's log: 60 s tumbling windows with count, mean, min and max.

Arguments: brokers, topic, number of readings.
Runs in an environment of its own (`peers/requirements.lock`); prints a line of JSON with what it cost. Results are
discarded, and no recovery is kept: less work than the others do.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as window
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.testing import run_main

brokers, topic, readings = sys.argv[1], sys.argv[2], int(sys.argv[3])
begun: list[float] = []


def keyed(message):
    """Turn a Kafka message into sensor, event time and value."""
    if not begun:
        begun.extend((time.perf_counter(), time.process_time()))
    reading = json.loads(message.value)
    event_time = datetime.fromtimestamp(reading["collected_at"], UTC)
    return reading["sensor_id"], (event_time, reading["values"]["temperature"])


def fold(state, item):
    """Add a value to a window."""
    count, total, low, high = state
    value = item[1]
    return count + 1, total + value, min(low, value), max(high, value)


def merge(left, right):
    """Merge two windows; tumbling ones never are."""
    return left[0] + right[0], left[1] + right[1], min(left[2], right[2]), max(left[3], right[3])


flow = Dataflow("windows")
stream = op.input("readings", flow, KafkaSource([brokers], [topic], tail=False, batch_size=5000))
clock = EventClock(ts_getter=lambda item: item[0], wait_for_system_duration=timedelta(seconds=10))
windower = TumblingWindower(length=timedelta(seconds=60), align_to=datetime(2024, 1, 1, tzinfo=UTC))
folded = window.fold_window(
    "window", op.map("keyed", stream, keyed), clock, windower,
    lambda: (0, 0.0, float("inf"), float("-inf")), fold, merge,
)  # fmt: skip
from bytewax.testing import TestingSink  # noqa: E402

op.output("out", folded.down, TestingSink([]))
run_main(flow)
seconds, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
print(
    json.dumps(
        {
            "readings": readings,
            "readings_per_second": readings / seconds,
            "cpu_us_per_reading": cpu / readings * 1e6,
        }
    )
)
