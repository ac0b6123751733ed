"""Find one reading, or those of one sensor and time, everywhere: in the log, in results, in MongoDB.

    by sensor and time   the sensor's partition of `readings`, from before the event time on
    by id                MongoDB knows its sensor; where it does not, every partition is searched for the id

Each part is looked into by itself: one that cannot be asked is named, and what it would have told is not known.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bridges.dead_letters.letters import LettersOnKafka
from bridges.kafka.topic_reader import WHOLE_SECONDS
from bridges.looking.log_search import (
    CLOCKS_DIFFER_SECONDS,
    LogSearch,
    Searched,
    headers_of,
    id_in,
    told_headers,
)
from bridges.looking.store_search import StoreSearch
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.errors import InputError, WeirError
from streams.reading_trace import WRONG, LogPlace, RecordPlace, TracedReading, TracedWindow, ids_of_windows
from streams.records.alarm_records import Alarm
from streams.records.catalogue import CATALOGUE
from streams.records.identity import event_ms, event_seconds, reading_id
from streams.records.types import Aggregate, Anomaly, DeadLetter, LateReading, Reading, decode_reading
from streams.windows.policy import WindowPolicy

MOST_READINGS = 20
"""Readings of one sensor and second that are traced."""

MOST_LETTERS = 10
"""Dead letters that are named where no reading was found."""
_NEAR_SECONDS = 600.0
_READINGS = CATALOGUE.of(Reading).topic.name
_KAFKA, _MONGO, _RESULTS, _LETTERS = "Kafka", "MongoDB", "results on Kafka", "dead letters on Kafka"


@dataclass(frozen=True, slots=True)
class Sought:
    """Which reading is meant: by its id, or by sensor and time.

    Args:
        id: 24 hexadecimal digits; empty: by sensor and time.
        sensor_id: The sensor.
        since, until: Event times in ``[since, until)``.
    """

    id: str = ""
    sensor_id: str = ""
    since: float = 0.0
    until: float = 0.0

    @classmethod
    def by_id(cls, identity: str) -> "Sought":
        """Seek the reading of an id, which begins with the second of its event time."""
        second = float(int(identity[:8], 16))
        return cls(identity, "", second, second + 1)

    @classmethod
    def by_time(cls, sensor_id: str, at: float) -> "Sought":
        """Seek readings of a sensor: those of the whole second, where the time names no part of one."""
        return cls("", sensor_id, at, at + (1.0 if float(at).is_integer() else 0.001))

    def is_it(self, reading: Reading, identity: str) -> bool:
        """Tell whether a reading is meant."""
        if self.id:
            return identity == self.id
        at = event_ms(reading.collected_at)
        return event_ms(self.since) <= at < event_ms(self.until)


@dataclass(slots=True)
class Traced:
    """What was found.

    Args:
        readings: By id.
        not_looked_at: What could not be looked into, and why.
        beyond: Further readings of the time that are not traced.
        records: Records of the log that were looked at.
        perhaps: Where there is no such reading, dead letters that may be what became of it.
    """

    readings: dict[str, TracedReading] = field(default_factory=dict)
    not_looked_at: dict[str, str] = field(default_factory=dict)
    beyond: int = 0
    records: int = 0
    perhaps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def aggregates_looked_at(self) -> bool:
        """Whether anybody could look for windows: in the log, or in MongoDB."""
        missing = self.not_looked_at.keys()
        return _MONGO not in missing or not {_KAFKA, _RESULTS} & missing

    def windows(self, it: TracedReading, policy: WindowPolicy) -> list[TracedWindow]:
        """Return what is known of each window of a reading."""
        return it.windows(policy, looked=self.aggregates_looked_at)

    def exit_code(self, policy: WindowPolicy) -> int:
        """Return 0 if it was found and stands as it must, 1 if not, 2 if nobody could look everywhere."""
        amiss = not self.readings or any(
            each.letters or any(window.state in WRONG for window in self.windows(each, policy))
            for each in self.readings.values()
        )
        return 2 if self.not_looked_at else int(amiss)

    def as_json(self, policy: WindowPolicy) -> dict[str, Any]:
        """Return it as plain JSON values."""
        looked = self.aggregates_looked_at
        return {
            "readings": [each.as_json(policy, looked=looked) for each in self.readings.values()],
            "beyond": self.beyond,
            "perhaps": self.perhaps,
            "not_looked_at": self.not_looked_at,
            "records": self.records,
        }

    def of(self, reading: Reading, identity: str) -> TracedReading | None:
        """Return what is known of a reading, which may be nothing yet; ``None`` if there are too many."""
        found = self.readings.get(identity)
        if found is None:
            if len(self.readings) >= MOST_READINGS:
                self.beyond += 1
                return None
            found = self.readings[identity] = TracedReading(reading)
        return found

    @contextmanager
    def looking(self, what: str) -> Iterator[None]:
        """Look into one part; if it cannot be asked, that is noted, and the others go on."""
        try:
            yield
        except WeirError as error:
            self.not_looked_at[what] = str(error)


class Tracer:
    """Traces readings.

    Args:
        settings: Where Kafka and MongoDB are, and how windows are drawn.
        progress: Told how many records of how many have been read; what it raises ends the search of that part.
        letters_seconds: How long reading the dead letters may take.
    """

    def __init__(
        self,
        settings: Settings,
        progress: Searched = lambda done, total: None,
        letters_seconds: float = WHOLE_SECONDS,
    ) -> None:
        self._settings = settings
        self._letters_seconds = letters_seconds
        self._progress = progress
        self._policy = settings.windows.policy()

    def trace(self, sought: Sought) -> Traced:
        """Look everywhere."""
        found = Traced()
        with found.looking(_MONGO), StoreSearch.connected(self._settings) as store:
            for reading in self._stored(store, sought):
                found.of(reading, _id_of(reading))
        with found.looking(_KAFKA), Log(self._settings) as log:
            search = LogSearch(self._settings, log, self._progress)
            try:
                self._search_log(search, log, sought, found)
            finally:
                found.records = search.records
                found.not_looked_at |= {each.partition(" ")[0]: each for each in search.beginnings}
        if _MONGO not in found.not_looked_at:
            with found.looking(_MONGO), StoreSearch.connected(self._settings) as store:
                self._count_documents(store, found)
        return found

    def _stored(self, store: StoreSearch, sought: Sought) -> list[Reading]:
        if not sought.id:
            return store.readings_between(sought.sensor_id, sought.since, sought.until, MOST_READINGS)
        reading = store.reading(sought.id)
        return [] if reading is None else [reading]

    def _search_log(self, search: LogSearch, log: Log, sought: Sought, found: Traced) -> None:
        self._search_readings(search, log, sought, found)
        for each in found.readings.values():
            since = min((place.ingested_at for place in each.places), default=each.reading.collected_at)
            with found.looking(_RESULTS):
                self._search_results(search, each, since - CLOCKS_DIFFER_SECONDS)
        with found.looking(_LETTERS):
            if not found.readings:
                self._search_likely_letters(sought, found)
            elif any(each.places for each in found.readings.values()):
                self._search_letters(found)

    def _search_readings(self, search: LogSearch, log: Log, sought: Sought, found: Traced) -> None:
        sensor = sought.sensor_id or next((each.reading.sensor_id for each in found.readings.values()), "")
        since = sought.since - self._settings.bridge.max_future_seconds - CLOCKS_DIFFER_SECONDS
        group = f"{self._settings.kafka.namespace}{self._settings.worker.application}"
        partitions = search.partitions(_READINGS, sensor)
        committed = log.committed(group, self._settings.topic(_READINGS), partitions)
        for partition in partitions:
            for message in search.messages(_READINGS, [partition], since, sensor or None):
                self._take(message, sought, found, committed[partition])
            if any(each.places for each in found.readings.values()):
                return  # elsewhere it stands only if the topic has grown since

    def _take(self, message: Any, sought: Sought, found: Traced, committed: int) -> None:
        headers = headers_of(message)
        if (
            sought.id
            and not sought.sensor_id
            and not found.readings
            and id_in(headers) not in ("", sought.id)
        ):
            return
        try:
            reading = decode_reading(message.value() or b"")
        except InputError:
            return
        if not isinstance(reading, Reading):
            return
        identity, at = _id_of(reading), message.offset()
        for each in found.readings.values():
            if each.places and each.reading.sensor_id == reading.sensor_id and at < committed:
                each.passed = max(each.passed, reading.collected_at)
        if not sought.is_it(reading, identity):
            return
        if (it := found.of(reading, identity)) is None:
            return
        ingested_at = event_seconds(message.timestamp()[1])
        it.places.append(LogPlace(message.partition(), at, ingested_at, told_headers(headers)))
        it.worked_through = it.places[0].offset < committed

    def _search_results(self, search: LogSearch, it: TracedReading, since: float) -> None:
        sensor = it.reading.sensor_id
        windows = ids_of_windows([it.reading], self._policy)

        def each(kind: type[msgspec.Struct], since: float | None, take: Callable[[Any], str]) -> None:
            told = CATALOGUE.of(kind)
            partition = search.partitions(told.topic.name, sensor)[:1]
            for message in search.messages(told.topic.name, partition, since, sensor):
                try:
                    kept_as = take(told.read(message.value() or b""))
                except InputError:
                    continue
                if kept_as:
                    at = event_seconds(message.timestamp()[1])
                    it.written[kept_as] = RecordPlace(
                        told.topic.name, message.partition(), message.offset(), at
                    )

        known_parts: set[tuple[str, int | None]] = set()

        def take_aggregate(aggregate: Aggregate) -> str:
            part = aggregate.id, aggregate.supplement
            if aggregate.id not in windows or part in known_parts:
                return ""
            known_parts.add(part)
            it.aggregates.append(aggregate)
            return aggregate.id

        def take_late(late: LateReading) -> str:
            is_it = late.id == it.id and it.late.setdefault(late.quantity, late) is late
            return f"late {late.quantity}" if is_it else ""

        def take_anomaly(anomaly: Anomaly) -> str:
            it.take_anomaly(anomaly)
            return anomaly.id if it.anomalies.get(anomaly.id) is anomaly else ""

        def take_alarm(alarm: Alarm) -> str:
            it.take_alarm(alarm)
            return alarm.id if it.alarms.get(alarm.id) is alarm else ""

        each(Aggregate, since, take_aggregate)
        each(LateReading, since, take_late)
        each(Anomaly, None, take_anomaly)
        if it.anomalies:
            each(Alarm, None, take_alarm)

    def _search_letters(self, found: Traced) -> None:
        topics = {_READINGS, self._settings.topic(_READINGS)}
        places: dict[tuple[int | None, int], TracedReading] = {
            (place.partition, place.offset): each for each in found.readings.values() for place in each.places
        }

        def take(letter: DeadLetter) -> None:
            if letter.topic in topics and letter.origin != "mqtt" and letter.offset is not None:
                it = places.get((letter.partition, letter.offset))
                if it is not None and all(each["id"] != letter.id for each in it.letters):
                    it.letters.append({"id": letter.id, "reason": letter.reason, "detail": letter.detail})

        LettersOnKafka(self._settings, self._letters_seconds).each(take)

    def _search_likely_letters(self, sought: Sought, found: Traced) -> None:
        sensor = sought.sensor_id
        if not sensor:
            return

        def take(letter: DeadLetter) -> None:
            near = sought.since - _NEAR_SECONDS <= letter.received_at < sought.until + _NEAR_SECONDS
            if near and (sensor in letter.topic or sensor.encode() in letter.payload):
                told = {
                    name: getattr(letter, name) for name in ("id", "reason", "detail", "topic", "received_at")
                }
                found.perhaps = [*found.perhaps, told][-MOST_LETTERS:]

        LettersOnKafka(self._settings, self._letters_seconds).each(take)

    def _count_documents(self, store: StoreSearch, found: Traced) -> None:
        for identity, each in found.readings.items():
            letters = [letter["id"] for letter in each.letters]
            each.documents = store.counts(identity, each.anomalies, letters)
            stored = store.aggregates(ids_of_windows([each.reading], self._policy))
            each.documents[CATALOGUE.of(Aggregate).collection] = len({part.id for part in stored})
            on_the_log = {(part.id, part.supplement) for part in each.aggregates}
            each.aggregates += [part for part in stored if (part.id, part.supplement) not in on_the_log]


def _id_of(reading: Reading) -> str:
    return reading_id(reading.sensor_id, reading.collected_at, reading.values, reading.sequence).hex()
