"""Watch a demo while it runs: tell what happens, and find out whether everything that was sent has arrived."""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agents.cli.demo_ending import Ending, ending, not_stored, waits_for_store
from bridges.audit.audit import Audit
from bridges.audit.balance import Entry, Findings, balance, findings
from bridges.kafka.topic_reader import TopicReader
from bridges.process import settings as all_settings
from bridges.process.settings import Settings
from bridges.simulator.recordings import WATERFLOW
from bridges.stack.environment import read_environment
from bridges.stack.part import SERVERS
from bridges.stack.supervisor import State, Supervisor
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import Identity
from streams.records.types import Aggregate, Anomaly, DeadLetter, Reading, decode_as
from streams.signals import Totals
from streams.signals.wire import iso

LOOK_SECONDS = 1.0
READ_SECONDS = 5.0
TELL_SECONDS = 5.0
# Longer than any part needs to come back after a kill -9: restart, recovery, session time-outs.
STALLED_SECONDS = 120.0
# The store is the slowest part of a busy machine, and may stand still for minutes; what it has not taken is in Kafka.
STORE_SECONDS = 1800.0


def await_servers(supervisor: Supervisor, data: Path) -> Settings | None:
    """Wait until Kafka, MQTT and MongoDB run; return the settings that reach them, ``None`` if all stops first."""
    servers = [watched for watched in supervisor.all if watched.part.name in SERVERS]
    while not all(watched.ever_ready for watched in servers):
        if supervisor.wait(LOOK_SECONDS):
            return None
    os.environ.update(read_environment(data))
    return all_settings.load()


class Guarded:
    """A watch that stops everything when it fails, so that no demo runs on unwatched; keeps its error.

    Args:
        watch: Runs beside the supervisor.
    """

    def __init__(self, watch: Callable[[Supervisor], None]) -> None:
        self._watch = watch
        self.error: Exception | None = None

    def __call__(self, supervisor: Supervisor) -> None:
        """Run the watch."""
        try:
            self._watch(supervisor)
        except Exception as error:
            self.error = error
            supervisor.request_stop()


class Narrator:
    """Tells of the recorded sensor's anomalies, and how many windows and anomalies there are, until all stops.

    Args:
        data: The data folder of the stack.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._counts: Counter[str] = Counter()

    def __call__(self, supervisor: Supervisor) -> None:
        """Read anomalies and aggregates as they come."""
        if (settings := await_servers(supervisor, self._data)) is None:
            return
        reader = TopicReader(settings, (CATALOGUE.of(Anomaly).topic, CATALOGUE.of(Aggregate).topic))
        try:
            next_told = time.monotonic() + TELL_SECONDS
            while not supervisor.wait(LOOK_SECONDS):
                reader.read(lambda topic, message: self._take(supervisor, topic, message), READ_SECONDS)
                if time.monotonic() > next_told:
                    next_told = time.monotonic() + 2 * TELL_SECONDS
                    supervisor.tell(
                        f"{self._counts['windows']:,} windows closed, {self._counts['raised']:,} anomalies raised, "
                        f"{self._counts['cleared']:,} cleared"
                    )
        finally:
            reader.close()

    def _take(self, supervisor: Supervisor, topic: str, message: Any) -> None:
        if topic == CATALOGUE.of(Aggregate).topic.name:
            self._counts["windows"] += decode_as(Aggregate, message.value()).supplement is None
            return
        anomaly = decode_as(Anomaly, message.value())
        self._counts[anomaly.state] += 1
        if anomaly.sensor_id == WATERFLOW:
            supervisor.tell(sentence(anomaly))


def sentence(anomaly: Anomaly) -> str:
    """Tell of a change of an anomaly in one line."""
    expected = "" if anomaly.expected is None else f", expected {anomaly.expected:.1f}"
    return (
        f"anomaly {anomaly.state}: {anomaly.sensor_id}/{anomaly.quantity} at {iso(anomaly.changed_at)[:16]}Z"
        f" (value {anomaly.value:.1f}{expected})"
    )


class DemoLedger:
    """Waits until the balance holds after the sensors have finished, or nothing moves any more.

    Args:
        data: The data folder of the stack.
        sent: What the scenario publishes.
        slack: Seconds of event time after a known anomaly in which a raise counts as having found it.
    """

    def __init__(self, data: Path, sent: Totals, slack: float) -> None:
        self._data = data
        self._sent = sent
        self._slack = slack
        self._told: set[Identity] = set()
        self.entries: list[Entry] = []
        self.findings: Findings | None = None
        self.repeated = 0
        self.complete = False
        self.stopped = False
        self.restarts: Mapping[str, int] = {}

    @property
    def ending(self) -> Ending:
        """How it has ended, or would if it ended now."""
        return ending(self.entries, complete=self.complete, stopped=self.stopped)

    def __call__(self, supervisor: Supervisor) -> None:
        """Look until it balances, stalls, or all stops; then stop everything."""
        if (settings := await_servers(supervisor, self._data)) is None:
            self.stopped = True
            return
        audit = Audit(settings, settings.window_policy(), settings.detection_plan())
        try:
            self._look(supervisor, audit)
        finally:
            audit.close()
            self.restarts = {watched.part.name: watched.restarts for watched in supervisor.all}
            supervisor.request_stop()

    def _look(self, supervisor: Supervisor, audit: Audit) -> None:
        sensor = next(watched for watched in supervisor.all if watched.part.name == "simulator")
        moved_at = told_at = time.monotonic()
        seen: object = None
        while not supervisor.wait(LOOK_SECONDS):
            self.complete = sensor.state is State.DONE
            counted = audit.catch_up(READ_SECONDS)
            now = time.monotonic()
            self._balance(audit)
            if counted and self.ending is Ending.BALANCES:
                counted = audit.count_exactly()
                self._balance(audit)
            self._tell_anomalies(supervisor, audit)
            if counted and self.ending is Ending.BALANCES:
                supervisor.tell("everything that was sent has arrived, and all counts balance")
                return
            if (now_seen := self._progress(audit)) != seen:
                seen, moved_at = now_seen, now
            if (still := now - moved_at) > self.patience(counted):
                supervisor.tell(f"nothing has moved for {still:.0f} s: giving up")
                return
            if now - told_at >= TELL_SECONDS:
                told_at = now
                supervisor.tell(now_seen if still < TELL_SECONDS else self.reason(counted, still) or now_seen)
        self.stopped = True

    def _balance(self, audit: Audit) -> None:
        if audit.stored:
            self.entries = balance(self._sent, audit)
            self.findings = findings(audit.published.labels, audit.published.raised(), self._slack)

    def patience(self, counted: bool) -> float:
        """Return for how many seconds nothing may move: long where something is known to be waited for.

        Args:
            counted: Kafka and MongoDB could be asked.
        """
        waits = not counted or (self.complete and waits_for_store(self.entries))
        return STORE_SECONDS if waits else STALLED_SECONDS

    def reason(self, counted: bool, still: float) -> str:
        """Say what is waited for while nothing moves; empty if nothing is known.

        Args:
            counted: Kafka and MongoDB could be asked.
            still: Seconds since something moved.
        """
        if not counted:
            return f"waiting for Kafka or MongoDB, which have not answered for {still:.0f} s"
        if self.complete and waits_for_store(self.entries):
            return (
                f"waiting for MongoDB, which has taken nothing for {still:.0f} s: {not_stored(self.entries):,} "
                "documents are in Kafka and not stored yet"
            )
        return ""

    def _progress(self, audit: Audit) -> str:
        published, sensors = audit.published, CATALOGUE.of(Reading).collection
        windows = CATALOGUE.of(Aggregate).documents_of(published.of(Aggregate))
        raised = CATALOGUE.of(Anomaly).documents_of(published.of(Anomaly))
        return (
            f"{audit.log.distinct:,} of {self._sent.readings:,} readings in Kafka, "
            f"{audit.stored.get(sensors, 0):,} in MongoDB, {windows:,} windows closed, "
            f"{raised:,} anomalies raised, {len(published.of(DeadLetter)):,} dead letters"
        )

    def _tell_anomalies(self, supervisor: Supervisor, audit: Audit) -> None:
        for place, value in audit.published.of(Anomaly).items():
            if place not in self._told:
                self._told.add(place)
                anomaly = decode_as(Anomaly, value)
                if anomaly.sensor_id == WATERFLOW:
                    supervisor.tell(sentence(anomaly))
