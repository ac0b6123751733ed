"""What of a message was read although another part of it was set aside: so that a redrive does not read it twice.

    {"temperature": 21.5, "door": "ajar"}      temperature was read, and door is why there is a dead letter
    redriven, once a map knows "ajar":         {"door": 1}, since temperature is in the log

A part is known by sensor, event time and quantity. Where the event time is when the message came, the order of the
message's readings stands for it: another reading of it may have been read since, and moved the later ones.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from streams.payloads.maps.decoded import Found
from streams.records.identity import event_ms
from streams.records.letter_parts import ReadPart
from streams.records.types import Reading

# A dead letter must fit into a record beside 256 KiB of payload, whatever names a birth or a map gives.
_MOST_BYTES = 65_536
_BYTES_OF_PART = 32


def parts_of(items: Iterable[object]) -> tuple[ReadPart, ...] | None:
    """Return what readings hold, or ``None`` if that is more than a dead letter has room for.

    Args:
        items: What came of a message; what is no reading is passed over.
    """
    parts: list[ReadPart] = []
    size = 0
    for item in items:
        reading, arrival = (
            (item.reading, item.clock == "arrival") if isinstance(item, Found) else (item, False)
        )
        if isinstance(reading, Reading):
            part = ReadPart(reading.sensor_id, reading.collected_at, arrival, tuple(reading.values))
            size += _BYTES_OF_PART + len(part.sensor_id) + sum(len(name) + 3 for name in part.quantities)
            if size > _MOST_BYTES:
                return None
            parts.append(part)
    return tuple(parts)


class NotReadBefore:
    """Takes out of readings what an earlier reading of the same message has given.

    Args:
        parts: What was read before.

    >>> before = NotReadBefore([ReadPart("a1", 10.0, False, ("t",))])
    >>> before.of(Reading("a1", 10.0, {"t": 1.0, "h": 2.0}), arrival=False).values
    {'h': 2.0}
    """

    def __init__(self, parts: Iterable[ReadPart]) -> None:
        self._left = Counter(
            _place(part.sensor_id, part.collected_at, part.arrival, name)
            for part in parts
            for name in part.quantities
        )

    def of(self, reading: Reading, *, arrival: bool) -> Reading | None:
        """Return what of a reading is new; ``None`` if nothing is.

        Args:
            reading: As it is read now.
            arrival: Whether its event time is when it came.
        """
        if not self._left:
            return reading
        values = {}
        for name, value in reading.values.items():
            place = _place(reading.sensor_id, reading.collected_at, arrival, name)
            if self._left[place] > 0:
                self._left[place] -= 1
            else:
                values[name] = value
        return msgspec.structs.replace(reading, values=values) if values else None


def _place(sensor_id: str, collected_at: float, arrival: bool, quantity: str) -> tuple[str, int, str]:
    return sensor_id, -1 if arrival else event_ms(collected_at), quantity
