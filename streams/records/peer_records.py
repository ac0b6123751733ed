"""The records that series of a group are compared by, keyed by the group, so that they stand in one partition.

    aggregates ─┐
    ticks ──────┴─▶ peer-inputs ──▶ anomalies, alarm-inputs

`streams.peers` says what becomes of them.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from streams.records.letter_parts import Time
from streams.records.rule_parts import PeerLimits
from streams.records.types import EventTime, Quantity, SensorId

_MOST_SOURCES = 100_000


class PeerInput(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The mean of one closed window of one series, or a tick: one of the two.

    Args:
        group: What the series is compared in, as the settings have it; empty for a tick, which goes to each partition.
            Of a relation, which one: a sensor, and what of it follows from what.
        source: The partition of `readings` that it was made of. What comes from one source is in its order.
        sensor_id, quantity: The series; empty for a tick.
        start, end: Window bounds, half-open ``[start, end)``.
        value: The window's mean.
        response: Of a relation, the quantity that follows from the others; empty for peers.
        limits: Where the series is compared by a limit alone: that limit.
        tick_at: A tick of the source: what it closes of windows stands before it.
    """

    group: str
    source: Annotated[int, Meta(ge=0, le=_MOST_SOURCES)]
    sensor_id: SensorId = ""
    quantity: Quantity = ""
    start: Time = 0.0
    end: Time = 0.0
    value: float = 0.0
    response: Quantity = ""
    limits: PeerLimits | None = None
    tick_at: EventTime | None = None
