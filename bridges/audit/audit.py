"""Count what really arrived, from Kafka and MongoDB themselves, and compute it a second time from the log.

No process is asked what it has done: a process that was killed has forgotten. The log of `readings` is read from
its beginning, each partition in its order, through the same pure functions that the worker calls; what they give
must be what the worker published, byte by byte (live equals replay), and what is published must be in MongoDB.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bridges.kafka.topic_reader import TopicReader
from bridges.process.settings import Settings
from streams.detection.detecting import DetectionOutcome, SensorModels, detect
from streams.detection.series_model import DetectionPlan
from streams.records import topics
from streams.records.documents import DESTINATIONS
from streams.records.rows import Row
from streams.records.types import (
    HEADER_READING_ID,
    Aggregate,
    Anomaly,
    DeadLetter,
    Label,
    LateReading,
    Reading,
    Tick,
    decode_as,
    decode_reading,
    encode,
)
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.sensor_windows import SensorWindows, WindowPolicy

MONGO_MILLISECONDS = 5000
AUDITED = (
    topics.READINGS,
    topics.AGGREGATES,
    topics.ANOMALIES,
    topics.LATE_READINGS,
    topics.DEAD_LETTERS,
    topics.LABELS,
)


@dataclass
class Partition:
    """One partition of `readings`, replayed."""

    windows: dict[str, Row[SensorWindows]] = field(default_factory=dict)
    models: dict[str, Row[SensorModels]] = field(default_factory=dict)


class ReplayedLog:
    """What the log of `readings` holds, and what must come of it.

    Args:
        policy: How the worker draws windows.
        plan: How the worker watches series.
    """

    def __init__(self, policy: WindowPolicy, plan: DetectionPlan) -> None:
        self._policy = policy
        self._plan = plan
        self._partitions: dict[int, Partition] = {}
        self._ids: set[bytes] = set()
        self.repeated = 0
        self.values = 0
        self.late_at_first = 0
        self.windowed = AggregationOutcome()
        self.watched = DetectionOutcome()

    @property
    def distinct(self) -> int:
        """Distinct readings in the log."""
        return len(self._ids)

    def add(self, partition: int, offset: int, ingest_ms: int, value: bytes, identity: bytes | None) -> None:
        """Apply one record of the log; those of a partition must come in the order of their offsets."""
        record = decode_reading(value)
        state = self._partitions.setdefault(partition, Partition())
        late_before = len(self.windowed.late)
        entry = ((offset, ingest_ms, record),)
        aggregate(self._policy, state.windows, entry, self.windowed)
        if isinstance(record, Tick):
            return
        detect(self._plan, state.models, entry, self.watched)
        self._count(record, identity or b"", len(self.windowed.late) - late_before)

    def _count(self, reading: Reading, identity: bytes, late: int) -> None:
        if identity in self._ids:
            self.repeated += 1
            return
        self._ids.add(identity)
        self.values += len(reading.values)
        self.late_at_first += late

    def aggregates(self) -> dict[str, bytes]:
        """Return the closed windows by id, encoded."""
        return {each.id: encode(each) for each in self.windowed.aggregates}

    def anomalies(self) -> dict[tuple[str, str], bytes]:
        """Return the changes of anomalies by id and state, encoded."""
        return {(each.id, each.state): encode(each) for each in self.watched.anomalies}

    def late(self) -> set[tuple[str, str]]:
        """Return the late values by reading id and quantity."""
        return {(each.id, each.quantity) for each in self.windowed.late}


@dataclass
class Published:
    """What the result topics hold, each thing once; ``conflicts`` counts ids that came with two contents."""

    aggregates: dict[str, bytes] = field(default_factory=dict)
    counted: int = 0
    anomalies: dict[tuple[str, str], bytes] = field(default_factory=dict)
    late: set[tuple[str, str]] = field(default_factory=set)
    dead_letters: dict[str, str] = field(default_factory=dict)
    labels: set[Label] = field(default_factory=set)
    conflicts: int = 0

    def add(self, topic: str, value: bytes) -> None:
        """Take in one record of a result topic, named as in the catalogue."""
        if topic == topics.AGGREGATES.name:
            window = decode_as(Aggregate, value)
            if window.id not in self.aggregates:
                self.counted += window.count
            self._once(self.aggregates, window.id, value)
        elif topic == topics.ANOMALIES.name:
            change = decode_as(Anomaly, value)
            self._once(self.anomalies, (change.id, change.state), value)
        elif topic == topics.LATE_READINGS.name:
            late = decode_as(LateReading, value)
            self.late.add((late.id, late.quantity))
        elif topic == topics.DEAD_LETTERS.name:
            letter = decode_as(DeadLetter, value)
            self.dead_letters[letter.id] = letter.reason
        else:
            self.labels.add(decode_as(Label, value))

    def _once(self, known: dict[Any, bytes], key: Any, value: bytes) -> None:
        if known.setdefault(key, value) != value:
            self.conflicts += 1

    @property
    def anomaly_ids(self) -> set[str]:
        """Ids of the anomalies published."""
        return {identity for identity, _ in self.anomalies}

    def raised(self) -> list[Anomaly]:
        """List the raise of each anomaly."""
        return [
            decode_as(Anomaly, value) for (_, state), value in self.anomalies.items() if state == "raised"
        ]

    def reasons(self) -> dict[str, int]:
        """Count the dead letters by reason."""
        return dict(sorted(Counter(self.dead_letters.values()).items()))


class Audit:
    """Reads all topics from their beginning, and goes on with what is new each time it is asked.

    Args:
        settings: Where Kafka and MongoDB are.
        policy: How the worker draws windows.
        plan: How the worker watches series.
    """

    def __init__(self, settings: Settings, policy: WindowPolicy, plan: DetectionPlan) -> None:
        self._settings = settings
        self._reader = TopicReader(settings, AUDITED)
        self.policy = policy
        self.log = ReplayedLog(policy, plan)
        self.published = Published()
        self.stored: dict[str, int] = {}

    def catch_up(self, seconds: float) -> bool:
        """Read what is new in Kafka and count the documents in MongoDB.

        Args:
            seconds: Give up after so long; the next call goes on.

        Returns:
            Whether all was read and counted. Kafka or MongoDB being away is no error: ``False``.
        """
        return self._reader.read(self._take, seconds) and self._count_documents()

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()
        if "_mongo" in self.__dict__:
            self._mongo.close()

    def _take(self, topic: str, message: Any) -> None:
        if topic != topics.READINGS.name:
            self.published.add(topic, message.value())
            return
        headers: Iterable[tuple[str, bytes]] = message.headers() or ()
        identity = dict(headers).get(HEADER_READING_ID)
        self.log.add(message.partition(), message.offset(), message.timestamp()[1], message.value(), identity)

    @cached_property
    def _mongo(self) -> Any:
        import pymongo

        return pymongo.MongoClient[dict[str, Any]](
            self._settings.mongo.uri.get_secret_value(),
            serverSelectionTimeoutMS=MONGO_MILLISECONDS,
            socketTimeoutMS=MONGO_MILLISECONDS,
        )

    def _count_documents(self) -> bool:
        from pymongo.errors import PyMongoError

        database = self._mongo[self._settings.mongo.database]
        prefix = self._settings.mongo.collection_prefix
        try:
            self.stored = {
                each.collection: database[prefix + each.collection].count_documents({})
                for each in DESTINATIONS
            }
        except PyMongoError:
            return False
        return True
