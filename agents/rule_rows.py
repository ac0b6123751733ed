"""Rules for a table of models that is about to be built anew: those in force where its log begins.

A change of rules stands in the log, and in the rows. Where retention has deleted it from the log, and a reset the rows,
or where a topic has got new partitions, the row of rules is written before a worker begins.
"""

from collections.abc import Mapping

from agents.lane.core.changelog import KeyValue
from agents.stages.detect import model_stage
from bridges.kafka.clients import ensure_topics
from bridges.kafka.connecting import connect_writer
from bridges.process.settings import Settings
from bridges.sources.rule_history import rule_history
from streams.detection.log_rules import put_in_force
from streams.detection.sensor_models import SensorModels
from streams.errors import TransientError
from streams.records.rows import Row
from streams.records.rule_records import RuleChange
from streams.rules.rule_changes import in_force_before

_SECONDS = 60.0


def models_changelog(settings: Settings) -> str:
    """Return the name of the changelog of the worker's models."""
    return f"{settings.kafka.namespace}{settings.worker.application}-{model_stage(settings).table}-changelog"


def put_rules_before(settings: Settings, begins: Mapping[int, int]) -> int:
    """Write the rules in force where partitions of `readings` begin into the changelog of models, which is empty there.

    Args:
        settings: Of the worker, which must not run.
        begins: Partition -> the offset from which it will be read.

    Returns:
        In how many of them there are any.

    Raises:
        TransientError: If Kafka cannot be reached, or does not take them.
    """
    history = rule_history(settings)
    found = {each: in_force_before(history, each, begin) for each, begin in begins.items()}
    records = [
        (partition, record)
        for partition, place in sorted(found.items())
        if place is not None
        for record in _row_of_rules(settings, place)
    ]
    if not records:
        return 0
    changelog = models_changelog(settings)
    ensure_topics(settings, [changelog])
    producer = connect_writer(settings)
    for partition, (key, value) in records:
        producer.produce(changelog, value, key, partition)
    if producer.flush(_SECONDS):
        raise TransientError(f"Kafka did not take the rules in force into {changelog}: run it again")
    return len({partition for partition, _ in records})


def _row_of_rules(settings: Settings, place: tuple[int, RuleChange]) -> list[KeyValue]:
    rows: dict[str, Row[SensorModels]] = {}
    put_in_force(rows, *place)
    return model_stage(settings).form.records(rows)
