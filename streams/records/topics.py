"""The catalogue of Kafka topics: what each carries, how it is keyed and how long it is kept."""

from dataclasses import dataclass

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One Kafka topic.

    Args:
        name: The name without the namespace prefix.
        key: What the record key is; all keys are UTF-8 text.
        holds: The record type in `streams.records.types`.
        retention_ms: How long records are kept; ``-1`` keeps them for ever.
        compacted: Keep the newest record of each key instead of deleting by age.
    """

    name: str
    key: str
    holds: str
    retention_ms: int
    compacted: bool = False


READINGS = TopicSpec("readings", "sensor id (none for a tick)", "Reading | Tick", 30 * DAY_MS)
AGGREGATES = TopicSpec("aggregates", "sensor id", "Aggregate", 30 * DAY_MS)
ANOMALIES = TopicSpec("anomalies", "sensor id", "Anomaly", -1)
LATE_READINGS = TopicSpec("late-readings", "sensor id", "LateReading", 30 * DAY_MS)
DEAD_LETTERS = TopicSpec("dead-letters", "where it came from", "DeadLetter", 90 * DAY_MS)
LABELS = TopicSpec("labels", "sensor id", "Label", -1)
INSIGHTS = TopicSpec("insights", "sensor id", "Insight", 30 * DAY_MS)
GROUP_BUCKETS = TopicSpec("group-buckets", "group of sensors", "GroupBucket", 2 * DAY_MS)

ALL_TOPICS = (READINGS, AGGREGATES, ANOMALIES, LATE_READINGS, DEAD_LETTERS, LABELS, INSIGHTS, GROUP_BUCKETS)
