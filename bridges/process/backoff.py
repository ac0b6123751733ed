"""When to start again what has died."""

from dataclasses import dataclass


@dataclass
class Backoff:
    """Delays that double up to a cap, and begin anew after a run that lasted.

    Args:
        first: Seconds before the first restart.
        cap: Longest delay in seconds.
        stable: A run of so many seconds counts as healthy: the next death is a first one again.

    >>> backoff = Backoff(first=1, cap=3, stable=60)
    >>> [backoff.delay(ran_for=5), backoff.delay(ran_for=5), backoff.delay(ran_for=5), backoff.delay(ran_for=61)]
    [1.0, 2.0, 3, 1.0]
    """

    first: float = 0.5
    cap: float = 30
    stable: float = 60
    _deaths: int = 0

    def delay(self, *, ran_for: float) -> float:
        """Return how long to wait before the next start.

        Args:
            ran_for: Seconds between the last start and the death.
        """
        self._deaths = 1 if ran_for >= self.stable else self._deaths + 1
        return min(self.cap, self.first * float(2 ** min(self._deaths - 1, 30)))
