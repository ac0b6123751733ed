"""Turn records into MongoDB documents whose ``_id`` is derived, so that storing one twice leaves one.

    collection      _id derived from
    sensors         the reading: sensor, event time, sequence, names of its quantities
    aggregates      series and window bounds; supplements change it
    anomalies       series, time of the raise, and the limit if one raised it; they change
    bands           series and hour
    late_readings   reading and quantity
    dead_letters    origin and bytes
    labels          everything in it
    insights        what it is about and the event time to which it belongs
    actions         everything in it
    device_changes  sensor, what it became, and when
    presence        sensor, what was said, and when
    alarms          series, kind, and time of the first raise; they change, too

Times become Dates (to the millisecond, as MongoDB keeps them); what a document is about is in ``metadata``. Which type
of record goes into which collection says `streams.records.catalogue`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from bson import Binary, ObjectId

from streams.errors import InputError, Reason, shown
from streams.records.alarm_records import Action, Alarm
from streams.records.identity import event_ms, event_seconds, reading_id
from streams.records.types import (
    Aggregate,
    Anomaly,
    DeadLetter,
    DeviceChange,
    HourBand,
    Insight,
    Label,
    LateReading,
    Presence,
    Reading,
)
from streams.records.versions import Document
from streams.records.window_parts import NUMBER

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Fields of a reading's document that are not quantities: a quantity of such a name would overwrite them.
_RESERVED = frozenset({"_id", "collected_at", "metadata", "sequence"})


def date(event_time: float) -> datetime:
    """Return an event time (seconds since the Unix epoch) as MongoDB's Date, exact to the millisecond.

    Raises:
        InputError: ``bad_time`` if it lies outside the years 1 to 9999 or is not finite.

    >>> date(1725890469.123).isoformat()
    '2024-09-09T14:01:09.123000+00:00'
    """
    try:
        return _EPOCH + timedelta(milliseconds=event_ms(event_time))
    except (OverflowError, ValueError):
        raise InputError(
            Reason.BAD_TIME, f"a Date must lie in the years 1 to 9999, got {event_time!r} s"
        ) from None


def _date_or_none(event_time: float | None) -> datetime | None:
    return None if event_time is None else date(event_time)


def _object_id(text: str) -> ObjectId:
    try:
        return ObjectId(bytes.fromhex(text))
    except (ValueError, TypeError):
        raise InputError(
            Reason.UNREADABLE_RECORD, f"id must be 24 hexadecimal digits, got {text[:80]!r}"
        ) from None


def _derived_id(head: bytes, person: bytes, *parts: object) -> ObjectId:
    """Derive an id from a time and whatever tells the document from others of that time."""
    text = "\0".join(str(part) for part in parts)
    return ObjectId(head + blake2b(text.encode(), digest_size=8, person=person).digest())


def reading_document(reading: Reading, identity: bytes | None = None) -> Document:
    """Make the document of a reading for collection ``sensors``.

    Args:
        reading: The reading.
        identity: The 12 bytes of its id, as the record's header has them; derived anew when missing.

    Raises:
        InputError: ``wrong_shape`` if a quantity has the name of another field, ``bad_time`` if its time is
            no Date.

    >>> reading_document(Reading("464fc87d3c5a", 1725890469.0, {"temperature": 21.5})) == {
    ...     "_id": ObjectId("66deffa5723abb597ffe3e94"),
    ...     "temperature": 21.5,
    ...     "collected_at": datetime(2024, 9, 9, 14, 1, 9, tzinfo=UTC),
    ...     "metadata": {"sensor_id": "464fc87d3c5a"},
    ... }
    True
    """
    values = reading.values
    if not _RESERVED.isdisjoint(values):
        raise InputError(
            Reason.WRONG_SHAPE,
            f"a quantity must not be called {sorted(_RESERVED & values.keys())} (sensor {reading.sensor_id})",
        )
    if identity is None or len(identity) != 12:
        identity = reading_id(reading.sensor_id, reading.collected_at, values, reading.sequence)
    document: Document = {
        "_id": ObjectId(identity),
        **values,
        "collected_at": date(reading.collected_at),
        "metadata": {"sensor_id": reading.sensor_id},
    }
    if reading.sequence is not None:
        document["sequence"] = reading.sequence
    return document


def _series(
    record: Aggregate | Anomaly | HourBand | LateReading | Label | Insight | Action | Alarm,
) -> Document:
    return {"sensor_id": record.sensor_id, "quantity": record.quantity}


def history_id(sensor_id: str, quantity: str, day: int) -> ObjectId:
    """Derive the ``_id`` of a day of a series in collection ``history``.

    Args:
        sensor_id, quantity: The series.
        day: Counted as `datetime.toordinal` does.
    """
    head = ((day - _EPOCH.toordinal()) & 0xFFFF_FFFF).to_bytes(4, "big")
    return _derived_id(head, b"weir.history", sensor_id, quantity, day)


def aggregate_document(aggregate: Aggregate) -> Document:
    """Make the document of a closed window, or of a supplement to it, for collection ``aggregates``.

    What belongs to one window has one ``_id``: `streams.records.window_parts` joins it to one document.
    """
    document: Document = {
        "_id": _object_id(aggregate.id),
        "metadata": _series(aggregate),
        "start": date(aggregate.start),
        "end": date(aggregate.end),
    }
    for name in ("count", "mean", "variance", "min", "max", "first", "last"):
        document[name] = getattr(aggregate, name)
    for name in ("first_at", "last_at"):
        if (at := getattr(aggregate, name)) is not None:
            document[name] = date(at)
    if aggregate.quantiles is not None:
        document["quantiles"] = _quantiles(aggregate.quantiles)
    if aggregate.supplement is not None:
        document |= {NUMBER: aggregate.supplement, "unchecked": aggregate.unchecked}
    return document


def aggregate_of_document(document: Mapping[str, Any]) -> Aggregate:
    """Return the aggregate of a document of collection ``aggregates``: what `aggregate_document` undoes.

    Args:
        document: A window, with what has been joined to it, or one part of it.
    """
    same = ("count", "mean", "variance", "min", "max", "first", "last")
    quantiles = document.get("quantiles")
    return Aggregate(
        id=document["_id"].binary.hex(),
        sensor_id=document["metadata"]["sensor_id"],
        quantity=document["metadata"]["quantity"],
        start=_seconds(document["start"]),
        end=_seconds(document["end"]),
        **{name: document[name] for name in same},
        quantiles=quantiles and {str(each["probability"]): each["value"] for each in quantiles},
        first_at=_seconds(document["first_at"]) if "first_at" in document else None,
        last_at=_seconds(document["last_at"]) if "last_at" in document else None,
        supplement=document.get(NUMBER),
        unchecked=document.get("unchecked", 0),
    )


def _seconds(moment: datetime) -> float:
    return event_seconds(event_ms((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))


def _quantiles(quantiles: Mapping[str, float]) -> list[Document]:
    # A list, since a probability such as 0.5 makes a poor field name: queries read a dot as a path.
    try:
        return [
            {"probability": float(probability), "value": value} for probability, value in quantiles.items()
        ]
    except ValueError:
        raise InputError(
            Reason.UNREADABLE_RECORD, f"quantiles must have numbers for names, got {shown(list(quantiles))}"
        ) from None


def anomaly_document(anomaly: Anomaly) -> Document:
    """Make the document of an anomaly as of one change for collection ``anomalies``."""
    document: Document = {
        "_id": _object_id(anomaly.id),
        "metadata": _series(anomaly),
        "state": anomaly.state,
        "raised_at": date(anomaly.raised_at),
        "changed_at": date(anomaly.changed_at),
        "cleared_at": _date_or_none(anomaly.cleared_at),
    }
    for name in ("score", "value", "expected", "lower", "upper", "direction", "cause", "seen"):
        document[name] = getattr(anomaly, name)
    if anomaly.severity is not None:
        document["severity"] = anomaly.severity
    if anomaly.rule:
        document["rule"] = anomaly.rule
    if anomaly.condition:
        document["condition"] = anomaly.condition
    return document


def late_document(late: LateReading) -> Document:
    """Make the document of a late reading for collection ``late_readings``, one a quantity."""
    reading = _object_id(late.id)
    return {
        "_id": _derived_id(reading.binary[:4], b"weir.late", late.id, late.quantity),
        "reading_id": reading,
        "metadata": _series(late),
        "collected_at": date(late.collected_at),
        "value": late.value,
        "watermark": date(late.watermark),
        **({"too_old": True} if late.too_old else {}),
    }


def dead_letter_document(letter: DeadLetter) -> Document:
    """Make the document of a dead letter for collection ``dead_letters``; its bytes stay as they came."""
    document: Document = {
        "_id": _object_id(letter.id),
        "reason": letter.reason,
        "detail": letter.detail,
        "origin": letter.origin,
        "topic": letter.topic,
        "received_at": date(letter.received_at),
        "payload": Binary(letter.payload),
    }
    if letter.partition is not None:
        document |= {"partition": letter.partition, "offset": letter.offset}
    return document


def letter_of_document(document: Document) -> DeadLetter:
    """Return the dead letter of a document; what had been read of its message is not kept there."""
    return DeadLetter(
        id=document["_id"].binary.hex(),
        reason=document["reason"],
        detail=document["detail"],
        origin=document["origin"],
        topic=document["topic"],
        received_at=_seconds(document["received_at"]),
        payload=bytes(document["payload"]),
        partition=document.get("partition"),
        offset=document.get("offset"),
    )


def band_document_id(sensor_id: str, quantity: str, start: float) -> ObjectId:
    """Derive the ``_id`` of what was usual of a series in an hour.

    Args:
        sensor_id, quantity: The series.
        start: Of the hour.
    """
    head = (int(start) & 0xFFFF_FFFF).to_bytes(4, "big")
    return _derived_id(head, b"weir.band", sensor_id, quantity, event_ms(start))


def band_document(band: HourBand) -> Document:
    """Make the document of what was usual in an hour for collection ``bands``."""
    return {
        "_id": band_document_id(band.sensor_id, band.quantity, band.start),
        "metadata": _series(band),
        "start": date(band.start),
        "lower": band.lower,
        "upper": band.upper,
    }


def label_document(label: Label) -> Document:
    """Make the document of a label for collection ``labels``."""
    start = date(label.start)
    head = (int(label.start) & 0xFFFF_FFFF).to_bytes(4, "big")
    parts: tuple[str | int, ...] = (
        label.sensor_id, label.quantity, event_ms(label.start), event_ms(label.end), label.kind,
    )  # fmt: skip
    said_again: Document = {}
    if label.at is not None:
        parts = (*parts, event_ms(label.at), int(label.revoked))
        said_again = {"at": date(label.at), "revoked": label.revoked}
    return {
        "_id": _derived_id(head, b"weir.label", *parts),
        "metadata": _series(label),
        "start": start,
        "end": date(label.end),
        "kind": label.kind,
        **said_again,
    }


def label_of(document: Mapping[str, Any]) -> Label:
    """Return the label that a document of collection ``labels`` holds: what `label_document` undoes."""
    metadata = document["metadata"]
    return Label(
        metadata["sensor_id"],
        metadata["quantity"],
        _seconds(document["start"]),
        _seconds(document["end"]),
        document["kind"],
        _seconds(document["at"]) if "at" in document else None,
        document.get("revoked", False),
    )


def insight_document(insight: Insight) -> Document:
    """Make the document of an insight for collection ``insights``."""
    details = dict(insight.details)
    if isinstance(quantiles := details.get("quantiles"), dict):
        details["quantiles"] = _quantiles(quantiles)
    return {
        "_id": _object_id(insight.id),
        "metadata": _series(insight),
        "kind": insight.kind,
        "state": insight.state,
        "at": date(insight.at),
        "summary": insight.summary,
        "details": details,
    }


def device_change_document(change: DeviceChange) -> Document:
    """Make the document of a change of a device for collection ``device_changes``."""
    return {
        "_id": _object_id(change.id),
        "metadata": {"sensor_id": change.sensor_id},
        "state": change.state,
        "since": date(change.since),
        "last": _date_or_none(change.last),
        "usual": change.usual,
        "quantity": change.quantity,
        "untold": change.untold,
    }


def presence_document(presence: Presence) -> Document:
    """Make the document of what a device's topic said for collection ``presence``."""
    head = (int(presence.since) & 0xFFFF_FFFF).to_bytes(4, "big")
    parts = (presence.sensor_id, presence.state, event_ms(presence.since))
    return {
        "_id": _derived_id(head, b"weir.presence", *parts),
        "metadata": {"sensor_id": presence.sensor_id},
        "state": presence.state,
        "since": date(presence.since),
        "reason": presence.reason,
        "topic": presence.topic,
        "retained": presence.retained,
        "gateway": presence.gateway,
    }


def device_change_of_document(document: Mapping[str, Any]) -> DeviceChange:
    """Return the change of a document of collection ``device_changes``: what `device_change_document` undoes."""
    last = document["last"]
    return DeviceChange(
        document["_id"].binary.hex(),
        document["metadata"]["sensor_id"],
        document["state"],
        _seconds(document["since"]),
        None if last is None else _seconds(last),
        *(document[name] for name in ("usual", "quantity", "untold")),
    )


def presence_of_document(document: Mapping[str, Any]) -> Presence:
    """Return what was said, of a document of collection ``presence``: what `presence_document` undoes.

    The number of the connection is not in it.
    """
    return Presence(
        document["metadata"]["sensor_id"],
        document["state"],
        _seconds(document["since"]),
        *(document[name] for name in ("reason", "topic", "retained", "gateway")),
    )


_ACTION_TIMES = frozenset({"at", "until", "start"})
_ALARM_TIMES = frozenset({"changed_at", "raised_at", "last_raised_at", "cleared_at", "until"})


def action_document(action: Action) -> Document:
    """Make the document of what a person did for collection ``actions``."""
    return _whole_document(action, _ACTION_TIMES)


def alarm_document(alarm: Alarm) -> Document:
    """Make the document of an alarm as of one change for collection ``alarms``."""
    return _whole_document(alarm, _ALARM_TIMES)


def _whole_document(record: Action | Alarm, times: frozenset[str]) -> Document:
    """Make a document that has every field of a record under its own name, the series aside."""
    document: Document = {"_id": _object_id(record.id), "metadata": _series(record)}
    for name in record.__struct_fields__:
        if name not in ("id", "sensor_id", "quantity"):
            value = getattr(record, name)
            document[name] = _date_or_none(value) if name in times else value
    return document
