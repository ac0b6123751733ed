"""List anomalies from the log, each as it stands now."""

from bridges.looking.log_search import LogSearch, Searched
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.types import Anomaly

_ANOMALIES = CATALOGUE.of(Anomaly)


def list_anomalies(
    settings: Settings, since: float | None, progress: Searched = lambda done, total: None
) -> tuple[list[Anomaly], int]:
    """Return the anomalies of which something was told since a time, as they were told last, and what cannot be read.

    Args:
        settings: Where Kafka is.
        since: Ingest time (seconds since the Unix epoch); ``None``: all that the log has.
        progress: Told how many records of how many have been read.

    Returns:
        By the time at which they were raised; how many records of the topic could not be read.

    Raises:
        ConfigurationError: If there is no such topic.
        TransientError: If Kafka does not answer.
    """
    found: dict[str, Anomaly] = {}
    unreadable = 0
    topic = _ANOMALIES.topic.name
    with Log(settings) as log:
        search = LogSearch(settings, log, progress)
        for message in search.messages(topic, search.partitions(topic), since):
            try:
                change = _ANOMALIES.read(message.value() or b"")
            except InputError:
                unreadable += 1
                continue
            known = found.get(change.id)
            if known is None or change.changed_at >= known.changed_at:
                found[change.id] = change
    return sorted(found.values(), key=lambda each: (each.raised_at, each.id)), unreadable
