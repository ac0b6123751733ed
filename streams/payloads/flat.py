"""MQTT payloads: what a sensor published becomes readings, or an error that says what is wrong with it.

    on sensors/<id>/reading       {"temperature": 21.5, "collected_at": "2024-09-09T14:01:09Z"}, or an array
    on sensors/<id>/<quantity>    21.5

What is plain is read here; the rest is asked of `lenient`, which reads what can be read and names each field that
cannot. Where the limits are strict, nothing is asked: a reading with one such field is refused as a whole.
docs/reference/payloads.md has each form with its outcome.
"""

import re
from typing import Annotated, Any

import msgspec
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json
from typing_extensions import TypedDict

from streams.errors import InputError, Reason, shown
from streams.payloads.accepted import Limits, Refusal
from streams.payloads.addresses import Address, TopicKind, check_quantity, parse
from streams.payloads.arrivals import Arrivals
from streams.payloads.event_times import Time, event_time, zone_named
from streams.payloads.formats.json import read_json
from streams.payloads.json_errors import not_json, refused_field
from streams.payloads.labels import read_label
from streams.payloads.lenient import read_own
from streams.payloads.maps.decoded import Decoded, Found
from streams.payloads.read_parts import parts_of
from streams.records.types import Birth, Label, Presence, Reading

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _ReadingFields(TypedDict, total=False, extra_items=_Number):  # type: ignore[call-arg]
    """What a reading's JSON object holds; every field that is not named here is a quantity."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    sensor_id: str
    collected_at: Time
    sequence: Annotated[int, Field(ge=0, le=2**63 - 1)]


# Compiled once, and the validator called directly: a TypedDict costs 0.6 us a reading, a model 0.7
# (tests/benchmarks/bench_bridge.py).
_reading_adapter = TypeAdapter(_ReadingFields)
_validate_reading = _reading_adapter.validator.validate_json
_revalidate_reading = _reading_adapter.validator.validate_python
_validate_number = TypeAdapter(_Number).validator.validate_json
_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode

_BEGINS_ARRAY = re.compile(rb"[ \t\n\r]*\[")


Item = Reading | Label | Refusal | Found | Birth | Presence
# From here on a float may stand for another integer than the one that was written.
_ROUNDED = 2.0**53
_NO_QUANTITIES = frozenset({"sensor_id", "collected_at", "sequence"})
# Names of quantities seen lately, all of them good: a set answers in half the time of a cached function.
_checked: set[str] = set()
_MOST_CHECKED = 4096
_MOST_NAMED = 10
_MOST_REFUSALS = 100


def decode(
    topic: bytes,
    payload: bytes,
    ingest_time: float,
    limits: Limits,
    *,
    retained: bool = False,
    arrivals: Arrivals | None = None,
) -> list[Item]:
    """Read what was published on an MQTT topic.

    Args:
        topic: The MQTT topic.
        payload: The bytes as they came.
        ingest_time: When they came (seconds since the Unix epoch).
        limits: What is accepted.
        retained: Whether the broker had kept the message for new subscribers.
        arrivals: Event times of what has none, from one message to the next.

    Returns:
        Readings (as `Found` where the event time is their arrival) or one label; a refusal for what of it, or for
        which element of an array, cannot be read. Nothing, if it says that nothing was measured.

    Raises:
        InputError: If the message as a whole cannot be read. Nothing else is raised, whatever the bytes are.

    >>> decode(b"sensors/a1/reading", b'{"kelvin": 294.6, "collected_at": 1725890469}', 1725890470, Limits())
    [Reading(sensor_id='a1', collected_at=1725890469.0, values={'kelvin': 294.6}, sequence=None)]
    """
    if len(payload) > limits.max_payload_bytes:
        raise InputError(
            Reason.TOO_LARGE,
            f"payload must have at most {limits.max_payload_bytes} bytes, got {len(payload)}",
        )
    return decode_at(parse(topic, limits.prefix), payload, ingest_time, limits, retained, arrivals)


def decode_at(
    address: Address,
    payload: bytes,
    ingest_time: float,
    limits: Limits,
    retained: bool = False,
    arrivals: Arrivals | None = None,
) -> list[Item]:
    """Do what `decode` does where the topic is read already and the payload is not too large.

    Args:
        address: What the topic names.
        payload, ingest_time, limits, retained, arrivals: As for `decode`.

    Raises:
        InputError: If the message as a whole cannot be read.
    """
    if address.kind is TopicKind.READINGS:
        # Nearly every message is one object; an array fails validation at its first byte.
        try:
            return [_reading(_validate_reading(payload), payload, address, ingest_time, limits)]
        except (ValidationError, InputError) as error:
            if _BEGINS_ARRAY.match(payload):
                return _array(payload, address, ingest_time, limits, retained, arrivals)
            if limits.strict:
                return [_strictly(payload, error, address, ingest_time, limits)]
    elif not payload:
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty (it clears a retained message)")
    elif address.kind is TopicKind.LABEL:
        return [read_label(payload, address)]
    elif retained or limits.strict:
        return [_value(payload, address, ingest_time, retained, arrivals)]
    else:
        try:
            return [_value(payload, address, ingest_time, retained, arrivals)]
        except InputError:
            pass
    return _leniently(payload, address, ingest_time, limits, retained, arrivals)


def items_of(outcome: Decoded, payload: bytes) -> list[Item]:
    """Return what goes on from an outcome: births, readings, and one refusal that names what cannot be read.

    Args:
        outcome: What became of a message.
        payload: Its bytes.
    """
    items: list[Item] = [*outcome.births]
    items += [found.reading if found.clock == "device" else found for found in outcome.readings]
    if refused := outcome.refused:
        named = [
            f"{each.path}: {each.detail}" if each.path else each.detail for each in refused[:_MOST_NAMED]
        ]
        if len(refused) > _MOST_NAMED:
            named.append(f"and {len(refused) - _MOST_NAMED} more")
        items.append(Refusal(refused[0].reason, "; ".join(named), payload, parts_of(items)))
    return items


def encode(reading: Reading) -> bytes:
    """Write a reading as a sensor publishes it: `decode` on its topic gives it back.

    >>> encode(Reading("a1", 5.0, {"temperature": 21.5}))
    b'{"sensor_id":"a1","collected_at":5.0,"temperature":21.5}'
    """
    head: dict[str, Any] = {"sensor_id": reading.sensor_id, "collected_at": reading.collected_at}
    if reading.sequence is not None:
        head["sequence"] = reading.sequence
    return msgspec.json.encode({**head, **reading.values})


def _reading(
    fields: dict[str, Any], payload: bytes, address: Address, ingest_time: float, limits: Limits
) -> Reading:
    """Make a reading of validated fields; takes them apart."""
    sensor_id = address.sensor_id
    name = fields.pop("sensor_id", None)
    if not name:
        if name is not None or not sensor_id:
            raise InputError(Reason.BAD_SENSOR_ID, "sensor_id must be in the payload or in the topic")
    elif name != address.own_name:
        if sensor_id:
            raise InputError(
                Reason.SENSOR_MISMATCH,
                f"sensor_id must be that of the topic, {address.own_name!r}, got {shown(name)}",
            )
        sensor_id = address.identity(name)
    collected_at = fields.pop("collected_at", None)
    if collected_at is None:
        raise InputError(Reason.MISSING_TIME, "collected_at must be in the payload")
    sequence = fields.pop("sequence", None)
    if limits.ignored_fields:
        for name in limits.ignored_fields.intersection(fields):
            del fields[name]
    if not fields:
        raise InputError(Reason.MISSING_VALUE, "a reading must have at least one quantity")
    for name, value in fields.items():
        if name not in _checked:
            _check_name(name)
        if value >= _ROUNDED or value <= -_ROUNDED:
            _check_exact(payload)
    at = event_time(
        collected_at,
        earliest=limits.min_collected_at,
        latest=ingest_time + limits.max_future_seconds,
        zone=limits.zone and zone_named(limits.zone),
        arrival=ingest_time,
    )
    return Reading(sensor_id, at, fields, sequence)


def _check_name(name: str) -> None:
    """Check the name of a quantity, and remember it as checked."""
    check_quantity(name)
    if len(_checked) >= _MOST_CHECKED:
        _checked.clear()
    _checked.add(name)


def _check_exact(payload: bytes) -> None:
    """Refuse a large integer that its float does not hold: it must not be rounded without a word."""
    written = read_json(payload)[0]
    for name, value in written.items() if isinstance(written, dict) else (("the value", written),):
        if type(value) is int and name not in _NO_QUANTITIES and float(value) != value:
            raise InputError(
                Reason.BAD_VALUE,
                f"{name} must be a number that 64-bit floating point holds exactly, got {shown(value)}",
            )


def _leniently(
    payload: bytes,
    address: Address,
    ingest_time: float,
    limits: Limits,
    retained: bool,
    arrivals: Arrivals | None,
) -> list[Item]:
    """Read what can be read; raise what is wrong if that is nothing."""
    outcome = read_own(address, payload, ingest_time, limits, retained=retained, arrivals=arrivals)
    check_elements(len(outcome.readings), limits)
    items = items_of(outcome, payload)
    if len(items) == 1 and isinstance(refusal := items[0], Refusal):
        raise InputError(refusal.reason, refusal.detail)
    return items


def _strictly(
    payload: bytes, error: Exception, address: Address, ingest_time: float, limits: Limits
) -> Reading:
    if isinstance(error, ValidationError):
        return _reading(_second_look(payload, error, limits), payload, address, ingest_time, limits)
    raise error


def _second_look(payload: bytes, error: ValidationError, limits: Limits) -> dict[str, Any]:
    """Validate again without the fields that do not count (null, ignored); raise what is wrong otherwise."""
    if not payload:
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty (it clears a retained message)")
    try:
        found = from_json(payload)
    except ValueError as problem:
        raise not_json(payload, str(problem)) from None
    if not isinstance(found, dict):
        raise InputError(
            Reason.WRONG_SHAPE,
            f"a reading must be a JSON object, or an array of objects, got {shown(payload)}",
        )
    kept = {k: v for k, v in found.items() if v is not None and k not in limits.ignored_fields}
    if len(kept) == len(found):
        raise refused_field(error)
    try:
        fields: dict[str, Any] = _revalidate_reading(kept)
    except ValidationError as second:
        raise refused_field(second) from None
    return fields


def _array(
    payload: bytes,
    address: Address,
    ingest_time: float,
    limits: Limits,
    retained: bool,
    arrivals: Arrivals | None,
) -> list[Item]:
    try:
        elements = [bytes(raw) for raw in _split_array(payload)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if limits.strict:
            raise not_json(payload, str(error)) from None
        return _leniently(payload, address, ingest_time, limits, retained, arrivals)
    if not elements:
        raise InputError(Reason.MISSING_VALUE, "an array must hold at least one reading")
    check_elements(len(elements), limits)
    items: list[Item] = []
    for element in elements:
        try:
            try:
                items.append(_reading(_validate_reading(element), element, address, ingest_time, limits))
            except (ValidationError, InputError) as error:
                if limits.strict:
                    items.append(_strictly(element, error, address, ingest_time, limits))
                else:
                    items += _leniently(element, address, ingest_time, limits, retained, arrivals)
        except InputError as error:
            items.append(Refusal(error.reason, error.detail, element))
    return _few_refusals(items, payload)


def check_elements(count: int, limits: Limits) -> None:
    """Refuse a payload of too many parts: each costs many times its bytes.

    Raises:
        InputError: ``too_many_elements``.
    """
    if count > limits.max_elements:
        raise InputError(
            Reason.TOO_MANY_ELEMENTS,
            f"a payload must hold at most {limits.max_elements} readings (WEIR_BRIDGE__MAX_ELEMENTS), got {count}",
        )


def _few_refusals(items: list[Item], payload: bytes) -> list[Item]:
    """Let one dead letter, of the whole payload, stand for all refusals beyond the first few."""
    refusals = [item for item in items if isinstance(item, Refusal)]
    if len(refusals) <= _MOST_REFUSALS:
        return items
    kept, more = refusals[: _MOST_REFUSALS - 1], refusals[_MOST_REFUSALS - 1 :]
    detail = f"{len(more)} more elements of this payload, the first: {more[0].detail}"
    readable = [item for item in items if not isinstance(item, Refusal)]
    return [*readable, *kept, Refusal(more[0].reason, detail, payload, parts_of(readable))]


def _value(
    payload: bytes, address: Address, ingest_time: float, retained: bool, arrivals: Arrivals | None
) -> Found:
    if retained:
        # It was measured at an unknown time before, and comes again with every new subscription.
        raise InputError(Reason.MISSING_TIME, "a bare number must not be retained: it has no time of its own")
    try:
        number = _validate_number(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise not_json(payload, first["msg"]) from None
        reason = Reason.NOT_FINITE if first["type"] == "finite_number" else Reason.BAD_VALUE
        raise InputError(
            reason, f"{address.quantity} must be a bare finite number, got {shown(payload)}"
        ) from None
    if not -_ROUNDED < number < _ROUNDED:
        _check_exact(payload)
    at = (arrivals or Arrivals()).at(address.sensor_id, ingest_time)
    return Found(Reading(address.sensor_id, at, {address.quantity: number}), "arrival")
