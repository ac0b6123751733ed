"""How much time what is done out of turn may take: a share of all time, which is saved while nothing asks for it.

    saved (seconds)
    most ┤────╮        ╭──── a share of each second that passes
         │    │╲     ╱
       0 ┤    ╰─╲──╱──────── below it: rest until it is made up for
              work took so long

Pure: time is passed in.
"""


class Allowance:
    """Time that may be spent.

    Args:
        share: Of all time, in (0, 1].
        most: What is saved at most (seconds): so much may be spent at once.
        now: When it begins, all saved (seconds of any clock that does not go back).

    >>> allowance = Allowance(share=0.2, most=0.1, now=0.0)
    >>> allowance.rest(0.0)
    0.0
    >>> allowance.spend(0.3, 0.3)  # what was spent itself counts as time that passed
    >>> round(allowance.rest(0.3), 3)
    1.0
    >>> round(allowance.rest(1.3), 3)
    0.0
    """

    def __init__(self, *, share: float, most: float, now: float) -> None:
        self._share = share
        self._most = most
        self._saved = most
        self._at = now

    def spend(self, seconds: float, now: float) -> None:
        """Note that work took so long, and ended now."""
        self._saved = min(self._most, self._saved + self._share * (now - self._at)) - seconds
        self._at = now

    def rest(self, now: float) -> float:
        """Return how long to rest before there is anything to spend (seconds)."""
        return max(0.0, -self._saved / self._share - (now - self._at))
