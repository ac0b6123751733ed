"""Recorded data that Weir knows by name, as a source: for trying things without any server."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from bridges.simulator.recordings import WATERFLOW, waterflow
from bridges.sources.source import VIRTUAL_PARTITIONS, Chunk, Gathering, Selection
from streams.errors import ConfigurationError
from streams.records.identity import event_ms
from streams.records.types import Label, Reading
from streams.signals import Recording
from streams.signals.wire import iso

NAMES = (WATERFLOW,)


@dataclass(frozen=True, slots=True)
class RecordedSource:
    """River's WaterFlow: hourly flow in a water pipeline in 2022, with four known anomalies.

    Args:
        name: One of `NAMES`.
        selection: What is wanted of it.
    """

    name: str
    selection: Selection

    def __post_init__(self) -> None:
        """Refuse bounds that it knows nothing of."""
        if self.selection.by == "offset":
            raise ConfigurationError("recorded data has no offsets: bound it by event time")

    @property
    def partitions(self) -> tuple[int, ...]:
        """The virtual partitions."""
        return tuple(range(VIRTUAL_PARTITIONS))

    def total(self, partitions: Collection[int]) -> int:
        """Return the number of readings."""
        return len(recording(self.name).rows)

    def describe(self) -> dict[str, Any]:
        """Tell the name."""
        return {"kind": "recorded", "name": self.name}

    def holds(self) -> str:
        """Tell sensor and range."""
        found = recording(self.name)
        return f"{self.name} holds sensor {found.sensor_id} from {iso(found.start)} to {iso(found.end)}"

    def read(self, partitions: Collection[int]) -> Iterator[Chunk]:
        """Read it."""
        gathering = Gathering(partitions, self.selection)
        found = recording(self.name)
        for offset, (event_time, values) in enumerate(found.rows):
            gathering.add(offset, event_ms(event_time), Reading(found.sensor_id, event_time, dict(values)))
        yield from gathering.take(len(found.rows))


def recording(name: str) -> Recording:
    """Return recorded data by name."""
    assert name == WATERFLOW
    return waterflow()


def recorded_labels(name: str) -> list[Label]:
    """Return the known anomalies of recorded data."""
    found = recording(name)
    return [
        Label(found.sensor_id, each.quantity, each.start, each.end, each.kind) for each in found.stretches
    ]
