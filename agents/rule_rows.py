"""Rules for tables that are about to be built anew: those in force where their log begins.

A change of rules stands in the log, and in the rows of models and, where one compares peers, of windows. Where
retention has deleted it from the log, and a reset the rows, or where a topic has got new partitions, the row of rules
is written before a worker begins.
"""

from collections.abc import Callable, Collection, Mapping

from agents.lane.core.changelog import KeyValue
from agents.stages.aggregate import window_stage
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
from streams.windows.sensor_windows import SensorWindows
from streams.windows.window_rules import put_among_windows

_SECONDS = 60.0
_Place = tuple[int, RuleChange]


def changelogs_with_rules(settings: Settings) -> list[str]:
    """Return the names of the changelogs of the worker that have a row of rules."""
    return [*_rows_of_rules(settings)]


def put_rules_before(settings: Settings, begins: Mapping[int, int], changelogs: Collection[str]) -> int:
    """Write the rules in force where partitions of `readings` begin into changelogs that are empty there.

    Args:
        settings: Of the worker, which must not run.
        begins: Partition -> the offset from which it will be read.
        changelogs: Some of `changelogs_with_rules`.

    Returns:
        In how many of them there are any.

    Raises:
        TransientError: If Kafka cannot be reached, or does not take them.
    """
    history = rule_history(settings) if changelogs else []
    found = {each: in_force_before(history, each, begin) for each, begin in begins.items()}
    makers = _rows_of_rules(settings)
    records = [
        (changelog, partition, record)
        for changelog in sorted(changelogs)
        for partition, place in sorted(found.items())
        if place is not None
        for record in makers[changelog](place)
    ]
    if not records:
        return 0
    ensure_topics(settings, sorted(changelogs))
    producer = connect_writer(settings)
    for changelog, partition, (key, value) in records:
        producer.produce(changelog, value, key, partition)
    if producer.flush(_SECONDS):
        raise TransientError(f"Kafka did not take the rules in force into {changelogs}: run it again")
    return len({partition for _, partition, _ in records})


def _rows_of_rules(settings: Settings) -> dict[str, Callable[[_Place], list[KeyValue]]]:
    def of_models(place: _Place) -> list[KeyValue]:
        rows: dict[str, Row[SensorModels]] = {}
        put_in_force(rows, *place)
        return model_stage(settings).form.records(rows)

    def of_windows(place: _Place) -> list[KeyValue]:
        rows: dict[str, Row[SensorWindows]] = {}
        put_among_windows(rows, *place)
        return window_stage(settings).form.records(rows)

    begin = f"{settings.kafka.namespace}{settings.worker.application}-"
    return {
        f"{begin}{model_stage(settings).table}-changelog": of_models,
        f"{begin}{window_stage(settings).table}-changelog": of_windows,
    }
