"""How readings and labels look on MQTT."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from streams.payloads.addresses import label_topic
from streams.signals.messages import LABEL_COPY, Key, Message, MessageKind

_encode = msgspec.json.Encoder().encode


def reading_payload(sensor_id: str, event_time: float, values: Mapping[str, float]) -> bytes:
    """Return a reading as JSON, with its event time in ISO 8601 (UTC, milliseconds).

    Args:
        sensor_id: The sensor.
        event_time: Seconds since the Unix epoch.
        values: Quantity -> finite value.

    >>> reading_payload("464fc87d3c5a", 1725890469.0, {"temperature": 21.5}).decode()
    '{"sensor_id":"464fc87d3c5a","temperature":21.5,"collected_at":"2024-09-09T14:01:09.000Z"}'
    """
    return _encode({"sensor_id": sensor_id, **values, "collected_at": iso(event_time)})


def iso(event_time: float) -> str:
    """Return an event time (seconds since the Unix epoch) in ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(event_time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def label_message(
    at: float,
    sensor_id: str,
    index: int,
    quantity: str,
    *,
    start: float,
    end: float,
    kind: str,
    copy: int = LABEL_COPY,
) -> Message:
    """Return the message that tells the ground truth of ``[start, end)`` (event times) of a series.

    Args:
        at, sensor_id, index, copy: Its place in the order of publishing: see `Key`.
        quantity: Of the sensor.
        start, end: Seconds since the Unix epoch.
        kind: As in `Label`.
    """
    return Message(
        key=Key(at, sensor_id, index, copy),
        topic=label_topic(sensor_id, quantity),
        payload=_encode({"start": start, "end": end, "kind": kind}),
        kind=MessageKind.LABEL,
    )
