"""Ids that are derived, never random: the same reading has the same id wherever and whenever it is made.

An id is 12 bytes, the shape of a MongoDB ObjectId, so that ids sort by event time:

    | 4 bytes: event time, whole seconds, big-endian | 8 bytes: BLAKE2b over what identifies it |

Kafka offsets cannot serve: a reading that MQTT delivers again gets a new offset.

**Two different readings are never one.** Values belong to a reading's identity: a device whose clock has whole seconds,
or that corrects what it said of a time, publishes different readings. Only what agrees in sensor, event time (to the
millisecond), sequence number and all names and values is the same reading, come again.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

_READING_PERSON = b"weir.reading"
_AGGREGATE_PERSON = b"weir.aggregate"
_ANOMALY_PERSON = b"weir.anomaly"
_DEAD_LETTER_PERSON = b"weir.deadletter"
_INSIGHT_PERSON = b"weir.insight"
_ALARM_PERSON = b"weir.alarm"
_ACTION_PERSON = b"weir.action"
_RULES_PERSON = b"weir.rules"
_DEVICE_PERSON = b"weir.device"
_AGGREGATE_HASH = blake2b(digest_size=8, person=_AGGREGATE_PERSON)
_SECONDS_MASK = 0xFFFF_FFFF
# Drawn at random from the primes of 64 bits. Two texts of n bits have the same remainder with a chance of at most
# n / 63 in 2e17 (Karp & Rabin 1987), and it takes half the time of a hash. (As numbers, texts of any
# length differ: no text of MessagePack is another with zeros after it.)
_FINGERPRINT_PRIME = 0xD829_5D85_5BD4_551B

# MessagePack is one form for one value: names in order, a float is always the eight bytes of its double.
_canonical = msgspec.msgpack.Encoder(order="sorted").encode
rounded = float.__round__
"""`round`, of a float, in half the time."""
_number = int.from_bytes


def event_ms(event_time: float) -> int:
    """Round an event time in seconds to the millisecond that identifies it."""
    return rounded(event_time * 1000.0)


def event_seconds(milliseconds: int) -> float:
    """Return the event time in seconds of so many milliseconds since the Unix epoch: what `event_ms` undoes.

    >>> event_ms(event_seconds(1725890469123))
    1725890469123
    """
    return milliseconds / 1000


def _head(event_time: float) -> bytes:
    return (int(event_time) & _SECONDS_MASK).to_bytes(4, "big")


def _derive(event_time: float, person: bytes, text: str) -> bytes:
    return _head(event_time) + blake2b(text.encode(), digest_size=8, person=person).digest()


def _contents(values: Mapping[str, float], sequence: int | None) -> bytes:
    """Write what tells readings of one sensor and one millisecond apart, in one way only."""
    # As text, since a record that something else wrote may count beyond 64 bits.
    if 0.0 in values.values():  # -0.0 equals it, and has other bytes
        values = {name: value + 0.0 for name, value in values.items()}
    return _canonical((None if sequence is None else str(sequence), values))


def reading_id(
    sensor_id: str, event_time: float, values: Mapping[str, float], sequence: int | None = None
) -> bytes:
    """Derive the id of a reading.

    Two messages are the same reading when sensor, event time (to the millisecond), sequence number, quantities and
    their values all agree.

    Args:
        sensor_id: The sensor's id.
        event_time: Seconds since the Unix epoch.
        values: Quantity -> finite value as a float (an ``int`` is another value), in any order.
        sequence: The sensor's own counter, where it has one: tells readings apart that agree in all the rest.

    Returns:
        12 bytes.

    >>> reading_id("464fc87d3c5a", 1725890469.0, {"temperature": 21.5}).hex()
    '66deffa5723abb597ffe3e94'
    """
    text = f"{sensor_id}\0{event_ms(event_time)}\0".encode() + _contents(values, sequence)
    return _head(event_time) + blake2b(text, digest_size=8, person=_READING_PERSON).digest()


def reading_mark(values: Mapping[str, float], sequence: int | None) -> int:
    """Return 64 bits that tell a reading from others of its sensor and millisecond: the part of an id beside those.

    >>> reading_mark({"a": 1.0, "b": 2.0}, None) == reading_mark({"b": 2.0, "a": 1.0}, None)
    True
    >>> reading_mark({"a": 1.0, "b": 2.0}, None) == reading_mark({"a": 1.0, "b": 3.0}, None)
    False
    """
    if 0.0 in values.values():
        contents = _contents(values, sequence)
    else:  # the same, without the call
        contents = _canonical((None if sequence is None else str(sequence), values))
    return _number(contents, "little") % _FINGERPRINT_PRIME


def aggregate_id(sensor_id: str, quantity: str, start: float, end: float) -> bytes:
    """Derive the id of a window's aggregate from its series and bounds (seconds since the Unix epoch).

    Args:
        sensor_id, quantity, start, end: As in the record.
    """
    return window_id(sensor_id, quantity, event_ms(start), event_ms(end))


def window_id(sensor_id: str, quantity: str, start_ms: int, end_ms: int) -> bytes:
    """Derive the same from bounds in milliseconds.

    Args:
        sensor_id, quantity: As in the record.
        start_ms, end_ms: Bounds of the window.
    """
    head, bounds = _bounds(start_ms, end_ms)
    hashed = _AGGREGATE_HASH.copy()  # half of what it takes to make one
    hashed.update(f"{sensor_id}\0{quantity}".encode() + bounds)
    return head + hashed.digest()


@lru_cache(maxsize=1024)  # most sensors close the same windows
def _bounds(start_ms: int, end_ms: int) -> tuple[bytes, bytes]:
    return _head(start_ms / 1000), f"\0{start_ms}\0{end_ms}".encode()


def anomaly_id(sensor_id: str, quantity: str, raised_at: float, apart: str = "") -> bytes:
    """Derive the id of an anomaly from its series, the event time of its raise (seconds), and what raised it.

    Args:
        sensor_id, quantity, raised_at: As in the record.
        apart: Cause of an anomaly that limits or peers raised (`streams.detection.causes`): one reading can raise one
            of each and the detector's. Empty for the detector's.
    """
    by = f"\0{apart}" if apart else ""
    return _derive(raised_at, _ANOMALY_PERSON, f"{sensor_id}\0{quantity}\0{event_ms(raised_at)}{by}")


def device_change_id(sensor_id: str, state: str, since: float) -> bytes:
    """Derive the id of a change of a device's state from what it became, and when (seconds).

    Args:
        sensor_id, state, since: As in the record.
    """
    return _derive(since, _DEVICE_PERSON, f"{sensor_id}\0{state}\0{event_ms(since)}")


def alarm_id(sensor_id: str, quantity: str, kind: str, raised_at: float) -> bytes:
    """Derive the id of an alarm from its series, its kind and the event time of its first raise (seconds).

    Args:
        sensor_id, quantity, kind, raised_at: As in the record.
    """
    return _derive(raised_at, _ALARM_PERSON, f"{sensor_id}\0{quantity}\0{event_ms(raised_at)}\0{kind}")


def action_id(fields: Mapping[str, Any], at: float) -> bytes:
    """Derive the id of an action from all that it says, and when it was done (seconds).

    Args:
        fields: Its fields, the id aside.
        at: As in the record.
    """
    text = _canonical({name: value for name, value in fields.items() if name != "id"})
    return _head(at) + blake2b(text, digest_size=8, person=_ACTION_PERSON).digest()


def rules_fingerprint(change: bytes, at: float) -> bytes:
    """Derive the fingerprint of a change of rules from all that it says, and when it was made (seconds).

    Args:
        change: The encoded record, its fingerprint aside.
        at: As in the record.
    """
    return _head(at) + blake2b(change, digest_size=8, person=_RULES_PERSON).digest()


def insight_id(kind: str, sensor_id: str, quantity: str, at: float, state: str, about: str = "") -> bytes:
    """Derive the id of an insight from what it is about and the event time to which it belongs (seconds).

    Args:
        kind, sensor_id, quantity, at, state: As in the record.
        about: What else tells it from others: the group and the other sensor of a correlation.
    """
    return _derive(
        at, _INSIGHT_PERSON, "\0".join((kind, sensor_id, quantity, str(event_ms(at)), state, about))
    )


def dead_letter_id(origin: str, topic: str, payload: bytes, position: str = "") -> bytes:
    """Derive the id of a dead letter from where it came from and its bytes.

    No time goes in: a message that MQTT delivers again comes at another time, but is the same dead letter. So
    identical bad messages of one topic are one dead letter in MongoDB (on Kafka they are as many as came).

    Args:
        origin: ``mqtt``, ``kafka`` or ``mongo``.
        topic: MQTT topic or Kafka topic.
        payload: The original bytes.
        position: Partition and offset of a Kafka record, which tell identical records apart.

    Returns:
        12 bytes.
    """
    head = f"{origin}\0{topic}\0{position}\0".encode(errors="surrogateescape")
    return blake2b(head + payload, digest_size=12, person=_DEAD_LETTER_PERSON).digest()
