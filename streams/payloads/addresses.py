"""MQTT topics: which sensor and quantity a topic names.

    sensors/<sensor_id>/reading       readings of one sensor: a JSON object or an array of them
    sensors/<sensor_id>/<quantity>    one quantity of one sensor: a bare number
    sensors/reading                   readings of many sensors (a gateway): each names its sensor
    labels/<sensor_id>/<quantity>     ground truth about one series

Levels before these (``plant/7/sensors/...``) are refused unless a policy says what they mean: whoever leaves
them out in silence makes one sensor of ``plant/north/sensors/t1`` and ``plant/south/sensors/t1``. One form
inside another (``sensors/a1/sensors/b2/reading``) is always refused: who may publish below ``sensors/a1/`` must
not speak for ``b2``.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import Literal

import msgspec

from streams.errors import InputError, Reason

# A sensor id is a Kafka key, a level of an MQTT topic and a part of URLs: no slash, wildcard or space.
_SENSOR_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}", re.ASCII)
# A quantity is a field of a MongoDB document, where a dot and a dollar mean something else.
_QUANTITY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
# Fields of a stored document or of a payload that are not quantities.
_RESERVED = frozenset({"sensor_id", "collected_at", "sequence", "metadata", "reading"})

Prefix = Literal["refused", "identity", "ignored"]
"""What levels before ``sensors/`` or ``labels/`` mean.

``refused``: nothing, such a message is a dead letter. ``identity``: they begin the sensor's id, joined by colons
(``plant/7/sensors/t1`` is ``plant:7:t1``), and no level and no sensor's own name may hold a colon, so that two
topics are never one sensor. ``ignored``: sensors of one name are one sensor, wherever they are.
"""
_JOINT = ":"
_ROOTS = frozenset({"sensors", "labels"})

# Sensors seen lately, not all there are: about 350 bytes each.
_REMEMBERED = 32_768


class TopicKind(Enum):
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
        own_name: The sensor's id as the topic has it, without the levels before: what its payloads call it.
        before: What begins the id of every sensor there: ``plant:7:``; ``None`` where levels before are no part
            of an id, and the id may therefore hold colons.
    """

    kind: TopicKind
    sensor_id: str = ""
    quantity: str = ""
    own_name: str = ""
    before: str | None = None

    def identity(self, name: str) -> str:
        """Return the id of the sensor that a payload calls so.

        Raises:
            InputError: ``bad_sensor_id``.

        >>> Address(TopicKind.READINGS, before="plant:7:").identity("t1")
        'plant:7:t1'
        """
        if self.before is None:
            return check_sensor_id(name)
        return check_sensor_id(self.before + _without_joint(name))


@lru_cache(maxsize=_REMEMBERED)
def parse(topic: bytes, prefix: Prefix = "refused") -> Address:
    """Read an MQTT topic.

    Args:
        topic: The MQTT topic.
        prefix: What levels before those of the table above mean.

    Raises:
        InputError: ``unknown_topic``, ``bad_sensor_id`` or ``bad_quantity``.

    >>> parse(b"sensors/464fc87d3c5a/temperature").sensor_id
    '464fc87d3c5a'
    >>> parse(b"plant/7/sensors/t1/temperature", "identity").sensor_id
    'plant:7:t1'
    """
    try:
        levels = topic.decode().split("/")
    except UnicodeDecodeError:
        raise InputError(Reason.UNKNOWN_TOPIC, f"topic must be UTF-8, got {topic[:80]!r}") from None
    match levels:
        case [*before, "sensors", name, "reading"]:
            return _address(topic, before, prefix, TopicKind.READINGS, name)
        case [*before, "sensors", name, quantity]:
            return _address(topic, before, prefix, TopicKind.VALUE, name, check_quantity(quantity))
        case [*before, "labels", name, quantity]:
            return _address(topic, before, prefix, TopicKind.LABEL, name, check_quantity(quantity))
        case [*before, "sensors", "reading"]:
            return _address(topic, before, prefix, TopicKind.READINGS)
    raise _unknown(
        topic,
        "must be sensors/<id>/reading, sensors/<id>/<quantity>, sensors/reading or labels/<id>/<quantity>",
    )


def _address(
    topic: bytes,
    levels: list[str],
    prefix: Prefix,
    kind: TopicKind,
    name: str | None = None,
    quantity: str = "",
) -> Address:
    """Make an address of a sensor's own name (``None``: a gateway's) and the levels before its form."""
    if not _ROOTS.isdisjoint(levels):
        raise _unknown(topic, "must not hold one of sensors/... and labels/... inside another")
    if levels and prefix == "refused":
        raise _unknown(
            topic,
            "must begin with sensors/ or labels/: set WEIR_MQTT__PREFIX to identity (the levels before become "
            "part of the sensor's id) or to ignored",
        )
    before = "".join(_without_joint(level) + _JOINT for level in levels) if prefix == "identity" else None
    address = Address(kind, quantity=quantity, own_name=name or "", before=before)
    if name is None:
        return address
    return msgspec.structs.replace(address, sensor_id=address.identity(name))


def _without_joint(name: str) -> str:
    """Return the name if it holds no colon, which stands for ``/`` in the ids of this policy."""
    if _JOINT not in name:
        return name
    raise InputError(
        Reason.BAD_SENSOR_ID,
        "with WEIR_MQTT__PREFIX=identity a colon stands for the / of a topic: no level before sensors/ and no "
        f"sensor's own name may hold one, got {name[:80]!r}",
    )


def _unknown(topic: bytes, rule: str) -> InputError:
    return InputError(Reason.UNKNOWN_TOPIC, f"topic {rule}, got {topic[:80].decode(errors='replace')!r}")


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
