"""What stands in the records about dead letters, and the record of a redrive of them."""

from typing import Annotated, Literal

import msgspec

Time = Annotated[float, msgspec.Meta(ge=-62_135_596_800, lt=253_402_300_800)]
"""Seconds since the Unix epoch, in the years of a Date."""


class ReadPart(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What was read of a message of which another part was set aside.

    Args:
        sensor_id: The sensor of the reading.
        collected_at: Its event time.
        arrival: Whether that is when it came.
        quantities: What it holds.
    """

    sensor_id: str
    collected_at: Time
    arrival: bool
    quantities: tuple[str, ...]


class Redriven(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a redrive made of one dead letter.

    Args:
        letter: Its id.
        received_at: Its ingest time: identical messages are letters of one id.
        attempt: How often it was sent through, counted from 1.
        readings: How many readings and labels it became.
        refused: Why something of it is still set aside; empty if nothing is.
        read: What redrives have read of it so far; ``None`` if that is more than a record has room for.
    """

    letter: str
    received_at: Time
    attempt: int
    readings: int
    refused: str = ""
    read: tuple[ReadPart, ...] | None = ()


class Redrive(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A batch of dead letters that is sent through again: written before its readings are, and when Kafka has them.

    Args:
        batch: Random; in the header of each reading of the batch.
        state: ``begun`` or ``done``.
        at: When (seconds since the Unix epoch).
        ends: Where `readings` ended before the batch, by partition.
        letters: What became of each; while it is only begun, what would.
    """

    batch: str
    state: Literal["begun", "done"]
    at: Time
    ends: dict[int, int]
    letters: list[Redriven]
