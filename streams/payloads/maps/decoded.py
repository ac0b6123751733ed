"""What becomes of one message: readings, presence, what was passed over, what was refused."""

from typing import Literal

import msgspec

from streams.errors import Reason
from streams.records.types import Birth, Reading

Clock = Literal["device", "arrival"]


class Found(msgspec.Struct, frozen=True, gc=False):
    """A reading, and whose clock its event time is.

    Args:
        reading: The reading.
        clock: ``device``: the message says when it was measured. ``arrival``: it does not; the event time is when
            it came.
    """

    reading: Reading
    clock: Clock


class PresenceWord(msgspec.Struct, frozen=True, gc=False):
    """What a device, its gateway or the broker (by a last will) says of a device's being there.

    Args:
        sensor_id: The device.
        state: ``online`` or ``offline``; ``withdrawn`` if a retained word was cleared: nothing is said any more.
        at: When it came (seconds since the Unix epoch).
        said: The word, as it came.
        gateway: The id of what the device is reached by: when that goes, the device goes with it.
        session: Number of the connection that it is about, where the form has one: an older one's end says nothing.
    """

    sensor_id: str
    state: Literal["online", "offline", "withdrawn"]
    at: float
    said: str = ""
    gateway: str = ""
    session: int | None = None


class Passed(msgspec.Struct, frozen=True, gc=False):
    """A field (or with an empty path the message) that is no measurement, and why."""

    path: str
    reason: str


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A field (or with an empty path the message) that cannot be read.

    Args:
        path: Where it stands in the payload.
        reason: Out of the list that dead letters are counted by.
        detail: What was expected and what came.
    """

    path: str
    reason: Reason
    detail: str


class Decoded(msgspec.Struct, gc=False):
    """Everything that became of one message.

    Args:
        map: Name of the map that read it; empty when there is none.
        births: Names that it gave to aliases.
        of_bad_quality: How many values it says to be none.
    """

    map: str
    readings: list[Found] = []
    presence: list[PresenceWord] = []
    ignored: list[Passed] = []
    refused: list[Refused] = []
    births: list[Birth] = []
    of_bad_quality: int = 0
