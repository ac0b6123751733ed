"""Tell one target of alarms: each change at least once, in order, however long the target is away.

    alarms ──▶ gathered ──▶ told (again and again until it is) ──▶ notifications ──▶ offset committed

A target has a consumer group of its own: one that is away holds up no other, and none holds up the worker. The offset
is committed only after the target has taken the message, or has refused it for good and that is recorded. What a crash
leaves uncommitted is told again, under the same id where it stands alone: a change that has been told to nobody is
never passed. A target that is new begins with what comes from now on. Of the last week a target reads what it has been
told already, to know which incidents it knows of.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, RLock
from typing import Any

from bridges.kafka.connecting import connect_reader, connect_writer
from bridges.notify.beginning import ASK_SECONDS, KNOWN_SECONDS, offsets_since, told_since
from bridges.notify.collecting import ChangeCollector, ChangeGroup
from bridges.notify.outlets import NotNowError, RefusedError, TargetOutlet
from bridges.process import metrics
from bridges.process.backoff import Backoff
from bridges.process.logs import get_logger
from bridges.process.notify_settings import Target
from bridges.process.settings import Settings
from streams.alarms.incident_telling import REASON, IncidentTelling, Sifted, sift_alone
from streams.alarms.incidents import DeviceOf, Incident, Incidents
from streams.alarms.life import ESCALATED
from streams.alarms.routing import IDS_OF_A_RECORD, NOT_ESCALATED, change_id, message_id
from streams.errors import ConfigurationError, InputError, TransientError
from streams.records.alarm_records import Alarm, Notification
from streams.records.catalogue import CATALOGUE

log = get_logger(__name__)

POLL_SECONDS = 0.2
REFRESH_SECONDS = 10.0
"""How often a state that is shown is looked after while nothing changes."""
SESSION_SECONDS = 10
"""After a kill, the next process waits so long for the partitions of the last one."""
_ALARMS = CATALOGUE.of(Alarm)
_NOTIFICATIONS = CATALOGUE.of(Notification)


@dataclass(slots=True)
class TargetCounts:
    """What became of the changes that were read since the process started."""

    read: int = 0
    messages: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


class TargetNotifier:
    """Tells one target, in a thread of its own.

    Args:
        settings: Where Kafka is.
        name: Of the target.
        target: Its settings.
        outlet: What tells it.
        stopped: Set when it is to end.
        device_of: What the registry knows of a sensor.
    """

    def __init__(
        self, settings: Settings, name: str, target: Target, outlet: TargetOutlet, stopped: Event,
        device_of: DeviceOf = lambda _: None,
    ) -> None:  # fmt: skip
        self.name = name
        self.counts = TargetCounts()
        self._counting = RLock()  # what is read, under way and told is looked at by other threads, as one
        self.failing_since = 0.0
        self.why_failing = ""
        self.assigned: set[int] = set()
        self._settings = settings
        self._route, self._zone = target.route(), target.place_in_time()
        self._outlet = outlet
        self._stopped = stopped
        self._topic = settings.topic(_ALARMS.topic.name)
        self._collector = ChangeCollector(target.wait_seconds, target.group_seconds, self._why_not)
        self._telling: IncidentTelling | None = None
        if target.tells_incidents and not outlet.follows_all:
            found = Incidents(settings.alarms.incidents(), device_of)
            self._telling = IncidentTelling(found, self._route.wants, self._route.level)
        self._known_before: dict[int, int] = {}
        self._backoff = Backoff(first=0.5, cap=settings.notify.retry_max_seconds)
        self._generation = 0
        self._refreshed_at = time.monotonic()
        self._trouble = ""

    # -- its life --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Tell until stopped; what Kafka does meanwhile is waited out."""
        from confluent_kafka import KafkaException

        while not self._stopped.is_set():
            self._give_back()
            self._connect()
            try:
                while not self._stopped.is_set():
                    self._step()
            except (KafkaException, TransientError) as error:
                log.warning("notifier.reconnects", target=self.name, error=str(error))
                self._stopped.wait(self._backoff.delay())
            finally:
                self.assigned.clear()
                with suppress(KafkaException):
                    self._consumer.close()
        self._outlet.close()

    def _connect(self) -> None:
        self._trouble = ""
        group = f"{self._settings.kafka.namespace}{self._settings.worker.application}-notify-{self.name}"
        self._consumer = connect_reader(
            self._settings,
            group,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_SECONDS * 1000,
        )
        self._producer = connect_writer(self._settings)
        self._consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke)

    def _step(self) -> None:
        now = time.monotonic()
        if (group := self._collector.due(now)) is not None:
            self._tell(group)
            return
        message = self._poll(min(POLL_SECONDS, self._collector.seconds_left(now)))
        if message is not None:
            self._take(message)
        self._refresh(now)

    def _poll(self, seconds: float) -> Any:
        """Return the next record, if one comes.

        Raises:
            TransientError: If Kafka did not answer, or refused us, while partitions were assigned.
        """
        message = self._consumer.poll(seconds)
        if self._trouble:
            raise TransientError(self._trouble)
        return message if message is not None and message.error() is None else None

    def _take(self, message: Any) -> None:
        alarm = _read(message.value())
        partition, offset = message.partition(), message.offset()
        if offset < self._known_before.get(partition, 0):
            if alarm is not None:
                self._know(alarm)
            return
        if alarm is not None and self._telling is not None:
            self._telling.take(alarm)
        metrics.NOTIFY_READ.labels(self.name).inc()
        with self._counting:
            self.counts.read += 1
            self._collector.add(partition, offset, alarm, time.monotonic())

    def _know(self, alarm: Alarm) -> None:
        """Take note of a change that was told before this process started."""
        self._outlet.known(alarm)
        if self._telling is not None:
            self._telling.take_before(alarm)

    def _why_not(self, alarm: Alarm) -> str:
        # A state is of every change, told or not; routes say of which series.
        found = self._route.why_not(alarm, datetime.now(self._zone).time())
        return "" if self._outlet.follows_all and found != "sensor" else found

    # -- whose partitions ------------------------------------------------------------------------------------------

    def _on_assign(self, consumer: Any, places: list[Any]) -> None:
        from confluent_kafka import KafkaException

        self._generation += 1
        try:
            self._begin(consumer, places)
        # What a callback raises does not come out of poll whole.
        except (KafkaException, ConfigurationError, TransientError) as error:
            self._trouble = str(error)

    def _begin(self, consumer: Any, places: list[Any]) -> None:
        """Begin where it had come to; note that place at once if there is none, or a crash would lose it."""
        from confluent_kafka import TopicPartition

        committed = consumer.committed(places, timeout=ASK_SECONDS)
        new = [each for each in committed if each.offset < 0]
        ends = {each.partition: consumer.get_watermark_offsets(each, timeout=ASK_SECONDS)[1] for each in new}
        if new:
            begun = [TopicPartition(self._topic, partition, end) for partition, end in ends.items()]
            consumer.commit(offsets=begun, asynchronous=False)
            log.info("target.begun", target=self.name, partitions=sorted(ends))
        begins = {each.partition: ends.get(each.partition, each.offset) for each in committed}
        self._known_before = begins
        reads = dict(begins)
        if self._outlet.follows_all:
            reads = dict.fromkeys(begins, 0)
        elif self._telling is not None:  # a target that is new knows of nothing
            told = {partition: offset for partition, offset in begins.items() if partition not in ends}
            reads |= offsets_since(consumer, self._topic, told, time.time() - KNOWN_SECONDS)
            self._telling.remember(told_since(self._settings, self.name, time.time() - KNOWN_SECONDS))
        consumer.assign([TopicPartition(self._topic, *each) for each in reads.items()])
        self.assigned |= begins.keys()

    def _on_revoke(self, consumer: Any, places: list[Any]) -> None:
        """Leave what is not told to who has the partitions next."""
        self._generation += 1
        self.assigned -= {each.partition for each in places}
        self._give_back()

    def _give_back(self) -> None:
        with self._counting:
            if forgotten := self._collector.forget():
                self._count("given_back", forgotten)

    # -- telling ---------------------------------------------------------------------------------------------------

    def _tell(self, group: ChangeGroup) -> None:
        generation = self._generation
        sifted = self._sift(group)
        messages = self._outlet.prepare(sifted.told, sifted.incidents) if sifted.told else ()
        for message in messages:
            outcome, detail = "told", ""
            try:
                attempts = self._insist(message.send, generation)
            except RefusedError as error:
                outcome, detail, attempts = "failed", str(error), 1
                log.error("notification.refused", target=self.name, alarms=len(message.alarms), error=detail)
            if self._is_over(generation):
                return
            self._record(message.alarms, outcome, detail, attempts, sifted.incidents)
        for reason, passed in group.passed.items():
            if not passed[0].quiet:  # otherwise the alarm itself says why
                self._record(passed, "passed_over", reason)
        if self._flushed():
            self._commit(group)
            self._count_rest(group)
            if self._telling is not None:
                self._telling.done(sifted)
            self._collector.done(time.monotonic())

    def _sift(self, group: ChangeGroup) -> Sifted:
        """Pass over what of a group is told with an incident, and the returns of what was not told."""
        if self._telling is not None:
            sifted = self._telling.sift(group.wanted)
        else:
            sifted = sift_alone(group.wanted, 0 if self._outlet.follows_all else self._route.level)
        group.wanted = sifted.told
        for reason, passed in ((REASON, sifted.passed), (NOT_ESCALATED, sifted.unknown)):
            if passed:
                group.passed[reason] = [*group.passed.get(reason, ()), *passed]
        return sifted

    def _insist(self, send: Callable[[], None], generation: int) -> int:
        """Send a message until the target takes it; returns how often that was.

        Raises:
            RefusedError: If it never will.
        """
        attempts = 1
        while not self._is_over(generation):
            try:
                send()
            except TransientError as error:
                self._failed(error)
                asked = error.seconds if isinstance(error, NotNowError) else 0.0
                self._wait(max(asked, self._backoff.delay()), generation)
                attempts += 1
            else:
                if self.why_failing:
                    log.info("target.answers", target=self.name, attempts=attempts)
                self.failing_since, self.why_failing = 0.0, ""
                self._backoff = Backoff(first=self._backoff.first, cap=self._backoff.cap)
                break
        return attempts

    def _failed(self, error: Exception) -> None:
        metrics.NOTIFY_FAILURES.labels(self.name).inc()
        if not self.why_failing:
            self.failing_since = time.time()
            log.warning("target.away", target=self.name, error=str(error))
        self.why_failing = str(error)

    def _wait(self, seconds: float, generation: int) -> None:
        """Wait without leaving the group: partitions rest, the broker hears of us."""
        until = time.monotonic() + seconds
        self._consumer.pause(self._consumer.assignment())
        while time.monotonic() < until and not self._is_over(generation):
            if (message := self._poll(POLL_SECONDS)) is not None:
                self._put_back(message)
            self._refresh()
        self._consumer.resume(self._consumer.assignment())

    def _put_back(self, message: Any) -> None:
        """Have a record read again that came although its partition rests: passed, it would never be told."""
        from confluent_kafka import TopicPartition

        self._consumer.seek(TopicPartition(self._topic, message.partition(), message.offset()))

    def _is_over(self, generation: int) -> bool:
        return self._stopped.is_set() or self._generation != generation

    # -- what is told ----------------------------------------------------------------------------------------------

    def _record(
        self, alarms: Sequence[Alarm], outcome: str, detail: str, attempts: int = 1,
        as_one: Mapping[str, Incident] | None = None,
    ) -> None:  # fmt: skip
        """Write what became of changes, before their offset is committed."""
        topic = self._settings.topic(_NOTIFICATIONS.topic.name)
        for begin in range(0, len(alarms), IDS_OF_A_RECORD):
            part = alarms[begin : begin + IDS_OF_A_RECORD]
            changes = [change_id(each) for each in part]
            record = Notification(
                id=message_id(alarms), target=self.name, at=round(time.time(), 3), outcome=outcome, alarms=changes,
                detail=detail, attempts=attempts,
                escalated=[change_id(each) for each in part if outcome == "told" and each.event == ESCALATED],
                incidents={each: as_one[each].id for each in changes if each in as_one} if as_one else {},
            )  # fmt: skip
            self._producer.produce(topic, _NOTIFICATIONS.encode(record), _NOTIFICATIONS.key(record))
        self._count(outcome if outcome != "passed_over" else detail, len(alarms))

    def _flushed(self) -> bool:
        """Wait until Kafka has the records; tells whether it has."""
        while self._producer.flush(POLL_SECONDS):
            if self._stopped.is_set():
                return False
        return True

    def _commit(self, group: ChangeGroup) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        offsets = [TopicPartition(self._topic, number, offset) for number, offset in group.offsets.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:  # told again, by whoever has the partitions then
            log.warning("notification.not_committed", target=self.name, error=str(error))

    def _count(self, outcome: str, number: int) -> None:
        with self._counting:
            self.counts.outcomes[outcome] += number
            if (group := self._collector.group) is not None:
                group.counted += number
        metrics.NOTIFY_CHANGES.labels(self.name, outcome).inc(number)

    def _count_rest(self, group: ChangeGroup) -> None:
        """Count what no record tells of: what is quiet by itself, and what is no alarm."""
        self.counts.messages += bool(group.wanted)
        for reason, passed in group.passed.items():
            if passed[0].quiet:
                self._count(reason, len(passed))
        if unreadable := group.size - len(group.wanted) - sum(map(len, group.passed.values())):
            self._count("unreadable", unreadable)

    def _refresh(self, now: float | None = None) -> None:
        metrics.NOTIFY_UNDER_WAY.labels(self.name).set(self._collector.under_way)
        failing = time.time() - self.failing_since if self.failing_since else 0.0
        metrics.NOTIFY_FAILING.labels(self.name).set(failing)
        if now is not None and now - self._refreshed_at >= REFRESH_SECONDS:
            self._refreshed_at = now
            with suppress(TransientError):  # told when there is something to tell
                self._outlet.refresh()

    def ledger(self) -> dict[str, Any]:
        """Return the counts since the start, and whether they balance."""
        with self._counting:
            read, under_way = self.counts.read, self._collector.under_way
            outcomes = dict(sorted(self.counts.outcomes.items()))
        difference = read - sum(outcomes.values()) - under_way
        return {
            "read": read,
            "told": outcomes.pop("told", 0),
            "failed": outcomes.pop("failed", 0),
            "passed_over": outcomes,
            "under_way": under_way,
            "messages": self.counts.messages,
            "in_no_incident": self._telling.left_out if self._telling is not None else 0,
            "failing": self.why_failing,
            "difference": difference,
        }


def _read(value: bytes | None) -> Alarm | None:
    try:
        found: Alarm = _ALARMS.read(value or b"")
    except InputError as error:
        log.error("alarm.unreadable", error=str(error))
        return None
    return found
