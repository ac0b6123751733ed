"""Live equals replay for alarms: they follow from `alarm-inputs` alone, which is kept for ever.

    alarm-inputs ──▶ raise_alarms ──▶ recomputed ─┐
    alarms ───────────────────────▶ emitted live ─┴─▶ equal, byte for byte?

What is found comes into `alarm-inputs` from detection, which is compared by itself; what people do and the ticks come
in the order in which the worker took them, which is known from nowhere else.
"""

from collections.abc import Iterator
from typing import Any

from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from bridges.sources.source import Filter, Selection
from streams.alarms.raising import AlarmOutcome, Rows, raise_alarms
from streams.backtest.verification import Agreement, Comparison
from streams.errors import ConfigurationError, InputError
from streams.records.alarm_records import Alarm, AlarmInput
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import RecordType

_INPUTS = CATALOGUE.of(AlarmInput)
_ALARMS = CATALOGUE.of(Alarm)


def committed_inputs(
    settings: Settings, group: str, log: Log, kind: RecordType[Any] = _INPUTS
) -> dict[int, int]:
    """Return by partition how far the live worker has worked through what it writes for itself; empty if it has none.

    Args:
        settings: Of the live worker.
        group: Its consumer group.
        log: Asked.
        kind: Which type of record.
    """
    topic = settings.topic(kind.topic.name)
    try:
        partitions = log.partitions_of(topic)
    except ConfigurationError:  # the worker is of a release that had none
        return {}
    return log.committed(group, topic, partitions)


def verify_alarms(
    settings: Settings, selection: Selection, partition: int, end: int
) -> tuple[str, Agreement]:
    """Compare the alarms of a partition.

    Args:
        settings: Of the live worker.
        selection: Which are compared.
        partition: Its number.
        end: How far the live worker had worked through the inputs.

    Returns:
        The topic, and how far both sides agree.
    """
    topic, wanted = settings.topic(_ALARMS.topic.name), Filter(selection)
    comparison = Comparison(
        topic,
        partition,
        _ALARMS,
        lambda alarm: (
            wanted.since <= alarm.changed_at < wanted.until and wanted.wants_sensor(alarm.sensor_id)
        ),
    )
    rules = settings.alarms.rules(settings.windows.policy().room)
    rows: Rows = {}
    with Log(settings) as inputs, Log(settings) as alarms:
        low, high = inputs.ends(settings.topic(_INPUTS.topic.name), partition)
        live = _messages(alarms, topic, partition, *alarms.ends(topic, partition))
        for offset, value in _messages(inputs, settings.topic(_INPUTS.topic.name), partition, low, end):
            for alarm in _made(rules, rows, offset, value):
                comparison.recomputed(alarm, _ALARMS.encode(alarm))
            while comparison.waiting and (found := next(live, None)) is not None:
                comparison.emitted(found[1], found[0])
        for offset, value in live:
            comparison.emitted(value, offset)
    return topic, comparison.finish(more_readings=end < high)


def _messages(log: Log, topic: str, partition: int, low: int, high: int) -> Iterator[tuple[int, bytes]]:
    for messages in log.read(topic, partition, low, high):
        for message in messages:
            yield message.offset(), message.value() or b""


def _made(rules: Any, rows: Rows, offset: int, value: bytes) -> list[Alarm]:
    outcome = AlarmOutcome()
    try:
        record = _INPUTS.read(value)
    except InputError:
        return []  # as the worker does: it counts it
    raise_alarms(rules, rows, [(offset, record)], outcome)
    return outcome.alarms
