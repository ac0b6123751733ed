"""When which fault happens to a sensor.

Each kind divides a sensor's readings into blocks and has one episode in each block, at a random place:

    readings   0 ......................... block ......................... 2 * block
    episodes        [first, end)                             [first, end)

The block's length makes the episodes cover the wanted share of readings. Episodes never overlap: where two
would, the kind with the longer episodes stays, so that each label says what really happened. A label's
kind is the fault's value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from streams.signals.noise import Noise

GAP = 12  # readings left alone between two episodes of a sensor
MAX_SHARE = 0.25


class FaultKind(StrEnum):
    """What can go wrong with a sensor."""

    SPIKE = "spike"
    """One reading far away."""
    SHIFT = "shift"
    """All values of the episode are moved by the same amount."""
    DRIFT = "drift"
    """Values run away slowly, then come back at once."""
    FLATLINE = "flatline"
    """The value stands still."""
    UNIT = "unit"
    """Values are in degrees Fahrenheit."""
    DROPOUT = "dropout"
    """Nothing is sent."""
    DUPLICATE = "duplicate"
    """The reading is sent twice."""
    REORDER = "reorder"
    """Readings overtake each other."""
    LATE = "late"
    """An hour is buffered, and uploaded after newer readings have been sent."""
    SKEW = "skew"
    """The sensor's clock runs ahead, then is set right."""
    BAD_JSON = "bad_json"
    """The payload cannot be read."""


VALUE_FAULTS = frozenset(
    {FaultKind.SPIKE, FaultKind.SHIFT, FaultKind.DRIFT, FaultKind.FLATLINE, FaultKind.UNIT}
)
"""Faults that show in the values: what an anomaly detector can be asked to find."""
DELIVERY_FAULTS = frozenset(FaultKind) - VALUE_FAULTS
"""Faults of transport and clock: what windows, ids and dead letters must bear."""

# Readings of one episode, and the share of readings inside episodes where none is given.
_LENGTH = {
    FaultKind.SPIKE: 1,
    FaultKind.SHIFT: 48,
    FaultKind.DRIFT: 96,
    FaultKind.FLATLINE: 48,
    FaultKind.UNIT: 24,
    FaultKind.DROPOUT: 24,
    FaultKind.DUPLICATE: 1,
    FaultKind.REORDER: 12,
    FaultKind.SKEW: 24,
    FaultKind.BAD_JSON: 1,
}
_SHARE = {
    FaultKind.SPIKE: 0.001,
    FaultKind.SHIFT: 0.01,
    FaultKind.DRIFT: 0.01,
    FaultKind.FLATLINE: 0.01,
    FaultKind.UNIT: 0.005,
    FaultKind.DROPOUT: 0.005,
    FaultKind.DUPLICATE: 0.002,
    FaultKind.REORDER: 0.005,
    FaultKind.LATE: 0.005,
    FaultKind.SKEW: 0.005,
    FaultKind.BAD_JSON: 0.001,
}
_LATE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """How much of one fault a simulation has.

    Args:
        kind: The fault.
        share: Share of each sensor's readings that are inside its episodes, in (0, 0.25].
    """

    kind: FaultKind
    share: float

    def __post_init__(self) -> None:
        """Refuse a share that leaves no room for a fault-free signal."""
        if not 0 < self.share <= MAX_SHARE:
            raise ValueError(f"{self.kind.value}: share must be in (0, {MAX_SHARE}], got {self.share}")


def parse_faults(text: str) -> tuple[FaultSpec, ...]:
    """Read a list of faults: ``kind`` or ``kind:share``, comma separated, or ``all``.

    Raises:
        ValueError: If a kind is unknown or named twice, or a share is not a number in (0, 0.25].

    >>> [spec.share for spec in parse_faults("spike,shift:0.02")]
    [0.001, 0.02]
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts == ["all"]:
        parts = [kind.value for kind in FaultKind]
    specs: dict[FaultKind, FaultSpec] = {}
    for part in parts:
        name, _, share = part.partition(":")
        try:
            kind = FaultKind(name)
        except ValueError:
            known = ", ".join(FaultKind)
            raise ValueError(f"unknown fault {name!r}: expected one of {known}, or all") from None
        if kind in specs:
            raise ValueError(f"fault {name!r} is named twice")
        try:
            specs[kind] = FaultSpec(kind, float(share) if share else _SHARE[kind])
        except ValueError as error:
            raise ValueError(f"{part!r}: {error}") from None
    return tuple(specs.values())


@dataclass(frozen=True, slots=True)
class Episode:
    """One fault of one sensor: readings ``first <= index < end``.

    Args:
        chance: Random number in [0, 1) that decides its size or direction.
    """

    kind: FaultKind
    first: int
    end: int
    chance: float

    @property
    def direction(self) -> float:
        """Up or down: +1 or -1."""
        return 1.0 if self.chance < 0.5 else -1.0


class FaultSchedule:
    """The faults of one sensor.

    Args:
        specs: What faults there are.
        noise: The sensor's random numbers.
        interval: Seconds between two readings.
        calm: Number of readings at the start without any fault, for models to warm up.
        count: Number of readings in all, if it is finite: then there are only whole episodes.
    """

    def __init__(
        self,
        specs: Sequence[FaultSpec],
        noise: Noise,
        *,
        interval: float,
        calm: int = 0,
        count: int | None = None,
    ) -> None:
        lengths = {**_LENGTH, FaultKind.LATE: max(4, round(_LATE_SECONDS / interval))}
        self._specs = sorted(
            ((lengths[spec.kind], _block(lengths[spec.kind], spec.share), spec.kind) for spec in specs),
            key=lambda entry: (-entry[0], entry[2]),
        )
        self._noise = {kind: noise.branch(kind.value) for _, _, kind in self._specs}
        self._calm = calm
        self._count = count
        self.longest = max((length for length, _, _ in self._specs), default=0)
        self._settled = lru_cache(maxsize=4 * len(self._specs) or 1)(self._settle)

    def at(self, index: int) -> Episode | None:
        """Return the episode that a reading is in."""
        for place, (_, block, _) in enumerate(self._specs):
            episode = self._settled(place, index // block)
            if episode is not None and episode.first <= index < episode.end:
                return episode
        return None

    def _drawn(self, place: int, number: int) -> Episode:
        length, block, kind = self._specs[place]
        where, chance = self._noise[kind].uniforms(number)
        first = number * block + int(where * (block - length))
        return Episode(kind, first, first + length, chance)

    def _settle(self, place: int, number: int) -> Episode | None:
        """Draw the episode of a block; ``None`` if it does not fit in, or a longer kind is in its place."""
        episode = self._drawn(place, number)
        if episode.first < self._calm or (self._count is not None and episode.end > self._count):
            return None
        for other, (_, block, _) in enumerate(self._specs[:place]):
            for near in range((episode.first - GAP) // block, (episode.end + GAP) // block + 1):
                rival = self._drawn(other, near)
                if rival.first < episode.end + GAP and episode.first < rival.end + GAP:
                    return None
        return episode


def _block(length: int, share: float) -> int:
    return max(round(length / share), 2 * length)
