"""A rehearsal: the whole worker beside the live one, on the same Kafka and MongoDB, unable to touch what is live.

    live         readings ......................... aggregates, anomalies ......... sensors, anomalies
                    | weir rehearsal start b
    rehearsal    rehearsal-b.readings ▶ worker ▶ rehearsal-b.aggregates, ... ▶ rehearsal-b_sensors, ...

Everything of a rehearsal carries its prefix: topics, consumer group, changelogs, collections, data folder. Dropping it
removes what carries the prefix, and nothing else.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings
from bridges.process.toml_text import toml_of
from bridges.process.written import private_folder
from bridges.sources.kafka_source import Log
from streams.errors import ConfigurationError, TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.peer_records import PeerInput
from streams.records.record_type import Catalogue, Maker, TopicSpec
from streams.records.types import Reading

_NAMESPACE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*\.)+", re.ASCII)
# Without "_" and ".": no name may be the beginning of another's prefix, as "a_" is of "a_b_".
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}", re.ASCII)
_FOR_EVER_DAYS = 36_500.0
_STOP_SECONDS = 30.0
FOLDER = Path(".weir/rehearsals")
_READINGS = CATALOGUE.of(Reading).topic.name


def apart(live: Settings, namespace: str, catalogue: Catalogue = CATALOGUE) -> Settings:
    """Return settings that differ from the live ones in every name that is written to.

    Args:
        live: The settings in force.
        namespace: Prefix of topics and of the application id: letters, digits, ``-`` and ``_``, then a dot.
        catalogue: Which topics and collections there are.

    Raises:
        ConfigurationError: If anything written could have a name of the live system.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise ConfigurationError(
            f"a namespace must be letters, digits, - or _ and end in a dot (rehearsal-b.), got {namespace!r}"
        )
    prefix = namespace.replace(".", "_")
    # Readings keep their ingest time: with the usual retention Kafka would delete old ones at once.
    kafka = live.kafka.model_copy(update={"namespace": namespace, "retention_days": _FOR_EVER_DAYS})
    mongo = live.mongo.model_copy(update={"collection_prefix": prefix})
    settings = live.model_copy(update={"kafka": kafka, "mongo": mongo})
    check_apart(live, settings, catalogue)
    return settings


def check_apart(live: Settings, other: Settings, catalogue: Catalogue = CATALOGUE) -> None:
    """Refuse settings under which anything live could be written to, or be taken for the other's when it is dropped.

    Args:
        live: The settings in force.
        other: Those of the rehearsal.
        catalogue: Which topics and collections there are.

    Raises:
        ConfigurationError: With the names that are the same; or if namespace or prefix of collections is empty.
    """
    namespace, prefix = other.kafka.namespace, other.mongo.collection_prefix
    if not namespace or not prefix:
        raise ConfigurationError(
            "a rehearsal needs a namespace and a prefix of collections: neither may be empty"
        )
    group = f"{live.kafka.namespace}{live.worker.application}"
    taken = [live.topic(spec.name) for spec in catalogue.topics] + [group]
    mine = [name for name in taken if name.startswith(namespace)]
    collections = [f"{live.mongo.collection_prefix}{each.collection}" for each in catalogue.kept]
    mine += [name for name in collections if name.startswith(prefix)]
    if mine:
        raise ConfigurationError(
            f"namespace {namespace!r} belongs to the live system ({', '.join(mine)}): choose another"
        )


@dataclass(frozen=True, slots=True)
class RehearsalStatus:
    """How a rehearsal stands.

    Args:
        name: Its name.
        records: Records in its topics, by plain topic name.
        behind: Readings that its worker has not committed yet.
        worker: Process id of its worker; ``None`` if it does not run.
        views: Address of the worker's web views.
    """

    name: str
    records: dict[str, int]
    behind: int
    worker: int | None
    views: str


@dataclass(slots=True)
class Removed:
    """What dropping a rehearsal removes."""

    topics: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    collections: list[str] = field(default_factory=list)
    folder: Path | None = None


class Rehearsal:
    """One rehearsal by name.

    Args:
        live: The settings in force.
        name: Lower-case letters, digits and ``-``.
        folder: Where rehearsals keep their data.

    Raises:
        ConfigurationError: If the name cannot be one.
    """

    def __init__(self, live: Settings, name: str, folder: Path = FOLDER) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"a rehearsal's name must be up to 31 small letters, digits or -, got {name!r}"
            )
        self.name = name
        self.live = live
        self.settings = apart(live, f"{live.kafka.namespace}rehearsal-{name}.")
        self.folder = (folder / name).resolve()

    @property
    def namespace(self) -> str:
        """Prefix of its topics and its group."""
        return self.settings.kafka.namespace

    @property
    def group(self) -> str:
        """Its worker's consumer group."""
        return f"{self.namespace}{self.settings.worker.application}"

    # -- the worker ------------------------------------------------------------------------------------------------

    def start_worker(self, sections: dict[str, Any] | None = None) -> int:
        """Start its worker in the background, unless it runs; returns its process id.

        Args:
            sections: ``windows`` and ``detection`` that differ from the settings in force.
        """
        if (running := self.worker()) is not None:
            return running
        private_folder(self.folder)
        from bridges.stack.child_process import free_port

        port = free_port()
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "agents", "worker"],
                env=self._environment(port, sections),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C at the terminal that started it is not meant for it
            )
        host = self.live.web.host
        state = {"pid": process.pid, "views": f"http://{host}:{port}", "namespace": self.namespace}
        (self.folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
        return process.pid

    def _environment(self, port: int, sections: dict[str, Any] | None) -> dict[str, str]:
        environment = dict(os.environ)
        if sections is not None:
            # Detection may hold tables, which variables cannot: both sections come from a file.
            for name in list(environment):
                if name.startswith(("WEIR_WINDOWS__", "WEIR_DETECTION__")):
                    del environment[name]
            file = self.folder / "settings.toml"
            file.write_text(_merged_toml(environment.get("WEIR_CONFIG"), sections), encoding="utf-8")
            environment["WEIR_CONFIG"] = str(file)
        kafka, mongo = self.settings.kafka, self.settings.mongo
        return environment | {
            "WEIR_KAFKA__NAMESPACE": kafka.namespace,
            "WEIR_KAFKA__RETENTION_DAYS": str(kafka.retention_days),
            "WEIR_MONGO__COLLECTION_PREFIX": mongo.collection_prefix,
            "WEIR_WORKER__DATA_DIR": str(self.folder / "worker"),
            "WEIR_WORKER__INSTANCE": "",  # a static member would stay in the group after its end
            "WEIR_WEB__PORT": str(port),
        }

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return state

    def worker(self) -> int | None:
        """Return the process id of its worker; ``None`` if it does not run."""
        pid = self._state().get("pid")
        return pid if isinstance(pid, int) and _is_worker_of(pid, self.namespace) else None

    def stop_worker(self) -> None:
        """Stop its worker, if it runs: this process, and no other.

        Raises:
            TransientError: If it does not end.
        """
        pid = self.worker()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while _is_worker_of(pid, self.namespace):
            if time.monotonic() > deadline:
                raise TransientError(f"the worker of rehearsal {self.name} (process {pid}) does not stop")
            _reap(pid)
            time.sleep(0.1)

    def wait_until_consumed(self, tell: Callable[[int, int], None], poll_seconds: float = 0.5) -> None:
        """Wait until its worker has committed every reading.

        Args:
            tell: Told how many readings are done, and of how many.
            poll_seconds: Pause between two looks.

        Raises:
            TransientError: If the worker has ended.
        """
        while True:
            records, behind = self._progress()
            tell(records - behind, records)
            if behind == 0:
                return
            if self.worker() is None:
                raise TransientError(
                    f"the worker of rehearsal {self.name} has ended: see {self.folder / 'worker.log'}"
                )
            time.sleep(poll_seconds)

    def _progress(self) -> tuple[int, int]:
        topic = self.settings.topic(_READINGS)
        with Log(self.settings) as log:
            partitions = log.partitions_of(topic)
            committed = log.committed(self.group, topic, partitions)
            ends = {partition: log.ends(topic, partition) for partition in partitions}
        records = sum(high - low for low, high in ends.values())
        return records, sum(max(0, high - max(low, committed[p])) for p, (low, high) in ends.items())

    # -- all of it -------------------------------------------------------------------------------------------------

    def status(self) -> RehearsalStatus | None:
        """Tell how it stands; ``None`` if there is nothing of it."""
        existing = KafkaAdmin(self.settings).topics(self.namespace)
        if self.settings.topic(_READINGS) not in existing:
            return None
        records = {}
        with Log(self.settings) as log:
            for spec in shown_topics():
                if spec == CATALOGUE.of(PeerInput).topic and not self.settings.peer_plan().used:
                    continue
                topic = self.settings.topic(spec.name)
                ends = [log.ends(topic, partition) for partition in existing.get(topic, ())]
                records[spec.name] = sum(high - low for low, high in ends)
        return RehearsalStatus(
            self.name, records, self._progress()[1], self.worker(), self._state().get("views", "")
        )

    def drop(self) -> Removed:
        """Stop its worker and remove everything that carries its prefix; doing it again changes nothing.

        Raises:
            ConfigurationError: If the prefix is the live system's.
            TransientError: If Kafka or MongoDB cannot be reached: then run it again.
        """
        check_apart(self.live, self.settings)
        self.stop_worker()
        admin = KafkaAdmin(self.settings)
        removed = Removed(
            topics=list(admin.topics(self.namespace)),
            groups=admin.groups(self.namespace),
            folder=self.folder if self.folder.exists() else None,
        )
        admin.delete_topics(removed.topics)
        admin.delete_groups(removed.groups)
        if self.settings.worker.sinks:
            from bridges.mongo.mongo_admin import drop_collections

            removed.collections = drop_collections(self.settings)
        shutil.rmtree(self.folder, ignore_errors=True)
        return removed


def shown_topics(catalogue: Catalogue = CATALOGUE) -> tuple[TopicSpec, ...]:
    """List the topics whose records tell how a rehearsal stands: readings, and what its worker makes of them."""
    return (catalogue.of(Reading).topic, *(each.topic for each in catalogue.made_by(Maker.WORKER)))


def names_of_rehearsals(live: Settings) -> list[str]:
    """List the rehearsals that have topics on Kafka."""
    prefix = f"{live.kafka.namespace}rehearsal-"
    topics = KafkaAdmin(live).topics(prefix)
    return sorted({topic.removeprefix(prefix).split(".")[0] for topic in topics})


def _is_worker_of(pid: int, namespace: str) -> bool:
    """Tell whether a process is the worker of a namespace: process ids are used again."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        return f"WEIR_KAFKA__NAMESPACE={namespace}".encode() in environment.split(b"\0")
    except (ProcessLookupError, PermissionError):
        return False
    except FileNotFoundError:
        if Path("/proc").is_dir():
            return False
    done = subprocess.run(
        ["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False
    )
    return "agents worker" in done.stdout


def _reap(pid: int) -> None:
    """Take leave of the process if it is a child of this one: otherwise it stays as a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _merged_toml(base: str | None, sections: dict[str, Any]) -> str:
    import tomllib

    found: dict[str, Any] = {}
    if base is not None:
        found = tomllib.loads(Path(base).read_text(encoding="utf-8"))
    return toml_of({**found, **sections})
