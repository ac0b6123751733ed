"""What happened in a run: a digest of it, and the lines if they are wanted."""

import hashlib
from collections.abc import Callable


class Trace:
    """Notes events.

    Args:
        now: Tells the virtual time in seconds.
        lines: Whether to keep the lines.
    """

    def __init__(self, now: Callable[[], float], *, lines: bool) -> None:
        self.lines: list[str] | None = [] if lines else None
        self._now = now
        self._digest = hashlib.sha256()

    def __call__(self, *words: str) -> None:
        line = f"{self._now():9.4f} {' '.join(words)}\n"
        self._digest.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """Return a digest of everything that was noted."""
        return self._digest.hexdigest()
