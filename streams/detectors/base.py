"""What every detector is: river's interface, a fused hot path, and a compact state.

    surprise(value, time)   score, then learn; -ln(tail probability), 0.0 in warm-up    the hot path
    update(value, time)     the same as a score in [0, 1], None in warm-up
    score_one(x)            score without learning                                      river's interface
    learn_one(x)            learn                                                       river's interface
    encode() / decode()     the state as bytes                                          never a pickle
    take_changes() / apply_changes()    what of it has changed, where that is little

``x`` is ``{"value": float, "time": seconds}``. A score is one minus a tail probability: 0.999 is exceeded by
about one normal reading in a thousand. Inside, everything is in *nats* of surprise, ``-ln(1 - score)``: the
interesting scores lie so close to 1 that a float in [0, 1] cannot tell them apart.
"""

from math import expm1, log1p
from typing import Any, NamedTuple

from river.base import AnomalyDetector

MAX_NATS = 60.0
"""Largest surprise that is told apart: a tail probability of 1e-26."""


class Expectation(NamedTuple):
    """What a detector expected of the reading it saw last.

    Args:
        expected: The value it would have bet on.
        lower, upper: The band outside which a value is surprising at the raise threshold.
        direction: ``above`` or ``below`` expectation; ``flat`` for a value that stands still.
        cause: Name of the residual that was most surprised.
    """

    expected: float
    lower: float
    upper: float
    direction: str
    cause: str


def score_of(nats: float) -> float:
    """Turn surprise into a score in [0, 1).

    >>> round(score_of(6.907755), 6)
    0.999
    """
    return -expm1(-nats)


def nats_of(score: float) -> float:
    """Turn a score into surprise; 1.0 becomes `MAX_NATS`.

    >>> round(nats_of(0.999), 6)
    6.907755
    """
    return MAX_NATS if score >= 1.0 else -log1p(-score)


class Detector(AnomalyDetector):
    """A detector of one series.

    Subclasses give the first group below; the rest has defaults.
    """

    __slots__ = ()

    @property
    def seen(self) -> int:
        """Readings learned so far."""
        raise NotImplementedError

    @property
    def ready(self) -> bool:
        """Whether the warm-up is over, so that the next reading gets a score."""
        raise NotImplementedError

    @property
    def interval(self) -> float:
        """Usual time between readings in seconds, as measured; 0.0 if that is not known."""
        return 0.0

    def surprise(self, value: float, time: float) -> float:
        """Score a reading against the past, then learn it.

        Args:
            value: Finite.
            time: Event time in seconds, not before that of any reading learned.

        Returns:
            Surprise in nats; 0.0 in warm-up.
        """
        raise NotImplementedError

    def peek_surprise(self, value: float, time: float) -> float:
        """Return what `surprise` would return, and change nothing."""
        raise NotImplementedError

    def band(self, nats: float) -> tuple[float, float, float]:
        """Return what the last reading was expected to be, and the bounds beyond which it surprises."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """Return the state; `decode` of it continues bit for bit."""
        raise NotImplementedError

    def decode(self, data: bytes) -> None:
        """Take over an encoded state.

        Raises:
            ValueError: If the bytes are not a state of this detector with these parameters.
        """
        raise NotImplementedError

    def take_changes(self) -> bytes | None:
        """Return what has changed since the last call, if it is little: `encode` of then and this make the state.

        Returns:
            ``None`` if the whole state is to be written, as it always is at first.
        """
        return None

    def apply_changes(self, data: bytes) -> None:
        """Take over what `take_changes` returned, in the state that was written before it.

        Raises:
            ValueError: If the bytes are not that.
        """
        raise ValueError(f"{type(self).__name__} writes its whole state")

    def level(self) -> float:
        """Return the short-term mean: where the series is now."""
        return self.band(0.0)[0]

    def home(self, nats: float) -> tuple[float, float]:
        """Return between which bounds the level counts as where it was before the reading seen last."""
        expected, lower, upper = self.band(nats)
        return 0.5 * (expected + lower), 0.5 * (expected + upper)

    @property
    def away(self) -> bool:
        """Whether the series is still off what was usual, though its level may be where it was."""
        return False

    def explain(self, nats: float) -> Expectation:
        """Tell what was expected of the reading that was surprising last; as `band`, with the cause."""
        expected, lower, upper = self.band(nats)
        return Expectation(expected, lower, upper, "above" if self.level() >= expected else "below", "score")

    def accept(self) -> None:
        """Take the present level as normal, because it has lasted. Detectors that only forget ignore this."""

    def update(self, value: float, time: float) -> float | None:
        """Score a reading, then learn it: a score in [0, 1), ``None`` in warm-up."""
        ready = self.ready
        nats = self.surprise(value, time)
        return score_of(nats) if ready else None

    def score_one(self, x: dict[Any, Any]) -> float | None:  # type: ignore[override]
        """Score a reading without learning it; ``None`` in warm-up."""
        return score_of(self.peek_surprise(x["value"], x["time"])) if self.ready else None

    def learn_one(self, x: dict[Any, Any]) -> None:
        """Learn a reading."""
        self.surprise(x["value"], x["time"])
