"""Event times of what has no time of its own: its arrival, a millisecond later where the same moment was given before.

    ten numbers of one sensor that came in one read of the socket      10.000 10.001 10.002 ...

Ids are made of sensor, event time and what was measured: without this, equal times would make one of two readings.
"""

from collections import OrderedDict

_REMEMBERED = 65_536


class Arrivals:
    """Give arrival times that strictly increase per sensor; remembers the sensors heard last.

    >>> arrivals = Arrivals()
    >>> arrivals.at("a1", 10.0), arrivals.at("a1", 10.0), arrivals.at("b2", 10.0)
    (10.0, 10.001, 10.0)
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, int] = OrderedDict()

    def at(self, sensor_id: str, ingest_time: float) -> float:
        """Return the event time (seconds since the Unix epoch) of a reading that came at ``ingest_time``."""
        last = self._last
        moment = max(round(ingest_time * 1000), last.get(sensor_id, -(2**62)) + 1)
        last[sensor_id] = moment
        last.move_to_end(sensor_id)
        if len(last) > _REMEMBERED:
            last.popitem(last=False)
        return moment / 1000
