"""Schedules of faults: what a seed draws, in an order of virtual seconds, and how it reads.

seed 17, day 1
  at  2.31 s  w0 killed, back after 5.2 s
  at  4.80 s  replies lost for 1.9 s (w1, every third)
"""

import random
from dataclasses import dataclass, replace

WORKERS = 2
EXTRA = 2
"""The number of the worker that joins later."""
FIRST, LAST = 1.2, 13.0
_ANSWER_SECONDS = 10.0  # longer than clients wait for an answer


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
    "old metadata": ("connections break, and metadata lacks the changelogs", "for"),
    "no metadata": ("connections break, and metadata lacks all topics", "for"),
    "slow markers": ("ends of transactions become visible late", "for"),
    "small fetches": ("a fetch brings one batch of a partition", "for"),
    "compaction": ("changelogs are compacted", ""),
    "retention": ("what is committed is deleted", ""),
    "mongo away": ("MongoDB cannot be reached", "for"),
    "mongo slow": ("MongoDB is slow", "for"),
    "mongo stuck": ("some calls of MongoDB take long", "for"),
    "mongo lost replies": ("replies of MongoDB are lost", "for"),
}
"""How each kind reads, and what its seconds are."""

_WEIGHTS = {
    "kill": 4, "freeze": 3, "stop": 3, "join": 2, "rebalance": 3, "lost replies": 3, "compaction": 2,
    "failing writes": 2, "old metadata": 2, "mongo away": 3, "mongo stuck": 2,
}  # fmt: skip

GRACEFUL = frozenset({"rebalance", "slow markers", "small fetches", "compaction", "retention"})
"""After these nothing that a worker has applied need be read again: it can commit before it gives a partition away.

Not a worker that stops while the group forms: its commit is refused. Nor what happens to MongoDB: a batch that a sink
gives back is read again by all."""

_EVERY = 25  # of as many seeds one gives batches back again and again
_GRACEFUL_SHARE = 0.1  # of schedules, of such faults alone
_TOGETHER_SHARE = 0.4  # of faults, within the one before: a trouble seldom comes alone


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

    @property
    def graceful(self) -> bool:
        """Tell whether nothing happens after which a worker must read again what it has applied."""
        return all(fault.kind in GRACEFUL for fault in self.faults)

    def __str__(self) -> str:
        return "\n  ".join((f"seed {self.seed}, day {self.day}", *map(str, self.faults)))


def schedule_of(seed: int, days: int) -> Schedule:
    """Draw the schedule of a seed."""
    draw = random.Random(f"schedule {seed}")
    if seed % _EVERY == _EVERY - 1:
        return Schedule(seed, seed % days, _giving_back(draw))
    graceful = draw.random() < _GRACEFUL_SHARE
    kinds = [kind for kind in KINDS if kind in GRACEFUL or not graceful]
    weights = [_WEIGHTS.get(kind, 1) for kind in kinds]
    faults: list[Fault] = []
    for kind in draw.choices(kinds, weights, k=draw.randint(2, 6)):
        fault = _fault(kind, draw)
        if faults and draw.random() < _TOGETHER_SHARE:
            at = faults[-1].at + draw.uniform(0.0, max(faults[-1].seconds, 0.5))
            fault = replace(fault, at=round(min(at, LAST), 3))
        faults.append(fault)
    return Schedule(seed, seed % days, tuple(sorted(faults, key=lambda fault: (fault.at, fault.kind))))


def _giving_back(draw: random.Random) -> tuple[Fault, ...]:
    """Draw rebalances while calls of MongoDB hang: sinks give batches back, and go on with the next."""
    at = round(draw.uniform(2.0, 5.0), 3)
    stuck = Fault(at, "mongo stuck", -1, 8.0, draw.choice((0.3, 0.5)))
    times = sorted(round(draw.uniform(at + 0.5, at + 8.0), 3) for _ in range(5))
    return stuck, *(Fault(each, "rebalance") for each in times)


def _fault(kind: str, draw: random.Random) -> Fault:
    at = round(draw.uniform(FIRST, LAST), 3)
    worker = draw.randrange(WORKERS)
    short, long = round(draw.uniform(0.1, 1.5), 3), round(draw.uniform(3.0, 7.0), 3)
    either = draw.choice((short, long))
    match kind:
        case "away":
            return Fault(at, kind, -1, draw.choice((either, long + _ANSWER_SECONDS)))
        case "mongo stuck":
            return Fault(at, kind, -1, 1 + either, draw.choice((0.1, 0.3)))
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
