"""The account of each partition of a topic: a law over absolute offsets, whoever took what, and since when.

    begin ·············· reached ················ end
          └ worked through ┘ └ pending ┘

It holds if somebody reads the partition, begin <= reached <= end, and nothing was deleted before it was read.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from agents.web.queries import Json


def accounts(topic: Json, reached: Iterable[Mapping[Any, int]], lost: Iterable[Json]) -> Json:
    """Return the account of each partition that a topic has.

    Args:
        topic: Where its partitions begin and end.
        reached: Of each worker: the offset that comes next, by partition (a number, or text as JSON has it).
        lost: What was deleted before it was read, of all its partitions.

    >>> accounts({"begin": {0: 5}, "end": {0: 9}}, [{"0": 7}], [])
    {0: {'begin': 5, 'reached': 7, 'end': 9, 'pending': 2, 'lost': [], 'balanced': True}}
    >>> accounts({"begin": {0: 5}, "end": {0: 9}}, [], [])[0]["balanced"]  # nobody reads it
    False
    """
    readers = [{int(partition): offset for partition, offset in each.items()} for each in reached]
    gone = list(lost)
    return {
        partition: _account(
            begin,
            topic["end"][partition],
            max((each[partition] for each in readers if partition in each), default=None),
            [each for each in gone if each["partition"] == partition],
        )
        for partition, begin in sorted(topic["begin"].items())
    }


def _account(begin: int, end: int, reached: int | None, lost: list[Json]) -> Json:
    return {
        "begin": begin,
        "reached": reached,
        "end": end,
        "pending": max(0, end - max(begin, reached or 0)),
        "lost": lost,
        "balanced": reached is not None and begin <= reached <= end and not lost,
    }
