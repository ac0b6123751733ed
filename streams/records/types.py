"""The records on Weir's topics, and their JSON encoding.

All times are float seconds since the Unix epoch, exact to the millisecond. Ids are the hexadecimal text of
the 12 bytes that `streams.records.identity` derives.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from streams.errors import InputError, Reason

HEADER_READING_ID = "id"
HEADER_MQTT_TOPIC = "mqtt_topic"
HEADER_CLOCK = "clock"
"""``arrival`` where a reading had no event time of its own."""

# Whoever may write to the log can write what the bridge would refuse: a time beyond the years of a Date, a counter
# beyond 64 bits. Each stopped a worker, again at each start. (A NUL in a sensor's id: see `streams.records.rows`.)
_Time = Annotated[float, Meta(ge=-62_135_596_800, lt=253_402_300_800)]
_Counter = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Reading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one sensor measured at one event time.

    Args:
        sensor_id: The sensor; also the record's key on `readings`.
        collected_at: Event time, in the years 1 to 9999. The record's Kafka timestamp is its ingest time.
        values: Quantity name -> finite number.
        sequence: The sensor's own counter, where it has one: from 0 to 2**63 - 1.
    """

    sensor_id: str
    collected_at: _Time
    values: dict[str, float]
    sequence: _Counter | None = None


class Tick(msgspec.Struct, frozen=True, gc=False):
    """The bridge's heartbeat in each partition of `readings`: closes the windows of idle sensors, replayably.

    Args:
        tick_at: Ingest time of the tick (the bridge's clock).
    """

    tick_at: _Time


class Aggregate(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The summary of one closed window of one series.

    Args:
        start, end: Window bounds, half-open ``[start, end)``.
        count: Readings in it.
        mean, variance: Variance is the sample variance (n - 1); 0 for one reading.
        first, last: By event time.
        quantiles: Probability, as text, -> value; present when quantiles are configured.
    """

    id: str
    sensor_id: str
    quantity: str
    start: float
    end: float
    count: int
    mean: float
    variance: float
    min: float
    max: float
    first: float
    last: float
    quantiles: dict[str, float] | None = None


class Anomaly(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One change in an anomaly's life: raised, cleared. Both carry the same id.

    Args:
        state: ``raised``, then ``cleared``; ``regime_change`` when a lasting shift is accepted as normal.
        changed_at: Event time of this change.
        raised_at, cleared_at: The interval; ``cleared_at`` is ``None`` while it is open.
        score: The peak so far, in [0, 1]: one minus the tail probability.
        value: The value at the peak; ``expected``, ``lower`` and ``upper`` say what was expected then. A limit expects
            nothing, and its band is what it allows.
        cause: Which residual of the detector was surprised; ``limit`` or ``rate`` if a limit that a user set was
            crossed. A series can have an anomaly of each of these two open beside one of the detector.
        seen: Readings that the model had seen.
        severity: Of the limit, ``info``, ``warning`` or ``critical``; none for what the detector found.
    """

    id: str
    sensor_id: str
    quantity: str
    state: str
    changed_at: float
    raised_at: float
    score: float
    value: float
    expected: float | None
    lower: float | None
    upper: float | None
    direction: str
    cause: str
    seen: int
    cleared_at: float | None = None
    severity: str | None = None


class LateReading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A reading whose windows had all closed before it came: in no aggregate, but not lost.

    Args:
        id: The reading's id.
        watermark: The sensor's watermark when it came.
    """

    id: str
    sensor_id: str
    quantity: str
    collected_at: float
    value: float
    watermark: float


class DeadLetter(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A message set aside, with its reason, its original bytes and where it came from.

    Args:
        id: Derived from origin and bytes, so that setting it aside twice is harmless.
        reason: One of `streams.errors.Reason`.
        detail: What was expected and what came.
        origin: ``mqtt`` or ``kafka`` or ``mongo``.
        topic: MQTT topic or Kafka topic.
        received_at: Ingest time.
        payload: The original bytes (base64 in JSON).
        partition, offset: Where it stands in Kafka, when it came from there.
    """

    id: str
    reason: str
    detail: str
    origin: Literal["mqtt", "kafka", "mongo"]
    topic: str
    received_at: float
    payload: bytes
    partition: int | None = None
    offset: int | None = None


class Label(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Ground truth: what was injected into (or is known of) a series between two event times."""

    sensor_id: str
    quantity: str
    start: float
    end: float
    kind: str


class Insight(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that model analysis found about a sensor or one of its series.

    Args:
        kind: One of `streams.analysis.findings.InsightKind`: ``profile``, ``forecast``, ``drift``, ``correlation``,
            ``stalled``, ``stuck``, ``unit``, ``clock`` or ``gaps``.
        quantity: The quantity; empty if it is about the whole sensor.
        at: Event time to which it belongs (``stalled``: ingest time).
        state: ``raised`` and ``cleared`` for what has a duration, otherwise ``observed``.
        summary: A sentence for people.
        details: Plain values by name; see docs/reference/insights.md.
    """

    id: str
    kind: str
    sensor_id: str
    quantity: str
    at: float
    state: str
    summary: str
    details: dict[str, Any]


class GroupBucket(msgspec.Struct, frozen=True, gc=False):
    """Five minutes of one series of a group of sensors: what the comparison of sensors is made of.

    Args:
        number: Event time of its start over 300 s.
        deviation: Its mean without what is usual at that time of day.
    """

    group: str
    quantity: str
    sensor_id: str
    number: int
    deviation: float


Record = Reading | Tick | Aggregate | Anomaly | LateReading | DeadLetter | Label | Insight | GroupBucket

T = TypeVar("T")

encode = msgspec.json.Encoder().encode

_decode_reading = msgspec.json.Decoder(Reading).decode
_decode_tick = msgspec.json.Decoder(Tick).decode


def decode_reading(value: bytes) -> Reading | Tick:
    """Decode the value of a record on `readings`.

    Raises:
        InputError: ``unreadable_record`` if it is neither a reading nor a tick.

    >>> decode_reading(encode(Tick(tick_at=5.0)))
    Tick(tick_at=5.0)
    """
    try:
        return _decode_reading(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        try:
            return _decode_tick(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise InputError(
                Reason.UNREADABLE_RECORD,
                f"expected a reading or a tick as JSON, got {value[:80]!r} ({error})",
            ) from None


def decode_readings(values: Sequence[bytes | None]) -> list[Reading | Tick] | None:
    """Decode the values of many records on `readings` at once: the fast way, all or nothing.

    Returns:
        One reading or tick for each value, or ``None`` if any of them cannot be read: then decode one by one.
    """
    try:
        return [_decode_reading(value) if value[2:6] != b"tick" else _decode_tick(value) for value in values]  # type: ignore[index, arg-type]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError):
        return None


def decode_as(kind: type[T], value: bytes) -> T:
    """Decode the value of a record of the given kind.

    Raises:
        InputError: ``unreadable_record`` if the bytes are not such a record.
    """
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            Reason.UNREADABLE_RECORD, f"expected {kind.__name__} as JSON, got {value[:80]!r} ({error})"
        ) from None
