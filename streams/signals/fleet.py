"""Many synthetic sensors, each a pure function of the seed and its number.

event time     t0      t1      t2      t3      t4   ...   interval = 1 / rate
sent at        t0      t1              t3 t2   t4         a reading is sent at its event time or later
"""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from streams.payloads.addresses import reading_topic
from streams.signals.faults import Episode, FaultKind, FaultSchedule, FaultSpec
from streams.signals.messages import Key, Message, MessageKind
from streams.signals.noise import Noise
from streams.signals.thermometer import BATTERY, TEMPERATURE, Thermometer, fahrenheit, rounded
from streams.signals.wire import label_message, reading_payload

_SPIKE = 12.0  # degrees
_SHIFT = 8.0
_DRIFT = 12.0  # at the end of the episode
_SKEW_READINGS = 6.37  # not a whole number: a wrong clock must not give two readings the same event time
_REORDER_READINGS = 4.0
_DUPLICATE_READINGS = 1.5
_LATE_WAIT = 0.25  # of the episode: how long newer readings go first


@dataclass(frozen=True)
class Fleet:
    """A number of synthetic sensors.

    Args:
        sensors: How many.
        start: Event time of the first readings, seconds since the Unix epoch.
        interval: Seconds of event time between two readings of a sensor.
        seed: Same seed, same bytes.
        faults: What goes wrong, and how often.
        until: Event time before which it all ends; ``None``: never.
        calm: Readings at the start of each sensor without a fault.
        battery_every: Every so-manieth reading tells the battery's charge, too; 0: none does.
    """

    sensors: int
    start: float
    interval: float
    seed: int = 1
    faults: tuple[FaultSpec, ...] = ()
    until: float | None = None
    calm: int = 0
    battery_every: int = 60

    def messages(self, since: Key | None = None) -> Iterator[Message]:
        """Yield the messages of all sensors in the order of their keys, from ``since`` on (included)."""
        streams = [self.sensor(number).messages(since) for number in range(self.sensors)]
        return heapq.merge(*streams, key=lambda message: message.key)

    def sensor(self, number: int) -> "Sensor":
        """Return one of the sensors, ``0 <= number < sensors``."""
        return Sensor(self, number)

    def sensor_ids(self) -> list[str]:
        """List the ids of the sensors, by number."""
        return [sensor_id(self.seed, number) for number in range(self.sensors)]


def sensor_id(seed: int, number: int) -> str:
    """Derive a sensor's id: twelve hexadecimal digits, like a network card's address.

    >>> sensor_id(1, 0) == sensor_id(1, 0) != sensor_id(1, 1), len(sensor_id(1, 0))
    (True, 12)
    """
    return blake2b(f"{seed}/{number}".encode(), digest_size=6, person=b"weir.sensor").hexdigest()


class Sensor:
    """One sensor of a fleet: its signal, its faults, its messages."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self.sensor_id = sensor_id(fleet.seed, number)
        self.interval = fleet.interval
        self._battery_every = fleet.battery_every
        noise = Noise.of(fleet.seed, self.sensor_id)
        # Sensors do not all measure at the same instant.
        phase = noise.branch("phase").uniform(0) * fleet.interval
        self._first_time = round(fleet.start + phase, 3)
        self.count = None if fleet.until is None else self._readings_before(fleet.until)
        self._thermometer = Thermometer.drawn(noise)
        self._jitter = noise.branch("jitter")
        self._schedule = FaultSchedule(
            fleet.faults, noise, interval=fleet.interval, calm=fleet.calm, count=self.count
        )
        self._topic = reading_topic(self.sensor_id)

    def messages(self, since: Key | None = None) -> Iterator[Message]:
        """Yield this sensor's messages in the order of their keys, from ``since`` on (included)."""
        pending: list[Message] = []
        index = 0 if since is None else max(0, self._readings_before(since.at - self._longest_delay()))
        while self.count is None or index < self.count:
            here = Key(self.time_of(index), self.sensor_id, index, -1)
            while pending and pending[0].key < here:
                yield from _unless_before(since, heapq.heappop(pending))
            for message in self._of(index):
                heapq.heappush(pending, message)
            index += 1
        while pending:
            yield from _unless_before(since, heapq.heappop(pending))

    def time_of(self, index: int) -> float:
        """Return the true event time of a reading, exact to the millisecond."""
        return round(self._first_time + index * self.interval, 3)

    def value_of(self, index: int) -> float:
        """Return the temperature that a reading shows, faults included."""
        return self._value(index, self._schedule.at(index))

    def _readings_before(self, event_time: float) -> int:
        return max(0, math.ceil((event_time - self._first_time) / self.interval))

    def _longest_delay(self) -> float:
        readings = max(self._schedule.longest * (1 + _LATE_WAIT), _REORDER_READINGS, _DUPLICATE_READINGS)
        return (readings + 2) * self.interval

    def _of(self, index: int) -> Iterator[Message]:
        """Yield the messages that exist because of one reading: none, it, its duplicate, a label."""
        episode = self._schedule.at(index)
        if episode is not None and episode.first == index:
            yield self._label(episode)
        kind = None if episode is None else episode.kind
        if kind is FaultKind.DROPOUT:
            return
        event_time = sent_at = self.time_of(index)
        values = {TEMPERATURE: self._value(index, episode)}
        if self._battery_every and index % self._battery_every == 0:
            values[BATTERY] = self._thermometer.battery(event_time)
        if kind is FaultKind.REORDER:
            sent_at += self._jitter.uniform(index) * _REORDER_READINGS * self.interval
        elif kind is FaultKind.LATE and episode is not None:
            sent_at = self.time_of(episode.end) + _LATE_WAIT * (episode.end - episode.first) * self.interval
        elif kind is FaultKind.SKEW:
            event_time = round(event_time + _SKEW_READINGS * self.interval, 3)
        payload = reading_payload(self.sensor_id, event_time, values)
        key = Key(sent_at, self.sensor_id, index, 0)
        if kind is FaultKind.BAD_JSON:
            yield Message(key, self._topic, self._spoilt(payload, index), MessageKind.MALFORMED)
            return
        quantities = tuple(values)
        yield Message(key, self._topic, payload, MessageKind.READING, quantities)
        if kind is FaultKind.DUPLICATE:
            again = Key(sent_at + _DUPLICATE_READINGS * self.interval, self.sensor_id, index, 1)
            yield Message(again, self._topic, payload, MessageKind.DUPLICATE, quantities)

    def _value(self, index: int, episode: Episode | None) -> float:
        if episode is not None and episode.kind is FaultKind.FLATLINE:
            index = episode.first
        exact = self._thermometer.exact(self.time_of(index), self._first_time, index)
        if episode is not None:
            exact = _distorted(exact, index, episode)
        return rounded(exact)

    def _spoilt(self, payload: bytes, index: int) -> bytes:
        """Break a payload, so that each broken one is still different from all others."""
        way = int(self._jitter.uniform(index) * 3)
        if way == 0:
            return payload[:-2]  # the device lost power while it was sending
        if way == 1:
            return payload.replace(b'"collected_at":"', b'"collected_at":"about ')
        return payload.replace(b"sensor_id", b"sensor\xff\xfeid")

    def _label(self, episode: Episode) -> Message:
        start = self.time_of(episode.first)
        skew = _SKEW_READINGS * self.interval if episode.kind is FaultKind.SKEW else 0.0
        return label_message(
            start,
            self.sensor_id,
            episode.first,
            TEMPERATURE,
            start=round(start + skew, 3),
            end=round(self.time_of(episode.end) + skew, 3),
            kind=episode.kind.value,
        )


def _distorted(exact: float, index: int, episode: Episode) -> float:
    """Apply a fault to a value."""
    match episode.kind:
        case FaultKind.SPIKE:
            return exact + episode.direction * _SPIKE
        case FaultKind.SHIFT:
            return exact + episode.direction * _SHIFT
        case FaultKind.DRIFT:
            done = (index + 1 - episode.first) / (episode.end - episode.first)
            return exact + episode.direction * _DRIFT * done
        case FaultKind.UNIT:
            return fahrenheit(exact)
        case _:
            return exact


def _unless_before(since: Key | None, message: Message) -> Iterator[Message]:
    if since is None or message.key >= since:
        yield message
