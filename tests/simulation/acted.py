"""What people do about alarms in a run, and what must have become of it: by the log, in one go.

Where an action stands among what is found differs from run to run, and alarms follow from that order. So they are
compared with what the same functions make of the log of this run in one undisturbed pass; and this log with what was
done and with what a calm run has found: each once, and in order.
"""

import random
from collections.abc import Iterator
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.alarms.acting import ActionKind, action_of
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.raising import AlarmOutcome, raise_alarms
from streams.records.alarm_records import Action, Alarm, AlarmInput
from streams.records.types import decode_as, encode
from tests.simulation import readings
from tests.simulation.clock import EPOCH
from tests.simulation.kafka import SimulatedKafka

DAY_SECONDS = readings.STEPS * readings.INTERVAL
KINDS = ("acknowledge", "shelve", "shelve", "comment", "no_fault", "planned_work")
FEWEST, MOST = 6, 12


class Acting:
    """A person who draws what to do, and when.

    Args:
        seed: Of the schedule among whose faults it is done.
        feed_seconds: In so many virtual seconds the day goes by.
    """

    def __init__(self, seed: int, feed_seconds: float) -> None:
        self._draw = draw = random.Random(f"actions {seed}")
        self._feed_seconds = feed_seconds
        self.times = sorted(
            draw.uniform(0.25, 1.05) * feed_seconds for _ in range(draw.randint(FEWEST, MOST))
        )

    def act(self, kafka: SimulatedKafka, now: float) -> None:
        """Do something about an alarm that is there; planned work for a pattern of sensors stands everywhere."""
        kind, alarms = self._draw.choice(KINDS), list(alarms_of(kafka))
        at = EPOCH + min(1.0, now / self._feed_seconds) * DAY_SECONDS
        until = at + self._draw.uniform(20.0, 100.0)
        if not alarms:
            return
        number, alarm = self._draw.choice(alarms)
        told: dict[str, Any] = {"at": at, "by": "Ada", "why": f"at {now:.3f} s"}
        if kind == ActionKind.PLANNED_WORK:
            whose: dict[str, Any] = {"sensors": f"sensor-0[{self._draw.choice(('0-2', '3-5', '6-8'))}]"}
            if self._draw.random() < 0.5:
                whose = {"sensor_id": alarm.sensor_id}
            action = action_of(kind, **told, **whose, start=at - 30.0, until=until)
        elif kind == ActionKind.SHELVE:
            action = action_of(kind, **told, sensor_id=alarm.sensor_id, quantity=alarm.quantity, until=until)
        else:
            action = action_of(kind, **told, sensor_id=alarm.sensor_id, alarm=alarm.id)
        for place in (number,) if action.sensor_id else range(readings.PARTITIONS):
            kafka.write(("actions", place), _batch(action))


def alarms_of(kafka: SimulatedKafka) -> Iterator[tuple[int, Alarm]]:
    """Read the changes of all alarms, each with its partition."""
    for number in range(readings.PARTITIONS):
        for _, value in _values(kafka, "alarms", number):
            yield number, decode_as(Alarm, value)


def _values(kafka: SimulatedKafka, topic: str, number: int) -> Iterator[tuple[int, bytes]]:
    """Read offset and value of all that was ever committed."""
    log = kafka.topics[topic][number] if topic in kafka.topics else None
    for batch in log.committed_batches(log.ever) if log is not None else ():
        for record in batch.records():
            yield record.offset, record.value or b""


def _batch(action: Action) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    builder.append(0, round(action.at * 1000), action.sensor_id.encode(), encode(action), [])
    return bytes(builder.build())


def wrong(kafka: SimulatedKafka, calm: SimulatedKafka, rules: AlarmRules) -> Iterator[str]:
    """Say what of a run is not as it must be, by its log, and by that of a calm run in which nobody did anything."""
    for number in range(readings.PARTITIONS):
        inputs = [(at, decode_as(AlarmInput, value)) for at, value in _values(kafka, "alarm-inputs", number)]
        acted = [each.action for _, each in inputs if each.action is not None]
        done = [decode_as(Action, value) for _, value in _values(kafka, "actions", number)]
        if acted != done:
            yield f"partition {number}: {len(done)} actions were done, {len(acted)} taken, or in another order"
        found = [each for _, each in inputs if each.action is None]
        if found != [decode_as(AlarmInput, value) for _, value in _values(calm, "alarm-inputs", number)]:
            yield f"partition {number}: what was found is not what a calm run finds"
        outcome = AlarmOutcome()
        raise_alarms(rules, {}, inputs, outcome)
        for topic, wanted in (("alarms", outcome.alarms), ("labels", outcome.labels)):
            if (written := [value for _, value in _values(kafka, topic, number)]) != [*map(encode, wanted)]:
                yield f"partition {number}: {len(written)} {topic}, {len(wanted)} by the log, or others"
