"""Examine where groups stand: will each go on where its rows, or MongoDB, end, and is the log still theirs?

The same judgement as the workers' own at their start (`streams.records.claims.resume`), made without one.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from pymongo.errors import PyMongoError

from bridges.doctor.diagnosis import Diagnoses, Diagnosis, failure, ok, warning
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.mongo.stored_positions import name_of, noted
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.errors import ConfigurationError, WeirError
from streams.records.alarm_records import Action, AlarmInput
from streams.records.catalogue import CATALOGUE
from streams.records.claims import CLAIM_KEY, Claim, Committed, Imprint, LogState, decode_claim, resume
from streams.records.peer_records import PeerInput
from streams.records.types import Anomaly, GroupBucket, Label, Reading

_NEWEST_RECORDS = 5000
"""How far back a claim is looked for: one is written at each checkpoint, with the rows that changed."""

WORKER_TABLES: dict[type[msgspec.Struct], tuple[str, ...]] = {
    Reading: ("windows", "models"),
    Action: ("taken_actions",),
    AlarmInput: ("alarms",),
    PeerInput: ("peers",),
}
"""The worker's tables, by what they are made of: those of its stages (`agents.rebuilding.stages_of`)."""

ANALYSIS_TABLES: dict[type[msgspec.Struct], tuple[str, ...]] = {
    Reading: ("sensors",),
    GroupBucket: ("groups",),
    Anomaly: ("marked_anomalies",),
    Label: ("marked_labels",),
}
"""Those of model analysis."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A consumer group, and the tables that it keeps.

    Args:
        name: With its namespace.
        tables: Their names, by what they are made of.
        reset: The command that builds them anew.
    """

    name: str
    tables: dict[type[msgspec.Struct], tuple[str, ...]]
    reset: str

    @property
    def rebuild(self) -> str:
        """Return what to do where the log is another one."""
        return (
            f"stop all of its workers, then `{self.reset}` builds the tables anew from the log that is there"
        )


def examine_offsets(settings: Settings) -> Diagnoses:
    """Return what is found for each partition that is not as its group left it; all well is one line."""
    space = settings.kafka.namespace
    groups = (
        _Group(f"{space}{settings.worker.application}", WORKER_TABLES, "weir reset --yes"),
        _Group(f"{space}{settings.analysis.application}", ANALYSIS_TABLES, "weir reset --analysis --yes"),
    )
    with suppress(WeirError), Log(settings) as log:  # that Kafka does not answer is told elsewhere
        existing = KafkaAdmin(settings).topics(space)
        if settings.topic(CATALOGUE.of(Reading).topic.name) not in existing:
            return []
        look = _Look(settings, log, existing)
        found = [each for group in groups for each in look.at_tables(group)]
        found += look.at_the_store(groups[0].name)
        return found or [ok("offsets of groups", "each log is the one that its tables were made of")]
    return []


class _Look:
    """One look at the logs.

    Args:
        settings: Of the system.
        log: What reads it.
        existing: Partitions of each topic that there is.
    """

    def __init__(self, settings: Settings, log: Log, existing: dict[str, list[int]]) -> None:
        self._settings = settings
        self._log = log
        self._existing = existing

    def at_tables(self, group: _Group) -> Iterator[Diagnosis]:
        """Compare the changelogs of a group with the logs that they were made of."""
        for kind, names in group.tables.items():
            topic = self._settings.topic(CATALOGUE.of(kind).topic.name)
            tables = {
                changelog: name
                for name in names
                if (changelog := f"{group.name}-{name}-changelog") in self._existing
            }
            if topic not in self._existing or not tables:
                continue
            committed = self._log.stands(group.name, topic, self._existing[topic])
            for partition in self._existing[topic]:
                stands = committed[partition]
                told = examine_tables(self._log, topic, partition, tables, stands, group.rebuild)
                if told is not None:
                    yield told

    def at_the_store(self, group: str) -> Iterator[Diagnosis]:
        """Compare what MongoDB has with where those that store it stand."""
        if not self._settings.worker.sinks:
            return
        for kind in CATALOGUE.kept:
            topic = self._settings.topic(kind.topic.name)
            partitions = self._existing.get(topic, [])
            committed = self._log.stands(f"{group}-sinks", topic, partitions)
            if not any(committed.values()):
                committed = self._log.stands(group, topic, partitions)
            # Positions are noted before offsets are committed, and asked for after these.
            try:
                positions = noted(self._settings.mongo)
            except PyMongoError:
                return  # told elsewhere
            for partition, at in committed.items():
                stored = positions.get(name_of(topic, partition))
                if (told := examine_stored(self._log, topic, partition, at, stored)) is not None:
                    yield told


def examine_tables(
    log: Log, topic: str, partition: int, tables: dict[str, str], stands: Committed | None, rebuild: str
) -> Diagnosis | None:
    """Compare what is made of a partition with the partition; ``None`` if all is well.

    Args:
        log: What reads it.
        topic, partition: Which.
        tables: Names of the tables that are made of it, by their changelogs.
        stands: Where their group stands; asked for before.
        rebuild: What to do if it is another log.
    """
    claims = {table: _claim(log, changelog, partition) for changelog, table in tables.items()}
    # Asked last: a worker that runs reads on meanwhile, and its claims must not be ahead of what is known of the log.
    begin, end = log.ends(topic, partition)
    name = name_of(topic, partition)
    try:
        found = resume(LogState(name, "", begin, end, stands), claims)
        for imprint in found.expected:
            _compare(log, topic, partition, imprint)
    except ConfigurationError as error:
        return failure(name, str(error), rebuild)
    if found.lost is not None:
        return _lost(name, str(found.lost))
    if found.moved_from is not None and stands is not None:
        text = f"the group's offset {stands.offset} is after offset {found.moved_from}, where the rows end"
        return warning(name, text, "nothing: the worker reads on where the rows end")
    return None


def examine_stored(
    log: Log, topic: str, partition: int, stands: Committed | None, stored: Claim | None
) -> Diagnosis | None:
    """Compare what MongoDB has of a partition with where those that store it stand; ``None`` if all is well.

    Args:
        log: What reads it.
        topic, partition: Which.
        stands: Where the group stands; asked for before.
        stored: What MongoDB notes.
    """
    begin, end = log.ends(topic, partition)
    name = name_of(topic, partition)
    found = resume(LogState(name, "", begin, end, stands), {}, stored)
    if found.made_anew:
        text = (
            f"the log ends at offset {end}, and MongoDB has one of this name up to {stored and stored.next}"
        )
        return warning(name, text, "nothing: the worker reads what is there from its beginning")
    if found.lost is not None and found.lost.offsets > 1:  # a single one may be the marker of a transaction
        return _lost(name, str(found.lost))
    if found.moved_from is not None and stands is not None:
        text = f"the group's offset {stands.offset} is after offset {found.moved_from}, where MongoDB ends"
        return warning(name, text, "nothing: the worker reads on where MongoDB ends")
    if stored is not None and stored.lost:
        lost = "; ".join(map(str, stored.lost))
        return _lost(name, lost)
    return None


def _lost(name: str, lost: str) -> Diagnosis:
    remedy = "they are gone; a longer WEIR_KAFKA__RETENTION_DAYS keeps the next ones"
    return failure(name, f"deleted before they were read: {lost}", remedy)


def _compare(log: Log, topic: str, partition: int, imprint: Imprint) -> None:
    for messages in log.read(topic, partition, imprint.offset, imprint.offset + 1):
        there = messages[0]
        if Imprint.taken(there.offset(), there.timestamp()[1], there.key(), there.value()) != imprint:
            raise ConfigurationError(
                f"another record stands at offset {imprint.offset}: this is not the log that the tables were made of"
            )


def _claim(log: Log, changelog: str, partition: int) -> Claim | None:
    """Return the newest claim of a changelog; ``None`` if the changelog is empty."""
    begin, end = log.ends(changelog, partition)
    if end == 0:
        return None
    newest = Claim()
    for messages in log.read(changelog, partition, max(begin, end - _NEWEST_RECORDS), end):
        for message in messages:
            if message.key() == CLAIM_KEY:
                newest = decode_claim(message.value() or b"")
    return newest
