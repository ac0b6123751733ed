"""Kafka Streams, beside which the worker is measured: its locked jars, and its program compiled by a JDK.

``python -m tests.support.kafka_streams`` writes the lock file anew, for example after `WANTED` was changed here.
"""

import os
import shutil
import subprocess
from pathlib import Path

from bridges.stack.jars import downloads_dir, locked_jars, write_lock

WANTED = ("org.apache.kafka:kafka-streams:4.1.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3")
PEERS = Path(__file__).parents[1] / "benchmarks" / "peers"
LOCK_FILE = PEERS / "kafka-streams.lock"
SOURCE = PEERS / "KafkaStreamsWindows.java"
Command = list[str | Path]


def compiled(classes: Path, state: Path) -> Command | None:
    """Compile the program; returns the command that runs it, or ``None`` if there is no JDK.

    The JDK, of Java 17 or later, is that of ``JAVA_HOME``, or else the one on ``PATH``.

    Args:
        classes: Folder for what is compiled.
        state: Folder for what the program keeps on disk while it runs.
    """
    javac = _javac()
    if javac is None:
        return None
    jars = [str(jar) for jar in locked_jars(LOCK_FILE, downloads_dir() / "kafka-jars", print)]
    subprocess.run([javac, "-d", classes, "-cp", os.pathsep.join(jars), SOURCE], check=True)
    classpath = os.pathsep.join((str(classes), *jars))
    return [javac.with_name("java"), f"-Djava.io.tmpdir={state}", "-cp", classpath, SOURCE.stem]


def _javac() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    found = (home and shutil.which("javac", path=Path(home) / "bin")) or shutil.which("javac")
    return Path(found).resolve() if found else None  # resolved: the java beside it is of the same JDK


if __name__ == "__main__":
    write_lock(LOCK_FILE, WANTED)
