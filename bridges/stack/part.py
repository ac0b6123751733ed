"""One part of the running system, as ``weir up`` and its screen see it."""

from collections.abc import Callable
from dataclasses import dataclass

from bridges.stack.child_process import Program
from bridges.stack.probes import Rate

SERVERS = ("kafka", "mqtt", "mongo")
PROGRAMS = ("bridge", "worker", "analysis", "notify", "simulator")
PARTS = (*SERVERS, *PROGRAMS)
FORMER_NAMES = {"server": "worker", "sensor": "simulator"}
"""Names that parts had before, still understood where a person gives one."""


@dataclass
class Part:
    """One row of the status screen.

    Args:
        name: One of `PARTS`.
        address: ``host:port``.
        describes: What it is, and what it does not promise.
        program: The process; ``None`` for an existing system.
        why_not_ready: Asks the part; an empty text when it does its work.
        rate: Growth of its counter of messages; ``None`` if it has none.
        warns: Asks the part what an operator should know although it works; an empty text when nothing.
        may_end: It may finish its work: ending with code 0 is not a failure.
    """

    name: str
    address: str
    describes: str
    program: Program | None
    why_not_ready: Callable[[], str]
    rate: Rate | None = None
    warns: Callable[[], str] = str
    may_end: bool = False


def asks(answers: Callable[[], bool]) -> Callable[[], str]:
    """Return a `Part.why_not_ready` for what can only answer or not."""
    return lambda: "" if answers() else "does not answer"
