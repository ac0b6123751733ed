"""Rebuild tables and results from the log, after the code or a setting of windows or detection has changed.

Faust's own ``reset`` deletes local files only: the changelogs would restore the old state, and the committed offsets
would skip the readings. A reset does all of it, in an order in which an interruption does no harm:

    1. results, where asked for   topics emptied, documents deleted     they will be emitted anew
    2. offsets of `readings`      back to the oldest record             old rows would recognise what is read again
    3. changelogs, local files    deleted                               now nothing recognises it
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.errors import ConfigurationError
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import Catalogue, Maker, TopicSpec
from streams.records.types import Anomaly, Label, Reading

_GOODBYE_SECONDS = 3.0
_SOURCES: dict[Maker, tuple[type[msgspec.Struct], ...]] = {
    Maker.WORKER: (Reading,),
    Maker.ANALYSIS: (Reading, Anomaly, Label),
}


@dataclass(frozen=True)
class Application:
    """What a reset must know of an application.

    Args:
        sources: Topics that its tables are made of.
        results: Topics that it writes.
        collections: Where MongoDB keeps these.
    """

    sources: tuple[TopicSpec, ...]
    results: tuple[TopicSpec, ...]
    collections: tuple[str, ...]

    @classmethod
    def of(cls, maker: Maker, catalogue: Catalogue = CATALOGUE) -> "Application":
        """Find an application's topics and collections in the catalogue."""
        made = catalogue.made_by(maker)
        return cls(
            sources=tuple(catalogue.of(kind).topic for kind in _SOURCES[maker]),
            results=tuple(each.topic for each in made),
            collections=tuple(each.collection for each in made if each.kept is not None),
        )


@dataclass(frozen=True)
class Reset:
    """What a reset will do.

    Args:
        settings: Of the application.
        group: Its consumer group.
        offsets: By source topic and partition: what is committed, and the oldest record.
        changelogs: Topics to delete.
        folder: Local files to delete; ``None`` if there are none.
        results: Records to delete, by topic and partition: everything before this offset. Empty: keep results.
        documents: Documents to delete, by collection.
        records: How many records the results are.
    """

    settings: Settings
    group: str
    offsets: dict[str, dict[int, tuple[int, int]]]
    changelogs: list[str]
    folder: Path | None
    results: dict[str, dict[int, int]]
    documents: dict[str, int]
    records: int

    @classmethod
    def plan(cls, settings: Settings, *, results: bool, analysis: bool = False) -> "Reset":
        """Find out what there is to reset; changes nothing.

        Args:
            settings: Of the application.
            results: Delete results, too: under other settings of windows the old ones would stay beside the new.
            analysis: Of model analysis instead of the worker.

        Raises:
            ConfigurationError: If workers are running.
            TransientError: If Kafka or MongoDB cannot be reached.
        """
        application = Application.of(Maker.ANALYSIS if analysis else Maker.WORKER)
        names = (settings.worker.application, settings.analysis.application)
        own, other = (
            f"{settings.kafka.namespace}{name}" for name in (reversed(names) if analysis else names)
        )
        group = own
        admin = KafkaAdmin(settings)
        if members := admin.members_left(group, settings.worker.session_timeout_seconds + _GOODBYE_SECONDS):
            raise ConfigurationError(
                f"{members} workers of {group} are running: stop them, or they would write the old state again"
            )
        emptied: dict[str, dict[int, int]] = {}
        records = 0
        with Log(settings) as log:
            offsets = {
                topic: _offsets(log, group, topic) for topic in map(_named(settings), application.sources)
            }
            existing = admin.topics(settings.kafka.namespace)
            for name in map(_named(settings), application.results) if results else ():
                ends = {each: log.ends(name, each) for each in existing.get(name, ())}
                emptied[name] = {each: high for each, (_, high) in ends.items()}
                records += sum(high - low for low, high in ends.values())
        documents = {}
        if results and settings.worker.sinks:
            from bridges.mongo.mongo_admin import count_documents

            documents = count_documents(settings, application.collections)
        folder = Path(settings.analysis.data_dir if analysis else settings.worker.data_dir)
        return cls(
            settings=settings,
            group=group,
            offsets=offsets,
            changelogs=[
                name
                for name in existing
                if name.startswith(f"{own}-")
                and name.endswith("-changelog")
                # `weir-analysis-…` begins like `weir-…`.
                and not (other.startswith(f"{own}-") and name.startswith(f"{other}-"))
            ],
            folder=folder if folder.exists() else None,
            results=emptied,
            documents=documents,
            records=records,
        )

    def describe(self) -> list[str]:
        """Tell in words what will be done, in its order."""
        again = sum(
            max(0, committed - low) for each in self.offsets.values() for committed, low in each.values()
        )
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
            from bridges.mongo.mongo_admin import delete_documents

            delete_documents(self.settings, tuple(self.documents))
        for topic, offsets in self.offsets.items():
            admin.set_offsets(self.group, topic, {partition: low for partition, (_, low) in offsets.items()})
        admin.delete_topics(self.changelogs)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _named(settings: Settings) -> Callable[[TopicSpec], str]:
    return lambda spec: settings.topic(spec.name)


def _offsets(log: Log, group: str, topic: str) -> dict[int, tuple[int, int]]:
    """Return by partition what the group has committed, and the oldest record."""
    partitions = log.partitions_of(topic)
    committed = log.committed(group, topic, partitions)
    return {each: (committed[each], log.ends(topic, each)[0]) for each in partitions}
