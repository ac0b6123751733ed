"""Count what really arrived, from Kafka and MongoDB themselves, and compute it a second time from the log.

No process is asked what it has done: a process that was killed has forgotten. The log of `readings` is read from
its beginning, each partition in its order, through the same pure functions that the worker calls; what they give
must be what the worker published, byte by byte (live equals replay), and what is published must be in MongoDB.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, count
from typing import Any

from bridges.kafka.topic_reader import TopicReader
from bridges.process.settings import Settings
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.sensor_models import SensorModels
from streams.peers.comparing import PeerOutcome, Rows, compare_peers
from streams.peers.gathering_peers import inputs_of_windows
from streams.peers.peer_plan import PeerPlan
from streams.records.catalogue import CATALOGUE
from streams.records.identity import reading_id
from streams.records.record_type import Catalogue, Identity, TopicSpec
from streams.records.rows import Row
from streams.records.types import (
    Aggregate,
    Anomaly,
    DeadLetter,
    Label,
    Reading,
    decode_as,
    decode_reading,
)
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

_COUNT_SECONDS = 60.0
"""For so long a store may count one collection."""
_COUNT_REST = 4.0
"""So many times as long as counting took nothing is counted."""


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
        catalogue: Which records a replay makes again.
        peers: Who is compared with whom; ``None``: nobody.
    """

    def __init__(
        self,
        policy: WindowPolicy,
        plan: DetectionPlan,
        catalogue: Catalogue = CATALOGUE,
        peers: PeerPlan | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._policy = policy
        self._plan = plan
        self._partitions: dict[int, Partition] = {}
        self._peers = peers if peers is not None and peers.used else None
        self._beside: tuple[Rows, PeerOutcome] = {}, PeerOutcome()
        self._inputs = count()
        self._ids: set[bytes] = set()
        self.repeated = 0
        self.values = 0
        self.late = 0
        """Values that came late, and back into their windows."""
        self.in_none = 0
        """Values in no window: too old, or without room."""
        self.counted_again = 0
        """Values of repetitions that came when the windows remembered the reading no more."""
        self.windowed = AggregationOutcome()
        self.watched = DetectionOutcome()

    @property
    def distinct(self) -> int:
        """Distinct readings in the log."""
        return len(self._ids)

    def add(self, partition: int, offset: int, ingest_ms: int, value: bytes) -> None:
        """Apply one record of the log; those of a partition must come in the order of their offsets.

        Args:
            partition, offset: Where it stands.
            ingest_ms: Ingest time.
            value: Its bytes.

        Raises:
            InputError: If they are neither a reading nor a tick.
        """
        record = decode_reading(value)
        state = self._partitions.setdefault(partition, Partition())
        windowed = self.windowed
        known = len(windowed.aggregates)
        before = windowed.supplemented, len(windowed.late) + windowed.left_out
        entry = ((offset, ingest_ms, record),)
        windowed.rule_places.clear()
        aggregate(self._policy, state.windows, entry, self.windowed)
        if self._peers is not None:
            self._compare(self._peers, partition, len(windowed.aggregates) - known)
        detect(self._plan, state.models, entry, self.watched)
        if not isinstance(record, Reading):
            return
        late = windowed.supplemented - before[0]
        self._count(record, late, len(windowed.late) + windowed.left_out - before[1] - late)

    def _compare(self, peers: PeerPlan, partition: int, closed: int) -> None:
        """Compare with their peers what a record has closed, in the order in which partitions happen to be read."""
        windowed = self.windowed
        news = AggregationOutcome(aggregates=windowed.aggregates[len(windowed.aggregates) - closed :])
        news.tick_places = [(tick_at, closed) for tick_at, _ in windowed.tick_places]
        news.rule_places = [(0, rules) for _, rules in windowed.rule_places]
        windowed.tick_places.clear()
        inputs = inputs_of_windows(peers, news, partition)
        numbered = ((next(self._inputs), each) for each in inputs)
        compare_peers(peers, self._beside[0], numbered, self._beside[1])

    def _count(self, reading: Reading, late: int, in_none: int) -> None:
        # Derived once more: the id that the bridge put into the record's header is what is audited.
        identity = reading_id(reading.sensor_id, reading.collected_at, reading.values, reading.sequence)
        if identity in self._ids:
            self.repeated += 1
            self.counted_again += late
            return
        self._ids.add(identity)
        self.values += len(reading.values)
        self.late += late
        self.in_none += in_none

    def results(self) -> dict[type, dict[Identity, bytes]]:
        """Return what must have been published: by struct, the encoded records by what tells them apart."""
        found: dict[type, dict[Identity, bytes]] = {each.kind: {} for each in self._catalogue.recomputed}
        results = chain(
            self.windowed.aggregates,
            self.windowed.late,
            self.watched.anomalies,
            self.watched.devices,
            self.watched.bands,
            self._beside[1].anomalies,
        )
        for result in results:
            kind = self._catalogue.of(type(result))
            found[kind.kind][kind.identity_of(result)] = kind.encode(result)
        return found


class Published:
    """What the audited topics hold, each thing once.

    Args:
        catalogue: Which topics are audited.
    """

    def __init__(self, catalogue: Catalogue = CATALOGUE) -> None:
        self._catalogue = catalogue
        self._found: dict[type, dict[Identity, bytes]] = {each.kind: {} for each in catalogue.audited}
        self.counted = 0
        """Values in windows."""
        self.conflicts = 0
        """Results that came with two contents."""

    def add(self, topic: str, value: bytes) -> None:
        """Take in one record of an audited topic, named as in the catalogue."""
        kind = self._catalogue.on(topic)
        record = kind.read(value)
        known = self._found[kind.kind]
        identity = kind.identity_of(record)
        if identity not in known:
            known[identity] = value
            self.counted += record.count if isinstance(record, Aggregate) else 0
        elif kind.recomputed is not None and known[identity] != value:
            self.conflicts += 1

    def of(self, kind: type) -> dict[Identity, bytes]:
        """Return the records of a type by what tells them apart, as they were published."""
        return self._found[kind]

    @property
    def labels(self) -> set[Label]:
        """What is known of series."""
        return {decode_as(Label, value) for value in self.of(Label).values()}

    def raised(self) -> list[Anomaly]:
        """List the raise of each anomaly."""
        return [
            decode_as(Anomaly, value) for (_, state), value in self.of(Anomaly).items() if state == "raised"
        ]

    def reasons(self) -> dict[str, int]:
        """Count the dead letters by reason."""
        letters = (decode_as(DeadLetter, value) for value in self.of(DeadLetter).values())
        return dict(sorted(Counter(letter.reason for letter in letters).items()))


class Audit:
    """Reads all topics from their beginning, and goes on with what is new each time it is asked.

    Args:
        settings: Where Kafka and MongoDB are.
        policy: How the worker draws windows.
        plan: How the worker watches series.
        catalogue: What is audited.
    """

    def __init__(
        self,
        settings: Settings,
        policy: WindowPolicy,
        plan: DetectionPlan,
        catalogue: Catalogue = CATALOGUE,
    ) -> None:
        self._settings = settings
        self.catalogue = catalogue
        self.policy = policy
        peers = PeerPlan(plan, policy, settings.kafka.partitions, settings.bridge.tick_seconds)
        self.log = ReplayedLog(policy, plan, catalogue, peers)
        self.published = Published(catalogue)
        self._readings = catalogue.of(Reading).topic
        self._reader = TopicReader(settings, self.topics)
        self.stored: dict[str, int] = {}
        self._counted = False
        self._count_at = float("-inf")

    @property
    def topics(self) -> tuple[TopicSpec, ...]:
        """The topics that are read: readings, and what is audited."""
        return (self._readings, *(each.topic for each in self.catalogue.audited))

    def catch_up(self, seconds: float) -> bool:
        """Read what is new in Kafka and count the documents in MongoDB, unless that was done so lately.

        A store counts by looking at each document: what is there was counted no longer ago than five times as long as
        that takes, and the store has four fifths of its time for what it is there for.

        Args:
            seconds: Give up after so long; the next call goes on.

        Returns:
            Whether all was read and counted. Kafka or MongoDB being away is no error: ``False``.
        """
        if not self._reader.read(self._take, seconds):
            return False
        if time.monotonic() >= self._count_at:
            self._counted = self._count_documents(exactly=False)
        return self._counted

    def count_exactly(self) -> bool:
        """Count the documents in MongoDB one by one, for the verdict; returns whether it could."""
        self._counted = self._count_documents(exactly=True)
        return self._counted

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()
        if "_mongo" in self.__dict__:
            self._mongo.close()

    def _take(self, topic: str, message: Any) -> None:
        if topic != self._readings.name:
            self.published.add(topic, message.value())
            return
        self.log.add(message.partition(), message.offset(), message.timestamp()[1], message.value())

    @cached_property
    def _mongo(self) -> Any:
        from bridges.mongo.mongo_client import QUICK_SECONDS, connect_blocking

        # Being away is told, not waited out; what is under way is: given up, it goes on in the store beside the next.
        return connect_blocking(self._settings.mongo, seconds=QUICK_SECONDS, answer_seconds=_COUNT_SECONDS)

    def _count_documents(self, *, exactly: bool) -> bool:
        from pymongo.errors import PyMongoError

        database = self._mongo[self._settings.mongo.database]
        prefix = self._settings.mongo.collection_prefix
        began = time.monotonic()
        try:
            self.stored = {
                each.collection: _count(database[prefix + each.collection], exactly=exactly)
                for each in self.catalogue.kept
            }
        except PyMongoError:
            return False
        finally:
            now = time.monotonic()
            self._count_at = now + _COUNT_REST * (now - began)
        return True


def _count(collection: Any, *, exactly: bool) -> int:
    # What MongoDB knows of a collection may be wrong after it was killed.
    return int(collection.count_documents({}) if exactly else collection.estimated_document_count())
