"""Names that somebody may have meant by one that does not exist."""

from collections.abc import Collection
from difflib import get_close_matches


def did_you_mean(name: str, names: Collection[str], *, most: int = 3, alike: float = 0.6) -> str:
    """Return a question to be put behind an error; empty if no name is near.

    Args:
        name: What does not exist.
        names: What does.
        most: How many names at most.
        alike: How alike names must be, from 0 to 1: more, where all of them begin alike.

    >>> did_you_mean("statsu", ["status", "simulator", "reset"])
    ' Did you mean status?'
    >>> did_you_mean("weather", ["status"])
    ''
    """
    near = get_close_matches(name, sorted(names), n=most, cutoff=alike)
    return f" Did you mean {' or '.join(near)}?" if near else ""
