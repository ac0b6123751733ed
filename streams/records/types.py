"""The records on Weir's topics, and their JSON encoding.

Times are seconds since the Unix epoch, exact to the millisecond. Ids are the hexadecimal text of 12 derived bytes.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from streams.errors import InputError, Reason
from streams.records.letter_parts import ReadPart, Time
from streams.records.room import LARGEST_LEARNED
from streams.records.rows import LONGEST_ID
from streams.records.rule_records import RuleChange

LONGEST_QUANTITY: Final = 256  # characters of a quantity's name; the bridge admits 64

HEADER_READING_ID = "id"
HEADER_MQTT_TOPIC = "mqtt_topic"
HEADER_CLOCK = "clock"  # ``arrival`` where a reading had no event time of its own
HEADER_MAPS = "maps"  # fingerprint of the maps in force when a reading was read: 8 bytes
HEADER_REDRIVE = "redrive"  # the batch of a reading that came out of a dead letter

MOST_STEADY: Final = 31_536_000  # seconds that a tick says of the bridge at most: a year
LATEST: Final = 253_402_300_799.0  # the end of the year 9999, from the Unix epoch: no Date lies beyond it

# Whoever may write to the log can write what the bridge would refuse: a time beyond the years of a Date, a counter
# beyond 64 bits, a name that makes a result larger than a record may be. Each stopped a worker, again at each start.
# (A NUL in an id: `streams.records.rows`.) A year less at either end: windows and deadlines around it are Dates, too.
EventTime = Annotated[float, Meta(ge=-62_104_060_800, lt=253_370_764_800)]
Counter = Annotated[int, Meta(ge=0, le=2**63 - 1)]
SensorId = Annotated[str, Meta(max_length=LONGEST_ID)]
Quantity = Annotated[str, Meta(max_length=LONGEST_QUANTITY)]
_BirthSource = Annotated[str, Meta(pattern="/")]  # one without ended the bridge, again at each start
_Deviation = Annotated[float, Meta(ge=-LARGEST_LEARNED * 2, le=LARGEST_LEARNED * 2)]
_Bucket = Annotated[int, Meta(ge=-207_122_656, lt=844_674_336)]  # the same years, in 300 s


class Reading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one sensor measured at one event time.

    Args:
        sensor_id: The sensor; also the record's key on `readings`.
        collected_at: Event time, in the years 2 to 9998. The record's Kafka timestamp is its ingest time.
        values: Quantity name of at most 256 characters -> finite number.
        sequence: The sensor's own counter, where it has one: from 0 to 2**63 - 1.
    """

    sensor_id: SensorId
    collected_at: EventTime
    values: dict[str, float]  # names of a type of their own would be new objects in each: see `_decode_long`
    sequence: Counter | None = None


class Tick(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The bridge's heartbeat in each partition of `readings`: closes the windows of idle sensors, replayably.

    Args:
        tick_at: Ingest time of the tick (the bridge's clock).
        steady: For so many seconds before it the bridge was connected and had caught up, so that a sensor of which
            nothing stands in the log has sent nothing. None where it is not known (records of before).
    """

    tick_at: EventTime
    steady: Annotated[int, Meta(ge=0, le=MOST_STEADY)] | None = None


class Aggregate(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The summary of one closed window of one series, or of what came late for it: a supplement.

    Both carry the id of the window. Whoever wants that joins them (`streams.records.window_parts`), as MongoDB does.

    Args:
        start, end: Window bounds, half-open ``[start, end)``.
        count: Readings in it.
        mean, variance: Variance is the sample variance (n - 1); 0 for one reading.
        first, last: By event time.
        quantiles: Probability, as text, -> value; present when quantiles are configured.
        first_at, last_at: Event times of ``first`` and ``last``. (Records of before have none.)
        supplement: What tells one supplement to a window from the others: the offset in `readings` of its first
            reading. None for the window itself.
        unchecked: Of a supplement: readings in it that are older than what is remembered of their series, so that one
            that comes a second time would count a second time.
    """

    id: str
    sensor_id: SensorId
    quantity: Quantity
    start: Time
    end: Time
    count: Counter
    mean: float
    variance: float
    min: float
    max: float
    first: float
    last: float
    quantiles: dict[str, float] | None = None
    first_at: Time | None = None
    last_at: Time | None = None
    supplement: Counter | None = None
    unchecked: Counter = 0


class Anomaly(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One change in an anomaly's life: raised, cleared. Both carry the same id.

    Args:
        state: ``raised``, then ``cleared``; ``regime_change`` when a lasting shift is accepted as normal.
        changed_at: Event time of this change.
        raised_at, cleared_at: The interval; ``cleared_at`` is ``None`` while it is open.
        score: The peak so far, in [0, 1]: one minus the tail probability.
        value: The value at the peak; ``expected``, ``lower`` and ``upper`` say what was expected then. A limit expects
            nothing, and its band is what it allows; one of peers expects their median, and its value is the mean of a
            window; one of forecasts expects how far the series will go. Of a silence they are seconds, and all times
            are ingest times.
        cause: Which residual of the detector was surprised; ``limit``, ``late`` (by readings that came late), ``rate``,
            ``silence`` or ``deviation`` (from the median of its peers) if a limit was crossed, ``forecast`` if one is
            expected to be; ``peers`` or ``relation`` if it left those who say what was expected. One of each can be
            open at a time.
        seen: Readings that the model had seen.
        severity: Of the limit, ``info``, ``warning`` or ``critical``; none for what the detector found.
        rule: Fingerprint of the change of rules that set the limit; none if the settings did.
        condition: What else had to be for the limit to raise it, in words: how often it was crossed within which time,
            what other quantities were.
    """

    id: str
    sensor_id: SensorId
    quantity: Quantity
    state: str
    changed_at: Time
    raised_at: Time
    score: float
    value: float
    expected: float | None
    lower: float | None
    upper: float | None
    direction: str
    cause: str
    seen: Counter
    cleared_at: Time | None = None
    severity: str | None = None
    rule: str = ""
    condition: str = ""


class HourBand(msgspec.Struct, frozen=True, gc=False):
    """What was usual of a series in an hour: the band by which its model judged the first reading that it learned then.

    Args:
        start: Event time of the hour's beginning.
        lower, upper: A value between them would not have been raised. No record: the model was warming up, learned
            nothing in that hour, or its band is open on one side.
    """

    sensor_id: SensorId
    quantity: Quantity
    start: Time
    lower: float
    upper: float


class LateReading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A reading whose windows had all closed before it came: it comes back in supplements to them.

    Args:
        id: The reading's id.
        watermark: The sensor's watermark when it came.
        too_old: It was late by more than `windows.late_seconds`, and counts in no window.
    """

    id: str
    sensor_id: SensorId
    quantity: Quantity
    collected_at: Time
    value: float
    watermark: Time
    too_old: bool = False


class DeadLetter(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A message set aside, with its reason, its original bytes and where it came from.

    Args:
        id: Derived from origin and bytes, so that setting it aside twice is harmless.
        reason: One of `streams.errors.Reason`.
        detail: What was expected and what came.
        origin: ``mqtt`` or ``kafka`` or ``mongo``.
        topic: MQTT topic or Kafka topic.
        received_at: Ingest time.
        payload: The original bytes (base64 in JSON), at most 256 KiB of them; ``detail`` says if there were more.
        partition, offset: Where it stands in Kafka, when it came from there.
        retained: Whether the MQTT broker had kept the message.
        read: What was read of the same bytes, for no redrive to read it twice; ``None``: more than there is room for.
    """

    id: str
    reason: str
    detail: str
    origin: Literal["mqtt", "kafka", "mongo"]
    topic: str
    received_at: Time
    payload: bytes
    partition: Counter | None = None
    offset: Counter | None = None
    retained: bool = False
    read: tuple[ReadPart, ...] | None = ()


class Label(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Ground truth: what was injected into (or is known of) a series between two event times.

    Args:
        sensor_id, quantity: The series.
        start, end: Event times (seconds since the Unix epoch).
        kind: What it was.
        at: When it was said, where something had been said before of what begins then: the newest counts
            (`streams.standing_labels.standing`). ``None``: it is the first.
        revoked: It was no such thing after all.
    """

    sensor_id: SensorId
    quantity: Quantity
    start: Time
    end: Time
    kind: str
    at: Time | None = None
    revoked: bool = False


class Birth(msgspec.Struct, frozen=True, gc=False):
    """What a Sparkplug B birth said of its metrics: so that data that name neither can be read after a restart.

    Data points that other systems number are named likewise, by a map's rule of ``names``.

    Args:
        source: ``group/node``, or ``group/node/device`` for the birth of a device.
        at: Ingest time.
        aliases: Alias -> name of the metric.
        types: Name of the metric -> its data type, as Sparkplug numbers them; of those that are signed integers or
            arrays of numbers, a template's members by their path. (Records of before have none.)
        units: Name of the metric -> its unit, of those that have one.
    """

    source: _BirthSource
    at: Time
    aliases: dict[int, str]
    types: dict[str, int] = {}
    units: dict[str, str] = {}


class Presence(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Whether a device is there, as its topics say: one record for each change.

    Args:
        sensor_id: The device; also the record's key.
        state: ``online``, ``disconnected``, or ``withdrawn``: its retained word was cleared, nothing is said any more.
        since: Ingest time of the message that changed it.
        reason: The word that was said; without one, the topic.
        topic: MQTT topic of that message.
        retained: The broker had kept the message: ``since`` is the latest that it can be.
        gateway: What the device is reached by, where that is known.
        session: Number of the connection that was born, where the form has one.
    """

    sensor_id: SensorId
    state: Literal["online", "disconnected", "withdrawn"]
    since: Time
    reason: str
    topic: str
    retained: bool = False
    gateway: str = ""
    session: Counter | None = None


class DeviceChange(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One change of what a device's readings say of it: they come as usual, are late, stay away, are back.

    Follows from `readings` alone, so that a replay makes it again; what its topics say is a `Presence`.

    Args:
        state: ``online``, ``late``, ``silent``; ``unknown`` when it has been silent for so long that its rows leave.
        since: Ingest time of the reading or tick that changed it.
        last: When the reading before came; None: it is the first.
        usual: Seconds that pass between two readings at most, as learned; None: not known.
        quantity: Whose limit of silence was crossed; empty: none, its usual gap was.
        untold: Absences since the record before that are not told, since there were too many.
    """

    id: str
    sensor_id: SensorId
    state: str
    since: Time
    last: Time | None = None
    usual: float | None = None
    quantity: Quantity = ""
    untold: Counter = 0


class Device(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What people know of a sensor: the newest of each sensor counts.

    Args:
        sensor_id: The sensor; also the record's key.
        at: When it was said (seconds since the Unix epoch).
        name: What people call it.
        place, machine, group: Where it is, and what it belongs to.
        kind: What sort of device it is: its maker and model.
        units: Quantity -> its unit.
        precisions: Quantity -> decimal places that mean something.
        ranges: Quantity -> the least and the greatest value that it can have.
        interval: Seconds between two readings, as expected.
    """

    sensor_id: SensorId
    at: Time
    name: str = ""
    place: str = ""
    machine: str = ""
    group: str = ""
    kind: str = ""
    units: dict[Quantity, str] = {}
    precisions: dict[Quantity, int] = {}
    ranges: dict[Quantity, tuple[float, float]] = {}
    interval: float | None = None

    @property
    def label(self) -> str:
        """Its name and place, for people; empty if it has neither."""
        return ", ".join(part for part in (self.name, self.place) if part)


class Announcement(Device, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What is announced of a sensor, by itself or by what speaks for it: the newest of each sensor and source counts.

    Args:
        source: Who announces it: ``zigbee2mqtt``, ``homeassistant`` …
    """

    source: str


class Insight(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that model analysis found about a sensor or one of its series.

    Args:
        kind: One of `streams.analysis.findings.InsightKind`.
        quantity: The quantity; empty if it is about the whole sensor.
        at: Event time to which it belongs (``stalled``: ingest time).
        state: ``raised`` and ``cleared`` for what has a duration, otherwise ``observed``.
        summary: A sentence for people.
        details: Plain values by name; see docs/reference/insights.md.
    """

    id: str
    kind: str
    sensor_id: SensorId
    quantity: Quantity
    at: Time
    state: str
    summary: str
    details: dict[str, Any]


class GroupBucket(msgspec.Struct, frozen=True, gc=False):
    """Five minutes of one series of a group of sensors: what the comparison of sensors is made of.

    Args:
        number: Event time of its start over 300 s.
        deviation: Its mean without what is usual at that time of day.
    """

    group: SensorId
    quantity: Quantity
    sensor_id: SensorId
    number: _Bucket
    deviation: _Deviation


Logged = Reading | Tick | RuleChange  # what stands on `readings`

T = TypeVar("T")
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

encode = msgspec.json.Encoder().encode

# Without looking at how long names are: none is longer than the record, most of which have fewer bytes than a name may.
_decode_reading = msgspec.json.Decoder(Reading).decode
_LONGEST_TICK = (
    45  # bytes; {"tick_at":1725890469.123,"steady":31536000} has 43, a reading without id and values 46
)
_decode_tick = msgspec.json.Decoder(Tick).decode
_decode_change = msgspec.json.Decoder(RuleChange).decode


def decode_reading(value: bytes) -> Logged:
    """Decode the value of a record on `readings`.

    Raises:
        InputError: ``unreadable_record`` if it is neither a reading nor a tick nor a change of rules.

    >>> decode_reading(encode(Tick(tick_at=5.0, steady=60)))
    Tick(tick_at=5.0, steady=60)
    """
    try:
        return _decode_long(value)
    except _UNREADABLE as error:
        for decode in (_decode_tick, _decode_change):
            with suppress(*_UNREADABLE):
                return decode(value)
        raise InputError(
            Reason.UNREADABLE_RECORD, f"expected a reading or a tick as JSON, got {value[:80]!r} ({error})"
        ) from None


def decode_readings(values: Sequence[bytes | None]) -> list[Logged] | None:
    """Decode the values of many records on `readings` at once: the fast way, all or nothing.

    Returns:
        One reading or tick for each value, or ``None`` if any is another record, or none: then decode one by one.
    """
    try:
        return [
            _decode_reading(value) if _LONGEST_TICK < len(value) <= LONGEST_QUANTITY else _decode_other(value)  # type: ignore[arg-type]
            for value in values
        ]
    except (*_UNREADABLE, TypeError):
        return None


def _decode_other(value: bytes) -> Reading | Tick:
    return _decode_long(value) if len(value) > _LONGEST_TICK else _decode_tick(value)


def _decode_long(value: bytes) -> Reading:
    """Decode a reading of any length, and refuse one with a name that is too long."""
    reading = _decode_reading(value)
    if max(map(len, reading.values), default=0) > LONGEST_QUANTITY:
        raise msgspec.ValidationError(
            f"Expected `str` of length <= {LONGEST_QUANTITY} - at `key` in `$.values`"
        )
    return reading


def decode_as(kind: type[T], value: bytes) -> T:
    """Decode the value of a record of the given kind.

    Raises:
        InputError: ``unreadable_record`` if the bytes are not such a record.
    """
    try:
        return msgspec.json.decode(value, type=kind)
    except _UNREADABLE as error:
        raise InputError(
            Reason.UNREADABLE_RECORD, f"expected {kind.__name__} as JSON, got {value[:80]!r} ({error})"
        ) from None
