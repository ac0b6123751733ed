"""Alarms as the worker writes them, without a worker."""

from collections.abc import Iterable
from typing import Any

import msgspec
from confluent_kafka import Producer

from bridges.kafka.options import librdkafka_options
from bridges.process.settings import Settings
from streams.records.alarm_records import Alarm
from streams.records.identity import alarm_id
from streams.records.topics import ALARMS
from streams.records.types import encode

T = 1_725_890_400.0


def alarm(number: int = 0, **fields: Any) -> Alarm:
    """Make the raise of an alarm; each number is another sensor."""
    sensor = f"plant:7:boiler-{number}"
    raised = Alarm(
        id=alarm_id(sensor, "pressure", "limit", T).hex(), number=1, sensor_id=sensor, quantity="pressure",
        kind="limit", severity="warning", state="unacknowledged", event="raised", changed_at=T, raised_at=T,
        anomaly="0" * 24, last_raised_at=T, value=130.0, expected=None, lower=None, upper=120.0, direction="above",
        told=True,
    )  # fmt: skip
    return msgspec.structs.replace(raised, **fields)


def returned(raised: Alarm, **fields: Any) -> Alarm:
    """Make the return of an alarm."""
    gone = {
        "number": raised.number + 1, "event": "returned", "state": "normal", "active": False,
        "changed_at": raised.changed_at + 600, "cleared_at": raised.changed_at + 300, "told": False,
    }  # fmt: skip
    return msgspec.structs.replace(raised, **{**gone, **fields})


def write_alarms(settings: Settings, alarms: Iterable[Alarm]) -> None:
    """Append alarms to the log, by their sensors."""
    producer = Producer({**librdkafka_options(settings), "partitioner": "murmur2"})
    for number, each in enumerate(alarms):
        producer.produce(settings.topic(ALARMS.name), encode(each), each.sensor_id.encode())
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0
