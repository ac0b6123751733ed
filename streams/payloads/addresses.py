"""MQTT topics: which sensor and quantity a topic names.

    sensors/<sensor_id>/reading       readings of one sensor: a JSON object or an array of them
    sensors/<sensor_id>/<quantity>    one quantity of one sensor: a bare number
    sensors/reading                   readings of many sensors (a gateway): each names its sensor
    labels/<sensor_id>/<quantity>     ground truth about one series

Any levels may come before (``plant/7/sensors/...``): they are not part of the sensor's identity.
"""

import re
from enum import Enum
from functools import lru_cache

import msgspec

from streams.errors import InputError, Reason

# A sensor id is a Kafka key, a level of an MQTT topic and a part of URLs: no slash, wildcard or space.
_SENSOR_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}", re.ASCII)
# A quantity is a field of a MongoDB document, where a dot and a dollar mean something else.
_QUANTITY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
# Fields of a stored document or of a payload that are not quantities.
_RESERVED = frozenset({"sensor_id", "collected_at", "sequence", "metadata", "reading"})

# Sensors seen lately, not all there are: about 350 bytes each.
_REMEMBERED = 32_768


class Kind(Enum):
    """What a topic carries."""

    READINGS = "readings"
    VALUE = "value"
    LABEL = "label"


class Address(msgspec.Struct, frozen=True, gc=False):
    """What an MQTT topic names.

    Args:
        kind: What is published there.
        sensor_id: The sensor; empty when each reading names its own.
        quantity: The quantity; empty for readings, which name theirs.
    """

    kind: Kind
    sensor_id: str = ""
    quantity: str = ""


@lru_cache(maxsize=_REMEMBERED)
def parse(topic: bytes) -> Address:
    """Read an MQTT topic.

    Raises:
        InputError: ``unknown_topic``, ``bad_sensor_id`` or ``bad_quantity``.

    >>> parse(b"sensors/464fc87d3c5a/temperature")
    Address(kind=<Kind.VALUE: 'value'>, sensor_id='464fc87d3c5a', quantity='temperature')
    """
    try:
        levels = topic.decode().split("/")
    except UnicodeDecodeError:
        raise InputError(Reason.UNKNOWN_TOPIC, f"topic must be UTF-8, got {topic[:80]!r}") from None
    match levels:
        case [*_, "sensors", sensor_id, "reading"]:
            return Address(Kind.READINGS, check_sensor_id(sensor_id))
        case [*_, "sensors", sensor_id, quantity]:
            return Address(Kind.VALUE, check_sensor_id(sensor_id), check_quantity(quantity))
        case [*_, "labels", sensor_id, quantity]:
            return Address(Kind.LABEL, check_sensor_id(sensor_id), check_quantity(quantity))
        case [*_, "sensors", "reading"]:
            return Address(Kind.READINGS)
    raise InputError(
        Reason.UNKNOWN_TOPIC,
        f"topic must end in sensors/<id>/reading, sensors/<id>/<quantity>, sensors/reading or "
        f"labels/<id>/<quantity>, got {topic[:80].decode(errors='replace')!r}",
    )


@lru_cache(maxsize=_REMEMBERED)
def check_sensor_id(sensor_id: str) -> str:
    """Return the sensor id if it is one: 1 to 128 letters, digits and ``. _ : @ -``, a letter or digit first.

    Raises:
        InputError: ``bad_sensor_id``.
    """
    if _SENSOR_ID.fullmatch(sensor_id):
        return sensor_id
    raise InputError(
        Reason.BAD_SENSOR_ID,
        f"sensor id must be 1 to 128 letters, digits or . _ : @ -, and begin with a letter or digit, "
        f"got {sensor_id[:80]!r}",
    )


@lru_cache(maxsize=4096)
def check_quantity(name: str) -> str:
    """Return the name if it can be a quantity's: 1 to 64 letters, digits, ``_`` and ``-``, a letter first.

    Raises:
        InputError: ``bad_quantity``.
    """
    if _QUANTITY.fullmatch(name) and name not in _RESERVED:
        return name
    raise InputError(
        Reason.BAD_QUANTITY,
        f"a quantity's name must be 1 to 64 letters, digits, _ or -, begin with a letter and be none of "
        f"{', '.join(sorted(_RESERVED))}, got {name[:80]!r}",
    )


def reading_topic(sensor_id: str) -> str:
    """Return the topic on which a sensor publishes readings.

    >>> reading_topic("464fc87d3c5a")
    'sensors/464fc87d3c5a/reading'
    """
    return f"sensors/{check_sensor_id(sensor_id)}/reading"


def value_topic(sensor_id: str, quantity: str) -> str:
    """Return the topic on which a sensor publishes one quantity as a bare number."""
    return f"sensors/{check_sensor_id(sensor_id)}/{check_quantity(quantity)}"


def label_topic(sensor_id: str, quantity: str) -> str:
    """Return the topic on which ground truth about a series is published."""
    return f"labels/{check_sensor_id(sensor_id)}/{check_quantity(quantity)}"
