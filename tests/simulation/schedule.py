"""Schedules of faults: what a seed draws, in an order of virtual seconds, and how it reads.

seed 17, day 1
  at  2.31 s  w0 killed, back after 5.2 s
  at  4.80 s  replies lost for 1.9 s (w1, every third)
"""

import random
from dataclasses import dataclass

WORKERS = 2
EXTRA = 2
"""The number of the worker that joins later."""
FIRST, LAST = 1.2, 13.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Args:
        at: When it begins, in virtual seconds.
        kind: What happens; a name of `KINDS`.
        worker: Whom it happens to; -1 for all.
        seconds: How long it lasts.
        share: Which share of messages it happens to, in [0, 1].
    """

    at: float
    kind: str
    worker: int = -1
    seconds: float = 0.0
    share: float = 0.0

    def __str__(self) -> str:
        who = "" if self.worker < 0 else f"w{self.worker} "
        lasts = f", {KINDS[self.kind][1]} {self.seconds:.2f} s" if self.seconds else ""
        some = f", {self.share:.0%} of messages" if self.share else ""
        return f"at {self.at:5.2f} s  {who}{KINDS[self.kind][0]}{lasts}{some}"


KINDS = {
    "kill": ("killed", "back after"),
    "stop": ("stopped", "back after"),
    "freeze": ("frozen", "for"),
    "join": ("joins", "leaves after"),
    "rebalance": ("the group rebalances", ""),
    "lost replies": ("replies are lost", "for"),
    "lost requests": ("requests are lost", "for"),
    "slow": ("messages are slow", "for"),
    "refused": ("the broker is not leader and not coordinator", "for"),
    "failing writes": ("the broker fails to write", "for"),
    "away": ("the broker cannot be reached", "for"),
    "old metadata": ("metadata lacks the changelogs", "for"),
    "slow markers": ("ends of transactions become visible late", "for"),
    "small fetches": ("a fetch brings one batch of a partition", "for"),
    "compaction": ("changelogs are compacted", ""),
    "retention": ("what is committed is deleted", ""),
    "mongo away": ("MongoDB cannot be reached", "for"),
    "mongo slow": ("MongoDB is slow", "for"),
    "mongo lost replies": ("replies of MongoDB are lost", "for"),
}
"""How each kind reads, and what its seconds are."""

_WEIGHTS = {
    "kill": 4, "freeze": 3, "stop": 3, "join": 2, "rebalance": 3, "lost replies": 3, "compaction": 2,
    "failing writes": 2, "old metadata": 2, "mongo away": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a seed draws.

    Args:
        seed: The seed.
        day: Which readings are fed.
        faults: The faults, by time.
    """

    seed: int
    day: int
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return "\n  ".join((f"seed {self.seed}, day {self.day}", *map(str, self.faults)))


def schedule_of(seed: int, days: int) -> Schedule:
    """Draw the schedule of a seed."""
    draw = random.Random(f"schedule {seed}")
    weights = [_WEIGHTS.get(kind, 1) for kind in KINDS]
    kinds = draw.choices(list(KINDS), weights, k=draw.randint(2, 6))
    faults = sorted((_fault(kind, draw) for kind in kinds), key=lambda fault: (fault.at, fault.kind))
    return Schedule(seed, seed % days, tuple(faults))


def _fault(kind: str, draw: random.Random) -> Fault:
    at = round(draw.uniform(FIRST, LAST), 3)
    worker = draw.randrange(WORKERS)
    short, long = round(draw.uniform(0.1, 1.5), 3), round(draw.uniform(3.0, 7.0), 3)
    either = draw.choice((short, long))
    match kind:
        case "kill" | "stop" | "freeze":
            return Fault(at, kind, worker, either)
        case "join":
            return Fault(at, kind, EXTRA, long)
        case "rebalance" | "compaction" | "retention":
            return Fault(at, kind)
        case "failing writes":
            return Fault(at, kind, worker, 0.5 + short, draw.choice((0.1, 0.3)))
        case "lost replies" | "lost requests" | "mongo lost replies" | "refused":
            everybody = kind.startswith("mongo") or draw.random() < 0.5
            return Fault(at, kind, -1 if everybody else worker, 1 + short, draw.choice((0.1, 0.3, 0.7)))
        case "slow":
            return Fault(at, kind, draw.choice((-1, worker)), 1 + short, draw.choice((0.1, 0.5)))
        case _:
            return Fault(at, kind, -1, either)
