"""Fetch the jars that Apache Kafka is made of, once, and check every one against its locked SHA-256.

``kafka.lock`` beside this file names them, so that a start needs no dependency resolution (14 s of small
requests) and always runs the same bytes. ``python -m bridges.stack.jars`` writes it anew, for example after
`KAFKA` was changed here.

A jar counts as there only under its final name: it is downloaded into a staging folder, checked, and renamed,
so a download that was cut off, or two at the same time, leave nothing half done in the cache.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from streams.errors import TransientError

KAFKA = ("org.apache.kafka:kafka_2.13:4.1.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3")
LOCK_FILE = Path(__file__).with_name("kafka.lock")
PARALLEL = 8


def downloads_dir() -> Path:
    """Return the folder of downloads, one per user: ``$WEIR_HOME``, by default ``~/.cache/weir``."""
    if home := os.environ.get("WEIR_HOME"):
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weir"


def kafka_jars(say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Return the jars of the locked Kafka, downloading those that are not there yet.

    Args:
        say: Called with a line of progress, only when something has to be downloaded.

    Raises:
        TransientError: If a jar cannot be downloaded, or does not have the locked checksum.
    """
    return locked_jars(LOCK_FILE, downloads_dir() / "kafka-jars", say)


def locked_jars(lock: Path, jars: Path, say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Return the jars of a lock file in a folder, downloading those that are not there yet.

    Args:
        lock: Written by `write_lock`.
        jars: Where the jars are kept.
        say: Called with a line of progress, only when something has to be downloaded.

    Raises:
        TransientError: If a jar cannot be downloaded, or does not have the locked checksum.
    """
    locked = read_lock(lock)
    missing = [(coordinate, sha256) for coordinate, sha256 in locked if not _path(jars, coordinate).exists()]
    if missing:
        jars.mkdir(parents=True, exist_ok=True)
        say(f"downloading Apache Kafka: {len(missing)} jars (once; kept in {jars})")
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=jars) as staging:
            context = _maven(Path(staging))
            with ThreadPoolExecutor(PARALLEL) as pool:
                for job in [pool.submit(_fetch, context, jars, *item) for item in missing]:
                    job.result()
    return [_path(jars, coordinate) for coordinate, _ in locked]


def read_lock(path: Path) -> list[tuple[str, str]]:
    """Return the ``group:artifact:version`` coordinates and their SHA-256 from a lock file."""
    lines = (
        line.split() for line in path.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")
    )
    return [(coordinate, sha256) for coordinate, sha256 in lines]


def _path(jars: Path, coordinate: str) -> Path:
    _, artifact, version = coordinate.split(":")
    return jars / f"{artifact}-{version}.jar"


def _maven(repository: Path) -> Any:
    # The resolver written in Python, named explicitly: neither Maven nor Java is needed, whatever the user's
    # own jgo configuration says.
    from jgo.maven import MavenContext, PythonResolver

    return MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=60)


def _fetch(context: Any, jars: Path, coordinate: str, sha256: str) -> None:
    group, artifact, version = coordinate.split(":")
    try:
        path: Path = context.project(group, artifact).at_version(version).artifact().resolve()
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
        raise TransientError(f"cannot download {coordinate}: {error}") from error
    if (got := _sha256(path)) != sha256:
        raise TransientError(f"{coordinate} has SHA-256 {got}, expected {sha256}: the download is damaged")
    path.replace(_path(jars, coordinate))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_lock(path: Path = LOCK_FILE, wanted: Sequence[str] = KAFKA) -> None:
    """Resolve artifacts (`KAFKA`) with all they depend on at run time, and write the lock file."""
    from jgo.parse import Coordinate

    with tempfile.TemporaryDirectory() as repository:
        context = _maven(Path(repository))
        artifacts: dict[tuple[str, str], Any] = {}
        # One by one, the first wins: resolved together, the version management of log4j's parent overrides
        # Kafka's own (seen: kafka-clients 3.8.0 beside a 4.1.1 server).
        for text in wanted:
            roots, transitive = context.resolver.resolve([context.create_dependency(Coordinate.parse(text))])
            for one in (*roots, *(one for one in transitive if one.scope in ("compile", "runtime"))):
                artifacts.setdefault((one.artifact.groupId, one.artifact.artifactId), one.artifact)
        with ThreadPoolExecutor(PARALLEL) as pool:
            paths = list(pool.map(lambda artifact: artifact.resolve(), artifacts.values()))
        lines = sorted(
            f"{a.groupId}:{a.artifactId}:{a.version} {_sha256(jar)}"
            for a, jar in zip(artifacts.values(), paths, strict=True)
        )
    head = "# Jars with their SHA-256, written by `write_lock` of bridges/stack/jars.py.\n"
    path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_lock()
    sys.stdout.write(f"{len(read_lock(LOCK_FILE))} jars locked in {LOCK_FILE}\n")
