"""Random numbers without a state: each is a keyed hash of an index.

A generator that is stepped would have to be stepped again from the start to resume a simulation; here reading
1,000,000 of a sensor can be asked for directly, and has the same noise in every process.
"""

import math
from dataclasses import dataclass
from hashlib import blake2b

_TO_UNIT = 2.0**-53  # 53 bits fill a float's mantissa


@dataclass(frozen=True, slots=True)
class Noise:
    """An endless, indexable sequence of random numbers.

    Args:
        key: Up to 64 bytes; different keys give independent sequences.
    """

    key: bytes

    @classmethod
    def of(cls, *names: object) -> "Noise":
        """Make a sequence from what it is for.

        >>> Noise.of("seed", 1) == Noise.of("seed", 1), Noise.of("seed", 1) == Noise.of("seed", 2)
        (True, False)
        """
        text = "\0".join(str(name) for name in names)
        return cls(blake2b(text.encode(), digest_size=32, person=b"weir.noise").digest())

    def branch(self, name: str) -> "Noise":
        """Derive an independent sequence."""
        return Noise(blake2b(name.encode(), key=self.key, digest_size=32).digest())

    def uniforms(self, index: int) -> tuple[float, float]:
        """Return two numbers, uniform in [0, 1)."""
        digest = blake2b(index.to_bytes(8, "little", signed=True), key=self.key, digest_size=16).digest()
        return (
            (int.from_bytes(digest[:8], "little") >> 11) * _TO_UNIT,
            (int.from_bytes(digest[8:], "little") >> 11) * _TO_UNIT,
        )

    def uniform(self, index: int) -> float:
        """Return a number, uniform in [0, 1).

        >>> 0 <= Noise.of("x").uniform(7) < 1
        True
        """
        return self.uniforms(index)[0]

    def normal(self, index: int) -> float:
        """Return a number of the standard normal distribution (Box & Muller 1958)."""
        first, second = self.uniforms(index)
        return math.sqrt(-2.0 * math.log(1.0 - first)) * math.cos(math.tau * second)

    def smooth(self, position: float) -> float:
        """Return a smooth random curve in [-1, 1] at a position: cosine steps between random knots.

        Args:
            position: In knots; the curve is independent of itself about two knots away.
        """
        knot = math.floor(position)
        left, right = self.uniform(knot), self.uniform(knot + 1)
        weight = (1.0 - math.cos(math.pi * (position - knot))) / 2.0
        return 2.0 * (left + (right - left) * weight) - 1.0
