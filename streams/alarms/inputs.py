"""What of the other stages alarms are made of."""

from collections.abc import Iterable, Iterator
from typing import Final

from streams.records.alarm_records import AlarmInput
from streams.records.types import Anomaly
from streams.ticks import begins_period

MINUTE: Final = 60.0


def inputs_of_detection(in_order: Iterable[Anomaly | float], tick_seconds: float) -> Iterator[AlarmInput]:
    """Yield what detection gives to alarms: each change of an anomaly, and of the ticks the first of each minute.

    The order is that of the log, however it is cut into batches; and which tick is the first of its minute can be told
    from itself alone. So what is read again after a crash gives the same again.

    Args:
        in_order: Changes in the life of anomalies, and times of ticks.
        tick_seconds: How far apart ticks are.

    >>> [each.tick_at for each in inputs_of_detection((55.0, 60.0, 65.0, 119.0, 124.0), 5.0)]
    [60.0, 124.0]
    """
    for each in in_order:
        if not isinstance(each, float):
            yield AlarmInput(each.sensor_id, found=each)
        elif begins_period(each, MINUTE, tick_seconds):
            yield AlarmInput("", tick_at=each)
