"""Twelve rooms of one building: a daily course and the weather in common, of each an offset and noise of its own."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from streams.detection.detection_plan import DetectionPlan
from streams.peers.comparing import PeerOutcome, Rows, compare_peers
from streams.peers.peer_plan import PeerPlan
from streams.records.peer_records import PeerInput
from streams.windows.policy import WindowPolicy

START = 1_760_054_400.0
DAY = 86_400.0
STEP = 60.0
GROUP = "room-*/temperature"


def temperatures(seed: int, *, days: float, rooms: int = 12) -> Any:
    """Return minutes times rooms: degrees, in steps of 0.01."""
    draw = np.random.default_rng(seed)
    at = np.arange(round(days * DAY / STEP)) * STEP
    weather = np.cumsum(draw.normal(0, 0.02, at.size))
    columns = []
    for _ in range(rooms):
        course = 2 * (1 + draw.normal(0, 0.1)) * np.sin(2 * np.pi * at / DAY + draw.normal(0, 0.15))
        columns.append(20 + draw.normal(0, 1.5) + course + weather + draw.normal(0, 0.08, at.size))
    return np.round(np.stack(columns, axis=1), 2)


def names(rooms: int = 12) -> list[str]:
    """Return the ids of the rooms."""
    return [f"room-{number:02}" for number in range(rooms)]


def inputs(
    plan: PeerPlan, values: Any, *, first: int = 0, away: Mapping[str, Sequence[int]] | None = None
) -> Iterator[PeerInput]:
    """Yield the windows of the rooms, one a minute, and the tick after which each can be compared.

    Args:
        plan: Says when that is.
        values: Minutes times rooms.
        first: Number of the first minute.
        away: By room, the first and the last minute in which it sends nothing.
    """
    rooms = names(values.shape[1])
    for number, row in enumerate(values, first):
        start = START + number * STEP
        for room, value in zip(rooms, row.tolist(), strict=True):
            begins, ends = (away or {}).get(room, (1, 0))
            if not begins <= number <= ends:
                yield PeerInput(GROUP, 0, room, "temperature", start, start + STEP, value)
        yield PeerInput("", 0, tick_at=start + STEP + plan.wait)


def compared(plan: PeerPlan, rows: Rows, records: Iterator[PeerInput], offset: int = 0) -> PeerOutcome:
    """Apply records to rows, from an offset on, and return what came of them."""
    outcome = PeerOutcome()
    compare_peers(plan, rows, enumerate(records, offset), outcome)
    return outcome


def plan_of(partitions: int = 1, **config: Any) -> PeerPlan:
    """Return the plan that compares the rooms, by the minute.

    Args:
        partitions: Of `readings`.
        config: What else is said of the rooms.
    """
    series = {"room-*/temperature": {"peers": "pattern", **config}}
    return PeerPlan(
        DetectionPlan({"series": series}), WindowPolicy.of(size=STEP, grace=10, idle=60), partitions
    )


def raises_in(outcome: PeerOutcome) -> Counter[str]:
    """Count the raises by room."""
    return Counter(each.sensor_id for each in outcome.anomalies if each.state == "raised")
