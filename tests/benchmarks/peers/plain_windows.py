"""The least that windows cost in Python: librdkafka, a decoder in C and a dict, 60 s tumbling windows.

Arguments: brokers, topic, number of readings.
Count, mean, variance, minimum, maximum, first and last, as Weir has them, and results to Kafka; nothing is kept that
survives, nothing that comes twice or late is known, and no window closes before the next one begins.
"""

import json
import sys
import time

import msgspec
from confluent_kafka import Consumer, Producer

SIZE_SECONDS = 60.0
TOGETHER = 5000
LONGEST_WAIT = 30.0

brokers, topic_name, readings = sys.argv[1], sys.argv[2], int(sys.argv[3])


class Reading(msgspec.Struct):
    """What of a reading is used."""

    sensor_id: str
    collected_at: float
    values: dict[str, float]


class Window:
    """A window of one series; `m2` as Welford has it."""

    __slots__ = ("count", "first", "last", "m2", "maximum", "mean", "minimum", "start")

    def __init__(self, start: float, value: float) -> None:
        self.start = start
        self.count = 1
        self.mean = self.minimum = self.maximum = self.first = self.last = value
        self.m2 = 0.0

    def add(self, value: float) -> None:
        """Add a value."""
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self.m2 += delta * (value - self.mean)
        if value < self.minimum:
            self.minimum = value
        elif value > self.maximum:
            self.maximum = value
        self.last = value


decode = msgspec.json.Decoder(Reading).decode
encode = msgspec.json.Encoder().encode
consumer = Consumer(
    {"bootstrap.servers": brokers, "group.id": f"plain-{time.time_ns()}", "auto.offset.reset": "earliest"}
)
consumer.subscribe([topic_name])
producer = Producer({"bootstrap.servers": brokers, "compression.type": "snappy", "linger.ms": 50})
windows: dict[tuple[str, str], Window] = {}
moments: list[tuple[float, float]] = []
done = 0
while done < readings and (messages := consumer.consume(TOGETHER, LONGEST_WAIT)):
    if not moments:
        moments.append((time.perf_counter(), time.process_time()))
    for message in messages:
        reading = decode(message.value())
        start = reading.collected_at // SIZE_SECONDS * SIZE_SECONDS
        for quantity, value in reading.values.items():
            series = reading.sensor_id, quantity
            window = windows.get(series)
            if window is None:
                windows[series] = Window(start, value)
            elif window.start == start:
                window.add(value)
            else:
                variance = window.m2 / (window.count - 1) if window.count > 1 else 0.0
                result = (
                    *series, window.start, window.count, window.mean, variance, window.minimum, window.maximum,
                    window.first, window.last,
                )  # fmt: skip
                producer.produce(f"{topic_name}-plain", encode(result), reading.sensor_id.encode())
                windows[series] = Window(start, value)
    producer.poll(0)
    done += len(messages)
producer.flush()
moments.append((time.perf_counter(), time.process_time()))
consumer.close()
(begun, cpu_begun), (ended, cpu_ended) = moments
seconds, cpu, readings = ended - begun, cpu_ended - cpu_begun, done
print(
    json.dumps(
        {
            "readings": readings,
            "readings_per_second": readings / seconds,
            "cpu_us_per_reading": cpu / readings * 1e6,
        }
    )
)
