"""Readings of one message, merged: what one sensor measured at one event time is one reading."""

from streams.payloads.arrivals import Arrivals
from streams.payloads.maps.decoded import Clock, Found
from streams.records.types import Reading


class Merged:
    """Collect the readings of one message in the order in which their times were first seen.

    Args:
        arrivals: Event times of what has none.
        ingest_time: When the message came (seconds since the Unix epoch).
    """

    def __init__(self, arrivals: Arrivals, ingest_time: float) -> None:
        self._arrivals = arrivals
        self.ingest_time = ingest_time
        self._found: dict[tuple[str, float | None, int], tuple[dict[str, float], int | None]] = {}
        self._spread: set[float] = set()
        self.without_time = False

    def add(
        self,
        sensor_id: str,
        time: float | None,
        values: dict[str, float],
        sequence: int | None = None,
        *,
        arrival: bool = False,
    ) -> None:
        """Add what a sensor measured at an event time (``None``: when it came).

        Args:
            sensor_id, time, values, sequence: The reading.
            arrival: Whether the time was reckoned from the arrival.
        """
        if time is None or arrival:
            self.without_time = True
        if arrival and time is not None:
            self._spread.add(time)
        again = 0
        while (there := self._found.get((sensor_id, time, again))) is not None:
            if values.keys().isdisjoint(there[0]) and there[1] == sequence:
                there[0].update(values)
                return
            if there == (values, sequence) and time is not None:
                return  # the same once more
            again += 1
        self._found[sensor_id, time, again] = (dict(values), sequence)

    def readings(self) -> list[Found]:
        """Return the readings."""
        found = []
        for (sensor_id, time, _), (values, sequence) in self._found.items():
            clock: Clock = "arrival" if time is None or time in self._spread else "device"
            at = self._arrivals.at(sensor_id, self.ingest_time) if time is None else time
            found.append(Found(Reading(sensor_id, at, values, sequence), clock))
        return found
