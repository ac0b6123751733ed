"""Faults that the lane had once, or that Faust has without it: each can be put back in, to see how soon it is found."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def back(name: str) -> Iterator[None]:
    """Put a fault back in for as long as this lasts; none if the name is empty."""
    if name:
        raise ValueError(f"there is no fault {name!r}")
    yield
