"""The readings of a run, and what an oracle of its own says about their windows.

A few sensors over a few minutes, as a bad day makes them: out of order, late, twice, silent for a while, spiking, and
unreadable, with ticks. `counts_by_hand` counts windows in the plainest way, with nothing of Weir: so that a fault in
what both the disturbed and the undisturbed run share does not go unseen.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.records.rule_records import RuleChange
from streams.records.types import Reading, Tick, encode
from tests.simulation.clock import EPOCH

PARTITIONS = 3
SENSORS = 9
STEPS = 36
INTERVAL = 10.0
WINDOW, GRACE = 60.0, 10.0
WARM_UP = 16
COUNTS, WRAPS_AT = "sensor-08", 100.0
"""The sensor that has a counter, too, and where that begins again at 0: each two minutes."""
WORKLOADS = 4
"""Different days; the undisturbed run of each is made once in a process."""


@dataclass(frozen=True, slots=True)
class Fed:
    """A record of `readings`.

    Args:
        partition: Where it goes.
        key, value: The record.
        timestamp: Ingest time in ms.
        reading: What it says; ``None`` for a tick and for what cannot be read.
    """

    partition: int
    key: bytes | None
    value: bytes
    timestamp: int
    reading: Reading | None


def readings_of(day: int) -> list[Fed]:
    """Make the records of a day, in the order in which they come."""
    draw = random.Random(f"readings {day}")
    names = [f"sensor-{number:02}" for number in range(SENSORS)]
    numbers = list(range(PARTITIONS))
    home = {name: DefaultPartitioner()(name.encode(), numbers, numbers) for name in names}
    fed: list[Fed] = []
    for step in range(STEPS):
        now = EPOCH + step * INTERVAL
        at = round(now * 1000)
        if step % 12 == 11:
            fed += [
                Fed(n, None, encode(Tick(tick_at=now, steady=round(step * INTERVAL))), at, None)
                for n in range(PARTITIONS)
            ]
        for name in names:
            if draw.random() < 0.03:
                continue  # lost on the way
            late = draw.choice((0.0, 0.0, 3.5, 12.0, 150.0)) if draw.random() < 0.25 else 0.0
            spike = 40.0 if step > WARM_UP + 2 and draw.random() < 0.02 else 0.0
            value = round(20 + draw.gauss(0, 0.5) + spike, 2)
            values = {"temperature": value}
            if name == COUNTS:
                values["energy"] = 7.0 * step % WRAPS_AT
            reading = Reading(name, max(now - late, EPOCH), values, sequence=step)
            record = Fed(home[name], name.encode(), encode(reading), at, reading)
            fed += [record] * (2 if draw.random() < 0.03 else 1)
        if draw.random() < 0.3:
            name = draw.choice(names)
            fed.append(Fed(home[name], name.encode(), b"\xff not a reading", at, None))
    return fed


def batch_of(records: list[Fed]) -> bytes:
    """Make a record batch of some records of one partition."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    for offset, record in enumerate(records):
        builder.append(offset, record.timestamp, record.key, record.value, [])
    return bytes(builder.build())


def counts_by_hand(fed: list[Fed]) -> dict[str, Counter[tuple[float, int]]]:
    """Count the readings of each closed window of each sensor: how often a start and a count must be emitted.

    A window closes when a reading's event time has reached its end and the grace; a reading of a closed window is
    late; one that was seen is not counted again. Windows that only a tick closes are left out: of those a sensor has
    only the last one.
    """
    newest: dict[str, float] = defaultdict(float)
    open_windows: dict[str, dict[float, set[tuple[float, float]]]] = defaultdict(lambda: defaultdict(set))
    closed: dict[str, Counter[tuple[float, int]]] = defaultdict(Counter)
    for record in fed:
        if (reading := record.reading) is None:
            continue
        sensor, time = reading.sensor_id, reading.collected_at
        start = time - time % WINDOW
        if start + WINDOW + GRACE > newest[sensor]:
            open_windows[sensor][start].add((time, reading.sequence or 0))
        newest[sensor] = max(newest[sensor], time)
        for begins in [w for w in open_windows[sensor] if w + WINDOW + GRACE <= newest[sensor]]:
            closed[sensor][begins, len(open_windows[sensor].pop(begins))] += 1
    return closed


def with_changes(records: Iterable[Fed], changes: Mapping[int, RuleChange]) -> list[Fed]:
    """Put changes of rules among records, in each partition before the first record of a step.

    Args:
        records: As `readings_of` gives them.
        changes: By the step at which they are applied.
    """
    found: list[Fed] = []
    due = dict(changes)
    for record in records:
        step = round((record.timestamp / 1000 - EPOCH) / INTERVAL)
        if (change := due.pop(step, None)) is not None:
            found += [
                Fed(number, None, encode(change), record.timestamp, None) for number in range(PARTITIONS)
            ]
        found.append(record)
    return found
