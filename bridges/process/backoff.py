"""When to try again what has failed.

Delays double up to a cap, each drawn from the upper half of its ceiling, so that many who lost the same server do
not all come back in the same moment ("equal jitter": Brooker 2015, "Exponential Backoff And Jitter").
"""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Backoff:
    """Delays that double up to a cap, and begin anew after a run that lasted.

    Args:
        first: Ceiling of the first delay in seconds.
        cap: Ceiling of the longest delay in seconds.
        stable: A run of so many seconds counts as healthy: the next failure is a first one again.
        draw: Gives numbers in [0, 1): 0 for the whole ceiling, towards 1 for half of it.

    >>> backoff = Backoff(first=1, cap=3, stable=60, draw=lambda: 0.0)
    >>> [backoff.delay(ran_for=5), backoff.delay(ran_for=5), backoff.delay(ran_for=5), backoff.delay(ran_for=61)]
    [1.0, 2.0, 3.0, 1.0]
    """

    first: float = 0.5
    cap: float = 30
    stable: float = 60
    draw: Callable[[], float] = random.random
    _failures: int = 0

    def delay(self, *, ran_for: float = 0.0) -> float:
        """Return how long to wait before the next try, in seconds.

        Args:
            ran_for: Seconds between the last success and this failure; 0 if there was no success.
        """
        self._failures = 1 if ran_for >= self.stable else self._failures + 1
        ceiling = min(self.cap, self.first * float(2 ** min(self._failures - 1, 30)))
        return ceiling * (1 - self.draw() / 2)
