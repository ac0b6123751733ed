"""Continuity: offsets without holes within a generation; jumps between generations are explained."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.lane.core.batch import Batch
from agents.lane.core.continuity import Continuity


@dataclass
class _Record:
    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = field(default_factory=tuple)


def batch(first: int, last: int, partition: int = 0, end: int | None = None) -> Batch:
    records = [_Record(offset) for offset in range(first, last + 1)]
    return Batch("readings", partition, records, first, last + 1 if end is None else end)


def follow(*steps: tuple[Batch, int]) -> tuple[int, int, int]:
    continuity = Continuity()
    for each, generation in steps:
        continuity.follow(each, generation)
    return continuity.taken, continuity.repeated, continuity.missing


def test_batches_that_follow_each_other_miss_nothing() -> None:
    assert follow((batch(5, 9), 1), (batch(10, 10), 1), (batch(0, 3, partition=1), 1)) == (10, 0, 0)


def test_a_jump_ahead_within_a_generation_is_a_hole() -> None:
    assert follow((batch(0, 9), 1), (batch(15, 19), 1)) == (15, 0, 5)


def test_the_marker_of_a_transaction_is_not_a_hole() -> None:
    assert follow((batch(0, 9, end=11), 1), (batch(11, 19), 1)) == (19, 0, 0)


def test_after_a_rebalance_another_worker_may_have_gone_on() -> None:
    assert follow((batch(0, 9), 1), (batch(500, 509), 3)) == (20, 0, 0)


def test_what_was_not_committed_comes_again_after_a_rebalance() -> None:
    assert follow((batch(0, 9), 1), (batch(5, 14), 2)) == (20, 5, 0)
    assert follow((batch(0, 99), 1), (batch(5, 14), 2)) == (110, 10, 0)


def test_positions_say_what_comes_next() -> None:
    continuity = Continuity()
    continuity.follow(batch(5, 9, partition=2), 1)
    assert continuity.positions() == {2: 10}
