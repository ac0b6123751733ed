"""Rebuild tables and results from the log, after the code or a setting of windows or detection has changed.

Faust's own ``reset`` deletes local files only: the changelogs would restore the old state, and the committed offsets
would skip the readings. A reset does all of it, in an order in which an interruption does no harm:

    1. results, where asked for   topics emptied, documents deleted     they will be emitted anew
    2. offsets of `readings`      back to the oldest record             old rows would recognise what is read again
       of topics of its own       to the end                            what was in them comes again
    3. changelogs, local files    deleted                               now nothing recognises it
    4. rules in force before      into the changelogs that have them    what retention has deleted counts on

One table alone may be rebuilt: the rows of the others recognise what is read again, and skip it.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from agents.lane.core.stage import Stage
from agents.rule_rows import changelogs_with_rules, put_rules_before
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.errors import ConfigurationError
from streams.records.alarm_records import Action, AlarmInput
from streams.records.catalogue import CATALOGUE
from streams.records.claims import REBUILD
from streams.records.peer_records import PeerInput
from streams.records.record_type import Catalogue, Maker, TopicSpec
from streams.records.types import Anomaly, GroupBucket, Label, Reading

_GOODBYE_SECONDS = 3.0
_SOURCES: dict[Maker, tuple[type[msgspec.Struct], ...]] = {
    Maker.WORKER: (Reading, AlarmInput),
    Maker.ANALYSIS: (Reading, Anomaly, Label),
}
_OWN: dict[Maker, tuple[type[msgspec.Struct], ...]] = {
    Maker.WORKER: (PeerInput,),
    Maker.ANALYSIS: (GroupBucket,),
}
_MERGED: dict[Maker, tuple[type[msgspec.Struct], ...]] = {Maker.WORKER: (Action,), Maker.ANALYSIS: ()}
"""What people did is in `alarm-inputs` already: it is read again only if that is made anew."""


@dataclass(frozen=True)
class Application:
    """What a reset must know of an application.

    Args:
        sources: Topics that its tables are made of.
        own: Topics that its tables are made of, too, and that it writes itself.
        merged: Topics that are read again only if results are deleted: one of these has their records.
        results: Topics that it writes.
        collections: Where MongoDB keeps these.
        tables: Whose changelogs to delete; empty for all.
    """

    sources: tuple[TopicSpec, ...]
    own: tuple[TopicSpec, ...]
    merged: tuple[TopicSpec, ...]
    results: tuple[TopicSpec, ...]
    collections: tuple[str, ...]
    tables: tuple[str, ...] = ()

    @classmethod
    def of(cls, maker: Maker, catalogue: Catalogue = CATALOGUE) -> "Application":
        """Find an application's topics and collections in the catalogue."""
        made = catalogue.made_by(maker)
        return cls(
            sources=tuple(catalogue.of(kind).topic for kind in _SOURCES[maker]),
            own=tuple(catalogue.of(kind).topic for kind in _OWN[maker]),
            merged=tuple(catalogue.of(kind).topic for kind in _MERGED[maker]),
            results=tuple(each.topic for each in made),
            collections=tuple(each.collection for each in made if each.kept is not None),
        )

    def only(self, stages: Sequence[Stage[Any, Any, Any, Any]], tables: Sequence[str]) -> "Application":
        """Return what concerns some of its tables: what they are made of, and what is made of them alone.

        Made anew with them is what reads, or writes, a topic between tables that they write.

        Args:
            stages: Those of the application.
            tables: Names of tables.

        Raises:
            ConfigurationError: If it has no such table.
        """
        known = {stage.table: stage for stage in stages}
        if unknown := sorted(set(tables) - known.keys()):
            raise ConfigurationError(f"no table {unknown[0]!r}: choose from {', '.join(known)}")
        chosen = _with_those_that_depend(stages, set(tables))
        written = {each.kind.topic.name for stage in chosen for each in stage.writes}
        own = [topic for topic in self.own if topic.name in written]
        results = [each.kind for stage in chosen for each in stage.writes if each.kind.topic in self.results]
        sources = {stage.reads.topic.name: stage.reads.topic for stage in chosen}
        return Application(
            sources=tuple(topic for topic in sources.values() if topic not in (*own, *self.merged)),
            own=tuple(own),
            merged=tuple(topic for topic in self.merged if topic.name in sources),
            results=tuple({each.topic.name: each.topic for each in results}.values()),
            collections=tuple({each.collection for each in results if each.kept is not None}),
            tables=tuple(stage.table for stage in chosen),
        )


@dataclass(frozen=True)
class Reset:
    """What a reset will do.

    Args:
        settings: Of the application.
        group: Its consumer group.
        offsets: By source topic and partition: what is committed, and the oldest record.
        ends: By topic that is not read again, and partition: from where it is read on.
        changelogs: Topics to delete.
        folder: Local files to delete; ``None`` if there are none.
        results: Records to delete, by topic and partition: everything before this offset. Empty: keep results.
        documents: Documents to delete, by collection.
        records: How many records the results are.
    """

    settings: Settings
    group: str
    offsets: dict[str, dict[int, tuple[int, int]]]
    ends: dict[str, dict[int, int]]
    changelogs: list[str]
    folder: Path | None
    results: dict[str, dict[int, int]]
    documents: dict[str, int]
    records: int

    @classmethod
    def plan(
        cls, settings: Settings, *, results: bool, analysis: bool = False, tables: Sequence[str] = ()
    ) -> "Reset":
        """Find out what there is to reset; changes nothing.

        Args:
            settings: Of the application.
            results: Delete results, too: under other settings of windows the old ones would stay beside the new.
            analysis: Of model analysis instead of the worker.
            tables: Only these; empty for all.

        Raises:
            ConfigurationError: If workers are running, or there is no such table.
            TransientError: If Kafka or MongoDB cannot be reached.
        """
        application = Application.of(Maker.ANALYSIS if analysis else Maker.WORKER)
        if tables:
            application = application.only(stages_of(settings, analysis=analysis), tables)
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
            existing = admin.topics(settings.kafka.namespace)
            read = {
                topic: _offsets(log, group, topic)
                for topic in map(_named(settings), (*application.sources, *application.merged))
                # Those of alarms are missing where the worker is of a release that had none.
                if topic in existing or topic == settings.topic(CATALOGUE.of(Reading).topic.name)
            }
            last = {
                topic: _ends(log, topic)
                for topic in map(_named(settings), application.own)
                if topic in existing  # not that of peers where the worker is of a release that had none
            }
            for topic in map(_named(settings), () if results else application.merged):
                if topic in read:
                    last[topic] = {each: committed for each, (committed, _) in read.pop(topic).items()}
            for name in map(_named(settings), application.results) if results else ():
                ends = {each: log.ends(name, each) for each in existing.get(name, ())}
                emptied[name] = {each: high for each, (_, high) in ends.items()}
                records += sum(high - low for low, high in ends.values())
                if name in read:  # a result that is read, too: from where it will begin
                    read[name] = {each: (read[name][each][0], high) for each, high in emptied[name].items()}
        documents = {}
        if results and settings.worker.sinks:
            from bridges.mongo.mongo_admin import count_documents

            documents = count_documents(settings, application.collections)
        folder = Path(settings.analysis.data_dir if analysis else settings.worker.data_dir)
        return cls(
            settings=settings,
            group=group,
            offsets=read,
            ends=last,
            changelogs=[
                name
                for name in existing
                if name.startswith(f"{own}-")
                and name.endswith("-changelog")
                and (
                    not application.tables
                    or name in {f"{own}-{table}-changelog" for table in application.tables}
                )
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
            if self.settings.worker.sinks and before:  # what was deleted for this is nothing that they miss
                admin.set_offsets(self.group, topic, before, REBUILD)
        if self.documents:
            from bridges.mongo.mongo_admin import delete_documents

            delete_documents(self.settings, tuple(self.documents))
        for topic, offsets in self.offsets.items():
            lows = {partition: low for partition, (_, low) in offsets.items()}
            admin.set_offsets(self.group, topic, lows, REBUILD)
        for topic, ends in self.ends.items():
            admin.set_offsets(self.group, topic, ends, REBUILD)
        admin.delete_topics(self.changelogs)
        readings = self.offsets.get(self.settings.topic(CATALOGUE.of(Reading).topic.name), {})
        begins = {partition: low for partition, (_, low) in readings.items()}
        put_rules_before(self.settings, begins, self._begin_anew(admin))
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _begin_anew(self, admin: KafkaAdmin) -> list[str]:
        """List the changelogs with rules of the worker that are gone: now, or in a reset that was interrupted."""
        of_worker = self.group == f"{self.settings.kafka.namespace}{self.settings.worker.application}"
        return [
            changelog
            for changelog in changelogs_with_rules(self.settings)
            if changelog in self.changelogs or (of_worker and changelog not in admin.topics(changelog))
        ]


def _with_those_that_depend(
    stages: Sequence[Stage[Any, Any, Any, Any]], tables: set[str]
) -> list[Stage[Any, Any, Any, Any]]:
    read = {stage.reads.topic.name for stage in stages}
    while True:
        chosen = [stage for stage in stages if stage.table in tables]
        between = {each.kind.topic.name for stage in chosen for each in stage.writes} & read
        depend = {
            stage.table
            for stage in stages
            if stage.reads.topic.name in between
            or any(each.kind.topic.name in between for each in stage.writes)
        }
        if depend <= tables:
            return chosen
        tables = tables | depend


def stages_of(settings: Settings, *, analysis: bool) -> list[Stage[Any, Any, Any, Any]]:
    """List the stages of model analysis, or of the worker."""
    if analysis:
        from agents.analysis.compare_groups import group_stage
        from agents.analysis.keep_marks import anomaly_mark_stage, label_mark_stage
        from agents.analysis.learn_series import series_stage

        return [series_stage(settings), group_stage(), anomaly_mark_stage(), label_mark_stage()]
    from agents.stages.aggregate import window_stage
    from agents.stages.alarm import alarm_stage
    from agents.stages.compare_peers import peer_stage
    from agents.stages.detect import model_stage
    from agents.stages.take_actions import action_stage

    return [
        window_stage(settings),
        model_stage(settings),
        action_stage(),
        alarm_stage(settings),
        *([peer_stage(settings)] if settings.peer_plan().used else ()),
    ]


def _named(settings: Settings) -> Callable[[TopicSpec], str]:
    return lambda spec: settings.topic(spec.name)


def _offsets(log: Log, group: str, topic: str) -> dict[int, tuple[int, int]]:
    """Return by partition what the group has committed, and the oldest record."""
    partitions = log.partitions_of(topic)
    committed = log.committed(group, topic, partitions)
    return {each: (committed[each], log.ends(topic, each)[0]) for each in partitions}


def _ends(log: Log, topic: str) -> dict[int, int]:
    """Return by partition the offset after the newest record."""
    return {each: log.ends(topic, each)[1] for each in log.partitions_of(topic)}
