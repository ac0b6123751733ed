"""Rebuild tables and results from the log, after the code or a setting of windows or detection has changed.

Faust's own ``reset`` deletes local files only: the changelogs would restore the old state, and the committed offsets
would skip the readings. A reset does all of it, in an order in which an interruption does no harm:

    1. results, where asked for   topics emptied, documents deleted     they will be emitted anew
    2. offsets of `readings`      back to the oldest record             old rows would recognise what is read again
    3. changelogs, local files    deleted                               now nothing recognises it
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from bridges.kafka_admin import KafkaAdmin
from bridges.settings import Settings
from bridges.sources.kafka import Log
from streams.errors import ConfigurationError
from streams.topics import AGGREGATES, ANOMALIES, LATE_READINGS, READINGS

_RESULTS = (AGGREGATES, ANOMALIES, LATE_READINGS)
_GOODBYE_SECONDS = 3.0
_COLLECTIONS = ("aggregates", "anomalies", "late_readings")


@dataclass(frozen=True)
class Reset:
    """What a reset will do.

    Args:
        settings: Of the application.
        group: Its consumer group.
        offsets: Of `readings`: by partition what is committed, and the oldest record.
        changelogs: Topics to delete.
        folder: Local files to delete; ``None`` if there are none.
        results: Records to delete, by topic and partition: everything before this offset. Empty: keep results.
        documents: Documents to delete, by collection.
        records: How many records the results are.
    """

    settings: Settings
    group: str
    offsets: dict[int, tuple[int, int]]
    changelogs: list[str]
    folder: Path | None
    results: dict[str, dict[int, int]]
    documents: dict[str, int]
    records: int

    @classmethod
    def plan(cls, settings: Settings, *, results: bool) -> "Reset":
        """Find out what there is to reset; changes nothing.

        Args:
            settings: Of the application.
            results: Delete results, too: under other settings of windows the old ones would stay beside the new.

        Raises:
            ConfigurationError: If workers are running.
            TransientError: If Kafka or MongoDB cannot be reached.
        """
        group = f"{settings.kafka.namespace}{settings.worker.application}"
        admin = KafkaAdmin(settings)
        if members := admin.members_left(group, settings.worker.session_timeout_seconds + _GOODBYE_SECONDS):
            raise ConfigurationError(
                f"{members} workers of {group} are running: stop them, or they would write the old state again"
            )
        topic = settings.topic(READINGS.name)
        emptied: dict[str, dict[int, int]] = {}
        records = 0
        with Log(settings) as log:
            partitions = log.partitions_of(topic)
            committed = log.committed(group, topic, partitions)
            offsets = {each: (committed[each], log.ends(topic, each)[0]) for each in partitions}
            existing = admin.topics(settings.kafka.namespace)
            for name in (settings.topic(spec.name) for spec in _RESULTS) if results else ():
                ends = {each: log.ends(name, each) for each in existing.get(name, ())}
                emptied[name] = {each: high for each, (_, high) in ends.items()}
                records += sum(high - low for low, high in ends.values())
        documents = {}
        if results and settings.worker.sinks:
            from bridges.mongo_admin import count_documents

            documents = count_documents(settings, _COLLECTIONS)
        folder = Path(settings.worker.data_dir)
        return cls(
            settings=settings,
            group=group,
            offsets=offsets,
            changelogs=[
                name for name in existing if name.startswith(f"{group}-") and name.endswith("-changelog")
            ],
            folder=folder if folder.exists() else None,
            results=emptied,
            documents=documents,
            records=records,
        )

    def describe(self) -> list[str]:
        """Tell in words what will be done, in its order."""
        again = sum(max(0, committed - low) for committed, low in self.offsets.values())
        lines = []
        if self.results:
            lines.append(f"delete {self.records:,} records of {', '.join(self.results)}")
        if self.documents:
            counts = ", ".join(f"{count:,} of {name}" for name, count in self.documents.items())
            lines.append(f"delete documents of MongoDB: {counts}")
        lines.append(
            f"set the offsets of group {self.group} back to the oldest record: {again:,} records will be read again"
        )
        lines.append(f"delete changelogs: {', '.join(self.changelogs) or 'there are none'}")
        if self.folder is not None:
            lines.append(f"delete local files in {self.folder}")
        if not self.results:
            lines.append("keep results: those that come out the same have the same ids and stay single")
        return lines

    def run(self) -> None:
        """Do it; may be run again after an interruption.

        Raises:
            TransientError: If Kafka or MongoDB cannot be reached.
        """
        admin = KafkaAdmin(self.settings)
        for topic, before in self.results.items():
            admin.delete_records(topic, before)
        if self.documents:
            from bridges.mongo_admin import delete_documents

            delete_documents(self.settings, tuple(self.documents))
        oldest = {partition: low for partition, (_, low) in self.offsets.items()}
        admin.set_offsets(self.group, self.settings.topic(READINGS.name), oldest)
        admin.delete_topics(self.changelogs)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
