"""Recorded readings, wherever they are: Kafka, MongoDB, or files.

base.py     what every source gives, and the selection of sensors and times
kafka.py    `readings`, by assigned partitions and offsets fixed at the start
mongo.py    collection `sensors`
files.py    CSV (folders, too: the Numenta Anomaly Benchmark), JSON lines, Parquet
labels.py   ground truth from CSV, JSON, Kafka or MongoDB
"""

from pathlib import Path

from bridges.process.settings import Settings
from bridges.sources import recorded_source as recorded
from bridges.sources.source import Selection, Source
from streams.errors import ConfigurationError

__all__ = ["Selection", "Source", "open_source"]


def open_source(
    name: str, settings: Settings, selection: Selection, *, allow_missing: bool = False
) -> Source:
    """Open a source by the name given on the command line.

    Args:
        name: ``kafka``, ``mongo``, ``waterflow``, or the path of a file or folder.
        settings: Where Kafka and MongoDB are.
        selection: What is wanted.
        allow_missing: Read what is left of a range whose beginning Kafka's retention has deleted.

    Raises:
        ConfigurationError: If there is no such source.
        TransientError: If it cannot be reached.
    """
    if name == "kafka":
        from bridges.sources.kafka_source import KafkaSource

        return KafkaSource.open(settings, selection, allow_missing=allow_missing)
    if name == "mongo":
        from bridges.sources.mongo_source import MongoSource

        return MongoSource(settings, selection)
    if name in recorded.NAMES:
        return recorded.RecordedSource(name, selection)
    path = Path(name)
    if not path.exists():
        raise ConfigurationError(
            f"no source {name!r}: expected kafka, mongo, or the path of a file or folder"
        )
    from bridges.sources.file_source import FileSource

    return FileSource.open(path, selection)
