"""A simulated Kafka: one broker that answers the requests of real aiokafka clients.

The simulation begins where a client writes to a socket (`tests.simulation.network`): everything of aiokafka that
decides something (coordinator, fetcher, sender, transaction manager) is the real one. What is here follows Kafka's
protocol guide and KIP-98 (transactions), KIP-345 (static membership), KIP-890 (writes are checked against the
transaction). `tests/contracts/test_kafka_contract.py` asks the same of this broker and of a real Kafka.
"""

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

from tests.simulation.group import Group, Joined
from tests.simulation.partition_log import OUT_OF_RANGE, PartitionLog, StoredBatch
from tests.simulation.refusals import refusal_of
from tests.simulation.transactions import TransactionCoordinator

HOST, PORT, NODE = "simulated", 9092, 0
UNKNOWN_ERROR, UNKNOWN_TOPIC, TOPIC_EXISTS = -1, 3, 36  # error codes of the protocol
_LATEST, _EARLIEST = -1, -2

VERSIONS = {
    0: (7, 7), 1: (4, 4), 2: (3, 3), 3: (5, 5), 8: (3, 3), 9: (3, 3), 10: (1, 1), 11: (5, 5), 12: (1, 1),
    13: (1, 1), 14: (3, 3), 19: (2, 2), 22: (0, 0), 24: (0, 0), 26: (0, 0),
}  # fmt: skip
"""Of each request the version that is understood."""

TopicPartition = tuple[str, int]
Answer = Callable[[Any], None]
Later = Callable[[float, Callable[[], None]], object]


class Chance:
    """What the broker does one way or another; here always the plain one, for a run without faults."""

    marker_seconds: float = 0.002

    def most_batches(self) -> int:
        """Draw how many batches of a partition one fetch brings at most."""
        return 50

    def hides(self, topic: str) -> bool:
        """Tell whether the metadata that a client is given is too old to have a topic."""
        return False

    def fails_to_write(self) -> bool:
        """Draw whether a write fails, as with a disk that is out of order."""
        return False

    def refuses(self) -> bool:
        """Draw whether a request is answered by an error that passes, as while a leader moves."""
        return False


class SimulatedKafka:
    """The broker, its topics, groups and transactions.

    Args:
        later: Calls something after some seconds.
        chance: What it does one way or another.
    """

    def __init__(self, later: Later, chance: Chance) -> None:
        self._later = later
        self.chance = chance
        self.topics: dict[str, list[PartitionLog]] = {}
        self.groups: dict[str, Group] = {}
        self.committed: dict[str, dict[TopicPartition, int]] = defaultdict(dict)
        self._waiting: dict[int, tuple[Any, Answer]] = {}
        self._fetches = 0
        self.transactions = TransactionCoordinator(
            self.log_of, later, lambda: chance.marker_seconds, self._look_at_waiting
        )
        self._answers: dict[int, Callable[[Any, Answer], None]] = {
            0: self._produce, 1: self._fetch, 2: self._offsets, 3: self._metadata, 8: self._commit,
            9: self._committed, 10: self._coordinator, 11: self._join, 12: self._heartbeat, 13: self._leave,
            14: self._sync, 19: self._create_topics, 22: self._open, 24: self._add, 26: self._end,
        }  # fmt: skip

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic, if it is not there."""
        self.topics.setdefault(topic, [PartitionLog() for _ in range(partitions)])

    def log_of(self, partition: TopicPartition) -> PartitionLog:
        """Return the log of a partition."""
        return self.topics[partition[0]][partition[1]]

    def write(self, partition: TopicPartition, data: bytes) -> None:
        """Append a batch as of somebody outside, who is not simulated."""
        self.log_of(partition).append(data)
        self._look_at_waiting((partition,))

    def handle(self, request: Any, answer: Answer) -> None:
        """Answer a request, now or later."""
        if self.chance.refuses() and (refusal := refusal_of(request)) is not None:
            answer(refusal)
            return
        self._answers[request.API_KEY](request, answer)

    # -- records -------------------------------------------------------------------------------------------------

    def _produce(self, request: Any, answer: Answer) -> None:
        answer(
            request.RESPONSE_TYPE(
                [
                    (topic, [(number, *self._append((topic, number), data), -1, 0) for number, data in parts])
                    for topic, parts in request.topics
                ],
                0,
            )
        )

    def _append(self, partition: TopicPartition, data: Any) -> tuple[int, int]:
        if self.chance.fails_to_write():
            return UNKNOWN_ERROR, -1
        data = bytes(data)
        producer = int.from_bytes(data[43:51], "big", signed=True)
        if data[22] & 0x10:  # the lower byte of the attributes: part of a transaction
            epoch = int.from_bytes(data[51:53], "big", signed=True)
            if error := self.transactions.may_write(producer, epoch, partition):
                return error, -1
        written = self.log_of(partition).append(data)
        self._look_at_waiting((partition,))
        return written

    def _fetch(self, request: Any, answer: Answer) -> None:
        if self._has_enough(request):
            self._later(0.0, lambda: self._answer_fetch(request, answer))
            return
        self._fetches += 1
        number = self._fetches
        self._waiting[number] = request, answer
        self._later(request.max_wait_time / 1000, lambda: self._end_wait(number))

    def _end_wait(self, number: int) -> None:
        if (waiting := self._waiting.pop(number, None)) is not None:
            self._answer_fetch(*waiting)

    def _look_at_waiting(self, changed: Collection[TopicPartition]) -> None:
        """Answer the fetches that wait for the first byte of what has changed."""
        for number, (request, _) in list(self._waiting.items()):
            if request.min_bytes > 1 or not any(
                (topic, part[0]) in changed for topic, parts in request.topics for part in parts
            ):
                continue  # who wants much waits for as long as it said: nothing here is as large
            if self._has_enough(request):
                self._end_wait(number)

    def _has_enough(self, request: Any) -> bool:
        size = sum(len(batch.data) for batches in self._found(request).values() for batch in batches)
        return bool(size >= request.min_bytes)

    def _found(self, request: Any) -> dict[TopicPartition, list[StoredBatch]]:
        committed = bool(request.isolation_level)
        return {
            (topic, number): self.log_of((topic, number)).read(offset, 1000, committed=committed)
            for topic, parts in request.topics
            for number, offset, _ in parts
        }

    def _answer_fetch(self, request: Any, answer: Answer) -> None:
        topics = []
        for topic, parts in request.topics:
            partitions = [
                self._part(topic, number, offset, bool(request.isolation_level))
                for number, offset, _ in parts
            ]
            topics.append((topic, partitions))
        answer(request.RESPONSE_TYPE(0, topics))

    def _part(self, topic: str, number: int, offset: int, committed: bool) -> tuple[Any, ...]:
        log = self.log_of((topic, number))
        if not log.start <= offset <= log.end:
            return number, OUT_OF_RANGE, log.end, log.stable, [], b""
        batches = log.read(offset, self.chance.most_batches(), committed=committed)
        aborted = log.aborted_within(batches[0].first, batches[-1].last + 1) if batches and committed else []
        return number, 0, log.end, log.stable, aborted, b"".join(batch.data for batch in batches)

    def _offsets(self, request: Any, answer: Answer) -> None:
        topics = []
        for topic, parts in request.topics:
            found = []
            for number, which in parts:
                log = self.log_of((topic, number))
                end = log.stable if request.isolation_level else log.end
                found.append((number, 0, -1, log.start if which == _EARLIEST else end))
            topics.append((topic, found))
        answer(request.RESPONSE_TYPE(0, topics))

    def _metadata(self, request: Any, answer: Answer) -> None:
        names = sorted(self.topics) if request.topics is None else sorted(request.topics)
        topics: list[tuple[int, str, bool, list[Any]]] = [
            (UNKNOWN_TOPIC, name, False, [])
            if name not in self.topics or self.chance.hides(name)
            else (0, name, False, [(0, n, NODE, [NODE], [NODE], []) for n in range(len(self.topics[name]))])
            for name in names
        ]
        answer(request.RESPONSE_TYPE(0, [(NODE, HOST, PORT, None)], "simulation", NODE, topics))

    def _create_topics(self, request: Any, answer: Answer) -> None:
        errors = []
        for topic, partitions, *_ in request.create_topic_requests:
            errors.append((topic, TOPIC_EXISTS if topic in self.topics else 0, None))
            self.create(topic, partitions)
        answer(request.RESPONSE_TYPE(0, errors))

    # -- groups --------------------------------------------------------------------------------------------------

    def group(self, name: str) -> Group:
        """Return a group, made when it is first asked for."""
        if name not in self.groups:
            self.groups[name] = Group(self._later)
        return self.groups[name]

    def _coordinator(self, request: Any, answer: Answer) -> None:
        answer(request.RESPONSE_TYPE(0, 0, None, NODE, HOST, PORT))

    def _join(self, request: Any, answer: Answer) -> None:
        def joined(found: Joined) -> None:
            answer(
                request.RESPONSE_TYPE(
                    0,
                    found.error,
                    found.generation,
                    found.protocol,
                    found.leader,
                    found.member,
                    found.members,
                )
            )

        self.group(request.group).join(
            request.member_id,
            request.group_instance_id,
            [(name, bytes(metadata)) for name, metadata in request.group_protocols],
            request.session_timeout / 1000,
            request.rebalance_timeout / 1000,
            joined,
        )

    def _sync(self, request: Any, answer: Answer) -> None:
        self.group(request.group).sync(
            request.member_id,
            request.group_instance_id,
            request.generation_id,
            {member: bytes(assignment) for member, assignment in request.group_assignment},
            lambda found: answer(request.RESPONSE_TYPE(0, *found)),
        )

    def _heartbeat(self, request: Any, answer: Answer) -> None:
        error = self.group(request.group).heartbeat(request.member_id, request.generation_id)
        answer(request.RESPONSE_TYPE(0, error))

    def _leave(self, request: Any, answer: Answer) -> None:
        answer(request.RESPONSE_TYPE(0, self.group(request.group).leave(request.member_id)))

    def _commit(self, request: Any, answer: Answer) -> None:
        name = request.consumer_group
        error = self.group(name).may_commit(request.consumer_id, request.consumer_group_generation_id)
        for topic, parts in request.topics if not error else ():
            for number, offset, _ in parts:
                self.committed[name][topic, number] = offset
        topics = [(topic, [(number, error) for number, _, _ in parts]) for topic, parts in request.topics]
        answer(request.RESPONSE_TYPE(0, topics))

    def _committed(self, request: Any, answer: Answer) -> None:
        known = self.committed[request.consumer_group]
        topics = [
            (topic, [(number, known.get((topic, number), -1), "", 0) for number in parts])
            for topic, parts in request.topics
        ]
        answer(request.RESPONSE_TYPE(0, topics, 0))

    # -- transactions --------------------------------------------------------------------------------------------

    def _open(self, request: Any, answer: Answer) -> None:
        name, timeout = request.transactional_id, request.transaction_timeout_ms
        answer(request.RESPONSE_TYPE(0, *self.transactions.open(name, timeout)))

    def _add(self, request: Any, answer: Answer) -> None:
        partitions = [(topic, number) for topic, numbers in request.topics for number in numbers]
        error = self.transactions.add(
            request.transactional_id, request.producer_id, request.producer_epoch, partitions
        )
        topics = [(topic, [(number, error) for number in numbers]) for topic, numbers in request.topics]
        answer(request.RESPONSE_TYPE(0, topics))

    def _end(self, request: Any, answer: Answer) -> None:
        commit = bool(request.transaction_result)
        error = self.transactions.end(
            request.transactional_id, request.producer_id, request.producer_epoch, commit=commit
        )
        answer(request.RESPONSE_TYPE(0, error))
